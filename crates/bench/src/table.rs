//! The results of a benchmark as tables and as a page of Markdown.

use std::collections::BTreeSet;

use gptlab_report::{
    Table,
    table::{Column, TableCell},
    words::{count, plural, wrapped},
};

use crate::{BenchReport, MachineDescription, Peak, PeerResult, PublishedResult, WorkloadResult};

const LEGEND: &str = "\
GFLOP: matrix products alone, two operations a multiply-add, half of a causal attention; a backward pass is two
forward passes. Peak: what these cores multiply at in registers. MB: the least that a step moves if nothing but
activations stays in caches: nine four-byte numbers a parameter in training; in generation every weight once a
position, every key and value once a token. Spread: half of the steps lie this far apart. MiB: the most memory the
process held.";

const ALTERNATELY: &str = "Times ours: the median of the rounds' ratios, its turn's median step over ours. \
A goal stands beside the fastest where several programs are tried.";

const QUOTED: &str = "Quoted: not run here, since its source cannot be; measured once on 2 cores of an AMD EPYC \
(family 26) with AVX-512.";

/// Results that people read as one page.
pub trait ResultPage {
    /// Returns the page: the machine, tables and their legends.
    fn page(&self, layout: Layout) -> String;
}

/// How tables and paragraphs for people are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Markdown with aligned bars, of any width: for files.
    Markdown,
    /// Text in lines of at most this many characters: for terminals.
    Text(usize),
}

impl Layout {
    pub(crate) fn table(self, table: &Table) -> String {
        match self {
            Self::Markdown => table.aligned_markdown(),
            Self::Text(width) => table.text(width).trim_end().to_owned(),
        }
    }

    pub(crate) fn paragraph(self, text: &str) -> String {
        match self {
            Self::Markdown => text.to_owned(),
            Self::Text(width) => wrapped(&text.replace('\n', " "), width),
        }
    }
}

impl ResultPage for BenchReport {
    fn page(&self, layout: Layout) -> String {
        let mut parts = vec![
            layout.paragraph(&machine(&self.machine)),
            layout.paragraph(&peak(&self.peak)),
            layout.table(&self.roofline()),
            layout.paragraph(LEGEND),
        ];
        if self
            .workloads
            .iter()
            .any(|w| share_of_peak(w, &self.peak) > 1.0)
        {
            parts.push(layout.paragraph(ABOVE_PEAK));
        }
        let peers = self.comparison();
        if !peers.rows.is_empty() {
            parts.push(layout.table(&peers));
            let about = about_peers(&self.workloads);
            parts.extend(about.iter().map(|text| layout.paragraph(text)));
        }
        if !self.left_out.is_empty() {
            let left_out = self.left_out.iter().map(|text| layout.paragraph(text));
            parts.push(left_out.collect::<Vec<_>>().join("\n"));
        }
        parts.join("\n\n") + "\n"
    }
}

impl BenchReport {
    /// Returns a table with a row for each workload: gptlab's times, and their distance from the
    /// machine's peak (a roofline: Williams, Waterman & Patterson 2009).
    pub fn roofline(&self) -> Table {
        let words = ["workload", "precision"];
        let numbers = [
            "threads", "step", "best", "spread", "tokens/s", "GFLOP", "GFLOP/s", "of peak", "MB",
            "FLOP/B", "GB/s", "MiB",
        ];
        let mut table = table("workloads", &words, &numbers);
        for workload in &self.workloads {
            table.push(roofline_row(workload, &self.peak));
        }
        table
    }

    /// Returns a table with a row for each program that a workload is compared with. The table is
    /// empty if no workload is compared.
    pub fn comparison(&self) -> Table {
        let words = ["workload", "against"];
        let numbers = ["step", "times ours", "goal", "MiB", "times ours"];
        let mut table = table("peers", &words, &numbers);
        for workload in &self.workloads {
            for result in &workload.peers {
                table.push(peer_row(workload, result));
            }
            if let Some(result) = &workload.published {
                table.push(published_row(workload, result));
            }
        }
        table
    }
}

/// Makes an empty table with columns of words, then columns of numbers.
pub(crate) fn table(caption: &str, words: &[&str], numbers: &[&str]) -> Table {
    let words = words.iter().map(|title| Column::words(title));
    let numbers = numbers.iter().map(|title| Column::numbers(title));
    Table::new(caption, words.chain(numbers).collect())
}

