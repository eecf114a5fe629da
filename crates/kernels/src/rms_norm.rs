//! `RMSNorm` (Zhang and Sennrich 2019): y = x / sqrt(mean(x²) + eps) * gain over each row, the gain
//! optional.
//!
//! Backward with h = x rstd and g = dy gain: dx = rstd (g - h mean(g h)), dgain += dy h. The fast
//! version reads a row twice.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, fold, put};

/// What the forward writes; with `T = f64` for [`naive`].
#[derive(Debug)]
pub struct Outputs<'a, T = f32> {
    /// y[n, c].
    pub y: &'a mut [T],
    /// The reciprocal root mean square of each row of x: rstd[n].
    pub rstd: &'a mut [T],
}

/// What the forward reads.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T = f32> {
    /// x[n, c].
    pub x: &'a [T],
    /// gain[c].
    pub gain: Option<&'a [T]>,
    /// What is added to the mean square.
    pub eps: T,
}

/// The gradients that the backward computes.
#[derive(Debug)]
pub struct Grads<'a, T = f32> {
    /// dx[n, c], which is written.
    pub dx: &'a mut [T],
    /// Whether dx is added to instead.
    pub accumulate_dx: bool,
    /// dgain[c], which is added to; it is there where there is a gain.
    pub dgain: Option<&'a mut [T]>,
}

/// What the forward read and wrote that the backward reads.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a, T = f32> {
    /// x[n, c].
    pub x: &'a [T],
    /// gain[c].
    pub gain: Option<&'a [T]>,
    /// rstd[n].
    pub rstd: &'a [T],
}

/// Plain loops in f64.
pub mod naive {
    use super::{Grads, Inputs, Outputs, Saved};

    /// Makes all outputs, in rows of `c`.
    pub fn forward(out: Outputs<'_, f64>, inputs: &Inputs<'_, f64>, c: usize) {
        let Outputs { y, rstd } = out;
        let &Inputs { x, gain, eps } = inputs;
        for (row, x) in x.chunks_exact(c).enumerate() {
            let r = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / c as f64 + eps).sqrt();
            for i in 0..c {
                y[row * c + i] = x[i] * r * gain.map_or(1.0, |gain| gain[i]);
            }
            rstd[row] = r;
        }
    }

    /// Makes all gradients from dy[n, c].
    pub fn backward(grads: Grads<'_, f64>, dy: &[f64], saved: &Saved<'_, f64>, c: usize) {
        let Grads {
            dx,
            accumulate_dx,
            mut dgain,
        } = grads;
        let &Saved { x, gain, rstd } = saved;
        for (row, &r) in rstd.iter().enumerate() {
            let at = row * c;
            let h = |i: usize| x[at + i] * r;
            let g = |i: usize| dy[at + i] * gain.map_or(1.0, |gain| gain[i]);
            let mean_gh = (0..c).map(|i| g(i) * h(i)).sum::<f64>() / c as f64;
            for i in 0..c {
                let start = if accumulate_dx { dx[at + i] } else { 0.0 };
                dx[at + i] = start + r * (g(i) - h(i) * mean_gh);
                if let Some(dgain) = dgain.as_deref_mut() {
                    dgain[i] += dy[at + i] * h(i);
                }
            }
        }
    }
}

/// Makes y, and rstd of each of its n rows for the backward.
pub fn forward(isa: Isa, out: Outputs<'_>, inputs: &Inputs<'_>, n: usize, c: usize) {
    let &Inputs { x, gain, .. } = inputs;
    assert!(
        out.y.len() == n * c && x.len() == n * c && out.rstd.len() == n,
        "rms norm: x and y are [n, c]"
    );
    assert!(
        gain.is_none_or(|gain| gain.len() == c),
        "rms norm: gain is [c]"
    );
    if c > 0 {
        dispatch!(isa, s => rows_forward(s, out, inputs, c));
    }
}

/// Makes the gradients from dy[n, c] and what the forward left. The gain and its gradient come
/// together or not at all.
pub fn backward(isa: Isa, grads: Grads<'_>, dy: &[f32], saved: &Saved<'_>, n: usize, c: usize) {
    let Saved { x, gain, rstd } = *saved;
    assert!(
        grads.dx.len() == n * c && dy.len() == n * c && x.len() == n * c,
        "rms norm: [n, c]"
    );
    assert!(rstd.len() == n, "rms norm: rstd is [n]");
    assert!(
        gain.is_none_or(|gain| gain.len() == c),
        "rms norm: gain is [c]"
    );
    assert_eq!(
        gain.map(<[f32]>::len),
        grads.dgain.as_ref().map(|d| d.len()),
        "gain and dgain"
    );
    if c > 0 {
        dispatch!(isa, s => rows_backward(s, grads, dy, saved, c));
    }
}

#[inline(always)]
fn rows_forward<S: Simd>(s: S, out: Outputs<'_>, inputs: &Inputs<'_>, c: usize) {
    let Outputs { y, rstd: rstds } = out;
    let &Inputs { x, gain, eps } = inputs;
    for (row, (y, x)) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)).enumerate() {
        let squares = fold(
            s,
            s.zero(),
            x,
            0.0,
            #[inline(always)]
            |acc, x| s.mul_add(x, x, acc),
        );
        let rstd = 1.0 / (s.sum(squares) / c as f32 + eps).sqrt();
        rstds[row] = rstd;
        for i in (0..c).step_by(LANES) {
            let h = s.mul(at(s, x, i), s.splat(rstd));
            put(s, y, i, scaled(s, h, gain, i));
        }
    }
}

