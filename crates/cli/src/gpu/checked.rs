//! The self-check of a GPU's kernels: at the first use of a driver by this program, and whenever a
//! user asks for it. Its result is kept in the user's cache folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use gptlab_data::Fingerprint;
use gptlab_engine::{Device, ImportError};
use gptlab_gpu::{AdapterDescription, GpuBackend, SelfCheck, self_check};
use gptlab_record::{atomic, disk};
use serde::{Deserialize, Serialize};

use crate::{
    exit::{CommandResult, Stop},
    printer::Printer,
};

/// The result of a self-check, as the cache holds it and as users send it to us.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Checked {
    adapter: String,
    interface: String,
    driver: String,
    program: String,
    system: String,
    /// What the matrix units multiply that products run on; `none` if they run on none.
    matrix_units: String,
    /// Why the matrix units of the adapter are not used, if it has some.
    refused_units: Option<String>,
    /// The kernels that compute wrong numbers.
    wrong: Vec<String>,
    /// A line for each group of kernels: its comparisons and its largest error.
    pub(super) lines: Vec<String>,
}

impl Checked {
    /// Compares every kernel of `backend` with the CPU, and keeps the result. Matrix units that
    /// compute wrong numbers are left out, and the kernels that replace them are compared.
    pub(super) fn now(backend: &GpuBackend, printer: Printer) -> CommandResult<Self> {
        let checked = Self::compare(backend).map_err(Stop::failure)?;
        if let Some(path) = path(backend.adapter())
            && let Err(error) = checked.keep(&path)
        {
            printer.warn(format_args!(
                "the check of the GPU runs again next time: {error}"
            ));
        }
        Ok(checked)
    }

    fn compare(backend: &GpuBackend) -> Result<Self, ImportError> {
        let witness = Device::cpu(1);
        let refused = match self_check(backend, &*witness.backend) {
            Ok(report) => match report.broken() {
                Some(check) if backend.has_matrix_units() => {
                    format!("they compute wrong numbers in {}", check.kernels)
                }
                Some(_) | None => return Ok(Self::of(backend, &report, None)),
            },
            Err(error) if backend.has_matrix_units() => error.to_string(),
            Err(error) => return Err(error),
        };
        let plain = backend.clone().without_matrix_units();
        let report = self_check(&plain, &*witness.backend)?;
        let refused = format!("{}: {refused}", backend.matrix_units());
        Ok(Self::of(&plain, &report, Some(refused)))
    }

    fn of(backend: &GpuBackend, report: &SelfCheck, refused_units: Option<String>) -> Self {
        let adapter = backend.adapter();
        Self {
            adapter: adapter.name.clone(),
            interface: adapter.interface.clone(),
            driver: adapter.driver.clone(),
            program: program(),
            system: format!("{} {}", env::consts::OS, env::consts::ARCH),
            matrix_units: backend.matrix_units(),
            refused_units,
            wrong: Vec::from_iter(report.broken().map(|check| check.kernels.to_owned())),
            lines: report.to_string().lines().map(str::to_owned).collect(),
        }
    }

    /// Returns a sentence about the matrix units.
    pub(super) fn units(&self) -> String {
        match &self.refused_units {
            Some(refused) => format!("matrix units are not used ({refused})"),
            None => format!("matrix units: {}", self.matrix_units),
        }
    }

    /// Returns `backend` as it passed the check.
    pub(super) fn without_refused_units(&self, backend: GpuBackend) -> GpuBackend {
        if self.refused_units.is_some() {
            backend.without_matrix_units()
        } else {
            backend
        }
    }

    /// Returns the result that was kept for this driver and this program.
    fn kept(adapter: &AdapterDescription) -> Option<Self> {
        let text = fs::read(path(adapter)?).ok()?;
        // A damaged file is no result: the check runs again and replaces it.
        let kept: Self = serde_json::from_slice(&text).ok()?;
        let found = [&kept.adapter, &kept.interface, &kept.driver, &kept.program];
        let expected = [
            &adapter.name,
            &adapter.interface,
            &adapter.driver,
            &program(),
        ];
        (found == expected).then_some(kept)
    }

