//! Tests with untrusted records: names with every control character, and numbers of every size.

use std::sync::OnceLock;

use gptlab_model::AttentionMask;
use gptlab_record::{CorrectedDifference, Event, Floors, GridKind, PairedDifference};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    Chart, MeasureHistory, Study, ablation, chart,
    chart::{Caption, Curve, CurveText, HeatMap, Panels, ScalingFit, ShadeScale},
    page::{self, Extras, Figure, File, Gallery, Section, ShadedToken},
    plot::{self, Glyphs, PlotAxes, PlotLevel, PlotLine, PlotSize},
    study::tests::{grid_folder, run},
    visible::{Mark, tests::every_control},
};

/// Generates numbers at the limits of arithmetic, among all others.
fn number() -> impl Strategy<Value = f64> {
    const EDGES: [f64; 15] = [
        0.0,
        -0.0,
        5e-324,
        -5e-324,
        f64::MIN_POSITIVE,
        1.0,
        1.0 + f64::EPSILON,
        2.5,
        1e15,
        u64::MAX as f64,
        f64::MAX,
        f64::MIN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    prop_oneof![select(&EDGES[..]), any::<f64>(), 0.0..4.0]
}

fn step() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..100u64,
        select(&[u64::MAX, u64::MAX - 1][..]),
        any::<u64>()
    ]
}

fn floors() -> impl Strategy<Value = Option<Floors>> {
    let floors = (
        number(),
        vec(number(), 0..3),
        proptest::option::of(number()),
    );
    let floors = floors.prop_map(|(uniform, ngrams, entropy)| Floors {
        uniform,
        ngrams,
        entropy,
        ..Floors::default()
    });
    proptest::option::of(floors)
}

fn study(kind: GridKind) -> Study {
    static STUDY: OnceLock<[Study; 3]> = OnceLock::new();
    let [ablation, sweep, published] = STUDY.get_or_init(|| {
        [GridKind::Ablation, GridKind::Sweep, GridKind::Published].map(|kind| {
            let (_root, folder) = grid_folder(kind);
            Study::read(&folder).unwrap()
        })
    });
    match kind {
        GridKind::Ablation => ablation.clone(),
        GridKind::Sweep => sweep.clone(),
        GridKind::Published => published.clone(),
    }
}

/// Parses XML strictly, and checks that every coordinate in it is a finite number near the chart.
fn whole(svg: &str) {
    let document = roxmltree::Document::parse(svg).unwrap_or_else(|e| panic!("{e}\n{svg}"));
    let places = [
        "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "points", "d",
        "viewBox",
    ];
    for attribute in document.descendants().flat_map(|node| node.attributes()) {
        if !places.contains(&attribute.name()) {
            continue;
        }
        let apart = |c: char| c.is_whitespace() || ",MLHVhvz".contains(c);
        for text in attribute.value().split(apart).filter(|t| !t.is_empty()) {
            let number: f64 = text.parse().unwrap_or_else(|_| panic!("{text} in {svg}"));
            assert!(number.abs() < 1e6, "{text} in {svg}");
        }
    }
}

fn drawn(chart: Option<&Chart>) {
    if let Some(chart) = chart {
        whole(&chart.svg());
    }
}

/// Checks that a file contains nothing that a terminal interprets or that XML cannot contain.
fn shown(file: &File) {
    let marked = file.text.replace("\r\n", "\n");
    let found = marked.chars().find(|c| Mark::of(*c).is_some());
    assert_eq!(found, None, "{}", file.name);
}

/// Parses the cells of a CSV's rows by RFC 4180.
fn cells(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, csv.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(!quoted && cell.is_empty() && row.is_empty(), "{csv}");
    rows
}

