//! Direct logit attribution (Elhage et al. 2021; Wang et al. 2022): the part of the target's logit
//! that each part of the model contributes by writing to the residual stream.
//!
//! A logit is the product of the head's row with the final norm of the stream, and the stream is
//! the sum of the parts' outputs. A norm is treated as the linear map that it is at its actual
//! scale, with the division by the root mean square held fixed, so that the parts' shares sum to
//! the logit, up to f32's rounding. Norms on the way (post-norm) are treated in the same way. The
//! effect of a part through later parts is not in its share. Without a residual, the last part has
//! the whole logit.

use std::collections::BTreeMap;

use gptlab_engine::{Matrix, Slot, Trace};
use gptlab_model::{Graph, NORM_EPS, Node, NormOp, Op, ParamId, ValueId};
use gptlab_report::probe::{Attribution, Share};

use super::{Subject, subject::Prompt};

impl Subject {
    /// Attributes the logits of `prompt` to the model's parts. `trace` must come from the same
    /// prompt.
    pub fn attribution(&self, prompt: &Prompt, trace: &Trace) -> Attribution {
        let (vocab, n) = (self.model.vocab_size(), prompt.tokens.len());
        let rows: Vec<&[f32]> = trace.logits().values.chunks(vocab).collect();
        let mut targets: Vec<u32> = prompt.tokens[1..].to_vec();
        targets.push(likeliest(rows[n - 1]));
        let weights = self.engine.export(Slot::Weights);
        let shares = |of| {
            let mut walk = Walk {
                graph: self.engine.graph(),
                weights: &weights,
                trace,
                shares: BTreeMap::new(),
                row: 0,
                rows: n,
            };
            for (row, target) in targets.iter().enumerate() {
                walk.row = row;
                walk.begin(*target as usize, of);
            }
            walk.shares.into_values()
        };
        let both = shares(Logit::Raw).zip(shares(Logit::Centred));
        let share = |((part, logit_attribution), (_, centred_attribution))| Share {
            part,
            logit_attribution,
            centred_attribution,
        };
        let parts = both.map(share).collect();
        let wide: Vec<Vec<f64>> = rows.iter().map(|row| self::wide(row)).collect();
        let logits = || {
            wide.iter()
                .zip(&targets)
                .map(|(row, t)| (row, row[*t as usize]))
        };
        Attribution {
            logits: logits().map(|(_, logit)| logit).collect(),
            centred_logits: logits()
                .map(|(row, logit)| logit - row.iter().sum::<f64>() / vocab as f64)
                .collect(),
            targets: self.labels(&targets),
            parts,
        }
    }
}

/// Of which logit the shares are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logit {
    Raw,
    /// Less the mean of all logits.
    Centred,
}

fn likeliest(logits: &[f32]) -> u32 {
    let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
    (0..logits.len()).fold(0, better) as u32
}

/// A traversal from a logit back to the terms of its sum.
struct Walk<'a> {
    graph: &'a Graph,
    weights: &'a [f32],
    trace: &'a Trace,
    /// The name and the share at each position, by node and part of the node.
    shares: BTreeMap<(usize, usize), (String, Vec<f64>)>,
    row: usize,
    rows: usize,
}