#[inline(always)]
fn rows_backward<S: Simd>(s: S, grads: Grads<'_>, dy: &[f32], saved: &Saved<'_>, c: usize) {
    let Grads {
        dx,
        accumulate_dx,
        mut dgain,
    } = grads;
    let &Saved { x, gain, rstd } = saved;
    for (row, dx) in dx.chunks_exact_mut(c).enumerate() {
        let (dy, x) = (&dy[row * c..][..c], &x[row * c..][..c]);
        let rstd = s.splat(rstd[row]);
        let mut sum_gh = s.zero();
        for i in (0..c).step_by(LANES) {
            let h = s.mul(at(s, x, i), rstd);
            sum_gh = s.mul_add(scaled(s, at(s, dy, i), gain, i), h, sum_gh);
            if let Some(dgain) = dgain.as_deref_mut() {
                let sum = s.mul_add(at(s, dy, i), h, at(s, dgain, i));
                put(s, dgain, i, sum);
            }
        }
        let mean_gh = s.splat(-s.sum(sum_gh) / c as f32);
        for i in (0..c).step_by(LANES) {
            let h = s.mul(at(s, x, i), rstd);
            let g = scaled(s, at(s, dy, i), gain, i);
            let d = s.mul(rstd, s.mul_add(h, mean_gh, g));
            let d = if accumulate_dx {
                s.add(at(s, dx, i), d)
            } else {
                d
            };
            put(s, dx, i, d);
        }
    }
}

/// Returns v times the gain from index `i` on, or v where there is no gain.
#[inline(always)]
fn scaled<S: Simd>(s: S, v: S::F, gain: Option<&[f32]>, i: usize) -> S::F {
    match gain {
        Some(gain) => s.mul(v, at(s, gain, i)),
        None => v,
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
            let (x, gain, dy) = (values(n * c, 1), values(c, 2), values(n * c, 4));
            let (x64, g64) = (to_f64(&x), to_f64(&gain));
            for gain in [None, Some(gain.as_slice())] {
                let g64 = gain.map(|_| g64.as_slice());
                let (mut y, mut rstd) = (vec![0.0; n * c], vec![0.0; n]);
                let out = Outputs {
                    y: &mut y,
                    rstd: &mut rstd,
                };
                let inputs = Inputs {
                    x: &x64,
                    gain: g64,
                    eps: 1e-2,
                };
                naive::forward(out, &inputs, c);
                let (mut f, mut r) = (vec![f32::NAN; n * c], vec![0.0; n]);
                let out = Outputs {
                    y: &mut f,
                    rstd: &mut r,
                };
                let inputs = Inputs {
                    x: &x,
                    gain,
                    eps: 1e-2,
                };
                forward(isa, out, &inputs, n, c);
                close(isa, "y", &f, &narrow(&y), SUMS);
                close(isa, "rstd", &r, &narrow(&rstd), SUMS);
                for accumulate_dx in [false, true] {
                    let (mut dx, mut dgain) = (vec![1.0; n * c], vec![0.5; c]);
                    let grads = Grads {
                        dx: &mut dx,
                        accumulate_dx,
                        dgain: gain.map(|_| dgain.as_mut_slice()),
                    };
                    let saved = Saved {
                        x: &x64,
                        gain: g64,
                        rstd: &rstd,
                    };
                    naive::backward(grads, &to_f64(&dy), &saved, c);
                    let (mut fx, mut fg) = (vec![1.0; n * c], vec![0.5; c]);
                    let grads = Grads {
                        dx: &mut fx,
                        accumulate_dx,
                        dgain: gain.map(|_| fg.as_mut_slice()),
                    };
                    let saved = Saved {
                        x: &x,
                        gain,
                        rstd: &r,
                    };
                    backward(isa, grads, &dy, &saved, n, c);
                    close(isa, "dx", &fx, &narrow(&dx), SUMS);
                    close(isa, "dgain", &fg, &narrow(&dgain), SUMS);
                }
            }
        }
    }

    #[test]
    fn naive_backward_is_the_derivative() {
        let (n, c) = (3, 5);
        let (x, gain) = (to_f64(&values(15, 1)), to_f64(&values(5, 2)));
        let dy = to_f64(&values(15, 4));
        let loss = |x: &[f64], gain: &[f64]| {
            let (mut y, mut rstd) = (vec![0.0; n * c], vec![0.0; n]);
            let out = Outputs {
                y: &mut y,
                rstd: &mut rstd,
            };
            let inputs = Inputs {
                x,
                gain: Some(gain),
                eps: 1e-5,
            };
            naive::forward(out, &inputs, c);
            (dot(&y, &dy), rstd)
        };
        let (mut dx, mut dgain) = ([0.0; 15], [0.0; 5]);
        let grads = Grads {
            dx: &mut dx,
            accumulate_dx: false,
            dgain: Some(&mut dgain),
        };
        let saved = Saved {
            x: &x,
            gain: Some(&gain),
            rstd: &loss(&x, &gain).1,
        };
        naive::backward(grads, &dy, &saved, c);
        check_gradient("dx", &dx, &x, |x| loss(x, &gain).0);
        check_gradient("dgain", &dgain, &gain, |gain| loss(&x, gain).0);
    }
}
