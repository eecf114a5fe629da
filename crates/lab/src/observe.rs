//! Records a training run's internals at every logged step.
//!
//! *Basic* records each parameter's gradient norm and the relative size of its update. *Full* also
//! runs a few sequences of the step's own batch through the model, without dropout and before the
//! update, and measures its activations. [`Measure`] defines the numbers.

mod activity;
#[cfg(test)]
mod tests;

use gptlab_engine::{Engine, Slot, StepStats};
use gptlab_model::{Batch, Graph, Model, ParamGroup};
use gptlab_recipe::ObserveLevel;
use gptlab_train::{Resolved, Series};

use self::activity::{Activity, Rarity};
use crate::probe::{Anatomy, Measure};

/// Records the internals of one run.
#[derive(Debug)]
pub struct InternalsRecorder {
    level: ObserveLevel,
    model: Model,
    graph: Graph,
    anatomy: Anatomy,
    rarity: Rarity,
    /// The weights before the current step's update.
    weights: Vec<f32>,
    gradients: Vec<f64>,
    activity: Vec<Series>,
}

/// The number of sequences of a batch that are run through the model.
const SEQUENCES: usize = 2;

impl InternalsRecorder {
    /// Makes a recorder for the run of `resolved`. The level `Off` records nothing.
    pub fn new(level: ObserveLevel, resolved: &Resolved) -> Self {
        let (model, graph) = (resolved.model.clone(), resolved.graph.clone());
        let blocks = model.spec().layers.len();
        Self {
            level,
            anatomy: Anatomy::of(&graph, blocks),
            rarity: match level {
                ObserveLevel::Off | ObserveLevel::Basic => Rarity::default(),
                ObserveLevel::Full => Rarity::of(resolved.batches.corpus()),
            },
            model,
            graph,
            weights: Vec::new(),
            gradients: Vec::new(),
            activity: Vec::new(),
        }
    }

    /// Records a step between its backward pass and its update.
    pub fn before_update(&mut self, engine: &mut dyn Engine, batch: &Batch) {
        match self.level {
            ObserveLevel::Off => return,
            ObserveLevel::Basic => {}
            ObserveLevel::Full => self.activity = self.look(engine, batch),
        }
        self.weights = engine.export(Slot::Weights);
        self.gradients = self.norms(&engine.export(Slot::Gradients));
    }

    /// Records the update, and returns all series of the step.
    pub fn after_update(&mut self, engine: &mut dyn Engine, update: &StepStats) -> Vec<Series> {
        if self.level == ObserveLevel::Off {
            return Vec::new();
        }
        let before = self.norms(&self.weights);
        let mut moved = engine.export(Slot::Weights);
        for (after, before) in moved.iter_mut().zip(&self.weights) {
            *after -= before;
        }
        let moved = self.norms(&moved);
        let ratio = |(moved, held): (&f64, &f64)| moved / held;
        let ratios: Vec<f64> = moved.iter().zip(&before).map(ratio).collect();
        let mut series = vec![
            self.by_parameter(Measure::GradNorm, &self.gradients, |_| true),
            self.by_parameter(Measure::UpdateRatio, &ratios, is_matrix),
            Series {
                measure: Measure::ClipShare.name().into(),
                at: vec!["all".into()],
                values: vec![1.0 - update.clip_factor],
            },
        ];
        series.append(&mut self.activity);
        series
    }

    /// Returns the L2 norm of each parameter's part of `flat`.
    fn norms(&self, flat: &[f32]) -> Vec<f64> {
        let square = |x: &f32| f64::from(*x).powi(2);
        let norm = |part: &[f32]| part.iter().map(square).sum::<f64>().sqrt();
        self.graph
            .params()
            .iter()
            .map(|p| norm(&flat[p.range()]))
            .collect()
    }

    /// Makes a series from the `values` of the parameters whose group is `wanted`. They are the
    /// same at every step, so that a plot can have a row for each.
    fn by_parameter(
        &self,
        measure: Measure,
        values: &[f64],
        wanted: fn(ParamGroup) -> bool,
    ) -> Series {
        let named = self.graph.params().iter().zip(values);
        let (at, values) = named
            .filter(|(param, _)| wanted(param.group))
            .map(|(param, value)| (param.name.clone(), *value))
            .unzip();
        Series {
            measure: measure.name().into(),
            at,
            values,
        }
    }

    /// Runs the first sequences of `batch` through the model and measures its activations.
    fn look(&self, engine: &mut dyn Engine, batch: &Batch) -> Vec<Series> {
        let rows = (0..batch.sequences().min(SEQUENCES)).map(|i| batch.rows(i));
        let pairs = rows.map(|r| (&batch.inputs()[r.clone()], &batch.targets()[r]));
        // These sequences come from a batch of this model, so this does not fail.
        let Ok(few) = Batch::new(&self.model, pairs) else {
            return Vec::new();
        };
        let mut activity = Activity::new(&self.graph, &self.anatomy, &few);
        engine.losses_with(&few, &mut |_, node, value| activity.see(node, value));
        activity.into_series(&self.rarity)
    }
}

/// Returns whether update ratios are defined for `group`: biases start at zero, so theirs would
/// divide by zero.
fn is_matrix(group: ParamGroup) -> bool {
    match group {
        ParamGroup::Matrix | ParamGroup::Embedding => true,
        ParamGroup::Vector => false,
    }
}
