//! Where and when it was measured, and with what. `ARCH` and `OS` are constants of the build.

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

/// The machine that measured, the day and the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineDescription {
    /// The day, UTC.
    pub date: String,
    /// The program's.
    pub version: String,
    /// The current folder's commit, as `git describe` says it, where it is a checkout.
    pub checkout: Option<String>,
    /// Whether the program was compiled to run fast.
    pub optimised: bool,
    /// The operating system and the processor's architecture.
    pub system: String,
    /// The processor's name, as it calls itself.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
    pub threads: usize,
    /// The vector instructions that were used.
    pub isa: String,
    pub memory_bytes: Option<u64>,
}

impl MachineDescription {
    /// Describes this machine and this program. Without a name of the processor, it is empty.
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

/// What this machine and this program offer: what `doctor --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// The program's.
    pub version: &'static str,
    /// The operating system and the processor's architecture.
    pub system: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Vector instructions that kernels are compiled for and the processor has, the best one last.
    pub simd: Vec<&'static str>,
    /// `None` where the system does not tell.
    pub memory_bytes: Option<u64>,
    /// What is available of it; `None` where the system does not tell.
    pub memory_free_bytes: Option<u64>,
    /// The names of the engines.
    pub engines: Vec<&'static str>,
    /// Whether the program was compiled to run fast.
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

/// The cores this process may use.
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
