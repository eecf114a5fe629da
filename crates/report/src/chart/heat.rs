//! Heat maps: matrices of numbers as shades, with texts in the cells where they fit.

use std::fmt::Write as _;

use gptlab_model::AttentionMask;
use serde_json::json;

use super::{
    Caption, Chart,
    colour::{SHADES, ShadeScale, Shading},
    style::INK,
    svg::{Svg, pixel},
};
use crate::{
    Table, number,
    table::{Column, TableCell, typeset},
    visible::one_line,
};

/// The most cells whose numbers are listed in a table below the picture.
const MOST_LISTED: usize = 700;
/// Pixels of a letter of a cell, of a name and of a label.
const LETTER: f64 = 6.3;
/// Characters of the longest name of a row that is shown whole.
const LONGEST: usize = 30;

/// A matrix of numbers to be drawn. A cell that is not finite is empty.
#[derive(Clone, Debug)]
pub struct HeatMap {
    pub title: String,
    pub caption: Caption,
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    pub cells: Vec<Vec<f64>>,
    /// What stands in the cells, if anything does.
    pub texts: Option<Vec<Vec<String>>>,
    /// What the columns are.
    pub beneath: String,
    pub scale: ShadeScale,
    /// The width in pixels that the cells may have together.
    pub width: u32,
}

impl Default for HeatMap {
    fn default() -> Self {
        Self {
            title: String::new(),
            caption: Caption::default(),
            rows: Vec::new(),
            columns: Vec::new(),
            cells: Vec::new(),
            texts: None,
            beneath: String::new(),
            scale: ShadeScale::Size,
            width: 380,
        }
    }
}

/// Makes a map of attention weights: row `i` shows what token `i` attends to, and has no cell for
/// tokens that `mask` hides from it. Returns `None` if the matrix does not fit its labels.
pub fn attention(
    title: &str,
    weights: &[Vec<f64>],
    tokens: &[String],
    mask: AttentionMask,
) -> Option<HeatMap> {
    let seen = |query: usize, key: usize| mask.keys(query, tokens.len()).contains(&key);
    let row = |(query, row): (usize, &Vec<f64>)| {
        let cell = |(key, x): (usize, &f64)| if seen(query, key) { *x } else { f64::NAN };
        row.iter().enumerate().map(cell).collect()
    };
    let map = HeatMap {
        title: title.to_owned(),
        rows: tokens.to_vec(),
        columns: tokens.to_vec(),
        cells: weights.iter().enumerate().map(row).collect(),
        scale: ShadeScale::Share,
        width: 280,
        ..HeatMap::default()
    };
    map.fits().then_some(map)
}

impl HeatMap {
    fn fits(&self) -> bool {
        let is_full = |row: &Vec<f64>| row.len() == self.columns.len();
        let shown = |texts: &Vec<Vec<String>>| {
            texts.len() == self.rows.len()
                && texts.iter().all(|row| row.len() == self.columns.len())
        };
        let any = !self.rows.is_empty() && !self.columns.is_empty();
        any && self.cells.len() == self.rows.len()
            && self.cells.iter().all(is_full)
            && self.texts.as_ref().is_none_or(shown)
    }

    /// Returns the shading that suits the map's own numbers.
    pub fn shading(&self) -> Option<Shading> {
        Shading::of(self.scale, self.cells.iter().flatten().copied())
    }

    /// Puts each number into its cell.
    #[must_use]
    pub fn with_numbers(self) -> Self {
        let text = |x: &f64| {
            if x.is_finite() {
                typeset(&brief(*x))
            } else {
                String::new()
            }
        };
        let rows = self.cells.iter();
        let texts = rows.map(|row| row.iter().map(text).collect()).collect();
        Self {
            texts: Some(texts),
            ..self
        }
    }

    /// Draws the map with its own shades and their key. Returns `None` if no number is finite or
    /// the matrix does not fit its names.
    pub fn draw(self) -> Option<Chart> {
        let shading = self.shading()?;
        let mut chart = self.drawn(shading, true)?;
        let how = shading.describe();
        if !how.is_empty() {
            let drawn = [chart.caption.drawn.as_str(), how];
            chart.caption.drawn = drawn.join(" ").trim().into();
        }
        Some(chart)
    }

    /// Draws the map as one of several with these shades, whose key stands beside them all.
    pub fn draw_with(self, shading: Shading) -> Option<Chart> {
        self.drawn(shading, false)
    }

