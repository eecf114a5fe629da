//! Runs that end at a number that is not finite.

use std::ops::Range;

use gptlab_engine::{Noise, QueuedSteps, Reduce, ReduceError, StepHyper, StepResult};

use super::*;

/// An engine that returns numbers that are not finite from given steps on.
#[derive(Debug)]
struct Broken {
    inner: RoundedOracle,
    loss_at: Option<u64>,
    norm_at: Option<u64>,
    val_at: Option<u64>,
    weights_at: Option<u64>,
    stopped: bool,
    step: u64,
    /// Whether the result of a step is returned when the next one is begun.
    queues: bool,
    begun: Option<StepResult>,
}

impl Broken {
    fn new(resolved: &Resolved) -> Self {
        Self {
            inner: RoundedOracle::new(resolved),
            loss_at: None,
            norm_at: None,
            val_at: None,
            weights_at: None,
            stopped: false,
            step: resolved.first_step(),
            queues: false,
            begun: None,
        }
    }
}

impl Engine for Broken {
    fn graph(&self) -> &gptlab_model::Graph {
        self.inner.graph()
    }

    fn failure(&self) -> Option<String> {
        self.stopped.then(|| "the device has stopped".to_owned())
    }

    fn part(&self, batch: &Batch, first: usize, sequences: usize) -> Range<usize> {
        self.inner.part(batch, first, sequences)
    }

    fn share(&self, batch: &Batch, index: usize, count: usize) -> Range<usize> {
        self.inner.share(batch, index, count)
    }

    fn accumulate(&mut self, batch: &Batch, part: Range<usize>, noise: Noise, losses: &mut [f64]) {
        self.inner.accumulate(batch, part, noise, losses);
        if self.loss_at == Some(self.step) {
            losses[0] = f64::NAN;
        }
    }

    fn reduce(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError> {
        self.inner.reduce(others)
    }

    fn losses(&mut self, batch: &Batch) -> Vec<f64> {
        let mut losses = self.inner.losses(batch);
        if self.val_at == Some(self.step) {
            losses[0] = f64::INFINITY;
        }
        losses
    }

    fn update(&mut self, hyper: &StepHyper) -> gptlab_engine::StepStats {
        let mut stats = self.inner.update(hyper);
        if self.norm_at == Some(self.step) {
            stats.grad_norm = f64::INFINITY;
        }
        self.step += 1;
        stats
    }

    fn queued(&mut self) -> Option<&mut dyn QueuedSteps> {
        let queues = self.queues;
        queues.then_some(self)
    }

    fn export(&self, slot: gptlab_engine::Slot) -> Vec<f32> {
        let mut values = self.inner.export(slot);
        if self.weights_at.is_some_and(|at| self.step >= at) {
            values[1] = f32::NAN;
        }
        values
    }

    fn import(
        &mut self,
        slot: gptlab_engine::Slot,
        values: &[f32],
    ) -> Result<(), gptlab_engine::ImportError> {
        self.inner.import(slot, values)
    }

    fn losses_with(&mut self, batch: &Batch, hook: &mut gptlab_engine::Hook) -> Vec<f64> {
        self.inner.losses_with(batch, hook)
    }
}

impl QueuedSteps for Broken {
    fn begin_step(&mut self, batch: &Batch, noise: Noise, hyper: &StepHyper) -> Option<StepResult> {
        let result = StepResult {
            step: noise.step,
            loss: self.forward_backward(batch, noise),
            stats: self.update(hyper),
        };
        self.begun.replace(result)
    }

