//! `RMSNorm` (Zhang and Sennrich 2019): y = x / sqrt(mean(x²) + eps) * gain over each row, the gain
//! optional.
//!
//! Backward with h = x rstd and g = dy gain: dx = rstd (g - h mean(g h)), dgain += dy h. The fast
//! version reads a row twice.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, fold, put};

/// Plain loops in f64.
pub mod naive {
    /// y[n, c] and rstd[n] from x.
    pub fn forward(
        y: &mut [f64],
        rstd: &mut [f64],
        x: &[f64],
        gain: Option<&[f64]>,
        eps: f64,
        c: usize,
    ) {
        for (row, x) in x.chunks_exact(c).enumerate() {
            let r = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / c as f64 + eps).sqrt();
            for i in 0..c {
                y[row * c + i] = x[i] * r * gain.map_or(1.0, |gain| gain[i]);
            }
            rstd[row] = r;
        }
    }

    /// dx (written) and dgain (added to; also where there is no gain, for the caller to drop).
    pub fn backward(
        dx: &mut [f64],
        dgain: &mut [f64],
        dy: &[f64],
        x: &[f64],
        gain: Option<&[f64]>,
        rstd: &[f64],
        c: usize,
    ) {
        for (row, &r) in rstd.iter().enumerate() {
            let at = row * c;
            let h = |i: usize| x[at + i] * r;
            let g = |i: usize| dy[at + i] * gain.map_or(1.0, |gain| gain[i]);
            let mean_gh = (0..c).map(|i| g(i) * h(i)).sum::<f64>() / c as f64;
            for i in 0..c {
                dx[at + i] = r * (g(i) - h(i) * mean_gh);
                dgain[i] += dy[at + i] * h(i);
            }
        }
    }
}

/// y[n, c], and rstd[n] for the backward.
pub fn forward(
    isa: Isa,
    y: &mut [f32],
    rstd: &mut [f32],
    x: &[f32],
    gain: Option<&[f32]>,
    eps: f32,
    n: usize,
    c: usize,
) {
    assert!(
        y.len() == n * c && x.len() == n * c && rstd.len() == n,
        "rms norm: x and y are [n, c]"
    );
    assert!(
        gain.is_none_or(|gain| gain.len() == c),
        "rms norm: gain is [c]"
    );
    if c > 0 {
        dispatch!(isa, s => rows_forward(s, y, rstd, x, gain, eps, c));
    }
}

/// dx[n, c] (written, or added to where `accumulate_dx`); the gain and its gradient dgain[c], which
/// is added to, come together or not at all.
pub fn backward(
    isa: Isa,
    dx: &mut [f32],
    dgain: Option<&mut [f32]>,
    dy: &[f32],
    x: &[f32],
    gain: Option<&[f32]>,
    rstd: &[f32],
    accumulate_dx: bool,
    n: usize,
    c: usize,
) {
    assert!(
        dx.len() == n * c && dy.len() == n * c && x.len() == n * c,
        "rms norm: [n, c]"
    );
    assert!(rstd.len() == n, "rms norm: rstd is [n]");
    assert!(
        gain.is_none_or(|gain| gain.len() == c),
        "rms norm: gain is [c]"
    );
    assert_eq!(
        gain.map(<[f32]>::len),
        dgain.as_ref().map(|d| d.len()),
        "gain and dgain"
    );
    if c > 0 {
        let backward = RmsNormBackward {
            dx,
            dgain,
            dy,
            x,
            gain,
            rstd,
            accumulate_dx,
        };
        dispatch!(isa, s => backward.run(s, c));
    }
}

#[inline(always)]
fn rows_forward<S: Simd>(
    s: S,
    y: &mut [f32],
    rstds: &mut [f32],
    x: &[f32],
    gain: Option<&[f32]>,
    eps: f32,
    c: usize,
) {
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

/// The operands of the backward.
struct RmsNormBackward<'a> {
    dx: &'a mut [f32],
    dgain: Option<&'a mut [f32]>,
    dy: &'a [f32],
    x: &'a [f32],
    gain: Option<&'a [f32]>,
    rstd: &'a [f32],
    accumulate_dx: bool,
}

impl RmsNormBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, c: usize) {
        let (gain, mut dgain) = (self.gain, self.dgain);
        for (row, dx) in self.dx.chunks_exact_mut(c).enumerate() {
            let (dy, x) = (&self.dy[row * c..][..c], &self.x[row * c..][..c]);
            let rstd = s.splat(self.rstd[row]);
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
                naive::forward(&mut y, &mut rstd, &x64, g64, 1e-2, c);
                let (mut f, mut r) = (vec![f32::NAN; n * c], vec![0.0; n]);
                forward(isa, &mut f, &mut r, &x, gain, 1e-2, n, c);
                close(isa, "y", &f, &narrow(&y), SUMS);
                close(isa, "rstd", &r, &narrow(&rstd), SUMS);
                let (mut dx, mut dgain) = (vec![0.0; n * c], vec![0.5; c]);
                let dy64 = to_f64(&dy);
                naive::backward(&mut dx, &mut dgain, &dy64, &x64, g64, &rstd, c);
                for accumulate in [false, true] {
                    let (mut fx, mut fg) = (vec![1.0; n * c], vec![0.5; c]);
                    let d = gain.map(|_| fg.as_mut_slice());
                    backward(isa, &mut fx, d, &dy, &x, gain, &r, accumulate, n, c);
                    let start = if accumulate { 1.0 } else { 0.0 };
                    let expected: Vec<f32> = dx.iter().map(|&d| d as f32 + start).collect();
                    close(isa, "dx", &fx, &expected, SUMS);
                    if gain.is_some() {
                        close(isa, "dgain", &fg, &narrow(&dgain), SUMS);
                    }
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
            naive::forward(&mut y, &mut rstd, x, Some(gain), 1e-5, c);
            (dot(&y, &dy), rstd)
        };
        let (mut dx, mut dgain) = ([0.0; 15], [0.0; 5]);
        let rstd = loss(&x, &gain).1;
        naive::backward(&mut dx, &mut dgain, &dy, &x, Some(&gain), &rstd, c);
        check_gradient("dx", &dx, &x, |x| loss(x, &gain).0);
        check_gradient("dgain", &dgain, &gain, |gain| loss(&x, gain).0);
    }
}
