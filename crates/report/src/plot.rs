//! Plots of curves for a terminal. One curve is drawn in braille (eight dots per character),
//! several in letters.

use crate::{number, words::display_width};

/// The size of a plot without its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlotSize {
    /// The width, in characters.
    pub width: usize,
    /// The height, in lines.
    pub height: usize,
}

/// The characters that the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    Unicode,
    Ascii,
}

/// One curve of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotLine {
    pub label: String,
    pub points: Vec<(f64, f64)>,
}

/// The marks of several curves, in their order.
const UNICODE: [char; 6] = ['•', '×', '○', '+', '△', '□'];
const ASCII: [char; 6] = ['o', 'x', '*', '+', '#', '%'];

/// A margin as wide as the numbers left of the axis.
const MARGIN: &str = "         ";

/// The dots of a braille character, by row and column (Unicode, block 2800).
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Draws lines with an axis to the left and below, and with labels if there are several lines.
/// Earlier lines are on top. The plot is empty if no point is finite.
pub fn plot(lines: &[PlotLine], size: PlotSize, glyphs: Glyphs) -> String {
    let points = || {
        lines
            .iter()
            .flat_map(|l| &l.points)
            .filter(|p| p.0.is_finite() && p.1.is_finite())
    };
    let Some((x, y)) = extent(points().map(|p| p.0)).zip(extent(points().map(|p| p.1))) else {
        return String::new();
    };
    let size = PlotSize {
        width: size.width.max(10),
        height: size.height.max(3),
    };
    let field = match (lines, glyphs) {
        ([line], Glyphs::Unicode) => braille(line, (x, y), size),
        (_, Glyphs::Unicode) => letters(lines, (x, y), size, UNICODE),
        (_, Glyphs::Ascii) => letters(lines, (x, y), size, ASCII),
    };
    let mut out = framed(&field, (x, y), size, glyphs);
    if lines.len() > 1 {
        let marks = if glyphs == Glyphs::Unicode {
            UNICODE
        } else {
            ASCII
        };
        let key = lines
            .iter()
            .zip(marks.iter().cycle())
            .map(|(l, mark)| format!("{mark} {}", l.label));
        out += &legend(key, size.width);
    }
    out
}

/// Puts as many entries on a line as the plot is wide.
fn legend(entries: impl Iterator<Item = String>, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for entry in entries {
        match lines.last_mut() {
            Some(line) if display_width(line) + 3 + display_width(&entry) <= width => {
                line.push_str("   ");
                line.push_str(&entry);
            }
            Some(_) | None => lines.push(entry),
        }
    }
    let lines = lines.iter();
    lines
        .map(|line| [MARGIN, " ", line, "\n"].concat())
        .collect()
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values.fold(None, |found: Option<(f64, f64)>, x| {
        let (low, high) = found.unwrap_or((x, x));
        Some((low.min(x), high.max(x)))
    })?;
    // The range must be finite, and must not be lost to rounding.
    let (low, high) = (low.clamp(-LARGEST, LARGEST), high.clamp(-LARGEST, LARGEST));
    let room = if low.abs() < 1e12 {
        0.5
    } else {
        low.abs() / 2.0
    };
    Some(if high > low {
        (low, high)
    } else {
        (low - room, high + room)
    })
}

/// The largest magnitude that is drawn to scale. Numbers beyond it are drawn at the edge.
const LARGEST: f64 = 1e300;

type Bounds = ((f64, f64), (f64, f64));

/// Returns the height of the line at each of `columns` positions, or `None` where it has no points.
fn heights(line: &PlotLine, (x, y): Bounds, columns: usize, rows: usize) -> Vec<Option<usize>> {
    let at = |column: usize| {
        let place = x.0 + (x.1 - x.0) * column as f64 / (columns - 1).max(1) as f64;
        let height = interpolated(&line.points, place)?;
        let share = ((y.1 - height) / (y.1 - y.0)).clamp(0.0, 1.0);
        Some((share * (rows - 1) as f64).round() as usize)
    };
    (0..columns).map(at).collect()
}

fn interpolated(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = points.iter().position(|p| p.0 >= x)?;
    let (x1, y1) = points[after];
    let height = match after.checked_sub(1).map(|i| points[i]) {
        Some((x0, y0)) if x1 > x0 => between((x0, y0), (x1, y1), x),
        Some(_) | None => y1,
    };
    let inside = after > 0 || x1 <= x;
    Some(height).filter(|h| inside && h.is_finite())
}

/// Returns the height at `x` of the line from one point to another on its right.
fn between(left: (f64, f64), right: (f64, f64), x: f64) -> f64 {
    let ((x0, y0), (x1, y1)) = (left, right);
    let height = y0 + (y1 - y0) * (x - x0) / (x1 - x0);
    if height.is_finite() {
        return height;
    }
    // The operands are halved because differences and products of large numbers may overflow
    // although the height does not.
    let share = ((x / 2.0 - x0 / 2.0) / (x1 / 2.0 - x0 / 2.0)).clamp(0.0, 1.0);
    y0 * (1.0 - share) + y1 * share
}

