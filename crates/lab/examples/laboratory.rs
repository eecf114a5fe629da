//! Trains a model and the same model without its residual connections, compares them, and probes
//! the first: `cargo run --release -p gptlab-lab --example laboratory`. The example uses only the
//! libraries, and not the command line.
#![allow(clippy::print_stdout)]

use std::{error::Error, sync::Arc};

use gptlab_data::{Builtin, Text};
use gptlab_engine::{Device, cpu::CpuBackend};
use gptlab_lab::grid::{self, Ending, GridObserver, Machine, Point};
use gptlab_lab::probe::{Probe, ProbeRequest, ProbedCheckpoint, Tables};
use gptlab_lab::switches::Switch;
use gptlab_model::Preset;
use gptlab_record::checkpoints;
use gptlab_train::{Checkpoint, NonFinite, Settings};

struct Silent;
impl GridObserver for Silent {}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    // The text requires a known skill, some of which a model learns in seconds.
    let text = Text::builtin(Builtin::parse("copy:seed=1,size=6000")?.ok_or("a built-in text")?);
    let mut settings = Settings::of(Preset::Microgpt, Some(100));
    settings.val_fraction = 0.1;
    let point = Point {
        name: String::new(),
        settings,
        values: Vec::new(),
    };
    let switches = [Switch::find("no residual")?];
    let (planned, _) = grid::ablation(&[point], &switches, &[0], &text, &[])?;

    // Trains the baseline and the ablated model to their ends.
    let folder = tempfile::tempdir()?;
    let machine = Machine {
        threads: 1,
        jobs: 1,
        backend: Arc::new(CpuBackend::default()),
    };
    let Ending::Finished(results) = grid::run(folder.path(), &planned, &text, machine, &Silent)?
    else {
        return Err("the grid was stopped".into());
    };
    for row in &results.rows {
        let loss = row.mean.ok_or("a model that has not diverged")?;
        println!("{:<12} validation loss {loss:.3}", row.variant);
    }

    // Probes the baseline's checkpoint.
    let run = folder.path().join(&planned.grid.cells[0].folder);
    let (_, path) = checkpoints(&run)?
        .pop()
        .ok_or("the first seed's checkpoint is kept")?;
    let checkpoint = Checkpoint::open(&path)?;
    let request = ProbeRequest {
        data: Some(text),
        only: vec![Probe::Attention, Probe::Ablation],
        ..ProbeRequest::default()
    };
    let model = checkpoint.trained_model(NonFinite::Refused)?;
    let probed = ProbedCheckpoint {
        name: "baseline",
        header: checkpoint.header(),
        model: &model,
    };
    let report = request.prepare(probed)?.run(&Device::cpu(1))?;
    for (_, table) in Tables::short(&report).0 {
        println!("\n{}\n{}", table.caption, table.text(100));
    }
    Ok(())
}
