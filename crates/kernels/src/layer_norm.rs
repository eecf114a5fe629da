//! `LayerNorm` (Ba, Kiros and Hinton 2016): y = (x - mean) / sqrt(var + eps) * gain + bias over
//! each row, with the population variance, as PyTorch does it.
//!
//! Backward with h = (x - mean) rstd and g = dy gain: dx = rstd (g - mean(g) - h mean(g h)), dgain
//! += dy h, dbias += dy. The fast version reads a row from the first-level cache three times and
//! writes it once. The variance is that of the centred row, so that nothing cancels.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, fold, put};

/// The mean and the reciprocal standard deviation of each row.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<T> {
    pub mean: T,
    pub rstd: T,
}

/// Plain loops in f64.
pub mod naive {
    use super::Statistics;

    /// y[n, c], mean[n] and rstd[n] from x.
    pub fn forward(
        y: &mut [f64],
        statistics: Statistics<&mut [f64]>,
        x: &[f64],
        gain: &[f64],
        bias: Option<&[f64]>,
        eps: f64,
    ) {
        let c = gain.len();
        let Statistics { mean, rstd } = statistics;
        for (row, x) in x.chunks_exact(c).enumerate() {
            let m = x.iter().sum::<f64>() / c as f64;
            let variance = x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / c as f64;
            let r = 1.0 / (variance + eps).sqrt();
            for i in 0..c {
                y[row * c + i] = (x[i] - m) * r * gain[i] + bias.map_or(0.0, |bias| bias[i]);
            }
            (mean[row], rstd[row]) = (m, r);
        }
    }

    /// dx (written); dgain and dbias (added to).
    pub fn backward(
        dx: &mut [f64],
        dgain: &mut [f64],
        dbias: &mut [f64],
        dy: &[f64],
        x: &[f64],
        gain: &[f64],
        statistics: Statistics<&[f64]>,
    ) {
        let c = gain.len();
        let Statistics { mean, rstd } = statistics;
        for row in 0..dx.len() / c {
            let at = row * c;
            let h = |i: usize| (x[at + i] - mean[row]) * rstd[row];
            let g = |i: usize| dy[at + i] * gain[i];
            let mean_g = (0..c).map(g).sum::<f64>() / c as f64;
            let mean_gh = (0..c).map(|i| g(i) * h(i)).sum::<f64>() / c as f64;
            for i in 0..c {
                dx[at + i] = rstd[row] * (g(i) - mean_g - h(i) * mean_gh);
                dgain[i] += dy[at + i] * h(i);
                dbias[i] += dy[at + i];
            }
        }
    }
}

/// y[n, c], and mean[n] and rstd[n] for the backward.
pub fn forward(
    isa: Isa,
    y: &mut [f32],
    mean: &mut [f32],
    rstd: &mut [f32],
    x: &[f32],
    gain: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    n: usize,
    c: usize,
) {
    assert!(
        y.len() == n * c && x.len() == n * c,
        "layer norm: x and y are [n, c]"
    );
    assert!(
        mean.len() == n && rstd.len() == n,
        "layer norm: mean and rstd are [n]"
    );
    assert!(
        gain.len() == c && bias.is_none_or(|bias| bias.len() == c),
        "layer norm: gain is [c]"
    );
    if c > 0 {
        let statistics = &mut Statistics { mean, rstd };
        dispatch!(isa, s => rows_forward(s, y, statistics, x, gain, bias, eps));
    }
}

