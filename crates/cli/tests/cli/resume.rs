//! A resumed run equals the original run in every setting, and nothing is lost.

use std::fs;

use serde_json::Value;

use crate::{Lab, TINY, timeless};

/// Returns a run's events without times, and without those about checkpoints and stops.
fn story(lab: &Lab, run: &str) -> Vec<Value> {
    let events = String::from_utf8(lab.read(&format!("{run}/events.jsonl"))).expect("UTF-8");
    let events = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"));
    let is_compared = |event: &Value| {
        let kind = event["event"].as_str().unwrap_or_default();
        !["checkpoint", "resume", "stop", "notice"].contains(&kind)
    };
    events.filter(is_compared).map(timeless).collect()
}

#[test]
fn observing_and_samples_go_on_as_they_were_begun() {
    let lab = Lab::new();
    let flags = format!(
        "--data data.txt {TINY} --steps 6 --checkpoint-interval 3 --sample-interval 3 --observe full \
         --prompt the --max-tokens 5 --temperature 0.5 --top-k 3"
    );
    lab.ok(&format!("train {flags} --out whole"));
    lab.ok(&format!("train {flags} --out cut"));
    fs::remove_file(lab.path("cut/checkpoints/step-00000006.safetensors")).expect("a checkpoint");
    let ran = lab.ok("train --resume cut");
    assert!(
        ran.out.contains("\nthe"),
        "the prompt leads the sample: {}",
        ran.out
    );
    assert_eq!(story(&lab, "cut"), story(&lab, "whole"));
    let observations = story(&lab, "cut")
        .iter()
        .filter(|e| e["event"] == "observation")
        .count();
    assert!(observations > 3, "{observations}");
    let sampling = &lab.json("cut/experiment.json")["sampling"];
    assert_eq!(
        (
            &sampling["prompt"],
            &sampling["max_tokens"],
            &sampling["temperature"]
        ),
        (&"the".into(), &5.into(), &0.5.into())
    );
    assert_eq!(lab.ok("diff cut whole").code, 0);
}

#[test]
fn the_instructions_of_a_run_are_recorded_kept_and_compared() {
    let lab = Lab::new();
    let flags = format!("--data data.txt {TINY} --steps 6 --checkpoint-interval 3");
    lab.ok(&format!("train {flags} --isa portable --out portable"));
    assert_eq!(lab.json("portable/experiment.json")["isa"], "portable");
    lab.ok(&format!("train {flags} --out best"));
    let best = lab.json("best/experiment.json")["isa"].clone();
    if best == "portable" {
        return;
    }
    let ran = lab.run("diff portable best");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("vector instructions"), "{}", ran.out);

    let last = "checkpoints/step-00000006.safetensors";
    let whole = lab.read(&format!("portable/{last}"));
    // Without a flag it continues with its original instructions, whatever this machine would
    // choose.
    fs::remove_file(lab.path(&format!("portable/{last}"))).expect("a checkpoint");
    let ran = lab.ok("train --resume portable");
    assert!(
        ran.err.contains("(portable)") && !ran.err.contains("instructions"),
        "{}",
        ran.err
    );
    assert!(lab.read(&format!("portable/{last}")) == whole);
    // The user of other instructions gets a warning, which the record holds too.
    fs::remove_file(lab.path(&format!("portable/{last}"))).expect("a checkpoint");
    let isa = best.as_str().expect("a name");
    let ran = lab.ok(&format!("train --resume portable --isa {isa}"));
    let expected = format!("made with portable instructions and the next are made with {isa}");
    assert!(ran.err.contains(&expected), "{}", ran.err);
    let events = String::from_utf8(lab.read("portable/events.jsonl")).expect("UTF-8");
    assert!(events.contains(&expected), "{events}");
}

