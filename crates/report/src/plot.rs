//! Plots of curves for a terminal. One curve is drawn in braille (eight dots per character),
//! several in marks, which take turns where curves coincide.

use crate::{
    number,
    table::wrap,
    words::{display_width, padded},
};

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

/// What the axes of a plot are, and what its curves are compared with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlotAxes {
    /// What the horizontal axis counts: `step`.
    pub x: String,
    /// What the vertical axis measures, with its unit: `validation loss, nats per token`.
    pub y: String,
    /// A height to compare the curves with. It is drawn if it lies between their lowest and their
    /// highest point.
    pub level: Option<PlotLevel>,
}

/// A height that is drawn as a horizontal line.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotLevel {
    pub label: String,
    pub height: f64,
}

/// The marks of several curves, in their order.
const UNICODE: [char; 6] = ['•', '×', '○', '+', '△', '□'];
const ASCII: [char; 6] = ['o', 'x', '*', '+', '#', '%'];

/// A margin as wide as the numbers left of the axis.
const MARGIN: &str = "         ";

/// What the legend says where two curves meet.
const TAKE_TURNS: &str = "Where curves coincide, their marks take turns.";

/// The dots of a braille character, by row and column (Unicode, block 2800).
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// The braille character without dots, which is not white space.
const NO_DOT: char = '\u{2800}';

/// Draws lines with an axis to the left and below, and with a legend if there are several lines or
/// a level. Where lines coincide, each has a share of the characters. The plot is empty if no point
/// is finite.
pub fn plot(lines: &[PlotLine], axes: &PlotAxes, size: PlotSize, glyphs: Glyphs) -> String {
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
    let (marks, dash) = match glyphs {
        Glyphs::Unicode => (UNICODE, '╌'),
        Glyphs::Ascii => (ASCII, '-'),
    };
    let mut coincide = false;
    let mut field = match (lines, glyphs) {
        ([line], Glyphs::Unicode) => braille(line, (x, y), size),
        (_, Glyphs::Unicode | Glyphs::Ascii) => {
            let cells = cells(lines, (x, y), size);
            coincide = cells.iter().flatten().any(|here| here.len() > 1);
            letters(&cells, marks)
        }
    };
    let level = axes.level.as_ref();
    let level = level.filter(|level| (y.0..=y.1).contains(&level.height));
    if let Some(level) = level {
        let share = (y.1 - level.height) / (y.1 - y.0);
        let row = (share * (size.height - 1) as f64).round() as usize;
        field[row] = with_level(&field[row], dash);
    }
    let mut entries = Vec::new();
    if lines.len() > 1 {
        let marked = lines.iter().zip(marks.iter().cycle());
        entries.extend(marked.map(|(line, mark)| format!("{mark} {}", line.label)));
    }
    entries.extend(level.map(|level| format!("{dash} {}", level.label)));
    let mut out = framed(&field, (x, y), axes, size, glyphs);
    out += &legend(&entries, size.width);
    if coincide {
        out += &beside(wrap(TAKE_TURNS, size.width));
    }
    out
}

/// Puts the entries into columns, as many as the plot is wide.
fn legend(entries: &[String], width: usize) -> String {
    const GAP: usize = 3;
    let widest = entries.iter().map(|entry| display_width(entry)).max();
    let column = widest.unwrap_or_default() + GAP;
    let in_a_line = ((width + GAP) / column).max(1);
    let lines = entries.chunks(in_a_line).map(|line| {
        let line: Vec<String> = line.iter().map(|entry| padded(entry, column)).collect();
        line.concat().trim_end().to_owned()
    });
    beside(lines)
}

/// Puts lines under the plane of the plot.
fn beside(lines: impl IntoIterator<Item = String>) -> String {
    let lines = lines.into_iter();
    lines
        .map(|line| [MARGIN, " ", &line, "\n"].concat())
        .collect()
}

/// Draws a horizontal line through the free characters of a row.
fn with_level(row: &str, dash: char) -> String {
    let is_free = |c: &char| *c == ' ' || *c == NO_DOT;
    let drawn = row.chars().map(|c| if is_free(&c) { dash } else { c });
    drawn.collect()
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
    let mut cells = vec![vec![u32::from(NO_DOT); size.width]; size.height];
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

/// The lines that pass through a character, by their places in the list of lines.
type LinesHere = Vec<usize>;

/// Returns which lines pass through each character, by row and column.
fn cells(lines: &[PlotLine], bounds: Bounds, size: PlotSize) -> Vec<Vec<LinesHere>> {
    let mut cells = vec![vec![LinesHere::new(); size.width]; size.height];
    for (i, line) in lines.iter().enumerate() {
        let heights = heights(line, bounds, size.width, size.height);
        for (column, height) in heights.into_iter().enumerate() {
            if let Some(row) = height {
                cells[row][column].push(i);
            }
        }
    }
    cells
}

/// Draws the mark of a line that passes through each character. Lines that coincide take turns from
/// column to column.
fn letters(cells: &[Vec<LinesHere>], marks: [char; 6]) -> Vec<String> {
    let mark = |(column, here): (usize, &LinesHere)| {
        let shown = column.checked_rem(here.len()).map(|turn| here[turn]);
        shown.map_or(' ', |line| marks[line % marks.len()])
    };
    let rows = cells.iter();
    rows.map(|row| row.iter().enumerate().map(mark).collect())
        .collect()
}

fn framed(
    field: &[String],
    (x, y): Bounds,
    axes: &PlotAxes,
    size: PlotSize,
    glyphs: Glyphs,
) -> String {
    let (bar, corner, dash) = match glyphs {
        Glyphs::Unicode => ('│', '└', "─"),
        Glyphs::Ascii => ('|', '+', "-"),
    };
    let last = field.len() - 1;
    let mut out = beside(
        wrap(&axes.y, size.width)
            .into_iter()
            .filter(|l| !l.is_empty()),
    );
    for (i, row) in field.iter().enumerate() {
        let share = i as f64 / last.max(1) as f64;
        let labelled = i == 0 || i == last || i == last / 2;
        let label = if labelled {
            number::short(y.1 - (y.1 - y.0) * share)
        } else {
            String::new()
        };
        let row = row.trim_end_matches([' ', NO_DOT]);
        let label = format!("{label:>9} {bar}");
        out += &[&label, row, "\n"].concat();
    }
    let line = dash.repeat(size.width);
    let below = below(
        &number::short(x.0),
        &axes.x,
        &number::short(x.1),
        size.width,
    );
    out + &format!("{MARGIN} {corner}{line}\n{MARGIN}  {below}\n")
}

/// Returns the line below the horizontal axis: its ends, and between them its name if there is room
/// for a space on each side.
fn below(from: &str, name: &str, to: &str, width: usize) -> String {
    let room = width.saturating_sub(from.len() + to.len());
    let Some(free) = room
        .checked_sub(display_width(name))
        .filter(|free| *free >= 2)
    else {
        return [from, &" ".repeat(room), to].concat();
    };
    // The name stands in the middle of the axis, if the ends leave the middle free.
    let middle = width.saturating_sub(display_width(name)) / 2;
    let left = middle.saturating_sub(from.len()).clamp(1, free - 1);
    let (left, right) = (" ".repeat(left), " ".repeat(free - left));
    [from, &left, name, &right, to].concat()
}

#[cfg(test)]
mod tests;