/// dx[n, c] (written, or added to where `accumulate_dx`); dgain[c] and dbias[c] are added to.
pub fn backward(
    isa: Isa,
    dx: &mut [f32],
    dgain: &mut [f32],
    dbias: Option<&mut [f32]>,
    dy: &[f32],
    x: &[f32],
    gain: &[f32],
    mean: &[f32],
    rstd: &[f32],
    accumulate_dx: bool,
    n: usize,
    c: usize,
) {
    assert!(
        dx.len() == n * c && dy.len() == n * c && x.len() == n * c,
        "layer norm: [n, c]"
    );
    assert!(
        mean.len() == n && rstd.len() == n,
        "layer norm: mean and rstd are [n]"
    );
    assert!(
        gain.len() == c && dgain.len() == c,
        "layer norm: gain is [c]"
    );
    assert!(
        dbias.as_ref().is_none_or(|dbias| dbias.len() == c),
        "layer norm: bias is [c]"
    );
    if c == 0 {
        return;
    }
    if let Some(dbias) = dbias {
        crate::linear::backward_bias(isa, dbias, dy, n, c);
    }
    let backward = LayerNormBackward {
        dx,
        dgain,
        dy,
        x,
        gain,
        statistics: Statistics { mean, rstd },
        accumulate_dx,
    };
    dispatch!(isa, s => backward.run(s));
}

#[inline(always)]
fn rows_forward<S: Simd>(
    s: S,
    y: &mut [f32],
    statistics: &mut Statistics<&mut [f32]>,
    x: &[f32],
    gain: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
) {
    let c = gain.len();
    let per = 1.0 / c as f32;
    for (row, (y, x)) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)).enumerate() {
        let sum = fold(
            s,
            s.zero(),
            x,
            0.0,
            #[inline(always)]
            |acc, x| s.add(acc, x),
        );
        let mean = s.sum(sum) * per;
        let m = s.splat(mean);
        let squares = fold(
            s,
            s.zero(),
            x,
            mean,
            #[inline(always)]
            |acc, x| {
                let d = s.sub(x, m);
                s.mul_add(d, d, acc)
            },
        );
        let rstd = 1.0 / (s.sum(squares) * per + eps).sqrt();
        (statistics.mean[row], statistics.rstd[row]) = (mean, rstd);
        let rstd = s.splat(rstd);
        for i in (0..c).step_by(LANES) {
            let h = s.mul(s.sub(at(s, x, i), m), rstd);
            let v = match bias {
                Some(bias) => s.mul_add(h, at(s, gain, i), at(s, bias, i)),
                None => s.mul(h, at(s, gain, i)),
            };
            put(s, y, i, v);
        }
    }
}

/// The operands of the backward.
struct LayerNormBackward<'a> {
    dx: &'a mut [f32],
    dgain: &'a mut [f32],
    dy: &'a [f32],
    x: &'a [f32],
    gain: &'a [f32],
    statistics: Statistics<&'a [f32]>,
    accumulate_dx: bool,
}

