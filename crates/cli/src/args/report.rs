//! The arguments of `report` and `doctor`.

use std::path::PathBuf;

use clap::Args;

use super::{DeviceChoice, JsonArgs};

#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// The folder of a run or a grid, or the folders of several runs, which are compared
    #[arg(value_name = "FOLDER", required = true)]
    pub(crate) folders: Vec<PathBuf>,
    /// Where the report goes [default: FOLDER/report, or `comparison` in this folder for several]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The date to write into the report; without one, equal records make equal reports
    #[arg(long, value_name = "TEXT")]
    pub(crate) date: Option<String>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DoctorArgs {
    /// The folder of a run or a grid to examine; without one, this machine is described
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<PathBuf>,
    /// List the GPUs of this machine, and compare every kernel of gpu or gpu:N with the CPU
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["run", "json"])]
    pub(crate) device: Option<DeviceChoice>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}
