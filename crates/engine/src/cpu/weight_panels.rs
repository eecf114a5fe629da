//! The weights of all linear maps in the layout for the products of a step. They are packed once
//! for all chunks of a step: by the update of these weights, while they are in a cache, or by the
//! first step that needs them.

use std::ops::Range;

use gptlab_kernels::linear::{Direction, Linear, Operand, PanelRows};
use gptlab_model::{ParamId, ValueId};

use super::{aligned::Aligned, pool::Pool, prepared_graph::PreparedGraph};

/// The approximate number of words that one task packs.
const TASK: usize = 1 << 15;

/// The panels of every weight of a linear map.
#[derive(Debug)]
pub(super) struct Panels {
    sides: [Side; 2],
}

#[derive(Debug)]
struct Side {
    direction: Direction,
    words: Aligned<u32>,
    /// The linear maps, in table order.
    maps: Vec<Map>,
    /// Whether the weights have changed since the panels were packed.
    stale: bool,
}

/// A linear map and the range of its panels.
#[derive(Debug)]
struct Map {
    linear: Linear,
    weight: ParamId,
    place: Range<usize>,
}

impl Panels {
    pub(super) fn new(prepared: &PreparedGraph) -> Self {
        Self {
            sides: Direction::ALL.map(|direction| Side::new(prepared, direction)),
        }
    }

    /// Returns the number of words in all panels of these directions.
    pub(super) fn words(&self, directions: &[Direction]) -> usize {
        let of_directions = |side: &&Side| directions.contains(&side.direction);
        let sides = self.sides.iter().filter(of_directions);
        sides.map(Side::len).sum()
    }

    /// Marks the panels as stale after a change of the weights.
    pub(super) fn mark_stale(&mut self) {
        self.sides.iter_mut().for_each(|side| side.stale = true);
    }

    /// Packs the stale panels of these directions.
    pub(super) fn refresh(
        &mut self,
        pool: &Pool,
        prepared: &PreparedGraph,
        weights: &[f32],
        directions: &[Direction],
    ) {
        let stale = |side: &&mut Side| side.stale && directions.contains(&side.direction);
        for side in self.sides.iter_mut().filter(stale) {
            side.pack(pool, prepared, weights);
        }
    }

    /// Returns the panels of every weight in both directions, in table order. The caller, which
    /// changes the weight, must write them.
    pub(super) fn by_rows(&mut self) -> impl Iterator<Item = (ParamId, PanelRows<'_>)> + Send {
        let [forward, backward] = &mut self.sides;
        let sides = forward.open().zip(backward.open());
        sides.map(|((map, forward), (_, backward))| {
            (map.weight, map.linear.panel_rows(forward, backward))
        })
    }

    /// Returns the panels of this weight.
    pub(super) fn of(&self, weight: ParamId, direction: Direction) -> Operand<'_> {
        let side = match direction {
            Direction::Forward => &self.sides[0],
            Direction::Backward => &self.sides[1],
        };
        let key = weight.index();
        let at = side
            .maps
            .binary_search_by_key(&key, |map| map.weight.index());
        let map = &side.maps[at.expect("every weight of a linear map has its panels")];
        Operand::Panels(&side.words[map.place.clone()])
    }
}

impl Side {
    fn new(prepared: &PreparedGraph, direction: Direction) -> Self {
        let mut weights: Vec<(ValueId, ParamId)> = prepared.linears().collect();
        // The sort is by table order without duplicates, because nodes can share weights.
        weights.sort_by_key(|(_, weight)| weight.index());
        weights.dedup_by_key(|(_, weight)| weight.index());
        let mut end = 0;
        let place = |(node, weight)| {
            let linear = prepared.map(node);
            let first = end;
            // The next map starts on a cache line, too.
            end += linear.panels_len(direction).next_multiple_of(16);
            Map {
                linear,
                weight,
                place: first..first + linear.panels_len(direction),
            }
        };
        Self {
            direction,
            words: Aligned::default(),
            maps: weights.into_iter().map(place).collect(),
            stale: true,
        }
    }