/// Draws a connected line, with every dot between the heights of two neighbouring columns.
fn braille(line: &PlotLine, bounds: Bounds, size: PlotSize) -> Vec<String> {
    let (columns, rows) = (size.width * 2, size.height * 4);
    let heights = heights(line, bounds, columns, rows);
    let mut cells = vec![vec![0x2800u32; size.width]; size.height];
    let mut before = None;
    for (column, height) in heights.into_iter().enumerate() {
        if let Some(height) = height {
            let from = before.unwrap_or(height);
            for row in from.min(height)..=from.max(height) {
                cells[row / 4][column / 2] |= DOTS[row % 4][column % 2];
            }
        }
        before = height;
    }
    let text = |row: Vec<u32>| row.into_iter().filter_map(char::from_u32).collect();
    cells.into_iter().map(text).collect()
}

fn letters(lines: &[PlotLine], bounds: Bounds, size: PlotSize, marks: [char; 6]) -> Vec<String> {
    let mut cells = vec![vec![' '; size.width]; size.height];
    let marked: Vec<(&PlotLine, char)> = lines.iter().zip(marks.into_iter().cycle()).collect();
    for (line, mark) in marked.into_iter().rev() {
        for (column, height) in heights(line, bounds, size.width, size.height)
            .into_iter()
            .enumerate()
        {
            if let Some(row) = height {
                cells[row][column] = mark;
            }
        }
    }
    cells
        .into_iter()
        .map(|row| row.into_iter().collect())
        .collect()
}

fn framed(field: &[String], (x, y): Bounds, size: PlotSize, glyphs: Glyphs) -> String {
    let (bar, corner, dash) = match glyphs {
        Glyphs::Unicode => ('│', '└', "─"),
        Glyphs::Ascii => ('|', '+', "-"),
    };
    let last = field.len() - 1;
    let mut out = String::new();
    for (i, row) in field.iter().enumerate() {
        let share = i as f64 / last.max(1) as f64;
        let labelled = i == 0 || i == last || i == last / 2;
        let label = if labelled {
            number::short(y.1 - (y.1 - y.0) * share)
        } else {
            String::new()
        };
        // The empty braille character is not white space.
        let row = row.trim_end_matches([' ', '\u{2800}']);
        let label = format!("{label:>9} {bar}");
        out += &[&label, row, "\n"].concat();
    }
    let (from, to) = (number::short(x.0), number::short(x.1));
    let room = size.width.saturating_sub(from.len() + to.len());
    let (line, space) = (dash.repeat(size.width), " ".repeat(room));
    out + &format!("{MARGIN} {corner}{line}\n{MARGIN}  {from}{space}{to}\n")
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_legend_is_no_wider_than_its_plot() {
        let entries = ["o one", "x two", "* three"].map(String::from);
        let said = legend(entries.into_iter(), 14);
        assert_eq!(said, format!("{MARGIN} o one   x two\n{MARGIN} * three\n"));
    }

    #[test]
    fn one_line_is_dots() {
        let falling = line("a", &[(0.0, 4.0), (100.0, 1.0)]);
        let plotted = plot(&[falling], SIZE, Glyphs::Unicode);
        let lines: Vec<&str> = plotted.lines().collect();
        assert_eq!(lines.len(), 6, "{plotted}");
        assert_eq!(lines[0], "        4 │⠙⠲⣄⡀", "{plotted}");
        assert!(lines[5].ends_with("0        100"), "{plotted}");
    }

    #[test]
    fn several_lines_are_letters_with_a_key() {
        let lines = [
            line("a", &[(0.0, 0.0), (1.0, 0.0)]),
            line("b", &[(0.0, 1.0), (1.0, 1.0)]),
        ];
        let plotted = plot(&lines, SIZE, Glyphs::Ascii);
        let expected =
            "        1 |xxxxxxxxxxxx\n    0.667 |\n          |\n        0 |oooooooooooo\n";
        assert!(plotted.starts_with(expected), "{plotted}");
        assert!(plotted.ends_with("o a   x b\n"), "{plotted}");
        assert!(plotted.is_ascii());
    }

    #[test]
    fn what_is_no_number_leaves_a_gap() {
        let gap = line("a", &[(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)]);
        let plotted = plot(&[gap, line("b", &[])], SIZE, Glyphs::Ascii);
        assert!(
            plotted.contains('o') && !plotted.contains("NaN"),
            "{plotted}"
        );
        assert_eq!(
            plot(&[line("a", &[(0.0, f64::NAN)])], SIZE, Glyphs::Ascii),
            ""
        );
    }
}