impl Walk<'_> {
    /// Attributes the logit of `target`, which is a row of the head's weight times what the head
    /// reads.
    fn begin(&mut self, target: usize, of: Logit) {
        let logits = self.graph.node(self.graph.logits());
        let Some((x, weight)) = logits.linear() else {
            return;
        };
        let width = self.graph.node(x).width;
        let rows = self.param(weight);
        let mut direction = wide(&rows[target * width..][..width]);
        match of {
            Logit::Raw => {}
            Logit::Centred => {
                let share = width as f64 / rows.len() as f64;
                for row in rows.chunks(width) {
                    for (d, w) in direction.iter_mut().zip(row) {
                        *d -= share * f64::from(*w);
                    }
                }
            }
        }
        self.back(x, direction);
    }

    /// Distributes the product of `direction` with the value of `node` among its terms.
    fn back(&mut self, node: ValueId, direction: Vec<f64>) {
        match &self.graph.node(node).op {
            Op::Add { a, b } => {
                self.back(*a, direction.clone());
                self.back(*b, direction);
            }
            Op::Dropout { x, .. } => self.back(*x, direction),
            Op::Norm { x, norm } => self.back_norm(node, *x, *norm, direction),
            Op::Linear { x, weight, bias } => {
                self.back_linear(node, *x, *weight, *bias, &direction);
            }
            Op::TokenEmbedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::Sinusoid
            | Op::HeadNorm { .. }
            | Op::Rotary { .. }
            | Op::Attention { .. }
            | Op::Activate { .. }
            | Op::Gate { .. } => self.leaf(node, &direction),
        }
    }

    /// Passes through a norm as a linear map: `rstd (x - mean) gain + bias` with `rstd` held fixed.
    fn back_norm(&mut self, node: ValueId, x: ValueId, norm: NormOp, direction: Vec<f64>) {
        let row = self.row_of(x);
        let n = row.len() as f64;
        match norm {
            NormOp::LayerNorm { gain, bias } => {
                let mean = row.iter().sum::<f64>() / n;
                let rstd = rstd(row.iter().map(|x| x - mean));
                if let Some(bias) = bias {
                    let share = dot(&direction, &wide(self.param(bias)));
                    self.share(node, 0, "bias", share);
                }
                let turned = times(&direction, self.param(gain));
                let centre = turned.iter().sum::<f64>() / n;
                let direction = turned.iter().map(|d| rstd * (d - centre)).collect();
                self.back(x, direction);
            }
            NormOp::RmsNorm { gain } => {
                let rstd = rstd(row.iter().copied());
                let turned = match gain {
                    Some(gain) => times(&direction, self.param(gain)),
                    None => direction,
                };
                self.back(x, turned.iter().map(|d| rstd * d).collect());
            }
        }
    }

    /// Attributes a sublayer's projection: one share per head, or one for the MLP, and its bias.
    fn back_linear(
        &mut self,
        node: ValueId,
        x: ValueId,
        weight: ParamId,
        bias: Option<ParamId>,
        direction: &[f64],
    ) {
        let width = self.graph.node(x).width;
        let mut turned = vec![0.0; width];
        for (row, d) in self.param(weight).chunks(width).zip(direction) {
            let pairs = turned.iter_mut().zip(row);
            pairs.for_each(|(t, w)| *t += d * f64::from(*w));
        }
        let value = self.row_of(x);
        match self.graph.node(x).attention() {
            Some((_, op)) => {
                let heads = turned.chunks(op.head_dim).zip(value.chunks(op.head_dim));
                for (head, (turned, value)) in heads.enumerate() {
                    self.share(node, head, &format!("head{head}"), dot(turned, value));
                }
            }
            None => self.share(node, 0, "", dot(&turned, &value)),
        }
        if let Some(bias) = bias {
            let share = dot(direction, &wide(self.param(bias)));
            self.share(node, usize::MAX, "bias", share);
        }
    }

    fn leaf(&mut self, node: ValueId, direction: &[f64]) {
        let share = dot(direction, &self.row_of(node));
        self.share(node, 0, "", share);
    }

    /// Adds to the share of `part` of a node. `block0.attn.out` appears under its sublayer's name.
    fn share(&mut self, node: ValueId, part: usize, suffix: &str, share: f64) {
        let Node { place, name, .. } = self.graph.node(node);
        let name = match place.sublayer_output() {
            Some(sublayer) => sublayer.to_string(),
            None => name.clone(),
        };
        let name = match suffix {
            "" => name,
            suffix => format!("{name}.{suffix}"),
        };
        let entry = self.shares.entry((node.index(), part));
        let (_, shares) = entry.or_insert_with(|| (name, vec![0.0; self.rows]));
        shares[self.row] += share;
    }

    fn param(&self, id: ParamId) -> &[f32] {
        &self.weights[self.graph.params().get(id).range()]
    }

    fn row_of(&self, id: ValueId) -> Vec<f64> {
        let value: &Matrix = self.trace.of(id);
        wide(&value.values[self.row * value.cols..][..value.cols])
    }
}

fn rstd(centred: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = centred.len() as f64;
    let square = centred.map(|x| x * x).sum::<f64>();
    1.0 / (square / n + f64::from(NORM_EPS)).sqrt()
}

fn times(a: &[f64], b: &[f32]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|x| f64::from(*x)).collect()
}
