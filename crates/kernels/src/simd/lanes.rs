//! Sixteen lanes as an array: portable code that the compiler vectorises. `FUSED` says whether the
//! baseline of the target has a fused multiply-add (`AArch64` does; on x86 `mul_add` would be a
//! library call).

use super::{LANES, Simd};
use core::array::from_fn;

#[derive(Clone, Copy)]
pub(crate) struct Lanes<const FUSED: bool>;

/// An array on its own cache line, so that its quarters are aligned vectors.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Array<T>([T; LANES]);

#[inline(always)]
fn each<A: Copy, B: Copy, R>(a: Array<A>, b: Array<B>, f: impl Fn(A, B) -> R) -> Array<R> {
    Array(from_fn(
        #[inline(always)]
        |i| f(a.0[i], b.0[i]),
    ))
}

#[inline(always)]
fn tree(a: Array<f32>, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut v = a.0;
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            v[i] = f(v[i], v[i + half]);
        }
    }
    v[0]
}

/// Adding this to a float below 2^22 and subtracting it again leaves the nearest integer.
const ROUNDER: f32 = 12_582_912.0;

impl<const FUSED: bool> Simd for Lanes<FUSED> {
    type F = Array<f32>;
    type U = Array<u32>;
    type M = Array<bool>;
    const WIDE: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        Array([x; LANES])
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        Array(*x)
    }
    #[inline(always)]
    fn store(self, v: Self::F, y: &mut [f32; LANES]) {
        *y = v.0;
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        if FUSED {
            Array(from_fn(|i| a.0[i].mul_add(b.0[i], c.0[i])))
        } else {
            Array(from_fn(|i| a.0[i] * b.0[i] + c.0[i]))
        }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        each(a, a, |a, _| a.sqrt())
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        each(a, a, |a, _| (a + ROUNDER) - ROUNDER)
    }
    #[inline(always)]
    fn exp2i(self, n: Self::F) -> Self::F {
        // 127 + n sits in the low bits of the sum's mantissa; shifted left it is the exponent of
        // 2^n.
        each(n, n, |n, _| {
            f32::from_bits((n + (ROUNDER + 127.0)).to_bits() << 23)
        })
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        each(a, b, |a, b| a < b)
    }
    #[inline(always)]
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F {
        Array(from_fn(|i| if m.0[i] { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        tree(a, |a, b| a + b)
    }
    #[inline(always)]
    fn max_lane(self, a: Self::F) -> f32 {
        tree(a, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn transpose(self, m: &mut [Self::F; LANES]) {
        let copy = *m;
        for (i, row) in m.iter_mut().enumerate() {
            *row = Array(from_fn(|j| copy[j].0[i]));
        }
    }
    #[inline(always)]
    fn splat_u(self, x: u32) -> Self::U {
        Array([x; LANES])
    }
    #[inline(always)]
    fn load_u(self, x: &[u32; LANES]) -> Self::U {
        Array(*x)
    }
    #[inline(always)]
    fn store_u(self, v: Self::U, y: &mut [u32; LANES]) {
        *y = v.0;
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        each(a, b, u32::wrapping_add)
    }
    #[inline(always)]
    fn xor_u(self, a: Self::U, b: Self::U) -> Self::U {
        each(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn and_u(self, a: Self::U, b: Self::U) -> Self::U {
        each(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn shr_u<const BITS: u32>(self, a: Self::U) -> Self::U {
        each(a, a, |a, _| a >> BITS)
    }
    #[inline(always)]
    fn mul_even_u(self, a: Self::U, b: u32) -> Self::U {
        let mut words = [0; LANES];
        for (pair, a) in words
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .zip(a.0.as_chunks::<2>().0)
        {
            let product = u64::from(a[0]) * u64::from(b);
            *pair = [product as u32, (product >> 32) as u32];
        }
        Array(words)
    }
    #[inline(always)]
    fn odd_u(self, a: Self::U) -> Self::U {
        Array(from_fn(|i| if i % 2 == 0 { a.0[i + 1] } else { 0 }))
    }
    #[inline(always)]
    fn interleave_u(self, even: Self::U, odd: Self::U) -> Self::U {
        Array(from_fn(
            |i| if i % 2 == 0 { even.0[i] } else { odd.0[i - 1] },
        ))
    }
    #[inline(always)]
    fn lt_i(self, a: Self::U, b: Self::U) -> Self::M {
        each(a, b, |a, b| (a as i32) < (b as i32))
    }
    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::U {
        each(a, a, |a, _| a.to_bits())
    }
    #[inline(always)]
    fn bits_to_float(self, a: Self::U) -> Self::F {
        each(a, a, |a, _| f32::from_bits(a))
    }
    #[inline(always)]
    fn float_i(self, a: Self::U) -> Self::F {
        each(a, a, |a, _| a as i32 as f32)
    }
    #[inline(always)]
    fn mask_bits(self, m: Self::M) -> u16 {
        m.0.iter()
            .enumerate()
            .fold(0, |bits, (i, &m)| bits | (u16::from(m) << i))
    }
    #[inline(always)]
    fn mask_from_bits(self, bits: u16) -> Self::M {
        Array(from_fn(|i| (bits >> i) & 1 == 1))
    }
}
