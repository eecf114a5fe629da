//! `--observe`, `--optimizer` and `--keep-checkpoints` of `train`.

use std::fs;

use serde_json::Value;

use crate::{Lab, TINY};

fn events(lab: &Lab, flags: &str) -> Vec<Value> {
    lab.events(&format!(
        "train --data data.txt --json --sample-interval 0 {TINY} {flags}"
    ))
}

fn measures(events: &[Value]) -> Vec<String> {
    let first = events.iter().find(|e| e["event"] == "observation");
    let series = first.map_or(&Value::Null, |e| &e["series"]).as_array();
    let name = |s: &Value| s["measure"].as_str().expect("a name").to_owned();
    series.into_iter().flatten().map(name).collect()
}

#[test]
fn levels_see_more_and_more_and_change_nothing() {
    let lab = Lab::new();
    let [off, basic, full] =
        ["off", "basic", "full"].map(|level| events(&lab, &format!("--observe {level}")));
    assert!(measures(&off).is_empty());
    assert_eq!(
        measures(&basic),
        ["grad_norm", "update_ratio", "clip_share"]
    );
    let expected = [
        "grad_norm",
        "update_ratio",
        "clip_share",
        "activation_rms",
        "write_ratio",
        "attention_entropy",
        "sink_mass",
        "max_attention_logit",
        "log_z",
        "loss_by_position",
        "in_context_score",
        "loss_by_frequency",
        "token_similarity",
        "dead_share",
    ];
    assert_eq!(measures(&full), expected);
    let steps = |events: &[Value]| -> Vec<Value> {
        events
            .iter()
            .filter(|e| e["event"] == "step")
            .cloned()
            .collect()
    };
    assert_eq!(steps(&off), steps(&full));
    let observed = full.iter().filter(|e| e["event"] == "observation").count();
    assert_eq!(
        observed,
        steps(&full).len(),
        "every logged step is looked into"
    );
    let ran = lab.ok(&format!("train --data data.txt {TINY} --observe full"));
    assert!(ran.err.contains("observing took"), "{}", ran.err);
    let ran = lab.ok(&format!("train --data data.txt {TINY}"));
    assert!(!ran.err.contains("observing"), "{}", ran.err);
}

/// The norms of the parts add up to the norm of the whole.
#[test]
fn gradient_norms_of_parameters_add_up() {
    let lab = Lab::new();
    let all = events(&lab, "--observe basic --grad-clip 0.01");
    let step = all.iter().find(|e| e["event"] == "step").expect("a step");
    let observed = all
        .iter()
        .find(|e| e["event"] == "observation")
        .expect("an observation");
    let series = |i: usize| -> Vec<f64> {
        let values = observed["series"][i]["values"].as_array().expect("numbers");
        values.iter().filter_map(Value::as_f64).collect()
    };
    let whole = series(0).iter().map(|x| x * x).sum::<f64>().sqrt();
    let norm = step["grad_norm"].as_f64().expect("a norm");
    assert!((whole - norm).abs() < 1e-5 * norm, "{whole} {norm}");
    let clipped = 1.0 - 0.01 / (norm + 1e-6);
    assert!(
        (series(2)[0] - clipped).abs() < 1e-9,
        "{:?} {clipped}",
        series(2)
    );
}

#[test]
fn an_optimiser_is_recorded_and_resumed_with() {
    let lab = Lab::new();
    for name in ["sgd", "muon"] {
        let flags =
            format!("--data data.txt {TINY} --steps 6 --checkpoint-interval 3 --optimizer {name}");
        lab.ok(&format!(
            "train {flags} --out {name} --save {name}.safetensors"
        ));
        let half = format!("{name}/checkpoints/step-00000003.safetensors");
        fs::copy(lab.path(&half), lab.path("half.safetensors")).expect("a copy");
        lab.ok("train --resume half.safetensors --data data.txt");
        assert!(lab.read("half.safetensors") == lab.read(&format!("{name}.safetensors")));
        assert_eq!(
            lab.json(format!("{name}/experiment.json"))["hyper"]["optimizer"],
            name
        );
        let shown = lab.ok(&format!("inspect {name}.safetensors")).out;
        assert!(
            shown.contains(&format!("hyper        {name}, batch size")),
            "{shown}"
        );
    }
    assert!(lab.read("sgd.safetensors") != lab.read("muon.safetensors"));
}

#[test]
fn only_the_newest_checkpoints_are_kept() {
    let lab = Lab::new();
    let flags = "--checkpoint-interval 1 --keep-checkpoints 2";
    lab.ok(&format!("train --data data.txt {TINY} {flags} --out run"));
    let mut names: Vec<String> = fs::read_dir(lab.path("run/checkpoints"))
        .expect("a folder")
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["step-00000004.safetensors", "step-00000005.safetensors"]
    );
}
