//! The steps of a backward pass.

use gptlab_model::{Adjoint, ParamId, ValueId};

use super::{BufferId, Compiler, Content, Step, Work, Write};

impl Compiler<'_> {
    /// Adds the step that computes the loss and the gradients of the head's input and weight.
    pub(super) fn loss_with_gradients(&mut self, mut loss: Step) {
        let logits = self.graph.logits();
        for x in self.facts(logits).inputs.clone() {
            let gradient = self.buffer(self.width(x));
            self.hold(gradient, Content::Gradient(x));
            loss.writes.push((gradient, Write::First));
        }
        loss.param_gradients = self.param_writes(logits);
        self.push(loss);
    }

    /// Adds the backward step of every node that has a gradient, last node first.
    pub(super) fn backward(&mut self) {
        let logits = self.graph.logits();
        let nodes = self.graph.ids().rev().filter(|node| *node != logits);
        for node in nodes {
            if let Some(gradient) = self.program.gradient(node) {
                self.backward_step(node, gradient);
            }
        }
    }

    fn backward_step(&mut self, node: ValueId, gradient: BufferId) {
        let mut reads = vec![gradient];
        reads.extend(self.saved_by(node));
        let mut writes = Vec::new();
        for input in 0..self.facts(node).inputs.len() {
            let write = self.hand_on(node, input, gradient);
            self.program.writes[node.index()][input] = write;
            let x = self.facts(node).inputs[input];
            writes.extend(self.program.gradient(x).map(|dx| (dx, write)));
        }
        let params = self.param_writes(node);
        self.push(Step {
            work: Work::Backward(node),
            reads,
            writes,
            param_gradients: params,
        });
    }

    /// Returns the buffers of the forward pass that the backward step of `node` reads.
    fn saved_by(&self, node: ValueId) -> Vec<BufferId> {
        let facts = self.facts(node);
        let inputs = if facts.saved.inputs {
            self.values_of(&facts.inputs)
        } else {
            Vec::new()
        };
        let output = self.program.value(node).filter(|_| facts.saved.output);
        let statistics = self.program.statistics(node);
        inputs.into_iter().chain(output).chain(statistics).collect()
    }

    /// Places the gradient of an input of `node`, and returns the way in which it is written there.
    fn hand_on(&mut self, node: ValueId, input: usize, gradient: BufferId) -> Write {
        let x = self.facts(node).inputs[input];
        if self.program.gradient(x).is_some() {
            return Write::Add;
        }
        let in_place = match self.facts(node).adjoint {
            Adjoint::Identity => self.may_share(node, input, gradient),
            Adjoint::InPlace => self.is_last_holder(gradient, node),
            Adjoint::OutOfPlace => false,
        };
        if in_place {
            self.hold(gradient, Content::Gradient(x));
            return Write::InPlace;
        }
        let own = self.buffer(self.width(x));
        self.hold(own, Content::Gradient(x));
        Write::First
    }

    /// Returns true if no node before `node` shares this gradient.
    fn is_last_holder(&self, gradient: BufferId, node: ValueId) -> bool {
        self.holders(gradient).all(|holder| holder >= node)
    }

    /// Returns true if an input of the sum `node` can share the sum's gradient. Both inputs can if
    /// neither's gradient grows before the other's has been passed on.
    fn may_share(&self, node: ValueId, input: usize, gradient: BufferId) -> bool {
        let inputs = &self.facts(node).inputs;
        let quiet = |x: ValueId, other: ValueId| {
            let readers = &self.readers[x.index()];
            readers.iter().all(|r| *r == node || *r < other)
        };
        let before = inputs[..input].iter().copied();
        let mut sharing = before.filter(|x| self.program.gradient(*x) == Some(gradient));
        match sharing.next() {
            None => self.is_last_holder(gradient, node),
            Some(a) => {
                let b = inputs[input];
                let alone = self.holders(gradient).all(|h| h >= node || h == a);
                quiet(a, b) && quiet(b, a) && alone
            }
        }
    }

    /// Returns the nodes whose gradient is or was in this buffer.
    fn holders(&self, gradient: BufferId) -> impl Iterator<Item = ValueId> {
        let contents = self.program.buffers[gradient.index()].contents.iter();
        contents.filter_map(|content| match content {
            Content::Gradient(node) => Some(*node),
            Content::Value(_) | Content::Statistics(_) => None,
        })
    }

    /// Returns the gradients of parameters that the backward step of `node` writes.
    fn param_writes(&mut self, node: ValueId) -> Vec<(ParamId, Write)> {
        let params = self.facts(node).params.clone();
        let write = |param: ParamId| {
            let before = std::mem::replace(&mut self.written[param.index()], true);
            (param, if before { Write::Add } else { Write::First })
        };
        params.into_iter().map(write).collect()
    }
}
