use gptlab_model::AttentionMask;
use gptlab_record::{GridKind, Measure};

use super::*;
use crate::{
    Study,
    study::tests::{grid_folder, run},
};

fn study(kind: GridKind) -> Study {
    let (_root, folder) = grid_folder(kind);
    Study::read(&folder).unwrap()
}

fn two() -> [Curve; 2] {
    let falling = |to: f64| {
        (0..300)
            .map(|n| (n, to + 3.0 * (-(n as f64) / 50.0).exp()))
            .collect()
    };
    let curve = |label: &str, to: f64| Curve {
        label: label.into(),
        runs: vec![falling(to), falling(to + 0.1)],
    };
    [curve("baseline", 1.0), curve("a <b> & c", 2.0)]
}

/// Counts opened minus closed tags, which is 0 for well-formed XML.
fn open_tags(svg: &str) -> i64 {
    let count = |pattern: &str| svg.matches(pattern).count() as i64;
    count("<") - count("</") * 2 - count("/>") - count("<?")
}

#[test]
fn a_chart_is_a_whole_document_that_says_what_it_shows() {
    let floors = study(GridKind::Ablation).floors;
    let chart = curves(&CurveText::new("Curves", "loss"), &two(), floors.as_ref()).unwrap();
    let svg = chart.svg();
    assert_eq!(open_tags(&svg), 0);
    for part in [
        "role=\"img\"",
        "<title>Curves</title>",
        "prefers-color-scheme:dark",
        "2-gram",
        "baseline",
    ] {
        assert!(svg.contains(part), "no {part}");
    }
    assert!(
        svg.contains("a &lt;b&gt; &amp; c") && !svg.contains("a <b>"),
        "labels are no markup"
    );
    assert!(
        chart
            .caption
            .text()
            .contains("bands reach from the lowest to the highest seed")
    );
    let inline = chart.inline().into_string();
    assert!(!inline.contains("<style>"), "the page has the style");
    assert!(inline.contains("viewBox=\"0 0 620 340\""), "{inline}");
    assert!(
        inline.contains("on-narrow") && inline.contains("viewBox=\"0 0 340 280\""),
        "a form for narrow screens"
    );
}

/// The name of an n-gram baseline stands at the height of its line.
#[test]
fn guides_are_named_on_their_lines() {
    let floors = study(GridKind::Ablation).floors;
    let svg = curves(&CurveText::new("", "loss"), &two(), floors.as_ref())
        .unwrap()
        .svg();
    let guides = svg.lines().filter(|line| line.contains("class=\"guide\""));
    let mut seen = 0;
    for guide in guides {
        let place = guide.split("d=\"M").nth(1);
        let height = place.and_then(|d| d.split(['L', ' ']).nth(1));
        let at = format!("y=\"{}\"", height.expect("a height"));
        let named = |line: &str| line.contains("halo") && line.contains(&at);
        assert!(svg.lines().any(named), "{guide}");
        seen += 1;
    }
    assert!(seen > 1, "{svg}");
}

#[test]
fn the_same_record_is_the_same_bytes() {
    let draw = || {
        curves(&CurveText::new("Curves", "loss"), &two(), None)
            .unwrap()
            .svg()
    };
    assert_eq!(draw(), draw());
}

