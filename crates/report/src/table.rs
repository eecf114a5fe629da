//! Tables, and their forms: Markdown, CSV, text for a terminal, HTML.

mod aligned;
mod text;

use maud::{Markup, html};

pub(crate) use text::wrap;

use crate::visible;

/// A table of titled columns, and of rows with a cell per column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub caption: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<TableCell>>,
}

/// A column's title, alignment and outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub title: String,
    pub align: Align,
    pub outputs: ColumnOutputs,
}

/// The alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// The alignment of words.
    Left,
    /// The alignment of numbers.
    Right,
}

/// The outputs that contain a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnOutputs {
    All,
    /// The column differs between equal runs, as times do, so it is left out of files that must
    /// repeat.
    ScreenOnly,
}

/// The text of a cell, and its exact form for programs if the text is rounded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableCell {
    pub text: String,
    pub exact: Option<String>,
}

impl TableCell {
    /// Makes a cell of text, without an exact form.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            exact: None,
        }
    }

    /// Makes a cell with `text` for people and all digits of `x` for programs.
    pub fn number(text: impl Into<String>, x: f64) -> Self {
        Self {
            text: text.into(),
            exact: Some(crate::number::exact(x)),
        }
    }

    /// Makes a cell of a count, with grouped digits for people.
    pub fn count(n: u64) -> Self {
        Self {
            text: crate::words::count(n),
            exact: Some(n.to_string()),
        }
    }
}

impl Column {
    /// Makes a column of text, aligned to the left.
    pub fn words(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            align: Align::Left,
            outputs: ColumnOutputs::All,
        }
    }

    /// Makes a column of numbers, aligned to the right.
    pub fn numbers(title: &str) -> Self {
        Self {
            align: Align::Right,
            ..Self::words(title)
        }
    }

    /// Restricts the column to screens, because it differs between equal runs.
    #[must_use]
    pub fn on_screen(self) -> Self {
        Self {
            outputs: ColumnOutputs::ScreenOnly,
            ..self
        }
    }
}

impl Table {
    /// Makes a table without rows.
    pub fn new(caption: &str, columns: Vec<Column>) -> Self {
        Self {
            caption: caption.to_owned(),
            columns,
            rows: Vec::new(),
        }
    }

    /// Appends a row, which has a cell per column.
    pub fn push(&mut self, row: Vec<TableCell>) {
        self.rows.push(row);
    }

    /// Removes the columns that are empty in every row.
    #[must_use]
    pub fn without_empty_columns(self) -> Self {
        let has_content = |i: usize| {
            let cell = |row: &Vec<TableCell>| row.get(i).is_some_and(|c| !c.text.is_empty());
            self.rows.is_empty() || self.rows.iter().any(cell)
        };
        let keep: Vec<bool> = (0..self.columns.len()).map(has_content).collect();
        self.only(|i, _| keep[i])
    }

    /// Removes the columns that differ between equal runs.
    #[must_use]
    pub fn repeating(&self) -> Self {
        self.clone().only(|_, column| match column.outputs {
            ColumnOutputs::All => true,
            ColumnOutputs::ScreenOnly => false,
        })
    }

    /// Returns whether all columns stand side by side in `width` characters.
    pub(crate) fn fits(&self, width: usize) -> bool {
        text::fits(self, width)
    }

    /// Removes columns of numbers until all fit into `width` characters side by side: first those
    /// that differ between equal runs, then from the right. The first two columns stay.
    #[must_use]
    pub fn fitting(self, width: usize) -> Self {
        let mut table = self;
        while !text::fits(&table, width) {
            let columns = || table.columns.iter().enumerate().skip(2).rev();
            let timed = columns().find(|(_, c)| c.outputs == ColumnOutputs::ScreenOnly);
            let number = columns().find(|(_, c)| c.align == Align::Right);
            let Some((dropped, _)) = timed.or(number) else {
                return table;
            };
            table = table.only(|i, _| i != dropped);
        }
        table
    }

    /// Removes the columns with this title.
    #[must_use]
    pub fn without_column(self, title: &str) -> Self {
        self.only(|_, column| column.title != title)
    }

