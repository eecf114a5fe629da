//! Where and when it was measured, and with what.

use std::{
    env::consts::{ARCH, OS},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use gptlab_kernels::Isa;
use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::{commands::train::folder, engines};

#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    /// The day, UTC.
    pub(super) date: String,
    pub(super) version: &'static str,
    /// The current folder's commit, as `git describe` says it, where it is a checkout.
    pub(super) checkout: Option<String>,
    /// Whether the program was compiled to run fast.
    pub(super) optimised: bool,
    pub(super) system: String,
    pub(super) processor: String,
    /// Cores this process may use.
    pub(super) cores: usize,
    pub(super) threads: usize,
    pub(super) isa: &'static str,
    pub(super) memory_bytes: Option<u64>,
}

impl Machine {
    pub(super) fn describe(isa: Isa, threads: usize) -> Self {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(what).ok();
        let cpus = system.as_ref().map_or(&[][..], System::cpus);
        let brand = cpus.first().map(|cpu| cpu.brand().trim());
        Self {
            date: today(),
            version: env!("CARGO_PKG_VERSION"),
            checkout: checkout(),
            optimised: !cfg!(debug_assertions),
            system: format!("{OS} {ARCH}"),
            processor: brand.unwrap_or_default().to_owned(),
            cores: engines::cores(),
            threads,
            isa: isa.name(),
            memory_bytes: system.as_ref().map(System::total_memory),
        }
    }
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let (year, month, day) = folder::date(since.map_or(0, |s| s.as_secs() / 86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

fn checkout() -> Option<String> {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output()
        .ok()
        .filter(|git| git.status.success())?;
    Some(String::from_utf8(git.stdout).ok()?.trim().to_owned())
}