#[test]
fn losses_that_are_no_numbers_are_left_out() {
    let curve = |runs| Curve {
        label: "x".into(),
        runs,
    };
    assert!(
        curves(
            &CurveText::new("", ""),
            &[curve(vec![vec![(0, f64::NAN)]])],
            None
        )
        .is_none()
    );
    assert!(curves(&CurveText::new("", ""), &[], None).is_none());
    let broken = curve(vec![vec![(0, 3.0), (1, f64::INFINITY), (2, 2.0)]]);
    let svg = curves(&CurveText::new("", ""), &[broken], None)
        .unwrap()
        .svg();
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn differences_are_sorted_and_have_their_sign() {
    let svg = differences(&study(GridKind::Ablation)).unwrap().svg();
    assert_eq!(open_tags(&svg), 0);
    assert!(svg.contains("residual") && svg.contains("+0.5500"));
    assert!(
        !svg.contains("broken"),
        "a variant without a loss has no difference"
    );
    let mut alone = study(GridKind::Ablation);
    alone.arms.truncate(1);
    assert!(differences(&alone).is_none());
}

#[test]
fn measures_become_maps_or_lines() {
    let mut measure = run(0, 2.0).measure(Measure::GradNorm).unwrap();
    let map = observation(&measure).unwrap();
    let svg = map.svg();
    assert_eq!(open_tags(&svg), 0);
    assert!(
        svg.contains("tok_emb.weight") && svg.contains("<path fill=\"#440154\""),
        "viridis begins dark"
    );
    assert!(svg.contains("before clipping"), "what the number means");
    assert!(!map.caption.normal.is_empty() && map.caption.notice.contains("tok_emb.weight"));
    assert!(map.numbers.is_some(), "a table for whoever cannot see it");
    measure.at = vec!["0".into(), "1".into()];
    let positions = observation(&measure).unwrap();
    assert!(positions.svg().contains("position"));
    assert!(
        !positions.caption.text().contains("A row is"),
        "lines have no rows"
    );
    measure.at.truncate(1);
    measure.values.iter_mut().for_each(|row| row.truncate(1));
    assert!(observation(&measure).unwrap().title == "Gradient norm");
}

/// Cells of a shade are one path; each begins where its neighbour ends, on whole pixels.
#[test]
fn cells_meet_and_masked_cells_are_empty() {
    let weights = vec![vec![1.0, 0.0], vec![0.25, 0.75]];
    let tokens = vec!["\n".to_owned(), "<".to_owned()];
    let map = |mask| {
        attention("head 0", &weights, &tokens, mask)
            .unwrap()
            .draw()
            .unwrap()
    };
    let causal = map(AttentionMask::Causal).svg();
    assert!(causal.contains('\u{23CE}') && causal.contains("&lt;"));
    let cells = |svg: &str| {
        let (_, drawn) = svg.split_once("class=\"cells\"").unwrap();
        let drawn = drawn.split("</g>").next().unwrap().to_owned();
        drawn.matches("h18v18h-18z").count()
    };
    assert_eq!(cells(&causal), 3, "{causal}");
    assert_eq!(cells(&map(AttentionMask::Full).svg()), 4);
    assert!(causal.contains("shape-rendering:crispEdges"));
    assert!(attention("head 0", &weights, &tokens[..1], AttentionMask::Full).is_none());
}

#[test]
fn panels_share_their_shades_and_their_caption() {
    let history = |x: f64| {
        let mut measure = run(0, 2.0).measure(Measure::GradNorm).unwrap();
        for row in &mut measure.values {
            for value in row.iter_mut() {
                *value *= x;
            }
        }
        vec![measure]
    };
    let variants = [
        ("baseline".to_owned(), history(1.0)),
        ("weak".to_owned(), history(1e-4)),
    ];
    let [(name, panels)] = over_variants(&variants).try_into().unwrap();
    assert_eq!(name, "grad_norm");
    let page = panels.figure().into_string();
    assert_eq!(
        page.matches("before clipping").count(),
        3,
        "one caption, and two descriptions"
    );
    let dark = |i: usize| panels.panels[i].1.svg().contains("fill=\"#440154\"");
    assert!(
        !dark(0) && dark(1),
        "the darkest shade is the smallest of both"
    );
    assert!(
        panels.caption.notice.contains("for weak"),
        "{:?}",
        panels.caption
    );
}

#[test]
fn sweeps_need_two_points() {
    let mut sweep = study(GridKind::Sweep);
    assert!(
        scaling_law(&sweep, "parameters", None).is_none(),
        "one size"
    );
    sweep.arms[1].variant.settings = vec![("lr".into(), 0.1), ("parameters".into(), 8_000.0)];
    let law = ScalingFit {
        setting: "parameters".into(),
        floor: 1.0,
        scale: 10.0,
        exponent: 0.3,
        interval: [0.2, 0.4],
        freedom: 2,
    };
    assert_eq!(
        law.formula(),
        "loss = 1 + 10 × parameters^(−0.3), the exponent between −0.4 and −0.2 (95 %, 2 degrees of freedom)"
    );
    let svg = scaling_law(&sweep, "parameters", Some(&law)).unwrap().svg();
    assert!(svg.contains("loss = 1 + 10"), "the formula is shown");
    sweep.arms[1].variant.settings[1].1 = 4_000.0;
    let svg = learning_rates(&sweep).unwrap().svg();
    assert!(svg.contains("learning rate") && svg.contains("parameters 4000"));
}