    fn drawn(self, shading: Shading, has_key: bool) -> Option<Chart> {
        self.fits().then_some(())?;
        let layout = Layout::of(&self, has_key);
        let mut svg = Svg::default();
        svg.group("cells", None, |svg| self.cells(svg, &layout, shading));
        self.names(&mut svg, &layout);
        self.texts(&mut svg, &layout, shading);
        if has_key {
            key(&mut svg, &layout, shading);
        }
        let brief_cell = |x: &f64| x.is_finite().then(|| number::short(*x));
        let rows = self.cells.iter();
        let values: Vec<Vec<Option<String>>> = rows
            .map(|row| row.iter().map(brief_cell).collect())
            .collect();
        let labels = |names: &[String]| names.iter().map(|n| one_line(n)).collect::<Vec<_>>();
        let hover = json!({
            "kind": "map",
            "cell": [layout.left, layout.top, layout.cell.0, layout.cell.1],
            "rows": labels(&self.rows),
            "columns": labels(&self.columns),
            "values": values,
            "texts": self.texts.as_ref().map(|rows| rows.iter().map(|row| labels(row)).collect::<Vec<_>>()),
        });
        Some(Chart {
            numbers: self.numbers(),
            title: self.title,
            caption: self.caption,
            body: svg.into_text(),
            size: layout.size,
            hover: Some(hover.to_string()),
            narrow: None,
            is_map: true,
        })
    }

    /// Draws a path for each shade. Cells lie on whole pixels and are not smoothed, so that no gap
    /// shows between them.
    fn cells(&self, svg: &mut Svg, layout: &Layout, shading: Shading) {
        let mut by_shade = vec![String::new(); SHADES];
        let (width, height) = layout.cell;
        for (i, row) in self.cells.iter().enumerate() {
            for (j, x) in row.iter().enumerate() {
                let Some(shade) = shading.shade(*x) else {
                    continue;
                };
                let (left, top) = (
                    layout.left + width * j as u32,
                    layout.top + height * i as u32,
                );
                // Writing to a string cannot fail.
                let _ = write!(by_shade[shade], "M{left} {top}h{width}v{height}h-{width}z");
            }
        }
        for (shade, d) in by_shade.iter().enumerate().filter(|(_, d)| !d.is_empty()) {
            svg.fill(&shading.colour(shade).hex(), d);
        }
    }

    /// Names the rows and the columns.
    fn names(&self, svg: &mut Svg, layout: &Layout) {
        let (width, height) = (f64::from(layout.cell.0), f64::from(layout.cell.1));
        let (left, top) = (f64::from(layout.left), f64::from(layout.top));
        let every = layout.every_row;
        for (i, name) in self.rows.iter().enumerate().step_by(every) {
            let y = top + height * (i as f64 + 0.5);
            svg.text(pixel(left - 5.0, y), &tail(name, LONGEST), "small e");
        }
        let bottom = top + height * self.rows.len() as f64;
        for (j, name) in self.columns.iter().enumerate().step_by(layout.every_column) {
            let x = left + width * (j as f64 + 0.5);
            if layout.upright {
                svg.upright_text(pixel(x, bottom + 5.0), &tail(name, LONGEST), "small e");
            } else {
                svg.text(pixel(x, bottom + 10.0), name, "small c");
            }
        }
        let middle = left + width * self.columns.len() as f64 / 2.0;
        let below = f64::from(layout.size.1) - 8.0;
        svg.text(pixel(middle, below), &self.beneath, "muted small c");
    }

    /// Writes into the cells what fits there.
    fn texts(&self, svg: &mut Svg, layout: &Layout, shading: Shading) {
        let Some(texts) = &self.texts else { return };
        let (width, height) = (f64::from(layout.cell.0), f64::from(layout.cell.1));
        if height < 13.0 {
            return;
        }
        svg.group("cell", None, |svg| {
            for (i, (row, cells)) in texts.iter().zip(&self.cells).enumerate() {
                for (j, (text, x)) in row.iter().zip(cells).enumerate() {
                    let shown = one_line(text);
                    if length(&shown) * LETTER > width + 1.0 {
                        continue;
                    }
                    let dark = shading.shade(*x).map(|s| shading.colour(s).is_dark());
                    let class = match dark {
                        Some(true) => "on",
                        Some(false) => "off",
                        None => "",
                    };
                    let at = pixel(
                        f64::from(layout.left) + width * (j as f64 + 0.5),
                        f64::from(layout.top) + height * (i as f64 + 0.5),
                    );
                    svg.text(at, &shown, class);
                }
            }
        });
    }

    /// Lists the numbers, unless there are too many.
    fn numbers(&self) -> Option<Table> {
        if self.rows.len() * self.columns.len() > MOST_LISTED {
            return None;
        }
        let mut columns = vec![Column::words("row")];
        columns.extend(self.columns.iter().map(|c| Column::numbers(&one_line(c))));
        let mut table = Table::new(&self.title, columns);
        for (i, (name, row)) in self.rows.iter().zip(&self.cells).enumerate() {
            let mut cells = vec![TableCell::text(one_line(name))];
            for (j, x) in row.iter().enumerate() {
                let text = self.texts.as_ref().map_or("", |texts| &texts[i][j]);
                cells.push(listed(*x, text));
            }
            table.push(cells);
        }
        Some(table)
    }
}

