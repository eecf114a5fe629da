//! Fault points with the feature `faults`: they are counted, and the planned one fails.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// What happens at which fault point. The first point is 1; the points of all threads are counted
/// together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Appends the name of every point to this file, one per line.
    Trace(PathBuf),
    /// Ends the process at this point as SIGKILL does: nothing is unwound, flushed or removed.
    Kill(u64),
    /// Makes this point fail, and no later one.
    Fail(u64, Failure),
    /// Makes this point and all later ones fail, as on a full disk.
    FailFrom(u64, Failure),
}

/// The error that the operating system would return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// ENOSPC: no space left on device.
    StorageFull,
    /// EIO: input/output error.
    InputOutput,
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Self::StorageFull => io::ErrorKind::StorageFull.into(),
            Self::InputOutput => io::Error::other("input/output error"),
        }
    }
}

impl FromStr for Plan {
    type Err = String;

    /// Parses `trace@PATH`, `kill@17`, `fail@17:ENOSPC`, `fail@17:EIO` or `fail-from@17:ENOSPC`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a fault is `kill@N`, `fail@N:ENOSPC` and the like, found `{text}`");
        let (kind, rest) = text.split_once('@').ok_or_else(wrong)?;
        if kind == "trace" {
            return Ok(Self::Trace(rest.into()));
        }
        let (at, failure) = rest.split_once(':').unwrap_or((rest, ""));
        let at = at.parse().map_err(|_| wrong())?;
        let failure = match failure {
            "ENOSPC" => Some(Failure::StorageFull),
            "EIO" => Some(Failure::InputOutput),
            _ => None,
        };
        match (kind, failure) {
            ("kill", None) => Ok(Self::Kill(at)),
            ("fail", Some(failure)) => Ok(Self::Fail(at, failure)),
            ("fail-from", Some(failure)) => Ok(Self::FailFrom(at, failure)),
            _ => Err(wrong()),
        }
    }
}

static PLAN: OnceLock<Plan> = OnceLock::new();
static PASSED: AtomicU64 = AtomicU64::new(0);

/// Sets the plan of this process. It must be set before the process writes anything; later calls
/// have no effect.
pub fn plan(plan: Plan) {
    PLAN.get_or_init(|| plan);
}

/// What happens at one point.
enum Fault {
    Kill,
    /// The point fails. `again` means that an earlier point has failed too.
    Fail {
        failure: Failure,
        again: bool,
    },
}

impl Fault {
    fn strike(self) -> io::Error {
        match self {
            Self::Kill => process::abort(),
            Self::Fail { failure, .. } => failure.error(),
        }
    }
}

fn next(what: &'static str, path: &Path) -> Option<Fault> {
    let plan = PLAN.get()?;
    let now = 1 + PASSED.fetch_add(1, Ordering::Relaxed);
    let fail = |failure, again| Some(Fault::Fail { failure, again });
    match *plan {
        Plan::Trace(ref to) => {
            // The test that reads the trace notices when it is incomplete.
            let _ = trace(to, what, path);
            None
        }
        Plan::Kill(at) => (now == at).then_some(Fault::Kill),
        Plan::Fail(at, failure) if now == at => fail(failure, false),
        Plan::FailFrom(at, failure) if now >= at => fail(failure, now > at),
        Plan::Fail(..) | Plan::FailFrom(..) => None,
    }
}

fn trace(to: &Path, what: &str, path: &Path) -> io::Result<()> {
    let line = format!("{what} {}\n", path.display());
    let mut file = OpenOptions::new().append(true).create(true).open(to)?;
    file.write_all(line.as_bytes())
}

/// Passes the fault point before the operation `what` on `path`. Returns the planned error, if any.
pub(crate) fn point(what: &'static str, path: &Path) -> io::Result<()> {
    next(what, path).map_or(Ok(()), |fault| Err(fault.strike()))
}

/// Returns a writer to `file`, whose path is `path` now or after a rename. A write that fails, or
/// during which the process is killed, writes half of its bytes.
pub(crate) fn writer<'a>(
    what: &'static str,
    path: &'a Path,
    file: &'a mut File,
) -> impl Write + Seek {
    Writer { what, path, file }
}

struct Writer<'a> {
    what: &'static str,
    path: &'a Path,
    file: &'a mut File,
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(fault) = next(self.what, self.path) else {
            return self.file.write(bytes);
        };
        if !matches!(fault, Fault::Fail { again: true, .. }) {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
        }
        Err(fault.strike())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Writer<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_and_others_refused() {
        for (text, plan) in [
            ("trace@a@b", Plan::Trace("a@b".into())),
            ("kill@17", Plan::Kill(17)),
            ("fail@1:ENOSPC", Plan::Fail(1, Failure::StorageFull)),
            ("fail@2:EIO", Plan::Fail(2, Failure::InputOutput)),
            ("fail-from@3:EIO", Plan::FailFrom(3, Failure::InputOutput)),
        ] {
            assert_eq!(text.parse(), Ok(plan), "{text}");
        }
        for text in ["", "kill", "kill@", "kill@-1", "fail@1", "fail@1:E", "x@1"] {
            assert!(text.parse::<Plan>().is_err(), "{text}");
        }
    }
}
