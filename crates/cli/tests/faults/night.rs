//! A short stress test: runs and grids that are interrupted at random moments, and continue.
//!
//! Half of the trainings save every [`INTERVAL`] steps, so that there is a checkpoint to continue
//! from within seconds. All others have the default, a checkpoint a minute, and are shorter than
//! that: they lose the time since they, or the run of the grid, started.

use std::{
    fs,
    io::Read,
    process::Child,
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use crate::{
    check,
    lab::{Lab, Ran, TINY},
    outside::send,
};

const KILLS: usize = 100;
const SEED: u64 = 11;

/// The steps between the checkpoints of a training that saves by steps.
const INTERVAL: u64 = 400;

/// The work that is interrupted.
struct Work {
    name: &'static str,
    line: String,
    whole: Lab,
    seconds: f64,
    points: u64,
    /// The steps between checkpoints, if the work saves by steps.
    interval: Option<u64>,
}

impl Work {
    fn new(name: &'static str, line: String, interval: Option<u64>) -> Self {
        let whole = Lab::new();
        let points = whole.trace(&line).len() as u64;
        let again = Lab::new();
        let begun = Instant::now();
        again.ok(&line);
        Self {
            name,
            line,
            whole,
            seconds: begun.elapsed().as_secs_f64(),
            points,
            interval,
        }
    }

    fn all() -> [Self; 4] {
        let train = format!(
            "train {TINY} --steps 3000 --log-interval 100 --sample-interval 500 --max-tokens 5 --out run"
        );
        let counted = format!("{train} --checkpoint-interval {INTERVAL}");
        let ablate =
            format!("ablate {TINY} --steps 1000 --switches no-mlp --seeds 1 --jobs 1 --out grid");
        let sweep = format!("sweep {TINY} --steps 8 --sizes tiny --jobs 1 --out grid");
        [
            Self::new("train, by steps", counted, Some(INTERVAL)),
            Self::new("train, default", train, None),
            Self::new("ablate, default", ablate, None),
            Self::new("sweep, default", sweep, None),
        ]
    }

    fn again(&self, lab: &Lab) -> String {
        if lab.has("run/experiment.json") {
            "train --resume run".to_owned()
        } else {
            self.line.clone()
        }
    }
}

/// The way in which the work is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Signal(&'static str),
    FullDisk,
    /// The reader is lost, which ends nothing: the work continues to its end.
    LostReader,
}

const ENDS: [End; 6] = [
    End::Signal("-KILL"),
    End::Signal("-TERM"),
    End::Signal("-HUP"),
    End::Signal("-INT"),
    End::FullDisk,
    End::LostReader,
];

impl End {
    fn name(self) -> String {
        match self {
            Self::Signal(name) => format!("SIG{}", &name[1..]),
            Self::FullDisk => "full disk".to_owned(),
            Self::LostReader => "lost reader".to_owned(),
        }
    }

    /// Returns its exit code.
    fn code(self) -> Option<i32> {
        match self {
            Self::Signal("-KILL") => None,
            Self::Signal(_) => Some(130),
            Self::FullDisk => Some(1),
            Self::LostReader => Some(0),
        }
    }
}

/// Sebastiano Vigna's splitmix64, <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Draws a number from 0 to below 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The end of one interruption.
struct Ended {
    ran: Ran,
    begun: SystemTime,
    at: SystemTime,
}

fn end(lab: &Lab, work: &Work, end: End, part: f64) -> Ended {
    let mut command = lab.command(&work.line);
    if end == End::FullDisk {
        let at = 1 + (part * work.points as f64) as u64;
        command.env("GPTLAB_FAULT", format!("fail-from@{at}:ENOSPC"));
    }
    let begun = SystemTime::now();
    let mut child = command.spawn().expect("a start");
    let mut at = None;
    match end {
        End::FullDisk => {}
        End::Signal(signal) => {
            wait(&mut child, part * work.seconds);
            at = Some(SystemTime::now());
            send(&child, signal);
        }
        End::LostReader => {
            wait(&mut child, part * work.seconds);
            drop(child.stdout.take());
        }
    }
    let ran = Ran::of(child.wait_with_output().expect("an end"));
    let at = at.unwrap_or_else(SystemTime::now);
    Ended { ran, begun, at }
}

