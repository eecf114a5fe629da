//! The forward pass of a graph: one function per op, each a literal form of its definition.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use gptlab_model::{
    Activation, AttentionOp, Batch, Graph, NORM_EPS, Node, NormOp, Op, ParamId, ValueId,
    alibi_slopes,
    random::{Stream, mask_stride, mask_threshold},
    sinusoid,
};

use super::tape::{Tape, Var};
use crate::{Hook, Noise};

/// A value `[tokens, width]`.
pub(super) type OracleRows = Vec<Vec<Var>>;

/// One pass over one batch.
pub(super) struct OraclePass<'a> {
    pub(super) tape: Tape,
    /// Every parameter, in table order: the first numbers on the tape.
    weights: Vec<Var>,
    /// The value of every node so far.
    values: Vec<OracleRows>,
    graph: &'a Graph,
    batch: &'a Batch,
    /// The key of dropout masks; `None` turns dropout off.
    noise: Option<Noise>,
}

impl<'a> OraclePass<'a> {
    /// Runs every node of `graph`. Without `recording` there are no gradients.
    pub(super) fn run(
        graph: &'a Graph,
        weights: &[f64],
        batch: &'a Batch,
        noise: Option<Noise>,
        recording: bool,
    ) -> Self {
        let mut pass = Self::new(graph, weights, batch, noise, recording);
        for node in graph.nodes() {
            let rows = pass.node(node);
            pass.values.push(rows);
        }
        pass
    }

    /// Runs every node of `graph` without dropout, each with `hook`.
    pub(super) fn run_with(
        graph: &'a Graph,
        weights: &[f64],
        batch: &'a Batch,
        hook: &mut Hook,
    ) -> Self {
        let mut pass = Self::new(graph, weights, batch, None, false);
        for id in graph.ids() {
            let mut rows = pass.node(graph.node(id));
            pass.change(id, &mut rows, hook);
            pass.values.push(rows);
        }
        pass
    }

    fn new(
        graph: &'a Graph,
        weights: &[f64],
        batch: &'a Batch,
        noise: Option<Noise>,
        recording: bool,
    ) -> Self {
        let mut tape = Tape::new(recording);
        let weights = weights.iter().map(|w| tape.leaf(*w)).collect();
        Self {
            tape,
            weights,
            values: Vec::new(),
            graph,
            batch,
            noise,
        }
    }

    /// Passes the value of `id` to `hook`, and keeps the numbers that it changed.
    fn change(&mut self, id: ValueId, rows: &mut OracleRows, hook: &mut Hook) {
        let shown = rows.iter().flatten();
        let shown: Vec<f32> = shown.map(|x| self.tape.value(*x) as f32).collect();
        let mut value = shown.clone();
        hook(id, self.graph.node(id), &mut value);
        let numbers = rows.iter_mut().flatten().zip(shown.iter().zip(&value));
        for (number, (shown, value)) in numbers {
            if shown.to_bits() != value.to_bits() {
                *number = self.tape.leaf(f64::from(*value));
            }
        }
    }

    pub(super) fn value(&self, id: ValueId) -> &OracleRows {
        &self.values[id.index()]
    }

    /// Returns the cross-entropy of every token in nats: `ln(sum(exp(logits))) - logits[target]`.
    pub(super) fn losses(&mut self) -> Vec<Var> {
        let logits = self.value(self.graph.logits()).clone();
        let targets = self.batch.targets();
        logits
            .iter()
            .zip(targets)
            .map(|(row, target)| {
                let (exps, largest) = self.exps(row);
                let sum = self.tape.sum(&exps);
                let ln = self.tape.ln(sum);
                let log_sum_exp = self.tape.shift(ln, largest);
                self.tape.sub(log_sum_exp, row[*target as usize])
            })
            .collect()
    }

    /// Returns the mean of [`Self::losses`].
    pub(super) fn mean_loss(&mut self) -> Var {
        let losses = self.losses();
        self.mean(&losses)
    }

    /// Returns the share of `losses` in the mean of `all` losses.
    pub(super) fn share_of_mean(&mut self, losses: &[Var], all: usize) -> Var {
        let sum = self.tape.sum(losses);
        self.tape.scale(sum, 1.0 / all as f64)
    }