/// Returns the paragraphs that explain the table of peers.
fn about_peers(workloads: &[WorkloadResult]) -> Vec<String> {
    let peers = workloads.iter().flat_map(|w| &w.peers);
    let programs: BTreeSet<String> = peers
        .map(|p| &p.times.timings)
        .map(|t| format!("{} (threads: {})", t.program, t.threads))
        .collect();
    let mut paragraphs = Vec::new();
    if !programs.is_empty() {
        let programs: Vec<String> = programs.into_iter().collect();
        paragraphs.push(format!("{ALTERNATELY} Peers: {}.", programs.join(", ")));
    }
    if workloads.iter().any(|w| w.published.is_some()) {
        paragraphs.push(QUOTED.to_owned());
    }
    paragraphs
}

/// Returns a line that describes `machine` and the program.
pub(crate) fn machine(machine: &MachineDescription) -> String {
    let checkout = machine.checkout.as_ref();
    format!(
        "{}, {}, {} MiB, {}; {}, {}; gptlab {}{}{}; {}",
        machine.processor,
        plural(machine.cores, "core"),
        mib(machine.memory_bytes).text,
        machine.system,
        plural(machine.threads, "thread"),
        machine.isa,
        machine.version,
        checkout.map_or(String::new(), |c| format!(" ({c})")),
        if machine.optimised {
            ""
        } else {
            ", a debug build"
        },
        machine.date,
    )
}

fn peak(peak: &Peak) -> String {
    let giga = |x: f64| count((x / 1e9).round() as u64);
    format!(
        "Peak: {} GFLOP/s in f32 and {} in bf16 on one core; {} and {} on {}.",
        giga(peak.f32.one),
        giga(peak.bf16.one),
        giga(peak.f32.all),
        giga(peak.bf16.all),
        plural(peak.threads, "thread"),
    )
}

/// What a share above 1 means.
const ABOVE_PEAK: &str = "More than 100 % of the peak: the cores were slower while the peak was measured. Nothing is \
    known of these shares; measure again when nothing else runs.";

/// Returns the share of the peak that a workload reaches.
fn share_of_peak(w: &WorkloadResult, peak: &Peak) -> f64 {
    w.flops / w.ours.median_seconds / peak.of(w.precision, w.threads)
}

fn roofline_row(w: &WorkloadResult, peak: &Peak) -> Vec<TableCell> {
    let seconds = w.ours.median_seconds;
    let rate = w.flops / seconds;
    let of_peak = share_of_peak(w, peak);
    let number = |x: f64| TableCell::number(digits(x), x);
    vec![
        TableCell::text(&w.name),
        TableCell::text(w.precision.name()),
        TableCell::text(w.threads.to_string()),
        time(seconds),
        time(w.ours.best_seconds),
        TableCell::number(format!("{:.1} %", 100.0 * w.ours.spread), w.ours.spread),
        rounded(w.tokens / seconds),
        number(w.flops / 1e9),
        number(rate / 1e9),
        TableCell::number(format!("{:.0} %", 100.0 * of_peak), of_peak),
        number(w.bytes / 1e6),
        number(w.flops / w.bytes),
        number(w.bytes / seconds / 1e9),
        mib(w.ours.timings.peak_bytes),
    ]
}

fn peer_row(w: &WorkloadResult, peer: &PeerResult) -> Vec<TableCell> {
    vec![
        TableCell::text(&w.name),
        TableCell::text(&peer.name),
        time(peer.times.median_seconds),
        ratio(peer.ratio),
        peer.goal.map(ratio).unwrap_or_default(),
        mib(peer.times.timings.peak_bytes),
        peer.memory_ratio.map(ratio).unwrap_or_default(),
    ]
}

fn published_row(w: &WorkloadResult, published: &PublishedResult) -> Vec<TableCell> {
    vec![
        TableCell::text(&w.name),
        TableCell::text(&published.of),
        time(published.seconds),
        ratio(published.ratio),
        ratio(published.goal),
        TableCell::default(),
        TableCell::default(),
    ]
}