    fn keep(&self, path: &Path) -> Result<(), String> {
        let folder = path.parent().ok_or("there is no cache folder")?;
        disk::make_folders(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let text = serde_json::to_vec_pretty(self).map_err(|e| e.to_string())?;
        atomic::write_bytes(path, &text).map_err(|e| e.to_string())
    }

    /// Returns the refusal of a GPU that computes wrong numbers.
    pub(super) fn refusal(&self, adapter: &AdapterDescription) -> Option<Stop> {
        let wrong = self.wrong.first()?;
        let Self { driver, .. } = self;
        let stop = Stop::failure(format_args!(
            "{} with the driver {driver} computes wrong numbers in the kernels {wrong}; nothing was run on it",
            adapter.name
        ));
        Some(match path(adapter) {
            Some(path) => stop.hint(format!(
                "use the CPU or another driver, and send us {}; `gptlab doctor --device gpu` checks again",
                path.display()
            )),
            None => stop.hint("use the CPU or another driver, and send us what `gptlab doctor --device gpu` prints"),
        })
    }
}

/// Checks the kernels of `backend`, unless this program has done so with the same driver. Returns
/// the backend with what passed.
///
/// # Errors
/// Returns an error if a kernel computes wrong numbers.
pub(super) fn require(backend: GpuBackend, printer: Printer) -> CommandResult<GpuBackend> {
    let adapter = backend.adapter();
    let checked = if let Some(kept) = Checked::kept(adapter) {
        kept
    } else {
        printer.say(format_args!(
            "the kernels of {} are not checked with this driver yet: comparing them with the CPU",
            adapter.name
        ));
        let checked = Checked::now(&backend, printer)?;
        if checked.refused_units.is_some() {
            printer.warn(checked.units());
        }
        checked
    };
    match checked.refusal(adapter) {
        Some(stop) => Err(stop),
        None => Ok(checked.without_refused_units(backend)),
    }
}

/// Returns the file of the result for this driver and this program; `None` if the system names no
/// cache folder.
fn path(adapter: &AdapterDescription) -> Option<PathBuf> {
    let AdapterDescription {
        name,
        interface,
        driver,
        ..
    } = adapter;
    let program = program();
    let key = [name, interface, driver, &program].map(String::as_str);
    let key = Fingerprint::of(key.join("\n").as_bytes()).short();
    let folder = dirs::cache_dir()?.join("gptlab");
    Some(folder.join(format!("gpu-{key}.json")))
}

/// Returns what identifies this build: another build has other kernels.
fn program() -> String {
    let file = env::current_exe().and_then(fs::metadata);
    let built = file.and_then(|file| Ok((file.len(), file.modified()?)));
    let built = built.map(|(bytes, time)| {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_secs());
        format!("{bytes} bytes of {seconds}")
    });
    let built = built.unwrap_or_else(|_| "unknown".to_owned());
    format!("gptlab {}, {built}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products that are wrong on matrix units run without them, and a kernel that is wrong in any
    /// case refuses the device.
    #[test]
    fn wrong_matrix_units_are_left_out() {
        let change = ["group.x * TILE;", "group.x * TILE + 1u;"];
        let broken = |kernel| GpuBackend::with_changed_kernel(None, kernel, change).ok();
        let Some(backend) = broken("cooperative_product_forward") else {
            return;
        };
        let checked = Checked::compare(&backend).expect("it still computes");
        if backend.has_matrix_units() {
            let units = checked.units();
            assert!(
                units.contains("wrong numbers in product_forward"),
                "{units}"
            );
        }
        assert!(checked.refusal(backend.adapter()).is_none());
        assert!(!checked.without_refused_units(backend).has_matrix_units());
        let Some(backend) = broken("product_forward") else {
            return;
        };
        let checked = Checked::compare(&backend.without_matrix_units()).expect("it computes");
        assert_eq!(checked.refused_units, None);
        assert_eq!(checked.wrong, ["product_forward"]);
    }
}
