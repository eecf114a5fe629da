//! `gptlab micro`: the one-file microgpt's run on the fast engine, with its output.

use std::num::NonZeroU64;

use gptlab_data::Builtin;
use gptlab_engine::{Engine, Slot, cpu::Generator, sample::Sampling};
use gptlab_model::{Preset, random::Stream};
use gptlab_recipe::Precision;
use gptlab_record::Event;
use gptlab_train::{Observer, Outcome as Ending, Resolved, Run, Settings, Targets};

use super::train::diverged;
use crate::{
    args::MicroArgs,
    engines,
    exit::{ExitCode, Outcome, Stop},
    interrupt::Interrupt,
    printer::Printer,
    text,
};

const SEED: u64 = 42;
const TEMPERATURE: f64 = 0.5;
const SAMPLES: u32 = 20;

pub(super) fn run(args: &MicroArgs, printer: Printer) -> Outcome {
    let temperature = args.temperature.unwrap_or(TEMPERATURE);
    let sampling = Sampling::new(temperature, None, None).map_err(Stop::usage)?;
    let options = engines::options(&args.machine, Precision::F32)?;
    let text = text::source(args.data.as_deref(), Builtin::Names)?;
    let resolved = Resolved::fresh(&settings(args), &text)?;
    say_sizes(&resolved, printer);

    let weights = resolved.weights()?;
    let mut engine = engines::make(resolved.graph.clone(), &weights, options, printer)?;
    let mut lines = Lines {
        steps: resolved.experiment.hyper.steps,
        interrupt: Interrupt::of_ctrl_c(printer),
        printer,
    };
    let ending = Run::new(&resolved, engine.as_mut(), Targets::default(), &mut lines)?.go()?;
    if let Ending::Diverged { step, what } = ending {
        return Err(diverged(step, what));
    }
    infer(&resolved, engine.as_ref(), &sampling, printer)?;
    Ok(match ending {
        Ending::Finished { .. } | Ending::Complete { .. } => ExitCode::Success,
        Ending::Stopped { .. } => ExitCode::Interrupted,
        Ending::Diverged { .. } => ExitCode::Failure,
    })
}

/// The preset's own, seen step by step.
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

/// Prints every step as the one-file program does.
struct Lines {
    steps: u64,
    interrupt: Interrupt,
    printer: Printer,
}

impl Observer for Lines {
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

fn infer(
    resolved: &Resolved,
    engine: &dyn Engine,
    sampling: &Sampling,
    printer: Printer,
) -> Outcome<()> {
    let tokenizer = &resolved.tokenizer;
    let most = resolved.model.spec().block_size as u64;
    let weights = engine.export(Slot::Weights);
    let mut generator = Generator::new(resolved.graph.clone(), &weights).map_err(Stop::failure)?;
    let beginning = tokenizer.prompt("").map_err(Stop::data)?;
    printer.line("\n--- inference (new, hallucinated names) ---");
    for i in 0..SAMPLES {
        generator.begin(&beginning).map_err(Stop::failure)?;
        let stream = Stream::new(resolved.experiment.seed, "sample", i);
        let name: Vec<u32> = (0..most)
            .map_while(|k| generator.next_token(sampling, stream.uniform_at(k)))
            .take_while(|token| Some(*token) != tokenizer.bos())
            .collect();
        let name = tokenizer.decode(&name).map_err(Stop::data)?;
        printer.line(format_args!("sample {:2}: {name}", i + 1));
    }
    Ok(())
}