/// Makes a cell with a time in the unit that suits it. Programs read the seconds.
pub(crate) fn time(seconds: f64) -> TableCell {
    let text = match seconds {
        s if s < 1e-3 => format!("{} µs", digits(s * 1e6)),
        s if s < 1.0 => format!("{} ms", digits(s * 1e3)),
        s => format!("{} s", digits(s)),
    };
    TableCell::number(text, seconds)
}

/// Makes a cell with a number rounded to an integer.
pub(crate) fn rounded(x: f64) -> TableCell {
    TableCell::number(count(x.round() as u64), x)
}

pub(crate) fn ratio(ratio: f64) -> TableCell {
    TableCell::number(format!("{ratio:.2}x"), ratio)
}

/// Formats a number with at least three significant digits, or two if it is very small.
fn digits(x: f64) -> String {
    match x {
        x if x < 0.01 => format!("{x:.1e}"),
        x if x < 1.0 => format!("{x:.3}"),
        x if x < 10.0 => format!("{x:.2}"),
        x if x < 100.0 => format!("{x:.1}"),
        x => count(x.round() as u64),
    }
}

/// Makes a cell with a size in MiB. Programs read the bytes.
fn mib(bytes: Option<u64>) -> TableCell {
    match bytes {
        Some(bytes) => TableCell {
            text: count(bytes >> 20),
            exact: Some(bytes.to_string()),
        },
        None => TableCell::text("?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        assert_eq!(time(88.4e-6).text, "88.4 µs");
        assert_eq!(time(0.165_4).text, "165 ms");
        assert_eq!(time(3.456).text, "3.46 s");
        assert_eq!(digits(0.0012), "1.2e-3");
        assert_eq!(digits(45_512.3), "45,512");
    }

    /// The witness is the output of an older version for the same numbers.
    #[test]
    fn kept_results_make_the_tables_that_were_kept_beside_them() {
        let raw = include_str!("../../../bench/runs/2026-11-21-epyc-late/raw.json");
        let report: BenchReport = serde_json::from_str(raw).unwrap();
        assert_eq!(
            report.page(Layout::Markdown),
            include_str!("../../../bench/runs/2026-11-21-epyc-late/table.md")
        );
        let raw = include_str!("../../../bench/runs/2026-11-21-epyc-late/scaling.json");
        let scaling: crate::Scaling = serde_json::from_str(raw).unwrap();
        assert_eq!(
            scaling.page(Layout::Markdown),
            include_str!("../../../bench/runs/2026-11-21-epyc-late/scaling.md")
        );
    }

    #[test]
    fn a_share_above_the_peak_is_not_believed() {
        let raw = include_str!("../../../bench/runs/2026-11-21-epyc-late/raw.json");
        let mut report: BenchReport = serde_json::from_str(raw).unwrap();
        assert!(!report.page(Layout::Markdown).contains(ABOVE_PEAK));
        report.workloads[0].ours.median_seconds /= 100.0;
        assert!(report.page(Layout::Markdown).contains(ABOVE_PEAK));
    }

    /// No line is wider than the terminal, and every cell of the tables is there.
    #[test]
    fn a_terminal_gets_what_fits_it() {
        let raw = include_str!("../../../bench/runs/2026-11-21-epyc-late/raw.json");
        let report: BenchReport = serde_json::from_str(raw).unwrap();
        let raw = include_str!("../../../bench/runs/2026-11-21-epyc-late/scaling.json");
        let scaling: crate::Scaling = serde_json::from_str(raw).unwrap();
        for width in [60, 80, 200] {
            for (text, tables) in [
                (
                    report.page(Layout::Text(width)),
                    vec![report.roofline(), report.comparison()],
                ),
                (scaling.page(Layout::Text(width)), vec![scaling.table()]),
            ] {
                for line in text.lines() {
                    assert!(line.chars().count() <= width, "{width}: {line}");
                }
                let words: Vec<&str> = text.split_whitespace().collect();
                let said = words.join(" ");
                for cell in tables.iter().flat_map(|table| table.rows.iter().flatten()) {
                    let in_one_line = said.contains(&cell.text);
                    let in_lines = cell.text.split(' ').all(|word| words.contains(&word));
                    assert!(
                        in_one_line || in_lines,
                        "{width}: no {} in\n{text}",
                        cell.text
                    );
                }
            }
        }
    }
}
