//! `LayerNorm` (Ba, Kiros and Hinton 2016): y = (x - mean) / sqrt(var + eps) * gain + bias over
//! each row, with the population variance, as PyTorch does it.
//!
//! Backward with h = (x - mean) rstd and g = dy gain: dx = rstd (g - mean(g) - h mean(g h)), dgain
//! += dy h, dbias += dy. The fast version reads a row from the first-level cache three times and
//! writes it once. The variance is that of the centred row, so that nothing cancels.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, fold, put};

/// What the forward writes; with `T = f64` for [`naive`].
#[derive(Debug)]
pub struct Outputs<'a, T = f32> {
    /// y[n, c].
    pub y: &'a mut [T],
    /// The mean of each row of x: mean[n].
    pub mean: &'a mut [T],
    /// The reciprocal standard deviation of each row of x: rstd[n].
    pub rstd: &'a mut [T],
}

/// What the forward reads.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T = f32> {
    /// x[n, c].
    pub x: &'a [T],
    /// gain[c].
    pub gain: &'a [T],
    /// bias[c].
    pub bias: Option<&'a [T]>,
    /// What is added to the variance.
    pub eps: T,
}

/// The gradients that the backward computes.
#[derive(Debug)]
pub struct Grads<'a, T = f32> {
    /// dx[n, c], which is written.
    pub dx: &'a mut [T],
    /// Whether dx is added to instead.
    pub accumulate_dx: bool,
    /// dgain[c], which is added to.
    pub dgain: &'a mut [T],
    /// dbias[c], which is added to.
    pub dbias: Option<&'a mut [T]>,
}

/// What the forward read and wrote that the backward reads.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a, T = f32> {
    /// x[n, c].
    pub x: &'a [T],
    /// gain[c].
    pub gain: &'a [T],
    /// mean[n].
    pub mean: &'a [T],
    /// rstd[n].
    pub rstd: &'a [T],
}

/// Plain loops in f64.
pub mod naive {
    use super::{Grads, Inputs, Outputs, Saved};

    /// Makes all outputs.
    pub fn forward(out: Outputs<'_, f64>, inputs: &Inputs<'_, f64>) {
        let Outputs { y, mean, rstd } = out;
        let &Inputs { x, gain, bias, eps } = inputs;
        let c = gain.len();
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

    /// Makes all gradients from dy[n, c].
    pub fn backward(grads: Grads<'_, f64>, dy: &[f64], saved: &Saved<'_, f64>) {
        let Grads {
            dx,
            accumulate_dx,
            dgain,
            mut dbias,
        } = grads;
        let &Saved {
            x,
            gain,
            mean,
            rstd,
        } = saved;
        let c = gain.len();
        for row in 0..dx.len() / c {
            let at = row * c;
            let h = |i: usize| (x[at + i] - mean[row]) * rstd[row];
            let g = |i: usize| dy[at + i] * gain[i];
            let mean_g = (0..c).map(g).sum::<f64>() / c as f64;
            let mean_gh = (0..c).map(|i| g(i) * h(i)).sum::<f64>() / c as f64;
            for i in 0..c {
                let start = if accumulate_dx { dx[at + i] } else { 0.0 };
                dx[at + i] = start + rstd[row] * (g(i) - mean_g - h(i) * mean_gh);
                dgain[i] += dy[at + i] * h(i);
                if let Some(dbias) = dbias.as_deref_mut() {
                    dbias[i] += dy[at + i];
                }
            }
        }
    }
}

/// Makes y, and the statistics of each of its n rows for the backward.
pub fn forward(isa: Isa, out: Outputs<'_>, inputs: &Inputs<'_>, n: usize, c: usize) {
    let &Inputs { x, gain, bias, .. } = inputs;
    assert!(
        out.y.len() == n * c && x.len() == n * c,
        "layer norm: x and y are [n, c]"
    );
    assert!(
        out.mean.len() == n && out.rstd.len() == n,
        "layer norm: mean and rstd are [n]"
    );
    assert!(
        gain.len() == c && bias.is_none_or(|bias| bias.len() == c),
        "layer norm: gain is [c]"
    );
    if c > 0 {
        dispatch!(isa, s => rows_forward(s, out, inputs));
    }
}

/// Makes the gradients from dy[n, c] and what the forward left.
pub fn backward(isa: Isa, grads: Grads<'_>, dy: &[f32], saved: &Saved<'_>, n: usize, c: usize) {
    let Grads {
        dx,
        accumulate_dx,
        dgain,
        dbias,
    } = grads;
    let &Saved {
        x,
        gain,
        mean,
        rstd,
    } = saved;
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
        accumulate_dx,
        dgain,
        dy,
        saved: *saved,
    };
    dispatch!(isa, s => backward.run(s));
}

