//! Ablations (Michel et al. 2019): the loss after a part's output is set to zero, or to its mean
//! over the text.
//!
//! A **head**'s ablation sets its columns of the heads' outputs, before the projection `c_proj`,
//! whose bias stays. The ablation of a whole **attention** or **MLP** sets its output after its
//! projection, bias included, before it is added. With pre-norm and a residual, a zero ablation
//! gives the model without that sublayer. With post-norm, the norm stays. Without a residual, a
//! zero ablation sets the whole stream to zero.

use std::ops::Range;

use gptlab_engine::{Matrix, Trace, untouched};
use gptlab_model::{Batch, Node, ValueId};
use gptlab_report::probe::{Ablation, Ablations};

use super::Subject;

/// A range of columns of a node's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub node: ValueId,
    pub columns: Range<usize>,
}

/// The replacement of an ablated part's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    Zero,
    /// The column's mean over all tokens of the batch, in the unchanged model.
    Mean,
}

impl Subject {
    /// Measures the ablations of every part on `batch`.
    pub fn ablations(&mut self, batch: &Batch) -> Ablations {
        let trace = self.engine.trace(batch, &mut untouched);
        let loss = trace.mean_loss();
        let parts = self.parts().into_iter().map(|(name, block, head, what)| {
            let what = [what];
            let mut without = |instead| self.loss_without(batch, &trace, &what, instead) - loss;
            Ablation {
                part: name,
                block,
                head,
                zero_ablation: without(Instead::Zero),
                mean_ablation: without(Instead::Mean),
            }
        });
        Ablations {
            parts: parts.collect(),
            loss,
            predictions: batch.tokens(),
        }
    }

    /// Returns the mean loss on `batch` with all of `parts` replaced at once by `instead`, in nats
    /// per token. `trace` must come from the same batch.
    pub fn loss_without(
        &mut self,
        batch: &Batch,
        trace: &Trace,
        parts: &[Columns],
        instead: Instead,
    ) -> f64 {
        let row = |part: &Columns| match instead {
            Instead::Zero => vec![0.0; part.columns.len()],
            Instead::Mean => means(trace.of(part.node), &part.columns),
        };
        let rows: Vec<Vec<f32>> = parts.iter().map(row).collect();
        let losses =
            self.engine
                .losses_with(batch, &mut |id: ValueId, node: &Node, value: &mut [f32]| {
                    for (part, row) in parts.iter().zip(&rows).filter(|(p, _)| p.node == id) {
                        let rows = value.chunks_mut(node.width);
                        rows.for_each(|value| value[part.columns.clone()].copy_from_slice(row));
                    }
                });
        losses.iter().sum::<f64>() / losses.len() as f64
    }

    /// Returns the name, block, head and columns of every attention, each of its heads, and every
    /// MLP, in the model's order.
    fn parts(&self) -> Vec<(String, usize, Option<usize>, Columns)> {
        let mut parts = Vec::new();
        let all = |node: ValueId| Columns {
            node,
            columns: 0..self.engine.graph().node(node).width,
        };
        for attention in &self.anatomy.attentions {
            let (name, block) = (&attention.name, attention.block);
            parts.push((name.clone(), block, None, all(attention.out)));
            for head in 0..attention.op.heads {
                let name = format!("{name}.head{head}");
                parts.push((name, block, Some(head), self.head_columns(attention, head)));
            }
        }
        for mlp in &self.anatomy.mlps {
            parts.push((mlp.name.clone(), mlp.block, None, all(mlp.out)));
        }
        parts
            .sort_by_key(|(_, _, head, place)| (self.sublayer_of(place.node), head.map(|h| h + 1)));
        parts
    }

    /// Returns the columns of one head's output.
    pub fn head_columns(&self, attention: &super::anatomy::AttentionPart, head: usize) -> Columns {
        let width = attention.op.head_dim;
        Columns {
            node: attention.mix,
            columns: head * width..(head + 1) * width,
        }
    }

    /// Returns the node at which the sublayer of `node` writes to the stream.
    fn sublayer_of(&self, node: ValueId) -> ValueId {
        let attention = self.anatomy.attentions.iter().find(|a| a.mix == node);
        attention.map_or(node, |a| a.out)
    }
}

fn means(value: &Matrix, columns: &Range<usize>) -> Vec<f32> {
    let mut sums = vec![0.0f64; columns.len()];
    for row in value.values.chunks(value.cols) {
        let pairs = sums.iter_mut().zip(&row[columns.clone()]);
        pairs.for_each(|(s, x)| *s += f64::from(*x));
    }
    let mean = |s: f64| (s / value.rows as f64) as f32;
    sums.into_iter().map(mean).collect()
}
