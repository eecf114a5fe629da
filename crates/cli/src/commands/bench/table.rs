//! What was measured, for people: Markdown whose columns line up.

use std::collections::BTreeSet;

use super::{
    ceiling::Ceiling,
    machine::Machine,
    report::{Beside, Measured, Quoted, Report},
};
use crate::printer::count;

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

pub(super) fn text(report: &Report) -> String {
    let mut parts = vec![
        head(&report.machine),
        ceiling(&report.ceiling),
        roofline(report),
        LEGEND.to_owned(),
    ];
    let beside: Vec<Vec<String>> = report.workloads.iter().flat_map(rivals).collect();
    if !beside.is_empty() {
        let header = [
            "workload",
            "against",
            "step",
            "times ours",
            "goal",
            "MiB",
            "times ours",
        ];
        parts.push(markdown(&header, 2, &beside));
        parts.extend(about_rivals(&report.workloads));
    }
    if !report.left_out.is_empty() {
        parts.push(report.left_out.join("\n"));
    }
    parts.join("\n\n") + "\n"
}

/// What the table of rivals needs to be said beside it.
fn about_rivals(workloads: &[Measured]) -> Vec<String> {
    let peers = workloads.iter().flat_map(|w| &w.peers);
    let programs: BTreeSet<String> = peers
        .map(|p| &p.times.series)
        .map(|s| format!("{} (threads: {})", s.program, s.threads))
        .collect();
    let mut said = Vec::new();
    if !programs.is_empty() {
        let programs: Vec<String> = programs.into_iter().collect();
        said.push(format!("{ALTERNATELY} Peers: {}.", programs.join(", ")));
    }
    if workloads.iter().any(|w| w.quoted.is_some()) {
        said.push(QUOTED.to_owned());
    }
    said
}

pub(super) fn head(machine: &Machine) -> String {
    let checkout = machine.checkout.as_ref();
    format!(
        "{}, {} cores, {} MiB, {}; {} threads, {}; gptlab {}{}{}; {}",
        machine.processor,
        machine.cores,
        mib(machine.memory_bytes),
        machine.system,
        machine.threads,
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

fn ceiling(ceiling: &Ceiling) -> String {
    let giga = |x: f64| count((x / 1e9).round() as u64);
    format!(
        "Peak: {} GFLOP/s in f32 and {} in bf16 on one core; {} and {} on {} threads.",
        giga(ceiling.f32.one),
        giga(ceiling.bf16.one),
        giga(ceiling.f32.all),
        giga(ceiling.bf16.all),
        ceiling.threads,
    )
}

fn roofline(report: &Report) -> String {
    let header = [
        "workload",
        "precision",
        "threads",
        "step",
        "best",
        "spread",
        "tokens/s",
        "GFLOP",
        "GFLOP/s",
        "of peak",
        "MB",
        "FLOP/B",
        "GB/s",
        "MiB",
    ];
    let rows: Vec<Vec<String>> = report
        .workloads
        .iter()
        .map(|w| roof(w, &report.ceiling))
        .collect();
    markdown(&header, 2, &rows)
}

fn roof(w: &Measured, ceiling: &Ceiling) -> Vec<String> {
    let seconds = w.ours.median_seconds;
    let rate = w.flops / seconds;
    vec![
        w.name.to_owned(),
        w.precision.name().to_owned(),
        w.threads.to_string(),
        time(seconds),
        time(w.ours.best_seconds),
        format!("{:.1} %", 100.0 * w.ours.spread),
        count((w.tokens / seconds).round() as u64),
        digits(w.flops / 1e9),
        digits(rate / 1e9),
        format!("{:.0} %", 100.0 * rate / ceiling.of(w.precision, w.threads)),
        digits(w.bytes / 1e6),
        digits(w.flops / w.bytes),
        digits(w.bytes / seconds / 1e9),
        mib(w.ours.series.peak_bytes),
    ]
}

fn rivals(w: &Measured) -> Vec<Vec<String>> {
    let quoted = w.quoted.iter().map(|q| quote(w, q));
    w.peers.iter().map(|p| peer(w, p)).chain(quoted).collect()
}

fn peer(w: &Measured, peer: &Beside) -> Vec<String> {
    vec![
        w.name.to_owned(),
        peer.name.to_owned(),
        time(peer.times.median_seconds),
        times(peer.ratio),
        peer.goal.map_or(String::new(), times),
        mib(peer.times.series.peak_bytes),
        peer.memory_ratio.map_or(String::new(), times),
    ]
}

fn quote(w: &Measured, quoted: &Quoted) -> Vec<String> {
    vec![
        w.name.to_owned(),
        quoted.of.to_owned(),
        time(quoted.seconds),
        times(quoted.ratio),
        times(quoted.goal),
        String::new(),
        String::new(),
    ]
}

/// Lines of cells whose bars stand below each other; all but the first `names` columns are numbers.
pub(super) fn markdown(header: &[&str], names: usize, rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|h| (*h).to_owned()).collect();
    let width = |i: usize| {
        let cells = rows
            .iter()
            .chain([&header])
            .map(|row| row[i].chars().count());
        cells.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cell = |i: usize| {
            let (cell, w) = (&row[i], widths[i]);
            if i < names {
                format!("{cell:<w$}")
            } else {
                format!("{cell:>w$}")
            }
        };
        format!(
            "| {} |",
            (0..row.len()).map(cell).collect::<Vec<_>>().join(" | ")
        )
    };
    let dashes = |i: usize| {
        let end = if i < names { "-" } else { ":" };
        "-".repeat(widths[i] - 1) + end
    };
    let rule = (0..header.len()).map(dashes).collect();
    let lines: Vec<String> = [&header, &rule].into_iter().chain(rows).map(line).collect();
    lines.join("\n")
}

/// Seconds in the unit that suits them.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} µs", digits(s * 1e6)),
        s if s < 1.0 => format!("{} ms", digits(s * 1e3)),
        s => format!("{} s", digits(s)),
    }
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2}x")
}

/// Three digits or more.
fn digits(x: f64) -> String {
    match x {
        x if x < 0.01 => format!("{x:.1e}"),
        x if x < 1.0 => format!("{x:.3}"),
        x if x < 10.0 => format!("{x:.2}"),
        x if x < 100.0 => format!("{x:.1}"),
        x => count(x.round() as u64),
    }
}

fn mib(bytes: Option<u64>) -> String {
    bytes.map_or("?".to_owned(), |b| count(b >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_below_each_other() {
        let rows = [vec!["µs".to_owned(), "1,000".to_owned()]];
        assert_eq!(
            markdown(&["name", "n"], 1, &rows),
            "| name |     n |\n| ---- | ----: |\n| µs   | 1,000 |"
        );
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        assert_eq!(time(88.4e-6), "88.4 µs");
        assert_eq!(time(0.165_4), "165 ms");
        assert_eq!(time(3.456), "3.46 s");
        assert_eq!(digits(0.0012), "1.2e-3");
        assert_eq!(digits(45_512.3), "45,512");
    }
}
