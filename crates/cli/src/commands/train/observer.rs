//! The observer of a run: it prints lines, moves the bar, writes samples, and stops at Ctrl-C.

use std::cell::Cell;

use gptlab_data::{SplitName, Tokenizer};
use gptlab_engine::{BackendOptions, Device, Engine, Slot, StepStats};
use gptlab_lab::observe::InternalsRecorder;
use gptlab_model::{Batch, Graph};
use gptlab_recipe::{ObserveLevel, SampleSettings, words::plural_s};
use gptlab_record::Event;
use gptlab_report::words::{count, duration_in_two_units};
use gptlab_train::{
    Coverage, Observer, Progress, Resolved, SampleModel, Sampler, Series, coverage,
};

use super::lines::StepForm;
use crate::{
    exit::{CommandResult, Stop},
    interrupt::Interrupt,
    printer::Printer,
    progress::Bar,
    sample,
};

/// What a run prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunOutput {
    /// Lines for people.
    Lines(StepForm),
    /// Every event as JSON.
    Json,
}

pub(super) struct RunObserver {
    printer: Printer,
    interrupt: Interrupt,
    bar: Bar,
    output: RunOutput,
    graph: Graph,
    tokenizer: Tokenizer,
    sampling: SampleSettings,
    /// The device that writes samples.
    device: Device,
    seed: u64,
    /// Whether the user was told that samples have no thread of their own.
    refusal_reported: Cell<bool>,
    recorder: InternalsRecorder,
    observes: bool,
    /// Which predictions the validation losses are over.
    validated: Option<Coverage>,
    /// Seconds of training, and of observing it.
    took: (f64, f64),
}

impl RunObserver {
    /// Makes an observer. Refuses settings that would make the first sample fail.
    pub(super) fn new(
        resolved: &Resolved,
        device: &Device,
        output: RunOutput,
        interrupt: Interrupt,
        printer: Printer,
    ) -> CommandResult<Self> {
        let experiment = &resolved.experiment;
        let sampling = &experiment.sampling;
        resolved
            .tokenizer
            .prompt(&sampling.prompt)
            .map_err(Stop::data)?;
        sample::check_stop(sampling, &resolved.tokenizer, printer)?;
        Ok(Self {
            printer,
            interrupt,
            bar: Bar::new(printer, resolved.first_step(), experiment.hyper.steps),
            output,
            graph: resolved.graph.clone(),
            tokenizer: resolved.tokenizer.clone(),
            sampling: experiment.sampling.clone(),
            device: device.with_options(BackendOptions::default()),
            seed: experiment.seed,
            refusal_reported: Cell::new(false),
            recorder: InternalsRecorder::new(experiment.observe, resolved),
            observes: experiment.observe != ObserveLevel::Off,
            validated: coverage(
                &resolved.batches,
                SplitName::Validation,
                experiment.intervals.val_tokens,
            ),
            took: (0.0, 0.0),
        })
    }

    pub(super) fn close(&self) {
        self.bar.close();
    }

    /// Returns a sentence about the time that observing took, if there was any training.
    pub(super) fn cost_of_observing(&self) -> Option<String> {
        let (training, observing) = self.took;
        (self.observes && training > 0.0).then(|| {
            let share = 100.0 * observing / training;
            format!(
                "observing took {observing:.2} s, {share:.1} % of the {training:.1} s of training"
            )
        })
    }

    /// Samples text from the present model; returns `None` if Ctrl-C interrupted it.
    fn write(&self, engine: &dyn Engine, step: u64) -> CommandResult<Option<String>> {
        let model = SampleModel {
            graph: &self.graph,
            weights: &engine.export(Slot::Weights),
            tokenizer: &self.tokenizer,
        };
        let sampler = Sampler::new(&self.device, model, &self.sampling, self.seed)?;
        let written = sampler.sample_of_step(&self.sampling.prompt, step, self.interrupt.flag())?;
        if sampler.was_refused_a_thread() && !self.refusal_reported.replace(true) {
            let warn = || self.printer.warn(sample::REFUSED_A_THREAD);
            self.bar.aside(warn);
        }
        Ok(written)
    }
}

fn print(event: &Event, form: StepForm, validated: Option<Coverage>, printer: Printer) {
    match event {
        Event::Step(record) => printer.line(form.line(record)),
        Event::Sample { step, text } => {
            printer.exact_line(format_args!(
                "--- sample after {step} step{} ---",
                plural_s(*step)
            ));
            printer.sample(text);
            printer.exact_line("---");
        }
        Event::Done {
            seconds,
            val_loss,
            val_bits_per_char,
            ..
        } => {
            let took = duration_in_two_units(*seconds);
            printer.say(match (val_loss, val_bits_per_char) {
                (Some(loss), Some(bits)) => format!(
                    "done in {took}: validation loss {loss:.4}, {bits:.3} bits per character"
                ),
                (Some(_) | None, Some(_) | None) => format!("done in {took}"),
            });
            if let Some(Coverage { predictions, of }) = validated.filter(|_| val_loss.is_some()) {
                printer.say(format_args!(
                    "validated over {} of {} prediction{} (--val-tokens)",
                    count(predictions),
                    count(of),
                    plural_s(of)
                ));
            }
        }
        Event::Notice { text } => printer.warn(text),
        // Other code, which knows more, prints these events at the start and at the end.
        Event::Start { .. }
        | Event::Observation(_)
        | Event::Diverged { .. }
        | Event::Checkpoint { .. }
        | Event::Resume { .. }
        | Event::Stop { .. } => {}
    }
}

impl Observer for RunObserver {
    fn event(&mut self, event: &Event) {
        let (validated, printer) = (self.validated, self.printer);
        match self.output {
            RunOutput::Json => printer.json(event),
            RunOutput::Lines(form) => {
                self.bar.aside(|| print(event, form, validated, printer));
            }
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let rate = progress.tokens as f64 / progress.step_seconds.max(1e-9);
        self.bar.set(progress.done, progress.loss, rate);
        self.took.0 += progress.step_seconds;
        self.took.1 = progress.observing;
    }

    fn before_update(&mut self, engine: &mut dyn Engine, batch: &Batch) {
        self.recorder.before_update(engine, batch);
    }

    fn after_update(&mut self, engine: &mut dyn Engine, update: &StepStats) -> Vec<Series> {
        self.recorder.after_update(engine, update)
    }

    fn sample(&mut self, engine: &dyn Engine, step: u64) -> Option<String> {
        match self.write(engine, step) {
            Ok(text) => text,
            Err(stop) => {
                self.bar.aside(|| self.printer.warn(&stop.message));
                None
            }
        }
    }

    fn should_stop(&self) -> bool {
        self.interrupt.is_set()
    }
}
