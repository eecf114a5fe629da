//! A description of the machine, the program and the day of a measurement. `ARCH` and `OS` are
//! constants of the build.

use std::{
    env::consts::{ARCH, OS},
    process::Command,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use gptlab_kernels::Isa;
use gptlab_report::words::{Date, date};
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The machine, the program and the day of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineDescription {
    /// The day in UTC, as `2026-11-21`.
    pub date: String,
    /// The program's version.
    pub version: String,
    /// The commit of the current folder, as `git describe` prints it; `None` outside a checkout.
    pub checkout: Option<String>,
    /// Whether the program was compiled with optimisations.
    pub optimised: bool,
    /// The operating system and the processor's architecture, as `linux x86_64`.
    pub system: String,
    /// The processor's name, as it reports it; empty when it is unknown.
    pub processor: String,
    /// The number of cores that this process may use.
    pub cores: usize,
    /// The number of threads that were used.
    pub threads: usize,
    /// The vector instructions that were used.
    pub isa: String,
    /// The machine's memory, in bytes; `None` when the system does not report it.
    pub memory_bytes: Option<u64>,
}

impl MachineDescription {
    /// Describes this machine and this program, measured with `threads` threads of `isa`.
    pub fn describe(isa: Isa, threads: usize) -> Self {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(what).ok();
        let cpus = system.as_ref().map_or(&[][..], System::cpus);
        let brand = cpus.first().map(|cpu| cpu.brand().trim());
        Self {
            date: today(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            checkout: checkout(),
            optimised: !cfg!(debug_assertions),
            system: format!("{OS} {ARCH}"),
            processor: brand.unwrap_or_default().to_owned(),
            cores: cores(),
            threads,
            isa: isa.name().to_owned(),
            memory_bytes: system.as_ref().map(System::total_memory),
        }
    }
}

/// The capabilities of this machine and this program: the result of `doctor --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// The program's version.
    pub version: &'static str,
    /// The operating system and the processor's architecture, as `linux x86_64`.
    pub system: String,
    /// The number of cores that this process may use.
    pub cores: usize,
    /// The vector instructions that the kernels support and the processor has, from the worst to
    /// the best.
    pub simd: Vec<&'static str>,
    /// The machine's memory, in bytes; `None` when the system does not report it.
    pub memory_bytes: Option<u64>,
    /// The available memory, in bytes; `None` when the system does not report it.
    pub memory_free_bytes: Option<u64>,
    /// The names of the engines.
    pub engines: Vec<&'static str>,
    /// Whether the program was compiled with optimisations.
    pub optimised: bool,
}

impl Capabilities {
    /// Describes this machine and this program, whose engines are `engines`.
    pub fn describe(engines: &[&'static str]) -> Self {
        let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(memory).ok();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            system: format!("{OS} {ARCH}"),
            cores: cores(),
            simd: Isa::available().map(Isa::name).collect(),
            memory_bytes: system.as_ref().map(System::total_memory),
            memory_free_bytes: system.as_ref().map(System::available_memory),
            engines: engines.to_vec(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

/// Returns the number of cores that this process may use.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let Date { year, month, day } = date(since.map_or(0, |s| s.as_secs() / 86_400));
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
