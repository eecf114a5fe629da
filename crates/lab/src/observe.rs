//! What a training run looks like inside, at every logged step.
//!
//! *Basic* asks of every parameter how large its gradient is and how far its update moved it.
//! *Full* also takes a few sequences of the step's own batch through the model, without dropout and
//! before the update, and measures what passes by. What each number means: [`Measure`].

mod activity;
#[cfg(test)]
mod tests;

use gptlab_engine::{Engine, Slot, StepStats};
use gptlab_model::{Batch, Graph, Model, ParamGroup};
use gptlab_recipe::ObserveLevel;
use gptlab_train::{Resolved, Series};

use self::activity::{Activity, Rarity};
use crate::probe::{Anatomy, Measure};

/// Looks into one run.
#[derive(Debug)]
pub struct InternalsRecorder {
    level: ObserveLevel,
    model: Model,
    graph: Graph,
    anatomy: Anatomy,
    rarity: Rarity,
    /// Of the step under way.
    weights: Vec<f32>,
    gradients: Vec<f64>,
    activity: Vec<Series>,
}

/// How many sequences of a batch are taken through the model.
const SEQUENCES: usize = 2;

impl InternalsRecorder {
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

    /// Looks at a step that has its gradients.
    pub fn before_update(&mut self, engine: &mut dyn Engine, batch: &Batch) {
        match self.level {
            ObserveLevel::Off => return,
            ObserveLevel::Basic => {}
            ObserveLevel::Full => self.activity = self.look(engine, batch),
        }
        self.weights = engine.export(Slot::Weights);
        self.gradients = self.norms(&engine.export(Slot::Gradients));
    }

    /// Looks at what the update did, and tells all there is to tell of the step.
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

    /// The L2 norm of each parameter's part of `flat`.
    fn norms(&self, flat: &[f32]) -> Vec<f64> {
        let square = |x: &f32| f64::from(*x).powi(2);
        let norm = |part: &[f32]| part.iter().map(square).sum::<f64>().sqrt();
        self.graph
            .params()
            .iter()
            .map(|p| norm(&flat[p.range()]))
            .collect()
    }

    /// The `values` of the parameters that are `wanted`: the same ones at every step, so that a
    /// picture can have a row for each.
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

    /// Takes the first sequences of `batch` through the model.
    fn look(&self, engine: &mut dyn Engine, batch: &Batch) -> Vec<Series> {
        let rows = (0..batch.sequences().min(SEQUENCES)).map(|i| batch.rows(i));
        let pairs = rows.map(|r| (&batch.inputs()[r.clone()], &batch.targets()[r]));
        // Sequences of a batch of this model.
        let Ok(few) = Batch::new(&self.model, pairs) else {
            return Vec::new();
        };
        let mut activity = Activity::new(&self.graph, &self.anatomy, &few);
        engine.losses_with(&few, &mut |_, node, value| activity.see(node, value));
        activity.into_series(&self.rarity)
    }
}

/// Biases begin at zero, and nothing is a share of that.
fn is_matrix(group: ParamGroup) -> bool {
    match group {
        ParamGroup::Matrix | ParamGroup::Embedding => true,
        ParamGroup::Vector => false,
    }
}
