//! `sweep`: sizes and learning rates.

use crate::{Lab, unwrapped};

const SHORT: &str = "--data data.txt --block-size 16 --batch-size 1 --steps 2";

#[test]
fn sizes_and_rates_are_crossed_and_no_more_is_concluded_than_stands() {
    let lab = Lab::new();
    let output = lab
        .ok(&format!(
            "sweep --sizes tiny,mini --grid lr=1e-3,3e-3 {SHORT} --out sweep"
        ))
        .out;
    let grid = lab.json("sweep/grid.json");
    assert_eq!(grid["kind"], "sweep");
    let names: Vec<&str> = grid["variants"]
        .as_array()
        .expect("variants")
        .iter()
        .filter_map(|v| v["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "tiny lr=1e-3",
            "tiny lr=3e-3",
            "mini lr=1e-3",
            "mini lr=3e-3"
        ]
    );
    let settings = &grid["variants"][3]["settings"];
    assert_eq!(settings[0][0], "lr");
    assert_eq!(settings[1][0], "parameters");
    assert_eq!(
        settings[1][1],
        grid["variants"][3]["parameters"]
            .as_f64()
            .expect("a number")
    );
    let page = String::from_utf8(lab.read("sweep/report/report.html")).expect("UTF-8");
    for part in [
        "tiny: the lowest loss is ",
        "mini: the lowest loss is ",
        " of the grid: a better one may lie beyond",
    ] {
        assert!(
            unwrapped(&output).contains(part) && page.contains(part),
            "no {part} in\n{output}"
        );
    }
    let none =
        "No scaling law: a scaling law with 2 parameters needs at least 3 different sizes, found 2";
    assert!(unwrapped(&output).contains(none), "{output}");
    assert!(!page.contains("parameters^"));
    // No point of a sweep is a baseline.
    let rows = lab.json("sweep/results.json")["rows"].clone();
    let rows = rows.as_array().expect("rows");
    assert!(rows.iter().all(|row| row["difference"].is_null()));
    assert!(!output.contains("the baseline") && !page.contains("the baseline"));
}

#[test]
fn unknown_sizes_are_named() {
    let lab = Lab::new();
    let ran = lab.run(&format!("sweep --sizes tiny,huge {SHORT}"));
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains(
            "there is no size called \"huge\"; there are tiny, mini, small, medium, large"
        ),
        "{}",
        ran.err
    );
    let ran = lab.run(&format!("sweep --sizes , {SHORT}"));
    assert_eq!(
        (ran.code, ran.first_line()),
        (2, "error: --sizes names no size")
    );
}
