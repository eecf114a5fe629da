//! Summaries of runs, for a table with a row per run.

use gptlab_record::Event;
use serde::Serialize;

use crate::{
    RecordedRun, number,
    table::{Column, Table, TableCell},
    words::{count, display_width, duration},
};

/// The summary of one run. `runs --json` prints a list of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// The name of the run's folder.
    pub name: String,
    /// The name of the text that the run trains on.
    pub text: String,
    /// The number of the model's parameters.
    pub parameters: Option<u64>,
    /// The number of updates made.
    pub steps: u64,
    /// The number of updates that the run makes in all.
    pub of: u64,
    pub state: RunState,
    /// The last validation loss, in nats per token; `None` without a validation split.
    pub val_loss: Option<f64>,
    /// The loss of the last logged step's own batch, in nats per token.
    pub loss: Option<f64>,
    /// The seconds of training, without pauses.
    pub seconds: f64,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Finished,
    /// The run is training, or was stopped or killed.
    Unfinished,
    Diverged,
}

impl RunSummary {
    /// Summarises `run`.
    pub fn of(run: &RecordedRun) -> Self {
        let state = match (run.diverged_at(), run.done()) {
            (Some(_), _) => RunState::Diverged,
            (None, Some(_)) => RunState::Finished,
            (None, None) => RunState::Unfinished,
        };
        let made = run.done().map(|(step, _)| step);
        let seconds = run.events.iter().filter_map(Event::seconds);
        Self {
            name: run.name.clone(),
            text: run.experiment.data.source.clone(),
            parameters: run.events.iter().find_map(parameters),
            steps: made.or(run.unfinished()).or(run.diverged_at()).unwrap_or(0),
            of: run.experiment.hyper.steps,
            state,
            val_loss: run
                .whole_loss
                .or(run.validation().last().map(|(_, loss)| *loss)),
            loss: run.training().last().map(|(_, loss)| *loss),
            seconds: seconds.fold(0.0, f64::max),
        }
    }
}

fn parameters(event: &Event) -> Option<u64> {
    let Event::Start { parameters } = event else {
        return None;
    };
    Some(*parameters)
}

/// Returns a table of `runs` by text, since losses on different texts cannot be compared; among
/// those of a text, the lowest validation loss first and runs without one last.
pub fn runs_table(runs: &[RunSummary]) -> Table {
    let mut runs: Vec<&RunSummary> = runs.iter().collect();
    let loss = |run: &RunSummary| run.val_loss.filter(|loss| !loss.is_nan());
    runs.sort_by(|a, b| {
        let losses = [a, b].map(|run| loss(run).unwrap_or(f64::INFINITY));
        let by_text = a.text.cmp(&b.text);
        by_text
            .then(losses[0].total_cmp(&losses[1]))
            .then_with(|| a.name.cmp(&b.name))
    });
    let columns = vec![
        Column::words("run"),
        Column::words("text"),
        Column::numbers("parameters"),
        Column::numbers("steps"),
        Column::numbers("val loss"),
        Column::numbers("time").on_screen(),
    ];
    let mut table = Table::new(
        "Runs by text, the lowest validation loss (nats per token) first",
        columns,
    );
    for run in runs {
        table.push(row(run));
    }
    table
}

/// The smallest number of characters of a name that is shortened, at first and where texts are
/// shortened too: a default name begins with its time, in 15 characters.
const NAME: [usize; 2] = [22, 20];
/// The number of characters of a text's name that is shortened.
const TEXT: usize = 12;

/// Returns the table of [`runs_table`] with names and, if that is not enough, texts shortened in
/// the middle, so that all columns stand side by side in `width` characters, and whether
/// anything is shortened. If nothing makes them fit, nothing is shortened.
pub fn fitted_runs_table(runs: &[RunSummary], width: usize) -> (Table, bool) {
    let whole = runs_table(runs);
    let longest = |column: usize| {
        let cells = whole.rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| display_width(&cell.text))
            .max()
            .unwrap_or(0)
    };
    let (names, texts) = (longest(0), longest(1));
    let first = (NAME[0]..=names).rev().map(|name| (name, texts));
    let second = (NAME[1]..=names).rev().map(|name| (name, TEXT));
    for (name, text) in first.chain(second) {
        let mut table = whole.clone();
        for row in &mut table.rows {
            for (cell, most) in row.iter_mut().zip([name, text]) {
                cell.text = shortened(&cell.text, most);
            }
        }
        if table.fits(width) {
            let is_shortened = table != whole;
            return (table, is_shortened);
        }
    }
    (whole, false)
}

