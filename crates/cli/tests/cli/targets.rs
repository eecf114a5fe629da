//! The places of output files: no file of anybody else is replaced.

use std::fs;

use crate::{Lab, TINY};

fn refused(lab: &Lab, flags: &str, code: i32, expected: &str) {
    let ran = lab.run(&format!("train --data data.txt {TINY} {flags}"));
    assert_eq!(ran.code, code, "{flags}: {}", ran.err);
    assert!(ran.err.contains(expected), "{flags}: {}", ran.err);
    assert!(
        !lab.path("runs").exists() || fs::read_dir(lab.path("runs")).expect("runs").count() == 0
    );
}

#[test]
fn saving_replaces_only_checkpoints_and_makes_new_files() {
    let lab = Lab::trained();
    let text = lab.read("data.txt");
    refused(
        &lab,
        "--save data.txt",
        3,
        "error: data.txt: expected a new name, or a checkpoint of gptlab to replace, found another file, of 408 bytes",
    );
    assert!(lab.read("data.txt") == text);
    lab.file("notes.safetensors", "notes, not weights");
    refused(
        &lab,
        "--save notes.safetensors",
        3,
        "notes.safetensors: expected a new name, or a checkpoint of gptlab to replace",
    );
    assert!(lab.read("notes.safetensors") == b"notes, not weights");
    refused(
        &lab,
        "--save both --out both",
        2,
        "both are the same; give two names",
    );
    refused(&lab, "--save .", 1, "error: cannot write .: ");
    lab.file("empty.safetensors", "");
    for name in ["empty.safetensors", "new.safetensors", "model.safetensors"] {
        lab.ok(&format!(
            "train --data data.txt {TINY} --seed 5 --save {name} --out {name}.run"
        ));
        lab.ok(&format!("inspect {name}"));
    }
    assert!(lab.read("new.safetensors") == lab.read("model.safetensors"));
}

#[cfg(unix)]
#[test]
fn saving_refuses_devices_pipes_and_read_only_files_and_follows_links() {
    use std::{
        os::unix::fs::{PermissionsExt, symlink},
        process::Command,
    };
    let lab = Lab::trained();
    let made = Command::new("mkfifo").arg(lab.path("pipe")).status();
    assert!(made.expect("mkfifo").success());
    refused(
        &lab,
        "--save pipe",
        3,
        "error: pipe: expected a regular file or a new name to write to, found a named pipe (FIFO)",
    );
    symlink("/dev/null", lab.path("null")).expect("a link");
    refused(&lab, "--save null", 3, "found a device; give another name");
    assert!(fs::metadata("/dev/null").is_ok_and(|about| !about.is_file()));

    let mode = |name: &str, mode: u32| {
        fs::set_permissions(lab.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
    };
    mode("model.safetensors", 0o444);
    refused(
        &lab,
        "--save model.safetensors",
        3,
        "expected a file that may be written, found one that is read-only",
    );
    mode("model.safetensors", 0o640);
    symlink("model.safetensors", lab.path("link")).expect("a link");
    lab.ok(&format!(
        "train --data data.txt {TINY} --seed 5 --save link --out run"
    ));
    let about = fs::symlink_metadata(lab.path("link")).expect("a link");
    assert!(about.is_symlink());
    let about = fs::metadata(lab.path("model.safetensors")).expect("its target");
    assert_eq!(about.permissions().mode() & 0o777, 0o640);
    let saved = lab.read("run/checkpoints/step-00000005.safetensors");
    assert!(lab.read("model.safetensors") == saved);
}

#[test]
fn a_run_and_a_grid_are_refused_each_other_s_folders() {
    let lab = Lab::new();
    let small = "--data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 2";
    lab.ok(&format!("train {small} --out run"));
    lab.ok(&format!(
        "ablate {small} --switches no-mlp --seeds 1 --out grid"
    ));
    let ran = lab.run(&format!(
        "ablate {small} --switches no-mlp --seeds 1 --out run"
    ));
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.err
            .contains("run: expected a folder for a grid, found the folder of a run"),
        "{}",
        ran.err
    );
    let ran = lab.run(&format!("train {small} --out grid"));
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.err
            .contains("grid: expected a folder for a run, found the folder of a grid"),
        "{}",
        ran.err
    );
    let grid_s = fs::canonicalize(lab.path("grid")).expect("the grid");
    for place in [
        "grid/runs/no-mlp-s0",
        "grid/runs/no-mlp-s0/checkpoints/step-00000002.safetensors",
    ] {
        let ran = lab.run(&format!("train --resume {place} --steps 4"));
        let sentence = format!(
            "is a run of the grid in {}; resume it with the grid's own command",
            grid_s.display()
        );
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(&sentence), "{}", ran.err);
    }
    lab.ok(&format!(
        "ablate {small} --switches no-mlp --seeds 1 --out grid"
    ));
    assert!(!lab.path("grid/experiment.json").exists() && !lab.path("run/grid.json").exists());
}