fn listed(x: f64, text: &str) -> TableCell {
    if !x.is_finite() {
        return TableCell::default();
    }
    let said = number::short(x);
    if text.is_empty() || text.chars().any(|c| c.is_ascii_digit()) {
        TableCell::number(said, x)
    } else {
        TableCell::number(format!("{} {said}", one_line(text)), x)
    }
}

/// Formats a number for a cell: two digits, with a sign if it is below zero.
fn brief(x: f64) -> String {
    let size = x.abs();
    match size {
        s if s < 0.0005 => "0".to_owned(),
        s if s < 0.01 => format!("{x:.3}"),
        s if s < 10.0 => format!("{x:.2}"),
        s if s < 100.0 => format!("{x:.1}"),
        s if s < 10_000.0 => format!("{x:.0}"),
        _ => number::short(x),
    }
}

/// Where everything lies, in whole pixels.
struct Layout {
    left: u32,
    top: u32,
    /// The width and the height of a cell.
    cell: (u32, u32),
    rows: u32,
    size: (u32, u32),
    /// The names of columns are written upwards.
    upright: bool,
    every_row: usize,
    every_column: usize,
}

impl Layout {
    fn of(map: &HeatMap, has_key: bool) -> Self {
        let (rows, columns) = (map.rows.len() as u32, map.columns.len() as u32);
        let name = longest(&map.rows);
        let left = (name * LETTER).ceil() as u32 + 10;
        let cell = cell_of(map, rows, columns);
        let label = longest(&map.columns);
        let thins = map.columns.iter().all(|c| c.parse::<u64>().is_ok());
        let wide = label * LETTER + 4.0 > f64::from(cell.0);
        let upright = wide && !thins;
        let every_column = match (wide, thins) {
            (true, true) => ((label * LETTER + 12.0) / f64::from(cell.0)).ceil() as usize,
            (true, false) => (11.0 / f64::from(cell.0)).ceil() as usize,
            (false, _) => 1,
        };
        let names = if upright {
            (label * LETTER).ceil() as u32 + 8
        } else {
            18
        };
        let beneath = if map.beneath.is_empty() { 0 } else { 16 };
        let key = if has_key { 66 } else { 6 };
        let top = 4;
        let height = top + cell.1 * rows + names + beneath;
        Self {
            left,
            top,
            cell,
            rows,
            size: (
                left + cell.0 * columns + key,
                if has_key { height.max(80) } else { height },
            ),
            upright,
            every_row: (11.0 / f64::from(cell.1)).ceil().max(1.0) as usize,
            every_column: every_column.max(1),
        }
    }
}

/// Returns the size of a cell: large enough for the texts, where all of them fit.
fn cell_of(map: &HeatMap, rows: u32, columns: u32) -> (u32, u32) {
    let fair = (map.width / columns).clamp(3, 64);
    match &map.texts {
        Some(texts) => {
            let widest = texts.iter().map(|row| longest(row)).fold(0.0, f64::max);
            let needed = (widest * LETTER).ceil() as u32 + 3;
            (fair.clamp(needed.min(90), needed.max(64)), 19)
        }
        None if map.rows == map.columns => (fair.min(18), fair.min(18)),
        None => (fair, (380 / rows).clamp(4, 16)),
    }
}

/// Draws the scale of the shades right of the map.
fn key(svg: &mut Svg, layout: &Layout, shading: Shading) {
    let x = layout.size.0 - 56;
    let room = (layout.cell.1 * layout.rows).clamp(64, 128);
    // As many steps as have whole pixels.
    let steps = room / 2;
    svg.group("cells", None, |svg| {
        for step in 0..steps {
            let shade = (SHADES - 1) * (steps - 1 - step) as usize / (steps - 1) as usize;
            let y = layout.top + 2 * step;
            svg.fill(&shading.colour(shade).hex(), &format!("M{x} {y}h8v2h-8z"));
        }
    });
    let [low, high] = shading.ends();
    let (x, top) = (f64::from(x) + 12.0, f64::from(layout.top));
    svg.group(INK.class, None, |svg| {
        svg.text(pixel(x, top + 5.0), &high, "small");
        svg.text(pixel(x, top + f64::from(steps * 2) - 5.0), &low, "small");
    });
}

fn length(text: &str) -> f64 {
    // East Asian letters are as wide as two others.
    let wide = |c: char| if c as u32 >= 0x1100 { 1.8 } else { 1.0 };
    text.chars().map(wide).sum()
}

/// Returns the length of the longest text, as it is shown.
fn longest(texts: &[String]) -> f64 {
    let lengths = texts.iter().map(|t| length(&tail(t, LONGEST)));
    lengths.fold(1.0, f64::max)
}

/// Returns the end of a long name, which says more than its beginning.
pub(super) fn tail(name: &str, most: usize) -> String {
    let shown = one_line(name);
    let length = shown.chars().count();
    if length <= most {
        return shown;
    }
    let end: String = shown.chars().skip(length - most + 1).collect();
    format!("…{end}")
}
