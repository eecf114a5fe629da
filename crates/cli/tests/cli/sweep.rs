//! `sweep`: sizes and learning rates.

use crate::Lab;

const SHORT: &str = "--data data.txt --block-size 16 --batch-size 1 --steps 2";

#[test]
fn sizes_and_rates_are_crossed_and_a_law_is_fitted() {
    let lab = Lab::new();
    lab.ok(&format!(
        "sweep --sizes tiny,mini --grid lr=1e-3,3e-3 {SHORT} --out sweep"
    ));
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
    assert!(
        page.contains("parameters^")
            || page.contains("parameters<sup>")
            || page.contains("× parameters")
    );
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
