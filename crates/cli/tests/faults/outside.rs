//! Outside causes that end or limit a run: lost readers, signals, and limits of the shell.

use std::{
    fs::File,
    io::{self, Read},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    check,
    lab::{Lab, Ran, TINY},
};

fn line(steps: u32) -> String {
    format!(
        "train {TINY} --steps {steps} --checkpoint-interval 20 --log-interval 1 --sample-interval 30 --max-tokens 5 \
         --out run"
    )
}

/// Returns the result of the run when nothing ends it.
fn whole(steps: u32) -> Lab {
    let lab = Lab::new();
    lab.ok(&line(steps));
    lab
}

/// Continues until the run reaches its end, which must equal that of `whole`.
fn goes_on(lab: &Lab, whole: &Lab, again: &str, after: &str) {
    check::all_is_whole(lab, after);
    let ran = lab.run(again);
    assert_eq!(ran.code, Some(0), "{after}: {}", ran.err);
    check::same_end(lab, whole, after);
}

fn train_again(lab: &Lab, steps: u32) -> String {
    if lab.has("run/experiment.json") {
        "train --resume run".to_owned()
    } else {
        line(steps)
    }
}

/// Runs `train` under `limits`, which a shell sets; `None` if this shell cannot set them.
fn limited(lab: &Lab, limits: &str, steps: u32) -> Option<Ran> {
    let possible = Command::new("sh").args(["-c", limits]).status();
    if !possible.is_ok_and(|status| status.success()) {
        return None;
    }
    let script = format!("ulimit -c 0; {limits}; exec \"$0\" {}", line(steps));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_gptlab")])
        .current_dir(lab.path(""))
        .stdin(Stdio::null());
    Some(Ran::of(shell.output().expect("a shell")))
}

/// The limits are sizes of files, in the shell's blocks. The write fails whether or not the limit's
/// signal is ignored.
#[test]
fn files_that_may_not_grow() {
    let whole = whole(200);
    for trap in ["", "trap '' XFSZ; "] {
        for blocks in [0, 1, 2, 4, 8, 16, 24, 32, 48, 64, 96] {
            let lab = Lab::new();
            let limits = format!("{trap}ulimit -f {blocks}");
            let Some(ran) = limited(&lab, &limits, 200) else {
                eprintln!("skipped: `{limits}` is not for this shell");
                return;
            };
            // A large enough limit has no effect.
            assert!(
                [Some(1), Some(0)].contains(&ran.code),
                "{limits}: {:?} {}",
                ran.code,
                ran.err
            );
            if ran.code == Some(1) {
                let reported = ran
                    .err
                    .lines()
                    .any(|line| line.starts_with("error: cannot write "));
                assert!(reported, "{limits}: {}", ran.err);
            }
            goes_on(&lab, &whole, &train_again(&lab, 200), &limits);
        }
    }
}

/// With too few descriptors the program does not start, or reports it, or works without.
#[test]
fn few_descriptors() {
    let whole = whole(20);
    for most in 4..=20 {
        let lab = Lab::new();
        let limits = format!("ulimit -n {most}");
        let Some(ran) = limited(&lab, &limits, 20) else {
            eprintln!("skipped: `{limits}` is not for this shell");
            continue;
        };
        match ran.code {
            Some(0) => {}
            Some(1) => assert!(ran.err.contains("error: cannot "), "{limits}: {}", ran.err),
            // The system's loader found no descriptor for a library.
            Some(127) => assert!(!lab.has("run"), "{limits}: {}", ran.err),
            other => panic!("{limits}: {other:?} {}", ran.err),
        }
        goes_on(&lab, &whole, &train_again(&lab, 20), &limits);
    }
}

fn pipe_without_reader() -> Stdio {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn full() -> Option<Stdio> {
    let file = File::options().write(true).open("/dev/full");
    if file.is_err() {
        eprintln!("skipped: there is no /dev/full");
    }
    file.ok().map(Into::into)
}

/// Standard output and standard error are without a reader, full, or closed.
#[test]
fn nobody_reads() {
    let whole = whole(20);
    let outputs: [fn() -> Option<Stdio>; 3] =
        [|| Some(pipe_without_reader()), full, || Some(Stdio::null())];
    for (n, out) in outputs.iter().enumerate() {
        for (m, err) in outputs.iter().enumerate() {
            let after = format!("output {n}, error {m}");
            let (Some(out), Some(err)) = (out(), err()) else {
                continue;
            };
            let lab = Lab::new();
            let status = lab.command(&line(20)).stdout(out).stderr(err).status();
            assert_eq!(status.expect("a start").code(), Some(0), "{after}");
            check::same_files(&lab, &whole, |_| false, &after);
        }
    }
    let lab = Lab::new();
    let ran = limited(&lab, "exec >&- 2>&-", 20).expect("a shell that closes");
    assert_eq!(ran.code, Some(0), "closed");
    check::same_files(&lab, &whole, |_| false, "closed");
}

pub(crate) fn send(child: &Child, signal: &str) {
    let mut kill = Command::new("kill");
    kill.args([signal, &child.id().to_string()])
        .stderr(Stdio::null());
    // A program that has already ended gets no signal.
    let _ = kill.status().expect("kill");
}

/// The signal arrives at moments that differ from run to run, wherever the program is.
#[test]
fn signals_at_any_moment() {
    let whole = whole(200);
    for (n, signal) in (0..).zip(["-INT", "-TERM", "-HUP", "-KILL"].repeat(4)) {
        let lab = Lab::new();
        let mut child = lab.command(&line(200)).spawn().expect("a start");
        let mut begun = [0; 1];
        // The program handles signals only from its first output on: an earlier signal ends it with
        // nothing saved.
        let _ = child.stdout.as_mut().expect("a pipe").read(&mut begun);
        thread::sleep(Duration::from_millis(7 * n));
        send(&child, signal);
        let ran = Ran::of(child.wait_with_output().expect("an end"));
        let after = format!("{signal} after {} ms", 7 * n);
        let codes = if signal == "-KILL" {
            [None, Some(0)]
        } else {
            [Some(130), Some(0)]
        };
        assert!(
            codes.contains(&ran.code),
            "{after}: {:?} {}",
            ran.code,
            ran.err
        );
        goes_on(&lab, &whole, &train_again(&lab, 200), &after);
    }
}
