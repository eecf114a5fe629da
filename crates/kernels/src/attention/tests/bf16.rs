//! The precision bf16 against sums in f64 of the operands that it rounds once (queries, keys,
//! values, dmix). Weights and gradients of scores exist only inside the kernel, and each may be off
//! by half a step of bf16: the effect that this can have on a sum is added up beside it.

use super::{ForwardAndBackward, Options, grid, run, values};
use crate::attention::OperandType;
use crate::isa::{Isa, Kind};
use crate::parallel::Sequential;
use crate::simd::LANES;
use crate::testing::{SUMS, nearest_bf16};
use core::f32::consts::LOG2_E;

/// The farthest that a number of 8 bits lies from what it was rounded from, relative to it.
const HALF_STEP: f64 = 1.0 / 256.0;

/// A sum in f64, and the sizes of its terms with an operand that only the kernel rounds.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    size: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
    }
}

/// One sequence with its operands rounded.
struct Witness<'a> {
    o: &'a Options<'a>,
    t: usize,
    queries: Vec<f64>,
    rest: Vec<f64>,
    dmix: Vec<f64>,
    /// The row sums of dmix ∘ mix, of unrounded numbers.
    deltas: Vec<f64>,
}

/// A query and a key: the weight, which is zero if it was dropped, and the gradient of the product
/// q·k.
struct QueryAndKey {
    kept: f64,
    dproduct: f64,
}

impl<'a> Witness<'a> {
    fn new(o: &'a Options<'a>, t: usize, qkv: &[f32], dmix: &[f32], mix: &[f32]) -> Self {
        let kept = o.dropout.map_or(1.0, |w| w.dropout.scale());
        let of_dot = |(a, b): (&f32, &f32)| f64::from(*a) * f64::from(*b);
        let rows = dmix.chunks(o.head_dim).zip(mix.chunks(o.head_dim));
        Self {
            o,
            t,
            queries: qkv
                .iter()
                .map(|&x| nearest_bf16(x * (o.scale * LOG2_E)))
                .collect(),
            rest: qkv.iter().map(|&x| nearest_bf16(x)).collect(),
            dmix: dmix.iter().map(|&x| nearest_bf16(x * kept)).collect(),
            deltas: rows
                .map(|(a, b)| a.iter().zip(b).map(of_dot).sum())
                .collect(),
        }
    }

    fn at(&self, row: usize, column: usize) -> usize {
        row * self.o.qkv_width() + column
    }

    /// The indices of query `i`, key and value `j` of a head.
    fn indices(&self, head: usize, i: usize, j: usize) -> [usize; 3] {
        let kv_head = head * self.o.kv_heads / self.o.heads;
        [
            self.at(i, head * self.o.head_dim),
            self.at(j, self.o.key_column(kv_head)),
            self.at(j, self.o.value_column(kv_head)),
        ]
    }

    fn dot(&self, a: &[f64], b: &[f64]) -> f64 {
        (0..self.o.head_dim).map(|d| a[d] * b[d]).sum()
    }

    /// A score in nats, and its derivative by the product.
    fn score(&self, head: usize, i: usize, j: usize) -> (f64, f64) {
        let [q, k, _] = self.indices(head, i, j);
        let product = self.dot(&self.queries[q..], &self.rest[k..]) / f64::from(LOG2_E);
        let (mut score, mut derivative) = (product, 1.0);
        if let Some(cap) = self.o.softcap.map(f64::from) {
            let tanh = (product / cap).tanh();
            (score, derivative) = (cap * tanh, 1.0 - tanh * tanh);
        }
        let slope = self.o.alibi.map_or(0.0, |slopes| f64::from(slopes[head]));
        (score - slope * i.abs_diff(j) as f64, derivative)
    }

    /// The log-sum-exp of a row, and its pairs by key.
    fn row(&self, head: usize, i: usize) -> (f64, Vec<(usize, QueryAndKey)>) {
        let keys = self.o.visible.keys(i, self.t);
        let scores: Vec<_> = keys.clone().map(|j| self.score(head, i, j)).collect();
        let lse = scores.iter().map(|(s, _)| s.exp()).sum::<f64>().ln();
        let pair = |(j, &(score, derivative)): (usize, &(f64, f64))| {
            let weight = (score - lse).exp();
            let keeps = self.o.dropout.is_none_or(|w| {
                let row = w.first_row + (head * self.t + j) as u64;
                w.dropout.factor(row, i, self.t) > 0.0
            });
            let keeps = f64::from(u8::from(keeps));
            let [_, _, v] = self.indices(head, i, j);
            let dmix = &self.dmix[(i * self.o.heads + head) * self.o.head_dim..];
            let dweight = keeps * self.dot(dmix, &self.rest[v..]);
            let pair = QueryAndKey {
                kept: weight * keeps,
                dproduct: weight * derivative * (dweight - self.deltas[i * self.o.heads + head]),
            };
            (j, pair)
        };
        (lse, keys.zip(&scores).map(pair).collect())
    }

