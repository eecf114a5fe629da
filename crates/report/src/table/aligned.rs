//! Tables in Markdown with aligned bars.

use super::{Align, Column, Table, escape_markdown};
use crate::words::{display_width, padded};

/// The smallest width of the rule between the titles and the rows, in characters.
const NARROWEST: usize = 3;

pub(super) fn render(table: &Table) -> String {
    let titles = table.columns.iter().map(|c| escape_markdown(&c.title));
    let mut rows: Vec<Vec<String>> = vec![titles.collect()];
    for row in &table.rows {
        rows.push(row.iter().map(|cell| escape_markdown(&cell.text)).collect());
    }
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i));
        let widest = cells.map(|cell| display_width(cell)).max();
        widest.unwrap_or(0).max(NARROWEST)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let rule = |(column, width): (&Column, &usize)| {
        let end = match column.align {
            Align::Left => "-",
            Align::Right => ":",
        };
        "-".repeat(width - 1) + end
    };
    let rule: Vec<String> = table.columns.iter().zip(&widths).map(rule).collect();
    rows.insert(1, rule);
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&table.columns).zip(&widths);
        let cells = cells.map(|((cell, column), width)| match column.align {
            Align::Left => padded(cell, *width),
            Align::Right => " ".repeat(width.saturating_sub(display_width(cell))) + cell,
        });
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TableCell;

    #[test]
    fn bars_stand_below_each_other() {
        let mut table = Table::new("", vec![Column::words("name"), Column::numbers("n")]);
        table.push(vec![TableCell::text("µs"), TableCell::text("1,000")]);
        assert_eq!(
            render(&table),
            "| name |     n |\n| ---- | ----: |\n| µs   | 1,000 |"
        );
    }
}
