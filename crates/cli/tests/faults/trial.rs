//! A command line that is ended at every point that it passes, and then continued.

use crate::{
    check,
    lab::{Lab, Ran},
    points::{Choice, Passed, all, appended, chosen, in_place},
};

/// A command line under test.
pub(crate) struct Trial<'a> {
    /// The folder before it.
    pub(crate) before: &'a Lab,
    /// The command line that is ended.
    pub(crate) line: &'a str,
    /// Returns the command line that continues it, given what it left.
    pub(crate) again: &'a dyn Fn(&Lab) -> String,
    /// The files that can differ from those of an uninterrupted run.
    pub(crate) ignored: fn(&str) -> bool,
    /// An additional check, right after the end and after continuing.
    pub(crate) kept: &'a dyn Fn(&Lab, &str),
    /// The file whose events are counted, if it is new.
    pub(crate) events: Option<&'a str>,
    /// Whether a single thread passes all points, so that their order is always the same.
    pub(crate) ordered: bool,
    pub(crate) choice: Choice,
}

/// The way in which a command line is ended at a point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Killed,
    /// One call fails as on a full disk.
    FailsFull,
    /// One call fails as on a broken disk.
    FailsBroken,
    /// All calls from this one on fail as on a full disk.
    Full,
}

impl End {
    /// All ends except [`End::Killed`].
    pub(crate) const FAILURES: [Self; 3] = [Self::FailsFull, Self::FailsBroken, Self::Full];

    fn plan(self, at: usize) -> String {
        match self {
            Self::Killed => format!("kill@{at}"),
            Self::FailsFull => format!("fail@{at}:ENOSPC"),
            Self::FailsBroken => format!("fail@{at}:EIO"),
            Self::Full => format!("fail-from@{at}:ENOSPC"),
        }
    }

    /// Checks that `ran` ended as expected: a failing disk is reported, with exit code 1.
    fn check(self, ran: &Ran, after: &str) {
        let reason = match self {
            Self::Killed => return assert_eq!(ran.code, killed(), "{after}: {}", ran.err),
            Self::FailsFull | Self::Full => "the disk is full",
            Self::FailsBroken => "input/output error",
        };
        assert_eq!(ran.code, Some(1), "{after}: {}", ran.err);
        let reports = |line: &str| line.starts_with("error: cannot ") && line.contains(reason);
        assert!(ran.err.lines().any(reports), "{after}: {}", ran.err);
    }
}

/// Returns the exit code of a process that aborts: `None` on Unix, where a signal ends it.
fn killed() -> Option<i32> {
    if cfg!(unix) {
        None
    } else {
        Some(0xC000_0409_u32.cast_signed())
    }
}

impl Trial<'_> {
    /// Kills at every chosen point, and at each also tests one of `ends` in turn, or all of them if
    /// all points are chosen.
    pub(crate) fn at_all_points(&self, ends: &[End]) {
        let whole = self.before.copied();
        let points = whole.trace(self.line);
        for (n, at) in chosen(&points, self.choice).into_iter().enumerate() {
            self.at_point(&whole, &points, at, End::Killed);
            let turn = n % ends.len();
            for (_, end) in ends.iter().enumerate().filter(|(e, _)| all() || *e == turn) {
                self.at_point(&whole, &points, at, *end);
            }
        }
    }

    fn at_point(&self, whole: &Lab, points: &[Passed], at: usize, end: End) {
        let after = format!("{}\n{end:?} at {at}: {:?}", self.line, points[at - 1]);
        let lab = self.before.copied();
        end.check(&lab.faulty(self.line, &end.plan(at)), &after);
        check::all_is_whole(&lab, &after);
        if self.ordered {
            self.is_in_place(&lab, points, at, &after);
        }
        (self.kept)(&lab, &after);
        self.goes_on(&lab, whole, &after);
    }

    /// Checks that the files put into place before the end are still there.
    fn is_in_place(&self, lab: &Lab, points: &[Passed], at: usize, after: &str) {
        for path in in_place(points, at) {
            assert!(lab.has(path), "{after}: {path} was in place");
        }
        if let Some(path) = self.events.filter(|path| lab.has(path)) {
            let lines = String::from_utf8_lossy(&lab.read(path))
                .matches('\n')
                .count();
            let before = appended(points, at, path);
            assert!(lines >= before, "{after}: {lines} events of {before}");
        }
    }

    /// Checks that continuing leads to the result of `whole`, and leaves no temporary files.
    fn goes_on(&self, lab: &Lab, whole: &Lab, after: &str) {
        let again = (self.again)(lab);
        let ran = lab.run(&again);
        assert_eq!(ran.code, Some(0), "{after}\n{again}\n{}", ran.err);
        check::all_is_whole(lab, after);
        check::same_files(lab, whole, self.ignored, after);
        (self.kept)(lab, after);
    }
}
