//! What the program itself makes: a grid of two tiny runs, observed in full, with all its files.
//!
//! Inputs that edit these files follow the formats as they change.

use std::{
    fs,
    num::NonZeroU64,
    path::Path,
    sync::{Arc, LazyLock},
};

use gptlab_data::Text;
use gptlab_engine::cpu::{CpuBackend, Isa};
use gptlab_lab::{
    grid::{self, GridObserver, Machine, Point},
    switches::Switch,
};
use gptlab_model::Preset;
use gptlab_recipe::{Intervals, ObserveLevel, TextOrigin};
use gptlab_train::{Checkpoint, Settings};
use serde_json::Value;

/// The files of a finished grid, as JSON.
pub(crate) struct Made {
    pub(crate) grid: Value,
    pub(crate) results: Value,
    pub(crate) outcome: Value,
    pub(crate) experiment: Value,
    /// A line each.
    pub(crate) events: Value,
    /// The header of a checkpoint of the run.
    pub(crate) header: Value,
    /// The bytes of the same checkpoint.
    pub(crate) checkpoint: Vec<u8>,
}

/// Made once a process, with the same bytes every time, but for the seconds a run took.
pub(crate) static MADE: LazyLock<Made> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    made(folder.path())
});

/// A text of two lines, several times, for characters and lines alike.
pub(crate) fn story() -> Text {
    let text = "the cat sat on the mat\nand the rat sat on the cat\n".repeat(8);
    let origin = TextOrigin::Other("cats".to_owned());
    Text::from_bytes(text.into_bytes(), origin).expect("a text")
}

/// A model that trains in a millisecond.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::of(Preset::Gpt2Mini, Some(3));
    settings.spec.block_size = 8;
    settings.spec.n_embd = 8;
    settings.spec.layers.truncate(1);
    for sublayer in settings.spec.layers.iter_mut().flatten() {
        match sublayer {
            gptlab_model::Sublayer::Attention(a) => (a.heads, a.kv_heads) = (2, 2),
            gptlab_model::Sublayer::Mlp(mlp) => mlp.hidden = 8,
        }
    }
    settings.hyper.batch_size = 2;
    settings.observe = ObserveLevel::Full;
    settings.intervals = Intervals {
        log: NonZeroU64::MIN,
        ..settings.intervals
    };
    settings
}

struct Nobody;

impl GridObserver for Nobody {}

fn made(folder: &Path) -> Made {
    let point = Point {
        name: String::new(),
        settings: settings(),
        values: vec![("lr".to_owned(), 3e-4)],
    };
    let switch = Switch::find("mlp").expect("a switch");
    let command = ["gptlab".to_owned()];
    let (planned, _) =
        grid::ablation(&[point], &[switch], &[0, 1], &story(), &command).expect("a plan");
    let machine = Machine {
        threads: 1,
        jobs: 1,
        backend: Arc::new(CpuBackend::new(Isa::PORTABLE)),
    };
    grid::run(folder, &planned, &story(), machine, &Nobody).expect("a finished grid");
    let run = folder.join(&planned.grid.cells[0].folder);
    let (_, path) = gptlab_record::checkpoints(&run)
        .expect("checkpoints")
        .pop()
        .expect("a checkpoint");
    let checkpoint = Checkpoint::open(&path).expect("a checkpoint");
    Made {
        grid: json(&folder.join("grid.json")),
        results: json(&folder.join("results.json")),
        outcome: json(&run.join("outcome.json")),
        experiment: json(&run.join("experiment.json")),
        events: lines(&run.join("events.jsonl")),
        header: serde_json::to_value(checkpoint.header()).expect("a header is JSON"),
        checkpoint: fs::read(&path).expect("a checkpoint"),
    }
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn lines(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("events");
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an event"))
        .collect()
}
