//! `--device`: what is refused, what is recorded, and a run that changes its device.

use crate::{Lab, TEXT, TINY};

#[test]
fn an_unknown_device_is_refused_with_those_there_are() {
    let lab = Lab::new();
    for typed in ["tpu", "gpu:", "gpu:first"] {
        let ran = lab.run(&format!("train --device {typed}"));
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains("expected cpu, gpu, gpu:N"), "{}", ran.err);
    }
    let ran = lab.run("bench --device gpu");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("measures the CPU alone"), "{}", ran.err);
    let ran = lab.run("doctor --device cpu");
    assert_eq!(ran.code, 2);
}

/// The device that is looked for and not found is the CPU.
#[test]
fn auto_trains_on_the_cpu_where_there_is_nothing_else() {
    let lab = Lab::new();
    lab.file("data.txt", TEXT.repeat(20));
    let ran = lab.run("doctor --device gpu");
    if ran.code == 0 {
        return;
    }
    let ran = lab.ok(&format!(
        "train --data data.txt {TINY} --device auto --out auto"
    ));
    assert!(ran.err.contains("the CPU trains: "), "{}", ran.err);
    // A recipe for a text measures the devices before it is chosen, and says it once.
    let ran = lab.ok("train --data data.txt --device auto --for 1s --out timed");
    assert_eq!(
        ran.err.matches("the CPU trains: ").count(),
        1,
        "{}",
        ran.err
    );
    let record = lab.json("auto/experiment.json");
    assert_eq!(record["engine"], "cpu");
    assert!(record["isa"].is_string());
}

#[cfg(not(has_gpu))]
#[test]
fn without_the_feature_a_gpu_is_refused_with_the_command_that_builds_it() {
    let lab = Lab::new();
    lab.file("data.txt", TEXT.repeat(20));
    let lines = [
        format!("train --data data.txt {TINY} --device gpu --out gpu"),
        "doctor --device gpu:1".to_owned(),
    ];
    for line in lines {
        let ran = lab.run(&line);
        assert_eq!(ran.code, 2, "{}", ran.err);
        for part in [
            "without the feature `gpu`",
            "cargo build --release --features gpu",
        ] {
            assert!(ran.err.contains(part), "{line}: {}", ran.err);
        }
    }
    assert!(
        !lab.path("gpu").exists(),
        "nothing is made before the refusal"
    );
}

/// A run of a GPU is resumed on the CPU unless a device is typed, and says so.
#[test]
fn a_run_that_leaves_the_gpu_says_so() {
    let lab = Lab::new();
    lab.file("data.txt", TEXT.repeat(20));
    lab.ok(&format!("train --data data.txt {TINY} --out run"));
    let said = "the run began on the gpu and continues on the CPU; --device gpu continues it there";
    let ran = lab.ok("train --resume run --steps 7");
    assert!(!ran.err.contains(said), "{}", ran.err);
    // The record of a run on a GPU names no instructions.
    let mut record = lab.json("run/experiment.json");
    record["engine"] = "gpu".into();
    record["isa"] = serde_json::Value::Null;
    lab.file("run/experiment.json", record.to_string());
    let ran = lab.ok("train --resume run --steps 9");
    assert!(ran.err.contains(said), "{}", ran.err);
    let ran = lab.ok("train --resume run --steps 11 --device cpu");
    assert!(!ran.err.contains(said), "{}", ran.err);
}

/// A run changes its device twice, and its losses are those of a run on the CPU, up to rounding:
/// batches and dropout masks are the same.
#[cfg(has_gpu)]
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_run_goes_on_on_another_device() {
    let lab = Lab::new();
    lab.file("data.txt", TEXT.repeat(20));
    let ran = lab.run("doctor --device gpu");
    if ran.code != 0 {
        eprintln!("skipped: {}", ran.first_line());
        return;
    }
    let settings = "--data data.txt --preset gpt2-mini --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 \
                    --batch-size 2 --dropout 0.2 --log-interval 1 --lr-shape constant --warmup 0 --sample-interval 0";
    lab.ok(&format!("train {settings} --steps 12 --out whole"));
    lab.ok(&format!(
        "train {settings} --steps 4 --device gpu --out seam"
    ));
    assert_eq!(lab.json("seam/experiment.json")["engine"], "gpu");
    lab.ok("train --resume seam --steps 8 --device cpu");
    lab.ok("train --resume seam --steps 12 --device gpu");
    let losses = |folder: &str| -> Vec<f64> {
        let events = String::from_utf8(lab.read(&format!("{folder}/events.jsonl")));
        let events = events.expect("text");
        let events = events.lines().map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).expect("an event");
            event
        });
        let steps = events.filter(|event| event["event"] == "step");
        steps.filter_map(|event| event["loss"].as_f64()).collect()
    };
    let (whole, seam) = (losses("whole"), losses("seam"));
    assert!(
        whole.len() >= 12 && whole.len() == seam.len(),
        "{whole:?} {seam:?}"
    );
    for (a, b) in whole.iter().zip(&seam) {
        assert!((a - b).abs() < 1e-4 * a, "{whole:?} {seam:?}");
    }
}

/// The kernels are compared with the CPU once, and a driver that fails is refused from then on.
#[cfg(has_gpu)]
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_gpu_is_checked_at_first_use_and_refused_if_it_computes_wrong_numbers() {
    let lab = Lab::new();
    lab.file("data.txt", TEXT.repeat(20));
    let line = |out: &str| format!("train --data data.txt {TINY} --device gpu --out {out}");
    let said = "comparing them with the CPU";
    let ran = lab.run(&line("first"));
    if ran.code != 0 {
        eprintln!("skipped: {}", ran.first_line());
        return;
    }
    assert!(ran.err.contains(said), "{}", ran.err);
    assert!(!lab.ok(&line("second")).err.contains(said));
    let kept = std::fs::read_dir(lab.path("cache/gptlab")).expect("the cache's folder");
    let kept = kept.flatten().next().expect("a result").path();
    let text = std::fs::read_to_string(&kept).expect("text");
    let wrong = text.replace("\"wrong\": []", "\"wrong\": [\"norm\"]");
    assert_ne!(text, wrong);
    std::fs::write(&kept, wrong).expect("the same file");
    let ran = lab.run(&line("third"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    for part in ["wrong numbers in the kernels norm", "gpu-", "send us"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(
        !lab.path("third").exists(),
        "nothing is made before the refusal"
    );
    // A damaged result is no result, and asking for the check makes it anew.
    std::fs::write(&kept, "{").expect("the same file");
    assert!(lab.ok(&line("fourth")).err.contains(said));
    lab.ok("doctor --device gpu");
    assert!(!lab.ok(&line("fifth")).err.contains(said));
}
