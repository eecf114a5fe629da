//! Softmax cross-entropy of rows of logits against target tokens, in nats: loss = ln sum e^x -
//! x[target].
//!
//! The fast version is fused: the backward, dx = (softmax(x) - onehot) * scale, overwrites the
//! logits in the same call, so that a [n, V] matrix is written once instead of three times. The
//! loss of a row is f32; the sum over rows is f64, in row order.

use crate::isa::{Isa, dispatch};
use crate::math;
use crate::simd::{LANES, Simd, fold, put, update};
use crate::softmax::{exponentials, maximum};

/// Plain loops in f64.
pub mod naive {
    /// losses[n]; logits[n, v] become dlogits * scale.
    pub fn forward_backward(
        losses: &mut [f64],
        logits: &mut [f64],
        targets: &[u32],
        scale: f64,
        v: usize,
    ) {
        forward(losses, logits, targets, v);
        for (row, &target) in logits.chunks_exact_mut(v).zip(targets) {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            for x in row.iter_mut() {
                *x = scale * x.exp() / sum;
            }
            row[target as usize] -= scale;
        }
    }

    /// losses[n].
    pub fn forward(losses: &mut [f64], logits: &[f64], targets: &[u32], v: usize) {
        for ((loss, row), &target) in losses.iter_mut().zip(logits.chunks_exact(v)).zip(targets) {
            *loss = row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[target as usize];
        }
    }
}

/// Writes losses[n] (if they are wanted) and returns their sum, in nats; logits[n, v] become their
/// gradient times `scale`. Targets are below v.
pub fn forward_backward(
    isa: Isa,
    losses: Option<&mut [f32]>,
    logits: &mut [f32],
    targets: &[u32],
    scale: f32,
    v: usize,
) -> f64 {
    check(losses.as_deref(), logits, targets, v);
    dispatch!(isa, s => rows_backward(s, losses, logits, targets, scale, v))
}

/// Writes losses[n] (if they are wanted) and returns their sum, in nats; logits[n, v] stay as they
/// are.
pub fn forward(
    isa: Isa,
    losses: Option<&mut [f32]>,
    logits: &[f32],
    targets: &[u32],
    v: usize,
) -> f64 {
    check(losses.as_deref(), logits, targets, v);
    dispatch!(isa, s => rows_forward(s, losses, logits, targets, v))
}

fn check(losses: Option<&[f32]>, logits: &[f32], targets: &[u32], v: usize) {
    assert!(
        v > 0 && logits.len() == targets.len() * v,
        "cross entropy: logits are not [n, v]"
    );
    assert!(
        losses.is_none_or(|losses| losses.len() == targets.len()),
        "losses are not [n]"
    );
}

#[inline(always)]
fn rows_backward<S: Simd>(
    s: S,
    losses: Option<&mut [f32]>,
    logits: &mut [f32],
    targets: &[u32],
    scale: f32,
    v: usize,
) -> f64 {
    let losses_sum = LossSum::new(losses);
    match v.div_ceil(LANES) {
        1 => in_registers::<S, 1>(s, losses_sum, logits, targets, scale, v),
        2 => in_registers::<S, 2>(s, losses_sum, logits, targets, scale, v),
        3 => in_registers::<S, 3>(s, losses_sum, logits, targets, scale, v),
        4 => in_registers::<S, 4>(s, losses_sum, logits, targets, scale, v),
        5 => in_registers::<S, 5>(s, losses_sum, logits, targets, scale, v),
        _ => in_passes(s, losses_sum, logits, targets, scale, v),
    }
}

/// Takes each row in several passes.
#[inline(always)]
fn in_passes<S: Simd>(
    s: S,
    mut losses_sum: LossSum<'_>,
    logits: &mut [f32],
    targets: &[u32],
    scale: f32,
    v: usize,
) -> f64 {
    for (row, &target) in logits.chunks_exact_mut(v).zip(targets) {
        let logit = row[target as usize];
        let (max, sum) = exponentials(s, row);
        let factor = s.splat(scale / sum);
        update(
            s,
            row,
            #[inline(always)]
            |p| s.mul(p, factor),
        );
        row[target as usize] -= scale;
        losses_sum.add(s, sum, max - logit);
    }
    losses_sum.finish(s)
}

