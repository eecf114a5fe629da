//! The weights of all linear maps, laid out for the products of a step: made once where a step's chunks would each
//! make them, and only when the weights have changed.

use std::ops::Range;

use gptlab_kernels::linear::{Direction, Linear, Operand};
use gptlab_model::ParamId;

use super::{crew::Crew, memory::Aligned, program::Program};

/// Words that one task packs, about.
const TASK: usize = 1 << 15;

/// Panels of every linear map, each direction's when it is first wanted.
#[derive(Debug)]
pub(super) struct Panels {
    sides: [Side; 2],
}

#[derive(Debug)]
struct Side {
    direction: Direction,
    words: Aligned<u32>,
    maps: Vec<Map>,
    /// Whether the weights have changed since.
    stale: bool,
}

/// A linear map and where its panels lie.
#[derive(Debug)]
struct Map {
    node: usize,
    linear: Linear,
    weight: ParamId,
    place: Range<usize>,
}

impl Panels {
    pub(super) fn new(program: &Program) -> Self {
        Self {
            sides: Direction::ALL.map(|direction| Side::new(program, direction)),
        }
    }

    /// The weights have changed.
    pub(super) fn forget(&mut self) {
        self.sides.iter_mut().for_each(|side| side.stale = true);
    }

    /// Brings the panels of these directions up to date.
    pub(super) fn refresh(
        &mut self,
        crew: &Crew,
        program: &Program,
        weights: &[f32],
        directions: &[Direction],
    ) {
        let wanted = |side: &&mut Side| side.stale && directions.contains(&side.direction);
        for side in self.sides.iter_mut().filter(wanted) {
            side.pack(crew, program, weights);
        }
    }

    /// The panels of the linear `node`.
    pub(super) fn of(&self, node: usize, direction: Direction) -> Operand<'_> {
        let side = match direction {
            Direction::Forward => &self.sides[0],
            Direction::Backward => &self.sides[1],
        };
        let at = side.maps.binary_search_by_key(&node, |map| map.node);
        let map = &side.maps[at.expect("every linear map has its panels")];
        Operand::Panels(&side.words[map.place.clone()])
    }
}

impl Side {
    fn new(program: &Program, direction: Direction) -> Self {
        let nodes = program.graph.nodes().iter().enumerate();
        let weights = nodes.filter_map(|(i, node)| Some((i, node.linear()?.1)));
        let mut end = 0;
        let place = |(node, weight)| {
            let map = program.map(node);
            let first = end;
            // The next map begins on a cache line too.
            end += map.panels_len(direction).next_multiple_of(16);
            Map {
                node,
                linear: map,
                weight,
                place: first..first + map.panels_len(direction),
            }
        };
        Self {
            direction,
            words: Aligned::default(),
            maps: weights.map(place).collect(),
            stale: true,
        }
    }

    fn pack(&mut self, crew: &Crew, program: &Program, weights: &[f32]) {
        let len = self.maps.last().map_or(0, |map| map.place.end);
        self.words.grow(len);
        self.stale = false;
        let direction = self.direction;
        let (mut rest, mut at) = (&mut *self.words, 0);
        let tasks = self.maps.iter().flat_map(|map| {
            let _gap = rest.split_off_mut(..map.place.start - at);
            at = map.place.end;
            let panels = rest.split_off_mut(..map.place.len()).unwrap_or_default();
            let len = map.linear.panel_len(direction).max(1);
            let each = (TASK / len).max(1);
            let parts = panels.chunks_mut(len * each).enumerate();
            parts.map(move |(i, part)| (map, i * each, part))
        });
        crew.each(tasks, len < 2 * TASK, |(map, first, panels), _| {
            let weight = program.part(weights, map.weight);
            map.linear.pack(direction, panels, first, weight);
        });
    }
}
