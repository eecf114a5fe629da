//! `gptlab micro`: the run and the output of the one-file microgpt, on the fast engine.

use std::{num::NonZeroU64, sync::atomic::AtomicBool};

use gptlab_data::Builtin;
use gptlab_engine::{Device, Engine, sample::Sampling};
use gptlab_model::Preset;
use gptlab_recipe::{Precision, SampleSettings};
use gptlab_record::Event;
use gptlab_train::{
    Observer, Outcome, Resolved, Run, RunOptions, SampleError, Settings, TrainedModel,
};

use super::train::diverged;
use crate::{
    args::MicroArgs,
    engines,
    exit::{CommandResult, ExitCode, Stop},
    interrupt::Interrupt,
    printer::Printer,
    text,
};

const SEED: u64 = 42;
const TEMPERATURE: f64 = 0.5;
const SAMPLES: u32 = 20;

pub(super) fn run(args: &MicroArgs, printer: Printer) -> CommandResult {
    let temperature = args.temperature.unwrap_or(TEMPERATURE);
    Sampling::new(temperature, None, None).map_err(Stop::usage)?;
    let device = engines::device(&args.machine, Precision::F32, printer)?;
    let text = text::source(args.data.as_deref(), Builtin::Names)?;
    let resolved = Resolved::fresh(&settings(args), &text)?;
    say_sizes(&resolved, printer);

    let weights = resolved.weights()?;
    let mut engine = engines::make(resolved.graph.clone(), &weights, &device, printer)?;
    let mut lines = StepLines {
        steps: resolved.experiment.hyper.steps,
        interrupt: Interrupt::of_ctrl_c(printer),
        printer,
    };
    let ending = Run::new(
        &resolved,
        engine.as_mut(),
        RunOptions::default(),
        &mut lines,
    )?
    .go()?;
    if let Outcome::Diverged { step, what } = ending {
        return Err(diverged(step, what));
    }
    infer(&resolved, engine.as_ref(), temperature, printer)?;
    Ok(match ending {
        Outcome::Finished { .. } | Outcome::Complete { .. } => ExitCode::Success,
        Outcome::Stopped { .. } => ExitCode::Interrupted,
        Outcome::Diverged { .. } => ExitCode::Failure,
    })
}

/// Returns the preset's settings with a log at every step.
fn settings(args: &MicroArgs) -> Settings {
    let mut settings = Settings::of(Preset::Microgpt, args.steps);
    settings.seed = args.seed.unwrap_or(SEED);
    settings.intervals.log = NonZeroU64::MIN;
    settings.intervals.sample = None;
    settings
}

fn say_sizes(resolved: &Resolved, printer: Printer) {
    let documents = resolved.batches.corpus().train().documents();
    printer.line(format_args!("num docs: {}", documents.unwrap_or(0)));
    printer.line(format_args!("vocab size: {}", resolved.model.vocab_size()));
    printer.line(format_args!(
        "num params: {}",
        resolved.graph.params().total()
    ));
    for notice in &resolved.notices {
        printer.warn(notice);
    }
}

/// An observer that prints every step as the one-file program does.
struct StepLines {
    steps: u64,
    interrupt: Interrupt,
    printer: Printer,
}

impl Observer for StepLines {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Step(record) => {
                let (step, steps) = (record.step + 1, self.steps);
                let loss = record.loss;
                self.printer
                    .line(format_args!("step {step:4} / {steps:4} | loss {loss:.4}"));
            }
            Event::Start { .. }
            | Event::Notice { .. }
            | Event::Observation(_)
            | Event::Diverged { .. }
            | Event::Sample { .. }
            | Event::Checkpoint { .. }
            | Event::Resume { .. }
            | Event::Stop { .. }
            | Event::Done { .. } => {}
        }
    }

    fn should_stop(&self) -> bool {
        self.interrupt.is_set()
    }
}

/// Samples names from the model and prints them as the one-file program does.
fn infer(
    resolved: &Resolved,
    engine: &dyn Engine,
    temperature: f64,
    printer: Printer,
) -> CommandResult<()> {
    let settings = SampleSettings {
        temperature,
        top_k: None,
        max_tokens: resolved.model.spec().block_size,
        ..SampleSettings::default()
    };
    let device = Device::cpu(1);
    let trained = TrainedModel::of_run(resolved, engine).map_err(Stop::failure)?;
    let sampler = trained.sampler(&device, &settings, resolved.experiment.seed)?;
    let never = AtomicBool::new(false);
    printer.line("\n--- inference (new, hallucinated names) ---");
    for i in 0..SAMPLES {
        let mut name = String::new();
        match sampler.sample("", i, &never, |piece| name += piece) {
            // The name of a diverged model ends where the model diverged.
            Ok(_) | Err(SampleError::Diverged) => {}
            Err(error) => return Err(error.into()),
        }
        printer.line(format_args!("sample {:2}: {name}", i + 1));
    }
    Ok(())
}