    fn node(&mut self, node: &Node) -> OracleRows {
        let tokens = self.batch.inputs();
        let positions = positions(self.batch);
        match &node.op {
            Op::TokenEmbedding { table, scale } => {
                let row = |token: &u32| self.param_row(*table, *token as usize).to_vec();
                let rows: OracleRows = tokens.iter().map(row).collect();
                let (tape, by) = (&mut self.tape, f64::from(*scale));
                let scaled = |row: Vec<Var>| row.iter().map(|x| tape.scale(*x, by)).collect();
                rows.into_iter().map(scaled).collect()
            }
            Op::PositionEmbedding { table } => {
                let row = |position: &usize| self.param_row(*table, *position).to_vec();
                positions.iter().map(row).collect()
            }
            Op::Sinusoid => self.sinusoids(&positions, node.width),
            Op::Add { a, b } => {
                let (a, b) = (self.value(*a).clone(), self.value(*b).clone());
                self.zip(&a, &b, Tape::add)
            }
            Op::Norm { x, norm } => self.map_rows(*x, |pass, row| pass.norm(row, *norm)),
            Op::Linear { x, weight, bias } => {
                self.map_rows(*x, |pass, row| pass.linear(row, *weight, *bias))
            }
            Op::HeadNorm { x, heads, head_dim } => {
                self.map_rows(*x, |pass, row| pass.head_norm(row, *heads, *head_dim))
            }
            Op::Rotary { x, heads, head_dim } => self.rotary(*x, &positions, *heads, *head_dim),
            Op::Attention { x, attention } => self.attention(&node.name, *x, attention),
            Op::Activate { x, f } => self.map_rows(*x, |pass, row| pass.activate(row, *f)),
            Op::Gate { gate, up, f } => {
                let up = self.value(*up).clone();
                let gate = self.map_rows(*gate, |pass, row| pass.activate(row, *f));
                self.zip(&gate, &up, Tape::mul)
            }
            Op::Dropout { x, p } => self.dropout(&node.name, *x, *p),
        }
    }

    /// Returns all numbers of a parameter.
    fn param(&self, id: ParamId) -> &[Var] {
        &self.weights[self.graph.params().get(id).range()]
    }

    /// Returns a row of a parameter matrix.
    fn param_row(&self, id: ParamId, row: usize) -> &[Var] {
        let width = self.graph.params().get(id).shape[1];
        &self.param(id)[row * width..][..width]
    }

    fn map_rows(
        &mut self,
        x: ValueId,
        mut f: impl FnMut(&mut Self, &[Var]) -> Vec<Var>,
    ) -> OracleRows {
        let rows = self.value(x).clone();
        rows.iter().map(|row| f(self, row)).collect()
    }