    fn only(self, keep: impl Fn(usize, &Column) -> bool) -> Self {
        let keep: Vec<bool> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, c)| keep(i, c))
            .collect();
        let rows = self.rows.into_iter().map(|row| filtered(row, &keep));
        Self {
            rows: rows.collect(),
            columns: filtered(self.columns, &keep),
            caption: self.caption,
        }
    }

    /// Formats the table as GitHub Flavored Markdown (GFM 4.10), without columns that differ
    /// between equal runs.
    pub fn markdown(&self) -> String {
        let table = self.repeating();
        let rule = |column: &Column| match column.align {
            Align::Left => ":--".to_owned(),
            Align::Right => "--:".to_owned(),
        };
        let titles = table.columns.iter().map(|c| escape_markdown(&c.title));
        let mut lines = vec![
            markdown_row(titles),
            markdown_row(table.columns.iter().map(rule)),
        ];
        for row in &table.rows {
            lines.push(markdown_row(row.iter().map(|c| escape_markdown(&c.text))));
        }
        lines.join("\n") + "\n"
    }

    /// Formats the table as [`Table::markdown`] with all columns and with aligned bars, so that it
    /// is readable on a terminal too. There is no line feed after the last row.
    pub fn aligned_markdown(&self) -> String {
        aligned::render(self)
    }

    /// Formats the table as RFC 4180 CSV with line feeds. Numbers have all their digits, columns
    /// that differ between equal runs are left out, and control characters are [`visible`].
    pub fn csv(&self) -> String {
        let table = self.repeating();
        let titles = table.columns.iter().map(|c| c.title.as_str());
        let mut out = csv_row(titles);
        for row in &table.rows {
            let cell = |c: &TableCell| c.exact.clone().unwrap_or_else(|| c.text.clone());
            let cells: Vec<String> = row.iter().map(cell).collect();
            out.push_str(&csv_row(cells.iter().map(String::as_str)));
        }
        out
    }

    /// Formats the table for a terminal, at most `width` characters wide: words are wrapped, and
    /// columns that do not fit beside the others follow in a block of their own. A word or a number
    /// that is wider than a line stays whole.
    pub fn text(&self, width: usize) -> String {
        text::render(self, width)
    }

    /// Makes a `<table>` in a scrollable box. The first cell of a row is its heading.
    pub fn html(&self) -> Markup {
        html! {
            div class="table" tabindex="0" role="region" aria-label=(self.caption) {
                table {
                    caption { (self.caption) }
                    thead { tr {
                        @for column in &self.columns {
                            th scope="col" class=[class(column)] { (column.title) }
                        }
                    } }
                    tbody { @for row in &self.rows { (self.html_row(row)) } }
                }
            }
        }
    }

    fn html_row(&self, row: &[TableCell]) -> Markup {
        html! {
            tr {
                @for (i, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                    @if i == 0 {
                        th scope="row" class=[class(column)] { (typeset(&cell.text)) }
                    } @else {
                        td class=[class(column)] { (typeset(&cell.text)) }
                    }
                }
            }
        }
    }
}

fn filtered<T>(items: Vec<T>, keep: &[bool]) -> Vec<T> {
    let paired = items.into_iter().zip(keep);
    paired
        .filter(|(_, keep)| **keep)
        .map(|(item, _)| item)
        .collect()
}

fn class(column: &Column) -> Option<&'static str> {
    match column.align {
        Align::Left => None,
        Align::Right => Some("n"),
    }
}

/// Replaces the hyphens before numbers by minus signs.
pub(crate) fn typeset(text: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let opens = before == ' ' || before == '(';
        let number = chars.peek().is_some_and(char::is_ascii_digit);
        out.push(if c == '-' && opens && number {
            '\u{2212}'
        } else {
            c
        });
        before = c;
    }
    out
}

fn markdown_row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// Returns `text` on one line, with everything escaped that Markdown or HTML would interpret as
/// markup.
pub(crate) fn escape_markdown(text: &str) -> String {
    let mut out = String::new();
    for c in visible::text(text).chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

fn csv_row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| {
        let cell = visible::text(cell);
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.into_owned()
        }
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests;