#[test]
fn a_run_goes_on_after_its_end() {
    let lab = Lab::new();
    lab.ok(&format!("train --data data.txt {TINY} --steps 4 --out run"));
    let ran = lab.ok("train --resume run");
    assert!(
        ran.err
            .contains("the run had already made all of its 4 steps"),
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .contains("train --resume run --steps 8` continues it"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("going on"), "{}", ran.err);
    let before = lab.read("run/events.jsonl");

    let ran = lab.ok("train --resume run --steps 7");
    assert!(
        ran.err
            .contains("the number of steps is 7 now and was 4: after 4 steps the learning rate"),
        "{}",
        ran.err
    );
    let experiment = lab.json("run/experiment.json");
    assert_eq!(experiment["hyper"]["steps"], 7);
    assert_eq!(
        experiment["extensions"],
        serde_json::json!([{"after": 4, "from": 4, "to": 7}])
    );
    let after = lab.read("run/events.jsonl");
    assert!(after.starts_with(&before), "what was recorded stays");
    lab.ok("inspect run/checkpoints/step-00000007.safetensors");

    let ran = lab.run("train --resume run --steps 5");
    assert_eq!(
        (ran.code, ran.first_line()),
        (
            2,
            "error: the run has made 7 steps, and 5 are fewer; request more than 7, or resume from an \
             older checkpoint"
        )
    );
}

#[test]
fn going_back_to_an_older_checkpoint_sets_the_later_record_aside() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --steps 6 --checkpoint-interval 2 --out run --sample-interval 2"
    ));
    let (story_before, events) = (story(&lab, "run"), lab.read("run/events.jsonl"));
    let ran = lab.ok("train --resume run/checkpoints/step-00000002.safetensors");
    assert!(
        ran.err
            .contains("warning: what the run had recorded beyond this is set aside in run/aside-1"),
        "{}",
        ran.err
    );
    let aside = lab.read("run/aside-1/events.jsonl");
    assert!(events.ends_with(&aside) && !aside.is_empty());
    for name in [
        "checkpoints/step-00000004.safetensors",
        "checkpoints/step-00000006.safetensors",
        "samples/step-00000006.txt",
    ] {
        assert!(lab.path(&format!("run/aside-1/{name}")).exists(), "{name}");
        assert!(
            lab.read(&format!("run/aside-1/{name}")) == lab.read(&format!("run/{name}")),
            "{name} is made again to the bit"
        );
    }
    assert_eq!(story(&lab, "run"), story_before);
}

#[test]
fn checkpoints_are_saved_by_the_clock_unless_somebody_counts_steps() {
    let lab = Lab::new();
    for (flags, steps, seconds) in [
        ("", Value::Null, 60.into()),
        ("--checkpoint-interval 2", 2.into(), Value::Null),
        ("--checkpoint-interval 0", Value::Null, Value::Null),
    ] {
        let out = format!("run{}", flags.len());
        lab.ok(&format!(
            "train --data data.txt {TINY} {flags} --out {out}{}",
            flags.matches('0').count()
        ));
        let folder = format!("{out}{}", flags.matches('0').count());
        let intervals = &lab.json(format!("{folder}/experiment.json"))["intervals"];
        assert_eq!(
            (&intervals["checkpoint"], &intervals["checkpoint_seconds"]),
            (&steps, &seconds),
            "{flags}"
        );
    }
}

#[test]
fn keeping_no_checkpoint_is_refused() {
    let lab = Lab::new();
    let ran = lab.run(&format!(
        "train --data data.txt {TINY} --keep-checkpoints 0 --out run"
    ));
    assert_eq!(
        (ran.code, ran.first_line()),
        (2, "error: --keep-checkpoints must be at least 1, found 0")
    );
    assert!(!lab.path("run").exists());
    lab.ok(&format!(
        "train --data data.txt {TINY} --steps 6 --checkpoint-interval 1 --keep-checkpoints 2 --out run"
    ));
    let kept = fs::read_dir(lab.path("run/checkpoints"))
        .expect("checkpoints")
        .count();
    assert_eq!(kept, 2);
}

/// A run of an earlier version, whose record and checkpoints hold less.
#[test]
fn a_run_of_format_1_goes_on() {
    let lab = Lab::new();
    let flags = format!("--data data.txt {TINY} --steps 6 --checkpoint-interval 3");
    lab.ok(&format!("train {flags} --out run --save whole.safetensors"));
    let mut experiment = lab.json("run/experiment.json");
    experiment["format"] = 1.into();
    for key in ["isa", "observe", "sampling"] {
        experiment.as_object_mut().expect("an object").remove(key);
    }
    experiment["intervals"]
        .as_object_mut()
        .expect("an object")
        .remove("checkpoint_seconds");
    experiment["data"]
        .as_object_mut()
        .expect("an object")
        .remove("bytes");
    lab.file("run/experiment.json", experiment.to_string());
    fs::remove_file(lab.path("run/checkpoints/step-00000006.safetensors")).expect("a checkpoint");
    lab.ok("train --resume run");
    assert!(lab.read("run/checkpoints/step-00000006.safetensors") == lab.read("whole.safetensors"));
    lab.ok("report run");
}