    /// mix, lse and dqkv.
    fn all(&self) -> [Vec<Sum>; 3] {
        let (o, width) = (self.o, self.o.head_dim);
        let kept = f64::from(o.dropout.map_or(1.0, |w| w.dropout.scale()));
        let mut mix = vec![Sum::default(); self.t * o.mix_width()];
        let mut lses = vec![Sum::default(); self.t * o.heads];
        let mut dqkv = vec![Sum::default(); self.t * o.qkv_width()];
        for (head, i) in (0..o.heads).flat_map(|head| (0..self.t).map(move |i| (head, i))) {
            let (lse, pairs) = self.row(head, i);
            lses[head * self.t + i].value = lse;
            let row = (i * o.heads + head) * width;
            for (j, pair) in pairs {
                let [q, k, v] = self.indices(head, i, j);
                for d in 0..width {
                    mix[row + d].add(pair.kept * self.rest[v + d] * kept);
                    dqkv[v + d].add(pair.kept * self.dmix[row + d]);
                    dqkv[q + d].add(pair.dproduct * self.rest[k + d] * f64::from(o.scale));
                    dqkv[k + d].add(pair.dproduct * self.queries[q + d] / f64::from(LOG2_E));
                }
            }
        }
        [mix, lses, dqkv]
    }
}

/// Fails where a number is farther from its sum than rounding can have taken it.
#[track_caller]
fn within(what: &str, found: &[f32], sums: &[Sum]) {
    for (i, (&x, sum)) in found.iter().zip(sums).enumerate() {
        let error = (f64::from(x) - sum.value).abs();
        let room = HALF_STEP * sum.size + f64::from(SUMS) * (1.0 + sum.value.abs());
        assert!(
            error <= room,
            "{what}: element {i} is {x} instead of {}, error {error:e} > {room:e}",
            sum.value
        );
    }
}

fn in_bf16() -> impl Iterator<Item = (Options<'static>, usize)> {
    let precision = OperandType::Bf16;
    let grid = grid().into_iter();
    grid.map(move |(o, t)| (Options { precision, ..o }, t))
}

fn operands(o: &Options<'_>, t: usize) -> (Vec<f32>, Vec<f32>) {
    let qkv = values(t * o.qkv_width(), 1);
    (
        qkv.iter().map(|x| 2.0 * x).collect(),
        values(t * o.mix_width(), 2),
    )
}

#[test]
fn products_are_those_of_rounded_operands() {
    for (o, t) in in_bf16().filter(|&(_, t)| t > LANES) {
        let (qkv, dmix) = operands(&o, t);
        for isa in Isa::available() {
            let ForwardAndBackward { mix, lse, dqkv } = run(isa, &Sequential, &o, t, &qkv, &dmix);
            let [mixes, lses, dqkvs] = Witness::new(&o, t, &qkv, &dmix, &mix).all();
            let what = |name| format!("{name} on {isa:?}, T {t}, {o:?}");
            within(&what("mix"), &mix, &mixes);
            within(&what("lse"), &lse, &lses);
            within(&what("dqkv"), &dqkv, &dqkvs);
        }
    }
}

/// The instruction for pairs of bf16 and its stand-in add the same products in the same order; so
/// do the tiles of every size.
#[test]
fn bits_are_the_same_wherever_multiply_adds_are_fused() {
    let kinds = [Kind::Avx2, Kind::Avx512, Kind::Avx512Bf16];
    let isas: Vec<Isa> = kinds.into_iter().filter_map(Isa::try_new).collect();
    for (o, t) in grid().into_iter().chain(in_bf16()) {
        let (qkv, dmix) = operands(&o, t);
        let of = |&isa| run(isa, &Sequential, &o, t, &qkv, &dmix);
        let all: Vec<ForwardAndBackward> = isas.iter().map(of).collect();
        assert!(all.windows(2).all(|two| two[0] == two[1]), "T {t}, {o:?}");
    }
}

#[test]
fn short_sequences_are_not_rounded_and_long_ones_are() {
    for (o, t) in in_bf16() {
        let (qkv, dmix) = operands(&o, t);
        let of = |precision| {
            let o = Options { precision, ..o };
            run(Isa::detect(), &Sequential, &o, t, &qkv, &dmix)
        };
        let same = of(OperandType::Bf16) == of(OperandType::F32);
        assert_eq!(same, t <= LANES, "T {t}, {o:?}");
    }
}

/// A diverging run must be seen.
#[test]
fn what_is_not_finite_stays_so() {
    for ((o, t), isa) in in_bf16().flat_map(|case| Isa::available().map(move |isa| (case, isa))) {
        if t != 65 {
            continue;
        }
        let (mut qkv, dmix) = operands(&o, t);
        let last = (t - 1) * o.qkv_width() + o.value_column(o.kv_heads - 1);
        qkv[last] = f32::NAN;
        let found = run(isa, &Sequential, &o, t, &qkv, &dmix);
        let bad = |x: &[f32]| x.iter().any(|x| x.is_nan());
        assert!(bad(&found.mix) && bad(&found.dqkv), "{isa:?} {o:?}");
    }
}