/// Takes rows that fit `N` registers, to the same bits. Each row is read before the row above is
/// written: a load waits for an unfinished masked store just before it, and rows would follow one
/// another instead of overlapping. A row of 27 with AVX-512 takes about 43 ns in passes, 36 in
/// registers and 12 in this order.
#[inline(always)]
fn in_registers<S: Simd, const N: usize>(
    s: S,
    mut losses_sum: LossSum<'_>,
    logits: &mut [f32],
    targets: &[u32],
    scale: f32,
    v: usize,
) -> f64 {
    let mut next = read::<S, N>(s, logits, targets, 0, v);
    for (r, &target) in targets.iter().enumerate() {
        let (x, logit) = next;
        next = read(s, logits, targets, r + 1, v);
        let mut max = s.splat(f32::NEG_INFINITY);
        for x in x {
            max = s.max(max, x);
        }
        let max = s.max_lane(max);
        let (shift, mut p, mut sum) = (s.splat(max), x, s.zero());
        for p in &mut p {
            // Zero beyond the end of the row.
            *p = math::exp_lanes(s, s.sub(*p, shift));
            sum = s.add(sum, *p);
        }
        let sum = s.sum(sum);
        let factor = s.splat(scale / sum);
        let row = &mut logits[r * v..][..v];
        for (i, p) in p.into_iter().enumerate() {
            let hit = one_hot(s, target as usize, i);
            let p = s.mul(p, factor);
            let d = s.select(hit, s.sub(p, s.splat(scale)), p);
            put(s, row, i * LANES, d);
        }
        losses_sum.add(s, sum, max - logit);
    }
    losses_sum.finish(s)
}

/// Returns row `r`, minus infinity beyond its end, and its target's logit; zeros where there is no
/// such row.
#[inline(always)]
fn read<S: Simd, const N: usize>(
    s: S,
    logits: &[f32],
    targets: &[u32],
    r: usize,
    v: usize,
) -> ([S::F; N], f32) {
    let Some(&target) = targets.get(r) else {
        return ([s.zero(); N], 0.0);
    };
    let row = &logits[r * v..][..v];
    let lanes = core::array::from_fn(
        #[inline(always)]
        |i| match row[i * LANES..].first_chunk() {
            Some(lanes) => s.load(lanes),
            None => s.load_partial(&row[i * LANES..], f32::NEG_INFINITY),
        },
    );
    (lanes, row[target as usize])
}

/// Returns the lane of `target` among columns `16 i ..`.
#[inline(always)]
fn one_hot<S: Simd>(s: S, target: usize, i: usize) -> S::M {
    let lane = target.wrapping_sub(i * LANES);
    s.mask_from_bits(if lane < LANES { 1 << lane } else { 0 })
}

#[inline(always)]
fn rows_forward<S: Simd>(
    s: S,
    losses: Option<&mut [f32]>,
    logits: &[f32],
    targets: &[u32],
    v: usize,
) -> f64 {
    let mut losses_sum = LossSum::new(losses);
    for (row, &target) in logits.chunks_exact(v).zip(targets) {
        let max = maximum(s, row);
        let shift = s.splat(max);
        let sum = fold(
            s,
            s.zero(),
            row,
            f32::NEG_INFINITY,
            #[inline(always)]
            |sum, x| s.add(sum, math::exp_lanes(s, s.sub(x, shift))),
        );
        losses_sum.add(s, s.sum(sum), max - row[target as usize]);
    }
    losses_sum.finish(s)
}

/// Adds up losses ln sum e^x - x[target], with both terms relative to the maximum. It takes sixteen
/// logarithms at a time.
struct LossSum<'a> {
    losses: Option<&'a mut [f32]>,
    /// How many losses are written, and how many wait for their logarithm.
    written: usize,
    waiting: usize,
    sums: [f32; LANES],
    offsets: [f32; LANES],
    total: f64,
}

impl<'a> LossSum<'a> {
    #[inline(always)]
    fn new(losses: Option<&'a mut [f32]>) -> Self {
        Self {
            losses,
            written: 0,
            waiting: 0,
            sums: [1.0; LANES],
            offsets: [0.0; LANES],
            total: 0.0,
        }
    }