    fn end_step(&mut self) -> Option<StepResult> {
        self.begun.take()
    }
}

/// A run on a device that computes beside the host has the events and weights of another.
#[test]
fn queued_steps_make_the_same_run() {
    let resolved = fresh();
    let [waited, queued] = [false, true].map(|queues| {
        let root = tempfile::tempdir().unwrap();
        let mut engine = Broken::new(&resolved);
        engine.queues = queues;
        let mut recorder = EventKeeper::default();
        let run = Run::new(&resolved, &mut engine, kept_in(root.path()), &mut recorder).unwrap();
        let Outcome::Finished { step, saved } = run.go().unwrap() else {
            panic!("a run that ends");
        };
        assert_eq!((step, engine.begun), (STEPS, None));
        let steps = recorder.events.iter().filter_map(Event::as_step);
        let numbers: Vec<_> = steps
            .map(|step| (step.step, step.loss, step.grad_norm, step.val_loss))
            .collect();
        assert_eq!(recorder.steps, STEPS);
        (
            numbers,
            saved
                .iter()
                .map(|p| std::fs::read(p).unwrap())
                .collect::<Vec<_>>(),
        )
    });
    assert!(waited == queued);
}

/// Every kind of divergence ends the run at its step, and all earlier checkpoints stay.
#[test]
fn a_run_ends_at_its_first_number_that_is_not_finite() {
    type Break = fn(&mut Broken);
    let cases: [(Break, u64, NotFinite); 5] = [
        (|e| e.loss_at = Some(4), 4, NotFinite::Loss),
        (|e| e.norm_at = Some(4), 4, NotFinite::GradNorm),
        (|e| e.val_at = Some(4), 4, NotFinite::ValLoss),
        (|e| e.weights_at = Some(4), 4, NotFinite::State),
        // The validation loss of the finished model is not finite.
        (|e| e.val_at = Some(STEPS), STEPS, NotFinite::ValLoss),
    ];
    let each = cases.into_iter();
    let each = each.flat_map(|case| [(case, false), (case, true)]);
    for ((break_it, at, what), queues) in each {
        let root = tempfile::tempdir().unwrap();
        let mut settings = settings(STEPS);
        settings.intervals.checkpoint = 2.try_into().ok();
        let resolved = Resolved::fresh(&settings, &story()).unwrap();
        let save = root.path().join("save.safetensors");
        let run_options = RunOptions {
            folder: Some(root.path().join("run")),
            save: Some(save.clone()),
            keep: NonZeroUsize::new(1),
            ..RunOptions::default()
        };
        let mut engine = Broken::new(&resolved);
        break_it(&mut engine);
        engine.queues = queues;
        let mut recorder = EventKeeper::default();
        let run = Run::new(&resolved, &mut engine, run_options, &mut recorder).unwrap();
        assert_eq!(run.go().unwrap(), Outcome::Diverged { step: at, what });
        let Some(Event::Diverged {
            step,
            what: recorded,
            ..
        }) = recorder.events.last()
        else {
            panic!("{:?}", recorder.events.last());
        };
        assert_eq!((*step, *recorded), (at, Some(what)));
        // The earlier checkpoints are intact in the folder and in the named file.
        let kept = if at == STEPS {
            STEPS
        } else if what == NotFinite::State {
            2
        } else {
            4
        };
        let checkpoint = Checkpoint::open(&save).unwrap();
        assert_eq!(checkpoint.header().step, kept, "{what:?}");
        for stored in Stored::ALL {
            checkpoint.read(stored).unwrap();
        }
        let (step, _) = gptlab_record::checkpoints(&root.path().join("run")).unwrap()[0];
        assert_eq!(step, kept, "{what:?}");
    }
}

/// The numbers of a device that has stopped are no divergence: the run ends with the device's own
/// sentence, whichever number shows it first.
#[test]
fn a_device_that_stops_is_no_divergence() {
    type Break = fn(&mut Broken);
    let cases: [Break; 4] = [
        |e| e.loss_at = Some(4),
        |e| e.norm_at = Some(4),
        |e| e.val_at = Some(4),
        |e| e.weights_at = Some(4),
    ];
    for break_it in cases {
        let root = tempfile::tempdir().unwrap();
        let mut settings = settings(STEPS);
        settings.intervals.checkpoint = 2.try_into().ok();
        let resolved = Resolved::fresh(&settings, &story()).unwrap();
        let run_options = RunOptions {
            folder: Some(root.path().join("run")),
            ..RunOptions::default()
        };
        let mut engine = Broken::new(&resolved);
        break_it(&mut engine);
        engine.stopped = true;
        let mut recorder = EventKeeper::default();
        let run = Run::new(&resolved, &mut engine, run_options, &mut recorder).unwrap();
        let error = run.go().unwrap_err();
        assert_eq!(error.to_string(), "the device has stopped");
        let diverged = |event: &Event| matches!(event, Event::Diverged { .. });
        assert!(!recorder.events.iter().any(diverged));
    }
}