/// Waits until the program prints, since it handles signals by then, and then for some seconds.
fn wait(child: &mut Child, seconds: f64) {
    let mut first = [0; 1];
    let _ = child.stderr.as_mut().expect("a pipe").read(&mut first);
    thread::sleep(Duration::from_secs_f64(seconds));
}

/// Returns the seconds of training that are lost: those since the last checkpoint or finished run,
/// or since the start.
fn lost(lab: &Lab, ended: &Ended) -> f64 {
    let saves = |name: &String| name.ends_with(".safetensors") || name.ends_with("outcome.json");
    let names = lab.files().into_iter().map(|(name, _)| name).filter(saves);
    let times = names.map(|name| {
        fs::metadata(lab.path(&name))
            .and_then(|m| m.modified())
            .expect("a time")
    });
    let saved = times.max().unwrap_or(ended.begun);
    ended
        .at
        .duration_since(saved)
        .map_or(0.0, |lost| lost.as_secs_f64())
}

/// Checks that no recorded step is further from a checkpoint than the interval.
fn is_saved(lab: &Lab, interval: u64, after: &str) {
    let Ok(text) = fs::read_to_string(lab.path("run/events.jsonl")) else {
        return;
    };
    let steps = |kind: &str| {
        let events = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let steps = events
            .filter(|e| e["event"] == kind)
            .filter_map(|e| e["step"].as_u64());
        steps.max().unwrap_or(0)
    };
    let (made, saved) = (steps("step"), steps("checkpoint"));
    assert!(
        made <= saved + interval,
        "{after}: {made} steps made, {saved} saved"
    );
}

#[test]
#[ignore = "minutes long; CONTRIBUTING.md names the command"]
fn a_night() {
    let works = Work::all();
    for work in &works {
        println!("{:.1} s  gptlab {}", work.seconds, work.line);
    }
    println!("the seed of the moments is {SEED}");
    println!("  n  work             ended by     exit  lost (s)  resumed equal");
    let (mut random, mut most) = (Random(SEED), 0.0_f64);
    for n in 1..=KILLS {
        let work = &works[random.next() as usize % works.len()];
        let end = ENDS[random.next() as usize % ENDS.len()];
        most = most.max(one(n, work, end, random.part()));
    }
    println!("{KILLS} of {KILLS} equal in bits and record; at most {most:.2} s of work were lost");
}

/// Interrupts `work`, continues it, and prints a line; returns the seconds that were lost.
fn one(n: usize, work: &Work, by: End, mut part: f64) -> f64 {
    let mut lab = Lab::new();
    let mut ended = end(&lab, work, by, part);
    // Work that had already finished is started again, and interrupted earlier.
    while by != End::LostReader && ended.ran.code == Some(0) {
        assert!(
            part > 1e-9,
            "{by:?} ends nothing: whoever runs the tests ignores it (`nohup`, a background job)"
        );
        part /= 2.0;
        lab = Lab::new();
        ended = end(&lab, work, by, part);
    }
    let after = format!("{n}: {} by {by:?} at {part:.3}", work.name);
    let code = ended.ran.code;
    assert!(code == by.code(), "{after}: {code:?} {}", ended.ran.err);
    check::all_is_whole(&lab, &after);
    if let Some(interval) = work.interval {
        is_saved(&lab, interval, &after);
    }
    let lost = if code == Some(0) {
        0.0
    } else {
        lost(&lab, &ended)
    };
    // The default is a checkpoint a minute.
    assert!(lost < 60.0, "{after}: {lost} s");
    lab.ok(&work.again(&lab));
    check::same_end(&lab, &work.whole, &after);
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    println!(
        "{n:3}  {:15}  {:11}  {code:>4}  {lost:8.3}  yes",
        work.name,
        by.name()
    );
    lost
}
