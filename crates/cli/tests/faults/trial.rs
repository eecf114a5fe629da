//! One command line, ended at every point that it passes, and gone on with.

use crate::{
    check,
    lab::{Lab, Ran},
    points::{Choice, Passed, all, appended, chosen, in_place},
};

/// What is tried.
pub(crate) struct Trial<'a> {
    /// What is there before.
    pub(crate) before: &'a Lab,
    /// What is ended.
    pub(crate) line: &'a str,
    /// What goes on with it, given what was left.
    pub(crate) again: &'a dyn Fn(&Lab) -> String,
    /// Files that need not be as those of a run that was not ended.
    pub(crate) ignored: fn(&str) -> bool,
    /// What else has to be true right after the end, and after going on.
    pub(crate) kept: &'a dyn Fn(&Lab, &str),
    /// The events of this file are counted, where it is new.
    pub(crate) events: Option<&'a str>,
    /// Whether one thread passes all points, so that they come in the same order each time.
    pub(crate) ordered: bool,
    pub(crate) choice: Choice,
}

/// How a command line is ended at a point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Killed,
    /// One call fails, of a disk that is full.
    FailsFull,
    /// One call fails, of a disk that is broken.
    FailsBroken,
    /// The disk is full from then on.
    Full,
}

impl End {
    /// All but [`End::Killed`].
    pub(crate) const FAILURES: [Self; 3] = [Self::FailsFull, Self::FailsBroken, Self::Full];

    fn plan(self, at: usize) -> String {
        match self {
            Self::Killed => format!("kill@{at}"),
            Self::FailsFull => format!("fail@{at}:ENOSPC"),
            Self::FailsBroken => format!("fail@{at}:EIO"),
            Self::Full => format!("fail-from@{at}:ENOSPC"),
        }
    }

    /// Panics unless `ran` ended as this one ends: a disk that fails is told of, with exit code 1.
    fn check(self, ran: &Ran, after: &str) {
        let reason = match self {
            Self::Killed => return assert_eq!(ran.code, killed(), "{after}: {}", ran.err),
            Self::FailsFull | Self::Full => "the disk is full",
            Self::FailsBroken => "input/output error",
        };
        assert_eq!(ran.code, Some(1), "{after}: {}", ran.err);
        let says = |line: &str| line.starts_with("error: cannot ") && line.contains(reason);
        assert!(ran.err.lines().any(says), "{after}: {}", ran.err);
    }
}

/// The exit code of a process that aborts: on Unix a signal ends it.
fn killed() -> Option<i32> {
    if cfg!(unix) {
        None
    } else {
        Some(0xC000_0409_u32.cast_signed())
    }
}

impl Trial<'_> {
    /// Kills at every chosen point, and tries one of `ends` there, in turn; or all, where all
    /// points are chosen.
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

    /// What had been put into place before the end is there.
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

    /// Going on comes to what `whole` came to, and leaves no litter.
    fn goes_on(&self, lab: &Lab, whole: &Lab, after: &str) {
        let again = (self.again)(lab);
        let ran = lab.run(&again);
        assert_eq!(ran.code, Some(0), "{after}\n{again}\n{}", ran.err);
        check::all_is_whole(lab, after);
        check::same_files(lab, whole, self.ignored, after);
        (self.kept)(lab, after);
    }
}