/// The number of characters at the beginning of a name that stay.
const BEGINNING: usize = 15;

/// The smallest number of characters at the end of a name that stay.
const LEAST_END: usize = 4;

/// Returns `name` in at most `most` columns: its beginning, `…` and its end.
fn shortened(name: &str, most: usize) -> String {
    if display_width(name) <= most {
        return name.to_owned();
    }
    let room = most.saturating_sub(1);
    // The end is what tells runs of the same text apart.
    let first = BEGINNING.min(room.saturating_sub(LEAST_END));
    let beginning = taken(name.chars(), first);
    let end: String = taken(name.chars().rev(), room - first)
        .chars()
        .rev()
        .collect();
    format!("{beginning}…{end}")
}

/// Returns as many characters as fit into `most` columns.
fn taken(chars: impl Iterator<Item = char>, most: usize) -> String {
    let mut out = String::new();
    for c in chars {
        out.push(c);
        if display_width(&out) > most {
            out.pop();
            break;
        }
    }
    out
}

fn row(run: &RunSummary) -> Vec<TableCell> {
    let file = run.text.rsplit(['/', '\\']).next().unwrap_or(&run.text);
    vec![
        TableCell::text(&run.name),
        TableCell::text(file),
        run.parameters
            .map_or_else(TableCell::default, TableCell::count),
        TableCell::text(match run.state {
            RunState::Finished => count(run.steps),
            RunState::Unfinished => format!("{} of {}", count(run.steps), count(run.of)),
            RunState::Diverged => format!("diverged at {}", count(run.steps)),
        }),
        run.val_loss.map_or_else(TableCell::default, |loss| {
            TableCell::number(number::loss(loss), loss)
        }),
        TableCell::number(duration(run.seconds), run.seconds),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, text: &str, steps: u64) -> RunSummary {
        RunSummary {
            name: name.to_owned(),
            text: text.to_owned(),
            parameters: Some(810_240),
            steps,
            of: 1_000,
            state: if steps < 1_000 {
                RunState::Unfinished
            } else {
                RunState::Finished
            },
            val_loss: Some(1.5),
            loss: Some(1.4),
            seconds: 65.0,
        }
    }

    #[test]
    fn names_keep_their_beginning_and_their_end() {
        let long = "20261129-071709-tinyshakespeare-disable-residual";
        assert_eq!(shortened(long, 48), long);
        assert_eq!(shortened(long, 24), "20261129-071709…residual");
        assert_eq!(shortened(long, 20), "20261129-071709…dual");
        assert_eq!(shortened("吾輩は猫である吾輩は猫である", 12), "吾輩は…ある");
    }

    #[test]
    fn a_long_name_is_shortened_only_as_far_as_it_must() {
        let long = "20261129-071709-tinyshakespeare-disable-residual";
        let runs = [run(long, "tinyshakespeare.txt", 1_000)];
        let of = |width: usize| fitted_runs_table(&runs, width);
        assert_eq!(of(120), (runs_table(&runs), false));
        let is_one_table = |text: &str| {
            let rules = text.lines().filter(|line| line.starts_with("---"));
            rules.count() == 1 && text.lines().all(|line| display_width(line) <= 80)
        };
        let (table, is_shortened) = of(80);
        let text = table.text(80);
        assert!(is_shortened && is_one_table(&text), "{text}");
        assert!(
            text.contains("20261129-071709…") && text.contains("tinyshakespeare.txt"),
            "{text}"
        );
        // At 40 columns nothing helps.
        assert_eq!(of(40), (runs_table(&runs), false));
        let stopped = [run(long, "tinyshakespeare.txt", 300)];
        let (table, _) = fitted_runs_table(&stopped, 80);
        let text = table.text(80);
        assert!(
            text.contains("tinysha….txt") && is_one_table(&text),
            "{text}"
        );
    }
}