    fn zip(
        &mut self,
        a: &OracleRows,
        b: &OracleRows,
        f: fn(&mut Tape, Var, Var) -> Var,
    ) -> OracleRows {
        let zip_row = |(a, b): (&Vec<Var>, &Vec<Var>)| {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| f(&mut self.tape, *a, *b)).collect()
        };
        a.iter().zip(b).map(zip_row).collect()
    }

    fn sinusoids(&mut self, positions: &[usize], width: usize) -> OracleRows {
        let mut row = |position: &usize| {
            let element = |i| f64::from(sinusoid(*position, i, width));
            (0..width).map(|i| self.tape.leaf(element(i))).collect()
        };
        positions.iter().map(&mut row).collect()
    }

    fn mean(&mut self, xs: &[Var]) -> Var {
        self.share_of_mean(xs, xs.len())
    }

    /// Computes `x W^T + b`.
    fn linear(&mut self, x: &[Var], weight: ParamId, bias: Option<ParamId>) -> Vec<Var> {
        let weight = self.param(weight).to_vec();
        let products = weight.chunks(x.len()).map(|w| self.tape.dot(x, w));
        let products: Vec<Var> = products.collect();
        match bias {
            None => products,
            Some(bias) => self.add_row(&products, bias),
        }
    }

    fn add_row(&mut self, x: &[Var], bias: ParamId) -> Vec<Var> {
        let bias = self.param(bias).to_vec();
        let pairs = x.iter().zip(bias);
        pairs.map(|(x, b)| self.tape.add(*x, b)).collect()
    }

    fn mul_row(&mut self, x: &[Var], gain: ParamId) -> Vec<Var> {
        let gain = self.param(gain).to_vec();
        let pairs = x.iter().zip(gain);
        pairs.map(|(x, g)| self.tape.mul(*x, g)).collect()
    }

    fn norm(&mut self, x: &[Var], norm: NormOp) -> Vec<Var> {
        match norm {
            NormOp::LayerNorm { gain, bias } => {
                let mean = self.mean(x);
                let centred: Vec<Var> = x.iter().map(|x| self.tape.sub(*x, mean)).collect();
                let normed = self.over_root_mean_square(&centred);
                let scaled = self.mul_row(&normed, gain);
                match bias {
                    None => scaled,
                    Some(bias) => self.add_row(&scaled, bias),
                }
            }
            NormOp::RmsNorm { gain } => {
                let normed = self.over_root_mean_square(x);
                match gain {
                    None => normed,
                    Some(gain) => self.mul_row(&normed, gain),
                }
            }
        }
    }

    /// Computes `x / sqrt(mean(x^2) + eps)`.
    fn over_root_mean_square(&mut self, x: &[Var]) -> Vec<Var> {
        let squares: Vec<Var> = x.iter().map(|x| self.tape.mul(*x, *x)).collect();
        let mean_square = self.mean(&squares);
        let shifted = self.tape.shift(mean_square, f64::from(NORM_EPS));
        let root = self.tape.sqrt(shifted);
        x.iter().map(|x| self.tape.div(*x, root)).collect()
    }

    fn head_norm(&mut self, x: &[Var], heads: usize, head_dim: usize) -> Vec<Var> {
        let (normed, untouched) = x.split_at(heads * head_dim);
        let normed = normed.chunks(head_dim);
        let normed = normed.flat_map(|head| self.over_root_mean_square(head));
        normed.chain(untouched.iter().copied()).collect()
    }

    /// Rotates the pair (`i`, `i + head_dim / 2`) of each head by
    /// `position / 10000^(2i / head_dim)`.
    fn rotary(
        &mut self,
        x: ValueId,
        positions: &[usize],
        heads: usize,
        head_dim: usize,
    ) -> OracleRows {
        let mut rows = self.value(x).clone();
        for (row, position) in rows.iter_mut().zip(positions) {
            for head in row[..heads * head_dim].chunks_mut(head_dim) {
                for i in 0..head_dim / 2 {
                    let frequency = 10_000f64.powf(-2.0 * i as f64 / head_dim as f64);
                    let angle = *position as f64 * frequency;
                    let j = i + head_dim / 2;
                    (head[i], head[j]) = self.turn(head[i], head[j], angle);
                }
            }
        }
        rows
    }

    fn turn(&mut self, a: Var, b: Var, angle: f64) -> (Var, Var) {
        let tape = &mut self.tape;
        let (sin, cos) = angle.sin_cos();
        let (a_cos, b_sin) = (tape.scale(a, cos), tape.scale(b, sin));
        let (b_cos, a_sin) = (tape.scale(b, cos), tape.scale(a, sin));
        (tape.sub(a_cos, b_sin), tape.add(b_cos, a_sin))
    }

    fn activate(&mut self, x: &[Var], f: Activation) -> Vec<Var> {
        x.iter()
            .map(|x| activation(&mut self.tape, *x, f))
            .collect()
    }

    fn dropout(&mut self, name: &str, x: ValueId, p: f32) -> OracleRows {
        let mut rows = self.value(x).clone();
        let Some(mask) = DropoutMask::new(name, p, self.noise) else {
            return rows;
        };
        for (r, row) in rows.iter_mut().enumerate() {
            let width = row.len();
            for (c, x) in row.iter_mut().enumerate() {
                *x = self.tape.scale(*x, mask.factor(r, c, width));
            }
        }
        rows
    }

    /// Computes every query of every head of every sequence separately.
    fn attention(&mut self, name: &str, x: ValueId, a: &AttentionOp) -> OracleRows {
        let mask = DropoutMask::new(name, a.dropout, self.noise);
        let x = self.value(x).clone();
        let batch = self.batch;
        let mut out: OracleRows = vec![Vec::new(); x.len()];
        for sequence in 0..batch.sequences() {
            let rows = batch.rows(sequence);
            let x = &x[rows.clone()];
            for head in 0..a.heads {
                for query in 0..x.len() {
                    let keys = a.mask.keys(query, x.len());
                    let mut weights = self.attention_weights(x, a, head, query);
                    if let Some(mask) = &mask {
                        // The mask is that of the transposed weights: it has a row for each key.
                        let first_row = rows.start * a.heads + head * x.len();
                        for (key, w) in keys.clone().zip(&mut weights) {
                            let factor = mask.factor(first_row + key, query, x.len());
                            *w = self.tape.scale(*w, factor);
                        }
                    }
                    let mixed = self.mix(&x[keys], a, head, &weights);
                    out[rows.start + query].extend(mixed);
                }
            }
        }
        out
    }

    /// Computes the softmax over the keys that `query` sees.
    fn attention_weights(
        &mut self,
        x: &[Vec<Var>],
        a: &AttentionOp,
        head: usize,
        query: usize,
    ) -> Vec<Var> {
        let q = slice(&x[query], head, a.head_dim);
        let kv_head = head / (a.heads / a.kv_heads);
        let keys = a.mask.keys(query, x.len());
        let scores: Vec<Var> = keys
            .map(|key| {
                let k = slice(&x[key], a.heads + kv_head, a.head_dim);
                let product = self.tape.dot(q, k);
                self.score(product, a, head, query.abs_diff(key))
            })
            .collect();
        self.softmax(&scores)
    }

    /// Applies scale → (softcap) → (ALiBi).
    fn score(&mut self, product: Var, a: &AttentionOp, head: usize, distance: usize) -> Var {
        let tape = &mut self.tape;
        let mut score = tape.scale(product, f64::from(a.scale));
        if let Some(cap) = a.softcap.map(f64::from) {
            let fraction = tape.scale(score, 1.0 / cap);
            let capped = tape.tanh(fraction);
            score = tape.scale(capped, cap);
        }
        if a.alibi {
            let slope = f64::from(alibi_slopes(a.heads)[head]);
            score = tape.shift(score, -slope * distance as f64);
        }
        score
    }

    /// Returns the weighted sum of the values that one query sees, for one head.
    fn mix(&mut self, x: &[Vec<Var>], a: &AttentionOp, head: usize, weights: &[Var]) -> Vec<Var> {
        let kv_head = head / (a.heads / a.kv_heads);
        (0..a.head_dim)
            .map(|i| {
                let at = (a.heads + a.kv_heads + kv_head) * a.head_dim + i;
                let column: Vec<Var> = x.iter().map(|row| row[at]).collect();
                self.tape.dot(weights, &column)
            })
            .collect()
    }

    fn softmax(&mut self, xs: &[Var]) -> Vec<Var> {
        let (exps, _) = self.exps(xs);
        let sum = self.tape.sum(&exps);
        exps.iter().map(|e| self.tape.div(*e, sum)).collect()
    }

    /// Returns `exp(x - m)` of every `x`, and `m`, the largest: a constant, since it cancels in
    /// every use.
    fn exps(&mut self, xs: &[Var]) -> (Vec<Var>, f64) {
        let values = xs.iter().map(|x| self.tape.value(*x));
        let largest = values.fold(f64::NEG_INFINITY, f64::max);
        let exp = |x: &Var| {
            let shifted = self.tape.shift(*x, -largest);
            self.tape.exp(shifted)
        };
        (xs.iter().map(exp).collect(), largest)
    }
}