#[inline(always)]
fn rows_forward<S: Simd>(s: S, out: Outputs<'_>, inputs: &Inputs<'_>) {
    let Outputs { y, mean, rstd } = out;
    let &Inputs { x, gain, bias, eps } = inputs;
    let (means, rstds, c) = (mean, rstd, gain.len());
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
        (means[row], rstds[row]) = (mean, rstd);
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
    accumulate_dx: bool,
    dgain: &'a mut [f32],
    dy: &'a [f32],
    saved: Saved<'a>,
}

impl LayerNormBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Saved {
            x,
            gain,
            mean,
            rstd,
        } = self.saved;
        let (dgain, c) = (self.dgain, gain.len());
        for (row, dx) in self.dx.chunks_exact_mut(c).enumerate() {
            let (dy, x) = (&self.dy[row * c..][..c], &x[row * c..][..c]);
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
                let out = Outputs {
                    y: &mut y,
                    mean: &mut mean,
                    rstd: &mut rstd,
                };
                let inputs = Inputs {
                    x: &x64,
                    gain: &g64,
                    bias: bias.map(|_| b64.as_slice()),
                    eps: 1e-2,
                };
                naive::forward(out, &inputs);
                let (mut f, mut m, mut r) = (vec![f32::NAN; n * c], vec![0.0; n], vec![0.0; n]);
                let out = Outputs {
                    y: &mut f,
                    mean: &mut m,
                    rstd: &mut r,
                };
                let inputs = Inputs {
                    x: &x,
                    gain: &gain,
                    bias,
                    eps: 1e-2,
                };
                forward(isa, out, &inputs, n, c);
                close(isa, "y", &f, &narrow(&y), SUMS);
                close(isa, "mean", &m, &narrow(&mean), SUMS);
                close(isa, "rstd", &r, &narrow(&rstd), SUMS);
            }
            for accumulate_dx in [false, true] {
                let (mut dx, mut dgain, mut dbias) = (vec![1.0; n * c], vec![0.5; c], vec![0.5; c]);
                let grads = Grads {
                    dx: &mut dx,
                    accumulate_dx,
                    dgain: &mut dgain,
                    dbias: Some(&mut dbias),
                };
                let saved = Saved {
                    x: &x64,
                    gain: &g64,
                    mean: &mean,
                    rstd: &rstd,
                };
                naive::backward(grads, &to_f64(&dy), &saved);
                let (mut fx, mut fg, mut fb) = (vec![1.0; n * c], vec![0.5; c], vec![0.5; c]);
                let grads = Grads {
                    dx: &mut fx,
                    accumulate_dx,
                    dgain: &mut fg,
                    dbias: Some(&mut fb),
                };
                let saved = Saved {
                    x: &x,
                    gain: &gain,
                    mean: &narrow(&mean),
                    rstd: &narrow(&rstd),
                };
                backward(isa, grads, &dy, &saved, n, c);
                close(isa, "dx", &fx, &narrow(&dx), 10.0 * SUMS);
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
            let out = Outputs {
                y: &mut y,
                mean: &mut mean,
                rstd: &mut rstd,
            };
            let inputs = Inputs {
                x,
                gain,
                bias: Some(bias),
                eps: 1e-5,
            };
            naive::forward(out, &inputs);
            (dot(&y, &dy), mean, rstd)
        };
        let (_, mean, rstd) = loss(&x, &gain, &bias);
        let (mut dx, mut dgain, mut dbias) = ([0.0; 15], [0.0; 5], [0.0; 5]);
        let grads = Grads {
            dx: &mut dx,
            accumulate_dx: false,
            dgain: &mut dgain,
            dbias: Some(&mut dbias),
        };
        let saved = Saved {
            x: &x,
            gain: &gain,
            mean: &mean,
            rstd: &rstd,
        };
        naive::backward(grads, &dy, &saved);
        check_gradient("dx", &dx, &x, |x| loss(x, &gain, &bias).0);
        check_gradient("dgain", &dgain, &gain, |gain| loss(&x, gain, &bias).0);
        check_gradient("dbias", &dbias, &bias, |bias| loss(&x, &gain, bias).0);
    }
}