fn well_formed(files: &[File]) {
    for file in files {
        shown(file);
        match file.name.rsplit('.').next() {
            Some("svg") => whole(&file.text),
            Some("html") => {
                let pictures = file.text.split("<svg ").skip(1);
                for picture in pictures {
                    let end = picture.find("</svg>").expect("an end");
                    whole(&["<svg ", &picture[..end], "</svg>"].concat());
                }
            }
            Some("csv") => {
                let rows = cells(&file.text);
                let width = rows[0].len();
                assert!(rows.iter().all(|row| row.len() == width), "{}", file.name);
            }
            Some(_) | None => {}
        }
    }
}

/// Makes a study in which every text from outside is `text`.
fn named(kind: GridKind, text: &str) -> Study {
    let mut study = study(kind);
    for words in [&mut study.name, &mut study.program, &mut study.data.source] {
        words.push_str(text);
    }
    study.command.push(text.to_owned());
    for (i, arm) in study.arms.iter_mut().enumerate() {
        let variant = &mut arm.variant;
        for words in [
            &mut variant.title,
            &mut variant.purpose,
            &mut variant.prediction,
            &mut variant.source,
            &mut variant.listing,
        ] {
            words.push_str(text);
        }
        variant.name = format!("{i}{text}");
        variant.settings.push((text.to_owned(), i as f64 + 1.0));
        for event in arm.runs.iter_mut().flat_map(|run| &mut run.events) {
            match event {
                Event::Sample { text: sample, .. } => sample.push_str(text),
                Event::Observation(observation) => {
                    for series in &mut observation.series {
                        series.measure.push_str(text);
                        series.at.iter_mut().for_each(|at| at.push_str(text));
                    }
                }
                Event::Start { .. }
                | Event::Notice { .. }
                | Event::Step(_)
                | Event::Checkpoint { .. }
                | Event::Resume { .. }
                | Event::Stop { .. }
                | Event::Diverged { .. }
                | Event::Done { .. } => {}
            }
        }
    }
    study
}

fn panel(text: &str, map: HeatMap) -> Panels {
    let shading = map.shading();
    let chart = map.draw_with(shading.expect("numbers")).expect("a map");
    Panels {
        title: text.to_owned(),
        caption: Caption::new(text),
        shading,
        panels: vec![("0".to_owned(), chart)],
        numbers: None,
    }
}

fn report(kind: GridKind, text: &str) -> Vec<File> {
    let study = named(kind, text);
    let labels = [text.to_owned(), text.to_owned()];
    let weights = [vec![1.0, 0.5], vec![0.0, 1.0]];
    let map = chart::attention(text, &weights, &labels, AttentionMask::Causal).expect("a map");
    let inside = vec![(study.arms[0].variant.name.clone(), panel(text, map))];
    let extras = Extras {
        date: Some(text.to_owned()),
        scaling_law: Some(ScalingFit {
            setting: text.to_owned(),
            floor: 1.0,
            scale: 2.0,
            exponent: 0.5,
            interval: [0.4, 0.6],
            freedom: 3,
        }),
        inside,
    };
    page::files(&study, &extras)
}

/// The reader of this test is strict: it rejects characters that XML 1.0 cannot contain.
#[test]
fn the_witness_sees_control_characters() {
    for c in ['\0', '\x1b', '\x08', '\u{FFFE}', '\u{FFFF}'] {
        let bad = format!("<svg><text>a{c}</text></svg>");
        assert!(roxmltree::Document::parse(&bad).is_err(), "{c:?}");
    }
}