/// Returns the position of each row of the batch in its sequence.
fn positions(batch: &Batch) -> Vec<usize> {
    let lengths = (0..batch.sequences()).map(|i| batch.rows(i).len());
    lengths.flat_map(|length| 0..length).collect()
}

/// Returns the `nth` slice of a packed row.
fn slice(row: &[Var], nth: usize, head_dim: usize) -> &[Var] {
    &row[nth * head_dim..][..head_dim]
}

fn activation(tape: &mut Tape, x: Var, f: Activation) -> Var {
    match f {
        // x Phi(x), Hendrycks & Gimpel 2016.
        Activation::GeluErf => {
            let scaled = tape.scale(x, FRAC_1_SQRT_2);
            let erf = tape.erf(scaled);
            half_of_one_plus(tape, x, erf)
        }
        // The approximation in the same paper: x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.
        Activation::GeluTanh => {
            let square = tape.mul(x, x);
            let cube = tape.mul(square, x);
            let bent = tape.scale(cube, 0.044_715);
            let sum = tape.add(x, bent);
            let inner = tape.scale(sum, (2.0 / PI).sqrt());
            let tanh = tape.tanh(inner);
            half_of_one_plus(tape, x, tanh)
        }
        Activation::Relu => tape.relu(x),
        Activation::ReluSquared => {
            let relu = tape.relu(x);
            tape.mul(relu, relu)
        }
        // x sigmoid(x), with sigmoid(x) = (1 + tanh(x / 2)) / 2, which never overflows.
        Activation::Silu => {
            let half = tape.scale(x, 0.5);
            let tanh = tape.tanh(half);
            half_of_one_plus(tape, x, tanh)
        }
    }
}

/// Computes `x (1 + y) / 2`.
fn half_of_one_plus(tape: &mut Tape, x: Var, y: Var) -> Var {
    let one_plus = tape.shift(y, 1.0);
    let half = tape.scale(one_plus, 0.5);
    tape.mul(x, half)
}

/// The elements that a named dropout keeps.
struct DropoutMask {
    stream: Stream,
    threshold: u32,
}

impl DropoutMask {
    /// Makes the mask of a dropout; `None` if nothing is dropped.
    fn new(name: &str, p: f32, noise: Option<Noise>) -> Option<Self> {
        let Noise { seed, step } = noise.filter(|_| p > 0.0)?;
        Some(Self {
            stream: Stream::new(seed, &format!("dropout/{name}"), step),
            threshold: mask_threshold(p),
        })
    }

    /// Returns the factor of element (`row`, `column`) of rows `width` wide: 0, or `1 / (1 - p)`.
    fn factor(&self, row: usize, column: usize, width: usize) -> f64 {
        let element = row as u64 * mask_stride(width) + column as u64;
        if u32::from(self.stream.mask_bits(element)) >= self.threshold {
            65536.0 / f64::from(65536 - self.threshold)
        } else {
            0.0
        }
    }
}
