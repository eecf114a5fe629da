//! Tables for a terminal, aligned, and wrapped if they are too wide.

use super::{Align, Column, Table, TableCell};
use crate::words::display_width;

/// The number of spaces between two columns.
const GAP: usize = 2;
/// The smallest width that a column of words is narrowed to, if its words are shorter.
const NARROWEST: usize = 12;

/// Formats `table` in lines of at most `width` characters, unless a word is longer: columns of
/// words are narrowed, and if that is not enough, the columns follow in several blocks, each of
/// which begins with the first column.
pub(super) fn render(table: &Table, width: usize) -> String {
    let blocks = blocks(table, width);
    let texts: Vec<String> = blocks.iter().map(|block| one_block(block, width)).collect();
    texts.join("\n")
}

/// Returns true if all columns fit into `width` characters side by side.
pub(super) fn fits(table: &Table, width: usize) -> bool {
    total(&widths(table, width)) <= width
}

/// Divides the columns into tables that fit.
fn blocks(table: &Table, width: usize) -> Vec<Table> {
    let mut blocks = Vec::new();
    let mut from = 1;
    loop {
        let block = |to: usize| table.clone().only(|i, _| i == 0 || (from..to).contains(&i));
        let fits = |to: &usize| fits(&block(*to), width);
        let most = (from + 1..=table.columns.len()).rev().find(fits);
        // A block has at least one column beside the first.
        let to = most.unwrap_or(from + 1);
        blocks.push(block(to));
        if to >= table.columns.len() {
            return blocks;
        }
        from = to;
    }
}

fn one_block(table: &Table, width: usize) -> String {
    let widths = widths(table, width);
    let mut lines = Vec::new();
    let titles: Vec<TableCell> = table
        .columns
        .iter()
        .map(|c| TableCell::text(&c.title))
        .collect();
    lines.extend(row(&titles, &table.columns, &widths));
    lines.push("-".repeat(total(&widths)));
    for cells in &table.rows {
        lines.extend(row(cells, &table.columns, &widths));
    }
    lines.join("\n") + "\n"
}

/// Returns the widths of the columns. Each starts at its natural width; then the widest column of
/// words is narrowed until the row fits or no column can be narrowed without cutting a word.
fn widths(table: &Table, width: usize) -> Vec<usize> {
    let natural = |(i, column): (usize, &Column)| {
        let cells = table.rows.iter().filter_map(|row| row.get(i));
        let widest = cells.map(|c| display_width(&c.text)).max().unwrap_or(0);
        widest.max(narrowest_title(column))
    };
    let mut widths: Vec<usize> = table.columns.iter().enumerate().map(natural).collect();
    let least: Vec<usize> = (0..widths.len()).map(|i| least(table, i)).collect();
    while total(&widths) > width {
        let words = |i: &usize| table.columns[*i].align == Align::Left && widths[*i] > least[*i];
        match (0..widths.len()).filter(words).max_by_key(|i| widths[*i]) {
            Some(widest) => widths[widest] -= 1,
            None => break,
        }
    }
    widths
}

/// Returns the smallest width of the column at `i`: that of its longest word.
fn least(table: &Table, i: usize) -> usize {
    let cells = table.rows.iter().filter_map(|row| row.get(i));
    let words = cells.flat_map(|cell| cell.text.split_whitespace());
    let title = table.columns.get(i).map_or(0, narrowest_title);
    let longest = words.map(display_width).max().unwrap_or(0);
    longest.max(title).max(NARROWEST)
}

/// Returns the width of the longest word of a title, since titles wrap between words.
fn narrowest_title(column: &Column) -> usize {
    column
        .title
        .split(' ')
        .map(display_width)
        .max()
        .unwrap_or(0)
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

fn row(cells: &[TableCell], columns: &[Column], widths: &[usize]) -> Vec<String> {
    let wrapped: Vec<Vec<String>> = cells
        .iter()
        .zip(widths)
        .map(|(c, w)| wrap(&c.text, *w))
        .collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(1);
    let line = |n: usize| {
        let cell = |(i, lines): (usize, &Vec<String>)| {
            let text = lines.get(n).map_or("", String::as_str);
            pad(text, widths[i], columns[i].align)
        };
        let cells: Vec<String> = wrapped.iter().enumerate().map(cell).collect();
        cells.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

fn pad(text: &str, width: usize, align: Align) -> String {
    let space = " ".repeat(width.saturating_sub(display_width(text)));
    match align {
        Align::Left => format!("{text}{space}"),
        Align::Right => format!("{space}{text}"),
    }
}

/// Wraps `text` into lines of at most `width`, unless a word is longer. Code between backticks is
/// one word if it fits a line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words(text, width) {
        let word = word.as_str();
        let last = lines.last().map_or(0, |line| display_width(line));
        if last > 0 && last + 1 + display_width(word) > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// Returns the words of `text`. Code between backticks is one word if it has at most `width`
/// characters.
fn words(text: &str, width: usize) -> Vec<String> {
    let all: Vec<&str> = text.split_whitespace().collect();
    let is_end = |word: &&str| word.matches('`').count() % 2 == 1;
    let mut words = Vec::new();
    let mut rest = all.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let end = is_end(first).then(|| after.iter().position(is_end));
        let code = end.flatten().map(|end| rest[..end + 2].join(" "));
        let code = code.filter(|code| display_width(code) <= width);
        let taken = code.as_ref().map_or(1, |code| code.split(' ').count());
        words.push(code.unwrap_or_else(|| (*first).to_owned()));
        rest = &rest[taken..];
    }
    words
}
