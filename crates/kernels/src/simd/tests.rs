use super::*;
use crate::isa::{Isa, dispatch};
use crate::testing::values;

#[inline(always)]
fn transposed<S: Simd>(s: S, x: &[f32], y: &mut [f32]) {
    let (rows, _) = x.as_chunks::<LANES>();
    let mut m: [S::F; LANES] = core::array::from_fn(
        #[inline(always)]
        |i| s.load(&rows[i]),
    );
    s.transpose(&mut m);
    for (y, v) in y.as_chunks_mut::<LANES>().0.iter_mut().zip(m) {
        s.store(v, y);
    }
}

#[inline(always)]
fn reductions<S: Simd>(s: S, x: &[f32]) -> (f32, f32) {
    let v = s.load_partial(x, -3.0);
    (s.sum(v), s.max_lane(v))
}

#[inline(always)]
fn products<S: Simd>(s: S, x: &[u32; LANES], b: u32) -> bool {
    let x_lanes = s.load_u(x);
    let (even, odd) = (s.mul_even_u(x_lanes, b), s.mul_even_u(s.odd_u(x_lanes), b));
    let low = s.interleave_u(even, odd);
    let high = s.interleave_u(s.odd_u(even), s.odd_u(odd));
    let expect_high: [u32; LANES] =
        core::array::from_fn(|i| ((u64::from(x[i]) * u64::from(b)) >> 32) as u32);
    let expect_low: [u32; LANES] = core::array::from_fn(|i| x[i].wrapping_mul(b));
    let (zero, seven) = (s.splat_u(0), s.shr_u::<29>(s.splat_u(u32::MAX)));
    let same = |a, b| {
        let differs = s.xor_u(a, b);
        // A word is zero exactly when neither it nor its negation is negative.
        let low = s.and_u(differs, s.splat_u(0x7fff_ffff));
        s.mask_bits(s.lt_i(zero, low)) == 0 && s.mask_bits(s.lt_i(differs, zero)) == 0
    };
    same(high, s.load_u(&expect_high))
        && same(low, s.load_u(&expect_low))
        && same(seven, s.splat_u(7))
}

#[inline(always)]
fn masks_round_trip<S: Simd>(s: S, bits: u16) -> u16 {
    s.mask_bits(s.mask_from_bits(bits))
}

#[inline(always)]
fn powers<S: Simd>(s: S, n: &[f32; LANES]) -> [f32; LANES] {
    let mut y = [0.0; LANES];
    s.store(s.exp2i(s.round(s.load(n))), &mut y);
    y
}

#[test]
fn every_isa_agrees_with_the_definitions() {
    let x = values(256, 1);
    for isa in Isa::available() {
        let mut y = vec![0.0; 256];
        dispatch!(isa, s => transposed(s, &x, &mut y));
        assert!((0..256).all(|i| y[i] == x[i % 16 * 16 + i / 16]), "{isa:?}");
        let (sum, max) = dispatch!(isa, s => reductions(s, &[1.0, 5.0, 2.0]));
        assert_eq!((sum, max), (8.0 - 39.0, 5.0), "{isa:?}");
        let words = core::array::from_fn(|i| (i as u32).wrapping_mul(0x9e37_79b9) ^ 0x8000_0001);
        assert!(
            dispatch!(isa, s => products(s, &words, 0xd251_1f53)),
            "{isa:?}"
        );
        for bits in [0, 1, 0x8001, 0xffff, 0xa5c3] {
            assert_eq!(
                dispatch!(isa, s => masks_round_trip(s, bits)),
                bits,
                "{isa:?}"
            );
        }
        let n = core::array::from_fn(|i| i as f32 * 16.6 - 126.0);
        let powers = dispatch!(isa, s => powers(s, &n));
        assert!(
            (0..16).all(|i| powers[i] == 2f32.powi(n[i].round_ties_even() as i32)),
            "{isa:?}"
        );
    }
}
