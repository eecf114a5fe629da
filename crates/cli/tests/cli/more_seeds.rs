//! A grid in a folder that holds one: more seeds continue it, and what differs is said.

use crate::{Lab, TINY, unwrapped};

fn grid(switches: &str, seeds: u64, out: &str) -> String {
    let small = TINY.replace("--max-tokens 8", "");
    format!("ablate --data data.txt {small} --switches {switches} --seeds {seeds} --out {out}")
}

/// The witness is a grid that had all of its seeds from the beginning.
#[test]
fn more_seeds_continue_a_grid() {
    let lab = Lab::new();
    lab.ok(&grid("no-mlp", 3, "whole"));
    lab.ok(&grid("no-mlp", 2, "grown"));
    let first = lab.read("grown/runs/baseline-s0/events.jsonl");
    let ran = lab.ok(&grid("no-mlp", 3, "grown"));
    let said = unwrapped(&ran.err);
    assert!(
        said.contains("this grid had 2 seeds and now has 3;"),
        "{said}"
    );
    assert!(lab.read("grown/runs/baseline-s0/events.jsonl") == first);
    for file in ["results.json", "report/curves.csv"] {
        assert!(
            lab.read(&format!("grown/{file}")) == lab.read(&format!("whole/{file}")),
            "{file}"
        );
    }
    let plan = |out: &str| {
        let mut plan = lab.json(format!("{out}/grid.json"));
        plan.as_object_mut().expect("a plan").remove("command");
        plan
    };
    assert_eq!(plan("grown"), plan("whole"));

    let ran = lab.run(&grid("no-mlp", 2, "grown"));
    let expected = "error: grown: expected the same grid, to resume it, found another one: it has seeds 0 to 2, not seeds \
                    0 to 1; `--seeds 3` continues it, or give the new one a folder of its own with --out";
    assert_eq!(
        (ran.code, unwrapped(ran.first_line()).as_str()),
        (3, expected)
    );
    assert_eq!(plan("grown"), plan("whole"));
}

#[test]
fn another_grid_is_refused_with_what_differs() {
    let lab = Lab::new();
    lab.ok(&grid("no-mlp", 2, "grid"));
    let refused = |line: &str, differs: &str| {
        let ran = lab.run(line);
        assert_eq!(ran.code, 3, "{}", ran.err);
        assert!(ran.err.contains(differs), "{}", ran.err);
    };
    refused(
        &grid("no-attention", 3, "grid"),
        "it has `no MLP`, and it lacks `no attention`, and it has seeds 0 to 1, not seeds 0 to 2; give the new",
    );
    refused(
        &format!("{} --seed 1", grid("no-mlp", 2, "grid")),
        "it has seeds 0 to 1, not seeds 1 to 2; give the new",
    );
    // More seeds with another setting are another grid.
    refused(&format!("{} --lr 0.1", grid("no-mlp", 3, "grid")), "lr");
    assert_eq!(
        lab.json("grid/grid.json")["seeds"],
        serde_json::json!([0, 1])
    );
}