    /// Returns the number of words in its panels.
    fn len(&self) -> usize {
        self.maps.last().map_or(0, |map| map.place.end)
    }

    /// Returns every map with its panels. The caller must write all of them.
    fn open(&mut self) -> impl Iterator<Item = (&Map, &mut [u32])> + Send {
        self.words.grow(self.len());
        self.stale = false;
        let (mut rest, mut at) = (&mut *self.words, 0);
        self.maps.iter().map(move |map| {
            let _gap = rest.split_off_mut(..map.place.start - at);
            at = map.place.end;
            let panels = rest.split_off_mut(..map.place.len());
            (map, panels.unwrap_or_default())
        })
    }

    fn pack(&mut self, pool: &Pool, prepared: &PreparedGraph, weights: &[f32]) {
        let direction = self.direction;
        let small = self.len() < 2 * TASK;
        let tasks = self.open().flat_map(|(map, panels)| {
            let len = map.linear.panel_len(direction).max(1);
            let each = (TASK / len).max(1);
            let parts = panels.chunks_mut(len * each).enumerate();
            parts.map(move |(i, part)| (map, i * each, part))
        });
        pool.for_each(tasks, small, |(map, first, panels), _| {
            let weight = prepared.part(weights, map.weight);
            map.linear.pack(direction, panels, first, weight);
        });
    }
}

#[cfg(test)]
mod tests {
    use gptlab_model::{Batch, Choice, Preset, lower};
    use gptlab_recipe::{Decay, Optimizer};

    use super::*;
    use crate::{
        Engine, Noise, StepHyper,
        cpu::{CpuEngine, CpuOptions, Isa, OperandType},
    };

    fn words(panels: &Panels) -> [&[u32]; 2] {
        panels.sides.each_ref().map(|side| &*side.words)
    }

    fn hyper(optimizer: Optimizer) -> StepHyper {
        StepHyper {
            optimizer,
            update: 1,
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            decay: Decay::Everything,
            grad_clip: Some(1.0),
        }
    }

    /// After every optimiser, on every path, the panels are those of the new weights, and no step
    /// has to pack them again.
    #[test]
    fn an_update_leaves_the_panels_of_its_weights() {
        let mut spec = Preset::Gpt2Mini.spec();
        spec.layers.truncate(1);
        // The weights have several bands, and no size is a multiple of a panel's.
        spec.n_embd = 100;
        let model = spec.check(75).expect("a small model makes sense");
        let batch = Batch::new(&model, [(&[1, 2, 3][..], &[2, 3, 4][..])]).expect("tokens");
        let graph = lower(&model);
        let weights = graph.params().initial(1);
        for isa in Isa::available() {
            for (precision, threads) in OperandType::ALL.into_iter().zip([1, 3]) {
                let options = CpuOptions {
                    threads,
                    isa,
                    precision,
                };
                let mut engine = CpuEngine::new(graph.clone(), &weights, options).expect("threads");
                for &optimizer in Optimizer::ALL {
                    engine.forward_backward(&batch, Noise { seed: 1, step: 1 });
                    let before = engine.panels.sides[0].words.to_vec();
                    engine.update(&hyper(optimizer));
                    let (pool, prepared) = (&engine.pool, &engine.prepared);
                    let mut fresh = Panels::new(prepared);
                    fresh.refresh(pool, prepared, &engine.weights, &Direction::ALL);
                    assert!(engine.panels.sides.iter().all(|side| !side.stale));
                    assert!(
                        words(&engine.panels) == words(&fresh),
                        "{options:?} {optimizer:?}"
                    );
                    assert!(
                        before != *engine.panels.sides[0].words,
                        "the update changed nothing"
                    );
                }
            }
        }
    }
}
