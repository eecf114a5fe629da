//! Signals and lost readers, which end a program from outside. No training is lost.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{Lab, Ran, TINY};

/// A run that is long enough to be interrupted.
fn long() -> String {
    format!(
        "--data data.txt {TINY} --steps 400000 --log-interval 1 --val-tokens 1 --sample-interval 0"
    )
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
}

/// A run that has started, and its folder.
fn begun(lab: &Lab, out: &str) -> Child {
    let line = format!("train {} --out {out}", long());
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut child = lab
        .command(&words)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a start");
    let mut first = [0; 4];
    let stdout = child.stdout.as_mut().expect("a pipe");
    stdout.read_exact(&mut first).expect("a beginning");
    child
}

impl Lab {
    /// Runs the grid of `line` to its end, and again with a Ctrl-C after the first of its 4 runs,
    /// and then continues that. Fails unless both have the same results. Returns the lines of
    /// standard error after the Ctrl-C.
    pub(crate) fn stopped_and_continued(&self, line: &str) -> Vec<String> {
        self.ok(&format!("{line} --out whole"));
        let stopped = format!("{line} --out stopped");
        let words: Vec<&str> = stopped.split_whitespace().collect();
        let mut child = self.command(&words).spawn().expect("the program starts");
        let mut err = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        err.find(|line| line.as_ref().is_ok_and(|line| line.contains("1 of 4")));
        send(&child, "-INT");
        let rest: Vec<String> = err.map_while(Result::ok).collect();
        assert_eq!(child.wait().expect("its end").code(), Some(130), "{rest:?}");
        self.ok(&stopped);
        assert!(self.read("whole/results.json") == self.read("stopped/results.json"));
        rest
    }
}

fn newest(folder: &Path) -> String {
    let entries = fs::read_dir(folder.join("checkpoints")).expect("checkpoints");
    let names = entries.map(|e| {
        e.expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    names.max().expect("a checkpoint")
}

#[test]
fn every_signal_that_ends_a_program_saves_first() {
    let lab = Lab::new();
    for signal in ["-INT", "-TERM", "-HUP"] {
        let child = begun(&lab, signal.trim_start_matches('-'));
        send(&child, signal);
        let ran = Ran::of(child.wait_with_output().expect("an end"));
        assert_eq!(ran.code, 130, "{signal}: {}", ran.err);
        let folder = signal.trim_start_matches('-');
        assert!(
            ran.err
                .contains(&format!("train --resume {folder}` continues it")),
            "{}",
            ran.err
        );
        lab.ok(&format!(
            "inspect {folder}/checkpoints/{}",
            newest(&lab.path(folder))
        ));
    }
}

#[test]
fn a_grid_is_saved_by_every_signal_too() {
    let lab = Lab::new();
    let small = "--data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2";
    for (command, signal) in [
        ("ablate --switches no-mlp --seeds 1", "-TERM"),
        ("sweep --sizes tiny", "-HUP"),
    ] {
        let line = format!("{command} {small} --steps 100000 --out {}", &signal[1..]);
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = lab.command(&words).spawn().expect("a start");
        let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut first = String::new();
        err.read_line(&mut first).expect("a line");
        std::thread::sleep(std::time::Duration::from_millis(300));
        send(&child, signal);
        let mut rest = String::new();
        err.read_to_string(&mut rest).expect("its last words");
        assert_eq!(child.wait().expect("an end").code(), Some(130), "{rest}");
        assert!(rest.contains("continues it"), "{rest}");
    }
}

/// A process starts like this under `nohup` and in a script's background.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let lab = Lab::new();
    let program = env!("CARGO_BIN_EXE_gptlab");
    let line = format!(
        "trap '' HUP INT; exec '{program}' train {} --out run",
        long()
    );
    let mut child = Command::new("sh")
        .args(["-c", &line])
        .current_dir(lab.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a line").expect("text");
    send(&child, "-HUP");
    send(&child, "-INT");
    for _ in 0..2_000 {
        lines.next().expect("it continues").expect("text");
    }
    assert!(child.try_wait().expect("a child").is_none());
    send(&child, "-TERM");
    drop(lines);
    assert_eq!(child.wait().expect("an end").code(), Some(130));
}

#[test]
fn a_second_term_is_the_first_and_a_second_ctrl_c_ends_at_once() {
    let lab = Lab::new();
    let child = begun(&lab, "run");
    send(&child, "-HUP");
    send(&child, "-TERM");
    send(&child, "-HUP");
    let ran = Ran::of(child.wait_with_output().expect("an end"));
    assert_eq!(ran.code, 130);
    assert!(ran.err.contains("saved run/checkpoints/"), "{}", ran.err);
}

/// In `| head -1` the reader leaves after a line, and the run still reaches its end.
#[test]
fn a_lost_reader_silences_the_lines_and_nothing_else() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --steps 40 --log-interval 1 --out whole"
    ));
    for (out, json) in [("lines", ""), ("json", "--json")] {
        let line =
            format!("train --data data.txt {TINY} --steps 40 --log-interval 1 --out {out} {json}");
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = lab.command(&words).spawn().expect("a start");
        let mut first = String::new();
        let mut reader = BufReader::with_capacity(1, child.stdout.take().expect("a pipe"));
        reader.read_line(&mut first).expect("a line");
        drop(reader);
        let ran = Ran::of(child.wait_with_output().expect("an end"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        let last = "checkpoints/step-00000040.safetensors";
        assert!(lab.read(&format!("{out}/{last}")) == lab.read(&format!("whole/{last}")));
    }
    let small = "--data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 2";
    let line = format!("ablate {small} --switches no-mlp --seeds 1 --out grid");
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut child = lab.command(&words).spawn().expect("a start");
    drop(child.stdout.take());
    assert_eq!(
        child.wait_with_output().expect("an end").status.code(),
        Some(0)
    );
    assert!(lab.path("grid/report/report.html").exists());
}

/// In `| tee log` the reader is ended by the same Ctrl-C.
#[test]
fn ctrl_c_with_a_reader_that_dies_of_it_saves() {
    let lab = Lab::new();
    let mut child = begun(&lab, "run");
    drop(child.stdout.take());
    send(&child, "-INT");
    let ran = Ran::of(child.wait_with_output().expect("an end"));
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.err.contains("saved run/checkpoints/"), "{}", ran.err);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_reported_once_and_the_run_continues() {
    let lab = Lab::new();
    let line = format!("train --data data.txt {TINY} --log-interval 1 --out run");
    let words: Vec<&str> = line.split_whitespace().collect();
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let ran = Ran::of(lab.command(&words).stdout(full).output().expect("a start"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        ran.err
            .matches("warning: cannot write to standard output: ")
            .count(),
        1,
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .contains("nothing more is printed, and the work continues"),
        "{}",
        ran.err
    );
    lab.ok("inspect run/checkpoints/step-00000005.safetensors");
}