#[test]
fn runs_that_begin_at_once_do_not_collide() {
    let lab = Lab::new();
    let line = format!("train --data data.txt {TINY}");
    let words: Vec<&str> = line.split_whitespace().collect();
    let begun: Vec<_> = (0..5)
        .map(|_| lab.command(&words).spawn().expect("a start"))
        .collect();
    for child in begun {
        let ran = crate::Ran::of(child.wait_with_output().expect("an end"));
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    assert_eq!(fs::read_dir(lab.path("runs")).expect("runs").count(), 5);
}

/// A grid reuses finished runs only if every setting equals the requested one.
#[test]
fn a_grid_in_an_existing_folder_is_refused_other_settings_by_name() {
    let lab = Lab::new();
    let small = "--n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --steps 2 --switches no-mlp --seeds 1 --out grid";
    let line = format!("ablate --data data.txt {small} --batch-size 2 --val-fraction 0.2");
    lab.ok(&line);
    let results = lab.read("grid/results.json");
    let isa = lab.json("grid/grid.json")["variants"][0]["experiment"]["isa"].clone();
    for (flag, place) in [
        ("--lr 1e-1", "hyper.lr"),
        ("--min-lr 1e-5", "hyper.min_lr"),
        ("--warmup 1", "hyper.warmup"),
        ("--lr-shape constant", "hyper.lr_shape"),
        ("--batch-size 3", "hyper.batch_size"),
        ("--beta1 0.8", "hyper.beta1"),
        ("--beta2 0.9", "hyper.beta2"),
        ("--eps 1e-6", "hyper.eps"),
        ("--weight-decay 0.2", "hyper.weight_decay"),
        ("--decayed everything", "hyper.decayed"),
        ("--grad-clip 2", "hyper.grad_clip"),
        ("--optimizer sgd", "hyper"),
        ("--precision bf16", "hyper.precision"),
        ("--init-std 0.05", "spec.init.std"),
        ("--init-residual same", "spec.init.residual"),
        ("--val-tokens 50", "intervals.val_tokens"),
        ("--log-interval 2", "intervals.log"),
        ("--observe off", "observe"),
        ("--dropout 0.2", "spec.dropout"),
        ("--position learned", "spec.position"),
        ("--val-fraction 0.3", "data.val_fraction"),
        ("--isa portable", "isa"),
    ] {
        if flag == "--isa portable" && isa == "portable" {
            continue;
        }
        let ran = lab.run(&format!("{line} {flag}"));
        assert_eq!(ran.code, 3, "{flag}: {}", ran.err);
        assert!(
            ran.err.contains(&format!("grid: expected `{place}")),
            "{flag}: {}",
            ran.err
        );
        assert!(lab.read("grid/results.json") == results, "{flag}");
    }
    // The same text under another name makes the same grid.
    fs::copy(lab.path("data.txt"), lab.path("copy.txt")).expect("a copy");
    lab.ok(&line.replace("data.txt", "copy.txt"));
    // A run that was copied there from elsewhere is not reused either.
    let path = "grid/runs/no-mlp-s0/experiment.json";
    let mut other = lab.json(path);
    other["hyper"]["lr"] = 0.5.into();
    lab.file(path, other.to_string());
    let ran = lab.run(&line);
    assert_eq!(ran.code, 3);
    assert!(
        ran.err.contains("no-mlp-s0: expected `hyper.lr` to be "),
        "{}",
        ran.err
    );
}

#[test]
fn the_last_seed_there_is_makes_a_grid() {
    let lab = Lab::new();
    let small = "--data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 2";
    let last = u64::MAX;
    lab.ok(&format!(
        "ablate {small} --switches no-mlp --seed {last} --seeds 1 --out grid"
    ));
    let ran = lab.run(&format!(
        "ablate {small} --switches no-mlp --seed {last} --seeds 2 --out more"
    ));
    assert_eq!(
        (ran.code, ran.first_line()),
        (
            2,
            "error: --seed must be at most 18446744073709551614 with 2 seeds, found 18446744073709551615"
        )
    );
}

#[test]
fn what_killed_writers_left_is_swept_at_the_next_start() {
    let lab = Lab::trained();
    lab.file(".model.safetensors.aBcDeF.tmp", "torn");
    lab.file(".other.txt.aBcDeF.tmp", "somebody else's");
    lab.ok(&format!(
        "train --data data.txt {TINY} --save model.safetensors --out run"
    ));
    assert!(!lab.path(".model.safetensors.aBcDeF.tmp").exists());
    assert!(lab.path(".other.txt.aBcDeF.tmp").exists());
    lab.ok("report run");
    for name in [
        "run/.experiment.json.aBcDeF.tmp",
        "run/checkpoints/.step-00000009.safetensors.aBcDeF.tmp",
        "run/report/.report.html.aBcDeF.tmp",
    ] {
        lab.file(name, "torn");
    }
    lab.ok("train --resume run --steps 6");
    lab.ok("report run");
    let small = "--data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 2";
    lab.ok(&format!(
        "ablate {small} --switches no-mlp --seeds 1 --out grid"
    ));
    lab.file("grid/.results.json.aBcDeF.tmp", "torn");
    lab.ok(&format!(
        "ablate {small} --switches no-mlp --seeds 1 --out grid"
    ));
    let mut left = Vec::new();
    crate::ablate::files_below(lab.folder.path(), &mut left);
    left.retain(|file| file.contains(".aBcDeF.") && !file.contains(".other.txt."));
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf_8_can_be_gone_on_with() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let lab = Lab::new();
    let name = OsStr::from_bytes(b"run-\xff");
    let line = format!("train --data data.txt {TINY} --steps 4 --checkpoint-interval 2 --out");
    let words: Vec<&str> = line.split_whitespace().collect();
    let ran = crate::Ran::of(lab.command(&words).arg(name).output().expect("a start"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = lab
        .command(&["train", "--steps", "6", "--resume"])
        .arg(name)
        .output();
    let ran = crate::Ran::of(ran.expect("a start"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("continuing after 4 steps"), "{}", ran.err);
}

#[test]
fn resume_in_a_settings_file_is_on_off_or_a_path() {
    let lab = Lab::new();
    let settings = "data = \"data.txt\"\nn-layer = 1\nn-embd = 16\nn-head = 2\nblock-size = 16\nbatch-size = 2\nsteps = 2\n";
    lab.file("off.toml", format!("{settings}resume = false\n"));
    lab.ok("train --config off.toml --out run");
    lab.file("on.toml", "resume = true\n");
    let ran = lab.ok("train --config on.toml --out run");
    assert!(
        ran.err.contains("had already made all of its 2 steps"),
        "{}",
        ran.err
    );
    lab.file("path.toml", "resume = \"run\"\n");
    lab.ok("train --config path.toml");
}
