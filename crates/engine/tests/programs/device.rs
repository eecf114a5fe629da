//! A device without numbers: it tracks the content of every buffer.

use std::{collections::BTreeMap, ops::RangeInclusive};

use gptlab_engine::program::{BufferId, Program, Purpose, Work, Write};
use gptlab_model::{Adjoint, Graph, ValueId};

/// The content of a buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Held {
    #[default]
    Nothing,
    Value(ValueId),
    Statistics(ValueId),
    /// The gradients of these values, each with the number of its readers that have added to it.
    Gradients(BTreeMap<ValueId, usize>),
}

struct Device<'a> {
    graph: &'a Graph,
    program: &'a Program,
    lifetimes: &'a [RangeInclusive<usize>],
    memory: Vec<Held>,
    step: usize,
}

/// Runs a program whose buffers have these lifetimes. The error is the first step that reads or
/// overwrites what it should not.
pub(crate) fn run(
    graph: &Graph,
    program: &Program,
    lifetimes: &[RangeInclusive<usize>],
) -> Result<(), String> {
    let mut device = Device {
        graph,
        program,
        lifetimes,
        memory: vec![Held::Nothing; program.buffers().len()],
        step: 0,
    };
    for (number, step) in program.steps().iter().enumerate() {
        device.step = number;
        let done = match step.work {
            Work::Forward(node) => device.forward(node),
            Work::Logits | Work::Loss => device.head(),
            Work::Backward(node) => device.backward(node),
        };
        done.map_err(|why| format!("step {number}, {:?}: {why}", step.work))?;
        device.forget();
    }
    device.finish()
}

impl Device<'_> {
    /// Clears the buffers whose lifetimes have ended.
    fn forget(&mut self) {
        for (held, lifetime) in self.memory.iter_mut().zip(self.lifetimes) {
            if !lifetime.contains(&(self.step + 1)) {
                *held = Held::Nothing;
            }
        }
    }

    fn buffer(&mut self, buffer: Option<BufferId>) -> Result<&mut Held, String> {
        let buffer = buffer.ok_or("there is no buffer")?;
        if !self.lifetimes[buffer.index()].contains(&self.step) {
            return Err(format!("{buffer:?} does not live now"));
        }
        Ok(&mut self.memory[buffer.index()])
    }

    fn read_value(&mut self, node: ValueId) -> Result<(), String> {
        let held = self.buffer(self.program.value(node))?;
        if *held == Held::Value(node) {
            return Ok(());
        }
        Err(format!("reads {node:?}, finds {held:?}"))
    }

    fn read_inputs(&mut self, node: ValueId) -> Result<(), String> {
        let inputs = self.graph.node(node).inputs();
        inputs.into_iter().try_for_each(|x| self.read_value(x))
    }

    fn forward(&mut self, node: ValueId) -> Result<(), String> {
        self.read_inputs(node)?;
        *self.buffer(self.program.value(node))? = Held::Value(node);
        if self.graph.node(node).facts().saved.statistics > 0 {
            *self.buffer(self.program.statistics(node))? = Held::Statistics(node);
        }
        Ok(())
    }

    fn head(&mut self) -> Result<(), String> {
        let logits = self.graph.logits();
        self.read_inputs(logits)?;
        if self.program.purpose() == Purpose::Train {
            for x in self.graph.node(logits).inputs() {
                *self.buffer(self.program.gradient(x))? = Held::Gradients(BTreeMap::from([(x, 1)]));
            }
        }
        Ok(())
    }

    fn backward(&mut self, node: ValueId) -> Result<(), String> {
        let facts = self.graph.node(node).facts();
        if facts.saved.inputs {
            self.read_inputs(node)?;
        }
        if facts.saved.output {
            self.read_value(node)?;
        }
        if facts.saved.statistics > 0
            && *self.buffer(self.program.statistics(node))? != Held::Statistics(node)
        {
            return Err("its statistics are lost".to_owned());
        }
        let readers = self.readers(node);
        let own = self.program.gradient(node);
        let mut gradients = self.gradients(own)?;
        if gradients.remove(&node) != Some(readers) {
            return Err(format!("its gradient is not that of {readers} readers"));
        }
        gradients.retain(|other, _| !self.is_done(*other));
        let mut own_now = gradients;
        for (input, x) in facts.inputs.iter().copied().enumerate() {
            let write = self.program.write(node, input);
            if write == Write::InPlace {
                if self.program.gradient(x) != own {
                    return Err("in place of another buffer".to_owned());
                }
                if facts.adjoint != Adjoint::Identity && !own_now.is_empty() {
                    return Err(format!("spoils the gradients of {own_now:?}"));
                }
                own_now.insert(x, 1);
                *self.buffer(own)? = Held::Gradients(own_now.clone());
                continue;
            }
            let gradient = self.program.gradient(x);
            match write {
                Write::First => {
                    *self.buffer(gradient)? = Held::Gradients(BTreeMap::from([(x, 1)]));
                }
                Write::Add | Write::InPlace => self.add(gradient, x)?,
            }
        }
        Ok(())
    }

    fn gradients(&mut self, of: Option<BufferId>) -> Result<BTreeMap<ValueId, usize>, String> {
        let held = self.buffer(of)?;
        let Held::Gradients(gradients) = held else {
            return Err(format!("reads a gradient, finds {held:?}"));
        };
        Ok(gradients.clone())
    }

    fn add(&mut self, gradient: Option<BufferId>, x: ValueId) -> Result<(), String> {
        let mut gradients = self.gradients(gradient)?;
        // A gradient is no longer needed after the backward step of its node.
        gradients.retain(|node, _| !self.is_done(*node));
        if gradients.len() > 1 {
            return Err(format!("adds to all of {gradients:?}"));
        }
        let count = gradients.get_mut(&x).ok_or("adds to another's gradient")?;
        *count += 1;
        *self.buffer(gradient)? = Held::Gradients(gradients);
        Ok(())
    }

    /// Returns true if the backward step of a node has run, or is running.
    fn is_done(&self, node: ValueId) -> bool {
        let steps = &self.program.steps()[..=self.step];
        steps.iter().any(|step| step.work == Work::Backward(node))
    }

    /// Returns the number of reads of a value by nodes that lead to the loss.
    fn readers(&self, node: ValueId) -> usize {
        let leads =
            |id: &ValueId| *id == self.graph.logits() || self.program.gradient(*id).is_some();
        let inputs = self.graph.ids().filter(leads);
        let inputs = inputs.flat_map(|id| self.graph.node(id).inputs());
        inputs.filter(|x| *x == node).count()
    }

    /// Checks the content of the buffers after the last step.
    fn finish(mut self) -> Result<(), String> {
        self.step += 1;
        match self.program.purpose() {
            Purpose::Observe => {
                let mut ids = self.graph.ids();
                ids.try_for_each(|node| self.read_value(node))
            }
            Purpose::Train | Purpose::Evaluate | Purpose::Decode => Ok(()),
        }
    }
}
