//! The steps of a forward pass.

use gptlab_model::ValueId;

use super::{BufferId, Compiler, Content, Purpose, Step, Work, Write};

impl Compiler<'_> {
    /// Adds the steps that compute the value of every node but the logits.
    pub(super) fn forward(&mut self) {
        let logits = self.graph.logits();
        for node in self.graph.ids().filter(|node| *node != logits) {
            self.forward_step(node);
        }
    }

    /// Adds the last step: the logits or the loss.
    pub(super) fn finish_forward(&mut self) {
        let logits = self.graph.logits();
        let reads = self.values_of(&self.facts(logits).inputs.clone());
        let step = |work| Step {
            work,
            reads,
            writes: Vec::new(),
            param_gradients: Vec::new(),
        };
        match self.program.purpose {
            Purpose::Train => self.loss_with_gradients(step(Work::Loss)),
            Purpose::Evaluate => self.push(step(Work::Loss)),
            Purpose::Decode => self.push(step(Work::Logits)),
            Purpose::Observe => {
                self.forward_step(logits);
                let end = self.program.steps.len();
                for buffer in &mut self.program.buffers {
                    let observed = |c: &Content| matches!(c, Content::Value(_));
                    if buffer.contents.iter().any(observed) {
                        buffer.last = end;
                    }
                }
            }
        }
    }

    fn forward_step(&mut self, node: ValueId) {
        let inputs = self.facts(node).inputs.clone();
        let reads = self.values_of(&inputs);
        let over = self.overwritten(node);
        let value = match over {
            Some(input) => (reads[input], Write::InPlace),
            None => (self.buffer(self.width(node)), Write::First),
        };
        self.hold(value.0, Content::Value(node));
        let mut writes = vec![value];
        let width = self.facts(node).saved.statistics;
        if width > 0 {
            let statistics = self.buffer(width);
            self.hold(statistics, Content::Statistics(node));
            writes.push((statistics, Write::First));
        }
        self.push(Step {
            work: Work::Forward(node),
            reads,
            writes,
            param_gradients: Vec::new(),
        });
    }

    pub(super) fn values_of(&self, nodes: &[ValueId]) -> Vec<BufferId> {
        nodes
            .iter()
            .filter_map(|x| self.program.value(*x))
            .collect()
    }

    /// Returns the input of `node` whose buffer its value takes over: one that no later step reads.
    fn overwritten(&self, node: ValueId) -> Option<usize> {
        let facts = self.facts(node);
        let input = facts.in_place?;
        let x = facts.inputs[input];
        let once = facts.inputs.iter().filter(|y| **y == x).count() == 1;
        let last = self.readers[x.index()].last() == Some(&node);
        let free = match self.program.purpose {
            Purpose::Observe => false,
            Purpose::Evaluate | Purpose::Decode => true,
            Purpose::Train => !self.saved(x),
        };
        (once && last && free).then_some(input)
    }

    /// Returns true if a backward step reads the value of `node`.
    fn saved(&self, node: ValueId) -> bool {
        let by_reader = |reader: &ValueId| self.facts(*reader).saved.inputs;
        self.facts(node).saved.output || self.readers[node.index()].iter().any(by_reader)
    }
}