#[test]
fn names_and_samples_of_any_characters_make_whole_files() {
    for kind in [GridKind::Ablation, GridKind::Sweep] {
        let files = report(kind, &every_control());
        well_formed(&files);
        let page = &files[0].text;
        assert!(page.contains('\u{241B}') && page.contains("\\u{202e}"));
        well_formed(&report(
            kind,
            "<![CDATA[ ]]> & \"'` --> <!-- stroke-width=\"1\" |",
        ));
    }
    let text = every_control();
    let table = ablation::table(&named(GridKind::Ablation, &text));
    let map = HeatMap {
        title: text.clone(),
        caption: Caption::new(text.clone()),
        rows: vec![text.clone()],
        columns: vec![text.clone()],
        cells: vec![vec![0.5]],
        texts: Some(vec![vec![text.clone()]]),
        beneath: text.clone(),
        ..HeatMap::default()
    };
    let token = ShadedToken {
        text: text.clone(),
        share: Some(0.5),
        says: text.clone(),
    };
    let gallery = Gallery {
        title: text.clone(),
        about: text.clone(),
        answer: vec![text.clone()],
        tokens: vec![token],
        sections: vec![Section {
            title: text.clone(),
            text: text.clone(),
            figures: vec![Figure::whole("map", map.draw().expect("a map"))],
            tables: vec![table],
        }],
        facts: vec![("prompt", text.clone())],
    };
    well_formed(&page::gallery("probe.html", &gallery));
}

