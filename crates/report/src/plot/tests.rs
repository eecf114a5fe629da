use super::*;

const SIZE: PlotSize = PlotSize {
    width: 12,
    height: 4,
};

fn line(label: &str, points: &[(f64, f64)]) -> PlotLine {
    PlotLine {
        label: label.into(),
        points: points.to_vec(),
    }
}

fn axes(level: Option<f64>) -> PlotAxes {
    PlotAxes {
        x: "step".into(),
        y: "loss".into(),
        level: level.map(|height| PlotLevel {
            label: "2-gram".into(),
            height,
        }),
    }
}

#[test]
fn a_legend_is_in_columns_no_wider_than_its_plot() {
    let entries = ["o one", "x two", "* three"].map(String::from);
    let columns = format!("{MARGIN} o one     x two\n{MARGIN} * three\n");
    assert_eq!(legend(&entries, 17), columns);
    let one = format!("{MARGIN} o one\n{MARGIN} x two\n{MARGIN} * three\n");
    assert_eq!(legend(&entries, 16), one);
    assert_eq!(legend(&[], 16), "");
}

#[test]
fn one_line_is_dots_between_named_axes() {
    let falling = line("a", &[(0.0, 4.0), (100.0, 1.0)]);
    let plotted = plot(&[falling], &axes(None), SIZE, Glyphs::Unicode);
    let lines: Vec<&str> = plotted.lines().collect();
    assert_eq!(lines.len(), 7, "{plotted}");
    assert_eq!(lines[0], "          loss");
    assert_eq!(lines[1], "        4 │⠙⠲⣄⡀", "{plotted}");
    assert_eq!(lines[6], "           0   step 100", "{plotted}");
}

#[test]
fn several_lines_are_letters_with_a_key() {
    let lines = [
        line("a", &[(0.0, 0.0), (1.0, 0.0)]),
        line("b", &[(0.0, 1.0), (1.0, 1.0)]),
    ];
    let plotted = plot(&lines, &axes(None), SIZE, Glyphs::Ascii);
    let expected = "          loss\n        1 |xxxxxxxxxxxx\n    0.667 |\n          |\n        \
                    0 |oooooooooooo\n";
    assert!(plotted.starts_with(expected), "{plotted}");
    assert!(plotted.ends_with("o a   x b\n"), "{plotted}");
    assert!(plotted.is_ascii());
}

/// Neither line hides the other, and the legend says why marks alternate. Lines that do not meet
/// have a legend without that.
#[test]
fn lines_that_coincide_take_turns() {
    let flat = |label: &str, height: f64| line(label, &[(0.0, height), (1.0, height)]);
    let lines = [flat("a", 0.0), flat("b", 0.0), flat("c", 1.0)];
    let size = PlotSize { width: 50, ..SIZE };
    let plotted = plot(&lines, &axes(None), size, Glyphs::Unicode);
    assert!(plotted.contains("0 │•×•×•×•×"), "{plotted}");
    assert!(plotted.contains("1 │○○○○○○○○"), "{plotted}");
    assert!(plotted.contains(TAKE_TURNS), "{plotted}");
    let apart = plot(&lines[1..], &axes(None), size, Glyphs::Unicode);
    assert!(!apart.contains("take turns"), "{apart}");
}

#[test]
fn a_level_is_drawn_within_the_range_and_behind_the_lines() {
    let falling = line("a", &[(0.0, 3.0), (1.0, 0.0)]);
    let drawn = |height: f64| {
        let lines = [falling.clone(), line("b", &[(0.0, 3.0), (1.0, 3.0)])];
        plot(&lines, &axes(Some(height)), SIZE, Glyphs::Ascii)
    };
    let within = drawn(1.0);
    assert!(within.contains("|------oooo--\n"), "{within}");
    assert!(
        within.contains(" o a\n          x b\n          - 2-gram\n"),
        "{within}"
    );
    for outside in [-0.5, 3.5, f64::NAN] {
        let without = drawn(outside);
        assert!(!without.contains("2-gram"), "{without}");
    }
    let dotted = plot(&[falling], &axes(Some(1.0)), SIZE, Glyphs::Unicode);
    assert!(dotted.contains("│╌╌╌╌╌"), "{dotted}");
    assert!(dotted.ends_with(" ╌ 2-gram\n"), "{dotted}");
}

#[test]
fn what_is_no_number_leaves_a_gap() {
    let gap = line("a", &[(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)]);
    let plotted = plot(&[gap, line("b", &[])], &axes(None), SIZE, Glyphs::Ascii);
    assert!(
        plotted.contains('o') && !plotted.contains("NaN"),
        "{plotted}"
    );
    let none = [line("a", &[(0.0, f64::NAN)])];
    assert_eq!(plot(&none, &axes(None), SIZE, Glyphs::Ascii), "");
}

/// An axis that is too narrow for its name has its ends alone.
#[test]
fn the_name_of_an_axis_stands_between_its_ends() {
    assert_eq!(below("0", "step", "100", 20), "0       step     100");
    assert_eq!(below("0", "step", "1000", 12), "0  step 1000");
    assert_eq!(below("0", "step", "1000", 10), "0     1000");
}
