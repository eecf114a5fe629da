//! Summaries of runs, for a table with a row per run.

use gptlab_record::Event;
use serde::Serialize;

use crate::{
    RecordedRun, number,
    table::{Column, Table, TableCell},
    words::{count, duration},
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
