//! `diff`: whether two runs are equal, and where they differ.

use serde_json::Value;

use crate::{Lab, TINY};

#[test]
fn a_run_made_twice_is_equal() {
    let lab = Lab::new();
    for folder in ["a", "b"] {
        lab.ok(&format!(
            "train --data data.txt {TINY} --out {folder} --save {folder}.safetensors"
        ));
    }
    for (line, expected) in [
        ("diff a b", "The runs are equal"),
        (
            "diff a.safetensors b.safetensors",
            "Settings and listing are equal. The sides share no recorded step",
        ),
    ] {
        let ran = lab.ok(line);
        assert!(ran.out.contains(expected), "{}", ran.out);
    }
    assert!(
        lab.ok("diff a b.safetensors").out.contains("equal"),
        "a run and its own checkpoint"
    );
}

#[test]
fn two_runs_part_at_a_step() {
    let lab = Lab::new();
    lab.ok(&format!("train --data data.txt {TINY} --out a"));
    lab.ok(&format!(
        "train --data data.txt {TINY} --out b --disable-residual --lr 0.01"
    ));
    let ran = lab.run("diff a b");
    assert_eq!(ran.code, 1, "{}", ran.err);
    for part in [
        "a  a\nb  b\n",
        "peak learning rate: 0.0003 -> 0.01",
        "residual connections: add -> none",
        "- block0.attn.residual",
        "first differ at step 0: loss ",
        "last recorded losses: a ",
    ] {
        assert!(ran.out.contains(part), "no {part} in\n{}", ran.out);
    }
    let ran = lab.run("diff a b --json");
    assert_eq!(ran.code, 1);
    let found: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(found["equal"], false);
    assert_eq!(found["parting"]["step"], 0);
    assert_eq!(found["common_steps"], 3);
}

#[test]
fn another_seed_is_a_setting_and_no_other_listing() {
    let lab = Lab::new();
    lab.ok(&format!("train --data data.txt {TINY} --out a"));
    lab.ok(&format!("train --data data.txt {TINY} --out b --seed 1"));
    let out = lab.run("diff a b").out;
    assert!(
        out.contains("seed: 0 -> 1") && out.contains("the same ops"),
        "{out}"
    );
}

/// Exit code 1 is reserved for a difference.
#[test]
fn what_cannot_be_compared_is_trouble() {
    let lab = Lab::trained();
    let ran = lab.run("diff model.safetensors nowhere");
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.first_line().contains("nowhere"), "{}", ran.err);
    let ran = lab.run("diff model.safetensors data.txt");
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert_eq!(lab.run("diff model.safetensors").code, 2);
}

/// Layers are in numerical order: layer 2 comes before layer 10.
#[test]
fn layers_are_in_the_order_of_their_numbers() {
    let lab = Lab::new();
    for (folder, heads) in [("a", 2), ("b", 4)] {
        lab.ok(&format!(
            "train --data data.txt {TINY} --steps 1 --n-layer 12 --n-head {heads} --out {folder}"
        ));
    }
    let out = lab.run("diff a b").out;
    let expected = "attention heads of layers 0 to 11: 2 -> 4";
    assert!(out.contains(expected), "{out}");
}
