//! Saving, loading, resuming and stopping.

use std::fs;

use crate::{Lab, TINY};

#[test]
fn a_resumed_run_makes_the_same_bits() {
    let lab = Lab::new();
    let flags = format!("--data data.txt {TINY} --steps 6 --checkpoint-interval 3 --dropout 0.1");
    lab.ok(&format!(
        "train {flags} --out whole --save whole.safetensors"
    ));
    let half = "whole/checkpoints/step-00000003.safetensors";
    fs::copy(lab.path(half), lab.path("half.safetensors")).expect("a copy");
    fs::copy(lab.path(half), lab.path("again.safetensors")).expect("a copy");
    let whole = lab.read("whole.safetensors");

    // The run continues from a single checkpoint, which is kept up to date, by its path and by
    // --save.
    lab.ok("train --resume half.safetensors --data data.txt");
    assert!(lab.read("half.safetensors") == whole);
    lab.ok(&format!("train --resume --save again.safetensors {flags}"));
    assert!(lab.read("again.safetensors") == whole);

    // It continues from inside a run's folder, which knows its text, by path and by folder.
    let last = lab.path("whole/checkpoints/step-00000006.safetensors");
    for line in [
        format!("train --resume {half}"),
        "train --resume --out whole".to_owned(),
    ] {
        fs::remove_file(&last).expect("the last checkpoint");
        let ran = lab.ok(&line);
        assert!(ran.err.contains("continuing after 3 steps"), "{}", ran.err);
        assert!(fs::read(&last).expect("the last checkpoint") == whole);
    }

    // It continues from a folder whose run was killed before it saved anything.
    fs::remove_dir_all(lab.path("whole/checkpoints")).expect("the checkpoints");
    let ran = lab.run("train --resume whole --lr 0.5");
    assert_eq!(
        (ran.code, ran.first_line()),
        (3, "error: whole was begun with other settings")
    );
    lab.ok(&format!("train {flags} --resume --out whole"));
    assert!(fs::read(&last).expect("the last checkpoint") == whole);
    let events = String::from_utf8(lab.read("whole/events.jsonl")).expect("UTF-8");
    let steps: Vec<&str> = events
        .lines()
        .filter(|l| l.contains(r#""event":"step""#))
        .collect();
    assert_eq!(steps.len(), 4, "steps 0, 2, 4 and 5, once each:\n{events}");
}

#[test]
fn threads_do_not_change_a_bit() {
    let lab = Lab::new();
    for threads in [1, 3] {
        let to = format!("--threads {threads} --save {threads}.safetensors");
        lab.ok(&format!("train --data data.txt {TINY} {to}"));
    }
    assert!(lab.read("1.safetensors") == lab.read("3.safetensors"));
}

#[test]
fn a_run_in_bf16_goes_on_in_bf16() {
    let lab = Lab::new();
    let flags = format!("--data data.txt {TINY} --steps 6 --checkpoint-interval 3");
    lab.ok(&format!("train {flags} --save exact.safetensors"));
    let output = lab.ok(&format!(
        "train {flags} --precision bf16 --out whole --save whole.safetensors"
    ));
    assert!(output.err.contains(" in bf16 on "), "{}", output.err);
    let half = "whole/checkpoints/step-00000003.safetensors";
    fs::copy(lab.path(half), lab.path("half.safetensors")).expect("a copy");
    lab.ok("train --resume half.safetensors --data data.txt");
    assert!(lab.read("half.safetensors") == lab.read("whole.safetensors"));
    assert!(lab.read("exact.safetensors") != lab.read("whole.safetensors"));
    assert_eq!(
        lab.json("whole/experiment.json")["hyper"]["precision"],
        "bf16"
    );
    for (file, named) in [("whole", "clip 1, bf16"), ("exact", "clip 1, f32")] {
        let shown = lab.ok(&format!("inspect {file}.safetensors")).out;
        assert!(shown.contains(named), "{shown}");
    }
}

#[test]
fn instructions_can_be_chosen() {
    let lab = Lab::trained();
    let output = lab.ok(&format!("train --data data.txt {TINY} --isa portable"));
    assert!(output.err.contains("(portable)"), "{}", output.err);
    // Sums round differently, and nothing else changes.
    let loss = |isa: &str| -> f64 {
        let line = format!("eval model.safetensors --data data.txt --json {isa}");
        let report: serde_json::Value = serde_json::from_str(&lab.ok(&line).out).expect("JSON");
        report["loss"].as_f64().expect("a loss")
    };
    assert!((loss("") - loss("--isa portable")).abs() < 1e-5);
    let foreign = if cfg!(target_arch = "x86_64") {
        "neon"
    } else {
        "avx2"
    };
    let ran = lab.run(&format!("train --data data.txt {TINY} --isa {foreign}"));
    let expected =
        format!("error: --isa {foreign}: this processor does not have it; it has portable");
    assert_eq!(ran.code, 2);
    assert!(
        ran.first_line().starts_with(&expected),
        "{}",
        ran.first_line()
    );
}

#[test]
fn a_loaded_model_trains_on() {
    let lab = Lab::trained();
    lab.ok("train --load model.safetensors --data data.txt --steps 2 --out more --save more.safetensors");
    let experiment = lab.json("more/experiment.json");
    assert_eq!(experiment["spec"]["n_embd"], 16, "the checkpoint's model");
    assert_eq!(experiment["hyper"]["steps"], 2);
    assert_eq!(
        experiment["hyper"]["batch_size"], 2,
        "the checkpoint's recipe"
    );
    assert_eq!(experiment["origin"]["loaded"]["step"], 5);
    assert_ne!(lab.read("more.safetensors"), lab.read("model.safetensors"));
}

#[test]
fn a_run_leaves_its_record_in_a_folder_of_its_own() {
    let lab = Lab::new();
    for _ in 0..2 {
        lab.ok(&format!("train --data data.txt {TINY}"));
    }
    let runs: Vec<String> = fs::read_dir(lab.path("runs"))
        .expect("runs/")
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    for run in runs {
        assert!(run.contains("-data"), "named after its text: {run}");
        let experiment = lab.json(format!("runs/{run}/experiment.json"));
        assert_eq!(experiment["hyper"]["steps"], 5);
    }
}

#[test]
fn train_tells_programs_what_happens() {
    let lab = Lab::new();
    let events = lab.events(&format!("train --data data.txt --json {TINY} --out run"));
    let kinds: Vec<&str> = events.iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!(kinds.first(), Some(&"start"));
    assert_eq!(kinds.last(), Some(&"done"));
    assert_eq!(
        kinds.iter().filter(|k| **k == "step").count(),
        3,
        "{kinds:?}"
    );
    let kept = String::from_utf8(lab.read("run/events.jsonl")).expect("UTF-8");
    assert_eq!(
        kept.lines().count(),
        events.len(),
        "the record holds the same"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_text_and_the_program() {
    let lab = Lab::trained();
    let words = [
        "generate",
        "model.safetensors",
        "--max-tokens",
        "1000000000",
    ];
    let ran = interrupted(&lab, &words);
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.out.ends_with('\n'), "the line is ended");
}

/// Runs a command line and presses Ctrl-C after its first output.
#[cfg(unix)]
fn interrupted(lab: &Lab, words: &[&str]) -> crate::Ran {
    use std::{io::Read, process::Command};

    let mut child = lab.command(words).spawn().expect("the program starts");
    let mut first = [0; 4];
    let stdout = child.stdout.as_mut().expect("a pipe");
    stdout.read_exact(&mut first).expect("a beginning");
    let id = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &id]).status();
    assert!(kill.expect("kill").success());
    crate::Ran::of(child.wait_with_output().expect("the program ends"))
}

/// The pipe fills while nobody reads, so that the run cannot end before the signal arrives.
#[cfg(unix)]
#[test]
fn ctrl_c_finishes_the_step_saves_and_can_be_resumed() {
    let lab = Lab::new();
    let flags = format!(
        "--data data.txt {TINY} --steps 1500 --log-interval 1 --val-tokens 1 --sample-interval 0"
    );
    lab.ok(&format!("train {flags} --save whole.safetensors"));

    let line = format!("train {flags} --out run");
    let words: Vec<&str> = line.split_whitespace().collect();
    let ran = interrupted(&lab, &words);
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(
        ran.err.contains("saved run/checkpoints/step-0000"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("train --resume run` continues it"),
        "{}",
        ran.err
    );

    lab.ok("train --resume run --save resumed.safetensors");
    assert_eq!(
        lab.read("resumed.safetensors"),
        lab.read("whole.safetensors")
    );
}

/// Training a few sequences at a time computes the same numbers.
#[test]
fn micro_batches_change_no_number() {
    let lab = Lab::new();
    let line = "train --data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 64 --batch-size 9 --steps 3 \
                --sample-interval 0 --dropout 0.1";
    lab.ok(&format!("{line} --out whole"));
    let last = |run: &str| lab.read(&format!("{run}/checkpoints/step-00000003.safetensors"));
    for sequences in [1, 2, 4, 9, 100] {
        let out = format!("parts-{sequences}");
        lab.ok(&format!("{line} --micro-batch {sequences} --out {out}"));
        assert!(last(&out) == last("whole"), "{sequences}");
        let experiment = |run: &str| lab.read(&format!("{run}/experiment.json"));
        assert!(experiment(&out) == experiment("whole"));
    }
    let ran = lab.run(&format!("{line} --micro-batch 0 --out none"));
    assert_eq!(
        (ran.code, ran.first_line()),
        (2, "error: --micro-batch must be at least 1, found 0")
    );
    let ran = lab.run("ablate --data data.txt --grid micro-batch=1,2 --out grid");
    assert_eq!(ran.code, 2, "{}", ran.err);
    let expected = "error: --grid micro-batch=1,2: there is no setting called `micro-batch`";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
}

/// What comes next is told of the run's folder, which is a model, or of the file that was named.
#[test]
fn the_hints_after_training_name_the_run_or_the_file() {
    let lab = Lab::new();
    for (flags, model) in [
        ("--out run", "run"),
        ("--save model.safetensors", "model.safetensors"),
        ("--out both --save both.safetensors", "both"),
    ] {
        let ran = lab.ok(&format!("train --data data.txt {TINY} {flags}"));
        for command in ["generate", "interactive", "inspect"] {
            let hint = format!(" {command} {model}`");
            assert!(ran.err.contains(&hint), "no {hint} in {}", ran.err);
        }
        lab.ok(&format!("generate {model} --max-tokens 4"));
        lab.ok(&format!("inspect {model}"));
    }
    // Without a flag, it is the folder that was made.
    let ran = lab.ok(&format!("train --data data.txt {TINY}"));
    let line = ran.err.lines().find(|line| line.contains(" generate "));
    let line = line.expect("a hint");
    assert!(
        line.contains(" generate runs/") && !line.contains("checkpoints"),
        "{line}"
    );
    let model = line
        .split([' ', '`'])
        .find(|word| word.starts_with("runs/"));
    lab.ok(&format!(
        "generate {} --max-tokens 4",
        model.expect("a folder")
    ));
}

/// A name that the program chose fits beside the other columns of a terminal's table; what is not a
/// terminal gets it whole.
#[test]
fn long_names_leave_room_for_the_other_columns() {
    let lab = Lab::new();
    lab.file("tinyshakespeare.txt", lab.read("data.txt"));
    lab.ok(&format!(
        "train --data tinyshakespeare.txt {TINY} --ln-style post --disable-attention"
    ));
    let mut runs = fs::read_dir(lab.path("runs")).expect("runs");
    let name = runs.next().expect("a run").expect("an entry").file_name();
    let name = name.to_string_lossy().into_owned();
    assert!(name.len() > 40, "{name}");
    let at = |columns: &str| {
        let output = lab.command(&["runs"]).env("COLUMNS", columns).output();
        crate::Ran::of(output.expect("the program starts"))
    };
    let ran = at("80");
    let rules = ran.out.lines().filter(|line| line.starts_with("---"));
    assert_eq!(rules.count(), 1, "{}", ran.out);
    assert!(
        ran.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains(&format!("\n{}…", &name[..15])),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("`gptlab runs | cat` shows it"),
        "{}",
        ran.err
    );
    for whole in [at("160"), lab.ok("runs")] {
        assert!(
            whole.out.contains(&name) && !whole.err.contains("cat"),
            "{}",
            whole.out
        );
    }
}