/// The difference is that of a record with a loss of 0 and one of 5e-324.
#[test]
fn a_tiny_difference_is_drawn() {
    let curve = Curve {
        label: "x".into(),
        runs: vec![vec![(0, 0.0), (1, 5e-324)]],
    };
    let chart = chart::curves(&CurveText::new("", ""), &[curve], None);
    drawn(Some(&chart.expect("a chart")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_makes_whole_files(text: String) {
        well_formed(&report(GridKind::Sweep, &text));
    }

    #[test]
    fn any_curves_are_drawn(
        runs in vec(vec((step(), number()), 0..6), 0..4),
        more in vec((step(), number()), 0..6),
        floors in floors(),
    ) {
        let runs = runs.into_iter().map(|mut run| {
            run.sort_by_key(|(step, _)| *step);
            run
        });
        let curves = [
            Curve { label: "a".into(), runs: runs.collect() },
            Curve { label: "b".into(), runs: vec![more] },
        ];
        let text = CurveText::new("title", "loss");
        drawn(chart::curves(&text, &curves, floors.as_ref()).as_ref());
        for panel in chart::panels_of_curves(&text, &curves, floors.as_ref()).iter().flat_map(|p| &p.panels) {
            drawn(Some(&panel.1));
        }
        let line = |points: Vec<(u64, f64)>| PlotLine {
            label: "a".into(),
            points: points.into_iter().map(|(step, loss)| (step as f64, loss)).collect(),
        };
        let lines: Vec<PlotLine> = curves.into_iter().flat_map(|c| c.runs).map(line).collect();
        let axes = PlotAxes {
            level: floors.map(|floors| PlotLevel { label: "uniform".into(), height: floors.uniform }),
            ..PlotAxes::default()
        };
        for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
            plot::plot(&lines, &axes, PlotSize { width: 30, height: 5 }, glyphs);
            for line in &lines {
                plot::plot(std::slice::from_ref(line), &axes, PlotSize { width: 0, height: 0 }, glyphs);
            }
        }
    }

    #[test]
    fn any_points_are_plotted(points in vec((number(), number()), 0..6)) {
        let line = PlotLine { label: String::new(), points };
        let plotted = plot::plot(&[line], &PlotAxes::default(), PlotSize { width: 20, height: 4 }, Glyphs::Unicode);
        prop_assert!(!plotted.contains("NaN") && !plotted.contains("inf"), "{}", plotted);
    }

    /// The rows have any length, because a record need not be consistent.
    #[test]
    fn any_measure_is_drawn(
        at in vec(select(&["0", "1", "2", "block0", "\u{1b}"][..]), 0..4),
        steps in vec(step(), 0..4),
        values in vec(vec(number(), 0..4), 0..4),
    ) {
        let at = at.into_iter().map(String::from).collect();
        let history = MeasureHistory { name: "grad_norm".into(), at, steps, values };
        drawn(chart::observation(&history).as_ref());
        let other = MeasureHistory { at: vec!["block0".into(), "block1".into()], ..history.clone() };
        let variants = [("a".to_owned(), vec![history]), ("b".to_owned(), vec![other])];
        for (_, panels) in chart::over_variants(&variants) {
            panels.panels.iter().for_each(|(_, chart)| drawn(Some(chart)));
        }
    }

    #[test]
    fn any_map_is_drawn(cells in vec(vec(number(), 3), 0..4)) {
        let names: Vec<String> = (0..cells.len()).map(|n| n.to_string()).collect();
        let columns = ["a", "b", "c"].map(String::from);
        for scale in [ShadeScale::Size, ShadeScale::Share, ShadeScale::Difference] {
            let map = HeatMap {
                rows: names.clone(),
                columns: columns.to_vec(),
                cells: cells.clone(),
                scale,
                ..HeatMap::default()
            };
            drawn(map.with_numbers().draw().as_ref());
        }
        let map = chart::attention("", &cells, &columns, AttentionMask::Window(2));
        drawn(map.and_then(HeatMap::draw).as_ref());
    }

    #[test]
    fn any_differences_are_drawn_and_told(
        numbers in vec((number(), number(), number(), proptest::option::of(number())), 3),
        floors in floors(),
        corrected in proptest::option::of((number(), number())),
    ) {
        let mut study = study(GridKind::Ablation);
        study.floors = floors;
        for (arm, (mean, low, high, p)) in study.arms.iter_mut().zip(numbers) {
            if let Some(row) = &mut arm.row {
                let (low, high) = (Some(low), Some(high));
                let corrected = corrected.map(|(x, p)| {
                    CorrectedDifference { low: Some(x), high, p: Some(p), comparisons: 3 }
                });
                row.difference = Some(PairedDifference { mean, deviation: low, low, high, p, pairs: 2, corrected });
                (row.mean, row.deviation) = (Some(mean), low);
            }
        }
        drawn(chart::differences(&study).as_ref());
        well_formed(&page::files(&study, &Extras::default()));
    }

    #[test]
    fn any_sweep_is_drawn(
        points in vec((number(), number(), number()), 3),
        law in (number(), number(), number(), number()),
    ) {
        let mut study = study(GridKind::Sweep);
        for (arm, (lr, size, loss)) in study.arms.iter_mut().zip(points) {
            arm.variant.settings = vec![("lr".into(), lr), ("parameters".into(), size)];
            if let Some(row) = &mut arm.row {
                row.mean = Some(loss);
            }
        }
        let (floor, scale, exponent, end) = law;
        let interval = [end, exponent];
        let law = ScalingFit { setting: "parameters".into(), floor, scale, exponent, interval, freedom: 1 };
        drawn(chart::scaling_law(&study, "parameters", Some(&law)).as_ref());
        drawn(chart::scaling_law(&study, "parameters", None).as_ref());
        drawn(chart::learning_rates(&study).as_ref());
    }

    /// The doctor examines, and the page shows, a run whose steps recorded arbitrary numbers.
    #[test]
    fn any_record_is_examined(numbers in vec((step(), number(), number(), number()), 0..12), floors in floors()) {
        let mut made = run(0, 2.0);
        let mut numbers = numbers.into_iter().cycle();
        for event in &mut made.events {
            if let (Event::Step(record), Some((step, a, b, c))) = (event, numbers.next()) {
                (record.step, record.loss, record.grad_norm) = (step, a, b);
                (record.val_loss, record.lr, record.tokens_per_second) = (Some(c), a, b);
                record.seconds = c;
            }
        }
        made.experiment.hyper.steps = u64::MAX;
        crate::doctor::examine(&made, floors.as_ref());
        let mut study = study(GridKind::Ablation);
        study.arms[0].runs = vec![made];
        study.floors = floors;
        well_formed(&page::files(&study, &Extras::default()));
    }
}