impl LayerNormBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (gain, dgain, c) = (self.gain, self.dgain, self.gain.len());
        for (row, dx) in self.dx.chunks_exact_mut(c).enumerate() {
            let (dy, x) = (&self.dy[row * c..][..c], &self.x[row * c..][..c]);
            let Statistics { mean, rstd } = self.statistics;
            let (mean, rstd) = (s.splat(mean[row]), s.splat(rstd[row]));
            let (mut sum_g, mut sum_gh) = (s.zero(), s.zero());
            for i in (0..c).step_by(LANES) {
                let dy = at(s, dy, i);
                let h = s.mul(s.sub(at(s, x, i), mean), rstd);
                let g = s.mul(dy, at(s, gain, i));
                sum_g = s.add(sum_g, g);
                sum_gh = s.mul_add(g, h, sum_gh);
                let sum = s.mul_add(dy, h, at(s, dgain, i));
                put(s, dgain, i, sum);
            }
            let mean_g = s.splat(s.sum(sum_g) / c as f32);
            let mean_gh = s.splat(-s.sum(sum_gh) / c as f32);
            for i in (0..c).step_by(LANES) {
                let h = s.mul(s.sub(at(s, x, i), mean), rstd);
                let g = s.mul(at(s, dy, i), at(s, gain, i));
                let d = s.mul(rstd, s.mul_add(h, mean_gh, s.sub(g, mean_g)));
                let d = if self.accumulate_dx {
                    s.add(at(s, dx, i), d)
                } else {
                    d
                };
                put(s, dx, i, d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SUMS, check_gradient, close, dot, narrow, to_f64, values};

    #[test]
    fn fast_agrees_with_naive() {
        for (isa, c) in Isa::available().flat_map(|isa| [1, 7, 17, 33, 128, 130].map(|c| (isa, c)))
        {
            let n = 5;
            // Rows far from zero, where a one-pass variance would cancel.
            let x: Vec<f32> = values(n * c, 1).iter().map(|x| x + 30.0).collect();
            let (gain, bias, dy) = (values(c, 2), values(c, 3), values(n * c, 4));
            let (mut y, mut mean, mut rstd) = (vec![0.0; n * c], vec![0.0; n], vec![0.0; n]);
            let (x64, g64, b64) = (to_f64(&x), to_f64(&gain), to_f64(&bias));
            for bias in [None, Some(bias.as_slice())] {
                let b64 = bias.map(|_| b64.as_slice());
                let statistics = Statistics {
                    mean: mean.as_mut_slice(),
                    rstd: rstd.as_mut_slice(),
                };
                naive::forward(&mut y, statistics, &x64, &g64, b64, 1e-2);
                let (mut f, mut m, mut r) = (vec![f32::NAN; n * c], vec![0.0; n], vec![0.0; n]);
                forward(isa, &mut f, &mut m, &mut r, &x, &gain, bias, 1e-2, n, c);
                close(isa, "y", &f, &narrow(&y), SUMS);
                close(isa, "mean", &m, &narrow(&mean), SUMS);
                close(isa, "rstd", &r, &narrow(&rstd), SUMS);
            }
            let (mut dx, mut dgain, mut dbias) = (vec![0.0; n * c], vec![0.5; c], vec![0.5; c]);
            let saved = Statistics {
                mean: mean.as_slice(),
                rstd: rstd.as_slice(),
            };
            let dy64 = to_f64(&dy);
            naive::backward(&mut dx, &mut dgain, &mut dbias, &dy64, &x64, &g64, saved);
            let (mean, rstd) = (narrow(&mean), narrow(&rstd));
            for accumulate in [false, true] {
                let (mut fx, mut fg, mut fb) = (vec![1.0; n * c], vec![0.5; c], vec![0.5; c]);
                let b = Some(fb.as_mut_slice());
                backward(
                    isa, &mut fx, &mut fg, b, &dy, &x, &gain, &mean, &rstd, accumulate, n, c,
                );
                let start = if accumulate { 1.0 } else { 0.0 };
                let expected: Vec<f32> = dx.iter().map(|&d| d as f32 + start).collect();
                close(isa, "dx", &fx, &expected, 10.0 * SUMS);
                close(isa, "dgain", &fg, &narrow(&dgain), 10.0 * SUMS);
                close(isa, "dbias", &fb, &narrow(&dbias), SUMS);
            }
        }
    }

    #[test]
    fn naive_backward_is_the_derivative() {
        let (n, c) = (3, 5);
        let (x, gain) = (to_f64(&values(15, 1)), to_f64(&values(5, 2)));
        let (bias, dy) = (to_f64(&values(5, 3)), to_f64(&values(15, 4)));
        let loss = |x: &[f64], gain: &[f64], bias: &[f64]| {
            let (mut y, mut mean, mut rstd) = (vec![0.0; n * c], vec![0.0; n], vec![0.0; n]);
            let statistics = Statistics {
                mean: mean.as_mut_slice(),
                rstd: rstd.as_mut_slice(),
            };
            naive::forward(&mut y, statistics, x, gain, Some(bias), 1e-5);
            (dot(&y, &dy), mean, rstd)
        };
        let (_, mean, rstd) = loss(&x, &gain, &bias);
        let (mut dx, mut dgain, mut dbias) = ([0.0; 15], [0.0; 5], [0.0; 5]);
        let saved = Statistics {
            mean: mean.as_slice(),
            rstd: rstd.as_slice(),
        };
        naive::backward(&mut dx, &mut dgain, &mut dbias, &dy, &x, &gain, saved);
        check_gradient("dx", &dx, &x, |x| loss(x, &gain, &bias).0);
        check_gradient("dgain", &dgain, &gain, |gain| loss(&x, gain, &bias).0);
        check_gradient("dbias", &dbias, &bias, |bias| loss(&x, &gain, bias).0);
    }
}