    /// Adds the loss ln `sum` + `offset`.
    #[inline(always)]
    fn add<S: Simd>(&mut self, s: S, sum: f32, offset: f32) {
        (self.sums[self.waiting], self.offsets[self.waiting]) = (sum, offset);
        self.waiting += 1;
        if self.waiting == LANES {
            self.write(s);
        }
    }

    #[inline(always)]
    fn write<S: Simd>(&mut self, s: S) {
        let ln = math::ln_lanes(s, s.load(&self.sums));
        let mut lanes = [0.0; LANES];
        s.store(s.add(ln, s.load(&self.offsets)), &mut lanes);
        let lanes = &lanes[..self.waiting];
        for &loss in lanes {
            self.total += f64::from(loss);
        }
        if let Some(losses) = self.losses.as_deref_mut() {
            losses[self.written..][..lanes.len()].copy_from_slice(lanes);
        }
        self.written += self.waiting;
        self.waiting = 0;
    }

    /// Returns the sum of all losses.
    #[inline(always)]
    fn finish<S: Simd>(mut self, s: S) -> f64 {
        self.write(s);
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ELEMENTWISE, check_gradient, close, narrow, to_f64, values};

    #[test]
    fn fast_agrees_with_naive() {
        for (isa, v) in Isa::available().flat_map(|isa| [1, 7, 17, 33, 65, 130].map(|v| (isa, v))) {
            let n = 9;
            let x: Vec<f32> = values(n * v, 1).iter().map(|x| 10.0 * x).collect();
            let targets: Vec<u32> = (0..n).map(|i| (i * 31 % v) as u32).collect();
            let (mut losses, mut d) = (vec![0.0; n], to_f64(&x));
            naive::forward_backward(&mut losses, &mut d, &targets, 0.25, v);
            let (mut fast, mut fast_d) = (vec![0.0; n], x.clone());
            let total = forward_backward(isa, Some(&mut fast), &mut fast_d, &targets, 0.25, v);
            close(isa, "losses", &fast, &narrow(&losses), ELEMENTWISE);
            close(isa, "dlogits", &fast_d, &narrow(&d), ELEMENTWISE);
            assert_eq!(total, fast.iter().map(|&l| f64::from(l)).sum::<f64>());
            let mut alone = vec![0.0; n];
            let again = forward(isa, Some(&mut alone), &x, &targets, v);
            assert_eq!(
                (again, alone),
                (total, fast),
                "evaluation and training agree to the bit"
            );
            assert_eq!(forward(isa, None, &x, &targets, v), total);
        }
    }

    #[test]
    fn rows_in_registers_are_rows_in_passes_to_the_bit() {
        for (isa, v) in Isa::available().flat_map(|isa| (1..=80).map(move |v| (isa, v))) {
            let n = 4;
            let x: Vec<f32> = values(n * v, 1).iter().map(|x| 10.0 * x).collect();
            let targets: Vec<u32> = (0..n).map(|i| (i * 31 % v) as u32).collect();
            let (mut one_pass, mut d) = (vec![0.0; n], x.clone());
            forward_backward(isa, Some(&mut one_pass), &mut d, &targets, 0.25, v);
            let (mut several, mut d2) = (vec![0.0; n], x);
            let losses_sum = LossSum::new(Some(&mut several));
            dispatch!(isa, s => in_passes(s, losses_sum, &mut d2, &targets, 0.25, v));
            assert_eq!((one_pass, d), (several, d2), "{isa:?}, {v} columns");
        }
    }

    #[test]
    fn huge_logits_are_safe() {
        for isa in Isa::available() {
            let mut x = [1e30, 0.0, -1e30];
            let loss = forward_backward(isa, None, &mut x, &[0], 1.0, 3);
            assert_eq!((loss, x), (0.0, [0.0, 0.0, 0.0]));
        }
    }

    #[test]
    fn naive_backward_is_the_derivative() {
        let (x, targets) = (to_f64(&values(12, 1)), [2, 0, 3]);
        let (mut losses, mut d) = ([0.0; 3], x.clone());
        naive::forward_backward(&mut losses, &mut d, &targets, 0.5, 4);
        check_gradient("dlogits", &d, &x, |x| {
            let mut losses = [0.0; 3];
            naive::forward(&mut losses, x, &targets, 4);
            0.5 * losses.iter().sum::<f64>()
        });
    }
}
