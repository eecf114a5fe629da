//! Sixteen lanes in two AVX2 registers, with fused multiply-add.

use super::{LANES, Simd};
// Listing the intrinsics would repeat the file.
#[allow(clippy::wildcard_imports)]
use core::arch::x86_64::*;

/// Proof of AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

#[derive(Clone, Copy)]
pub(crate) struct Pair<T>(T, T);

/// Runs `f` compiled for AVX2 and FMA.
///
/// # Safety
/// The processor must have the features named here.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn enter<R>(f: impl FnOnce(Avx2) -> R) -> R {
    f(Avx2(()))
}

/// The sum of eight lanes: four apart, two, one.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum8(a: __m256) -> f32 {
    let a = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
    let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)))
}

/// The largest of eight lanes, by the same tree.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn max8(a: __m256) -> f32 {
    let a = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
    let a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn power_of_two(n: __m256) -> __m256 {
    let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
}

#[inline]
#[target_feature(enable = "avx2")]
fn spread(bits: u16) -> Pair<__m256> {
    let bits = _mm256_set1_epi32(i32::from(bits));
    let low = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    let high = _mm256_slli_epi32::<8>(low);
    let test = |bit| _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(bits, bit), bit));
    Pair(test(low), test(high))
}

macro_rules! operations {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty { $($body:tt)* })*) => {
        $(#[inline(always)]
        fn $name(self, $($arg: $ty),*) -> $ret {
            // SAFETY: `self` proves that the processor has the instructions.
            unsafe { $($body)* }
        })*
    };
}

type F = Pair<__m256>;
type U = Pair<__m256i>;

impl Simd for Avx2 {
    type F = F;
    type U = U;
    type M = F;
    const WIDE: bool = false;

    operations! {
        fn splat(x: f32) -> F { Pair(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
        fn load(x: &[f32; LANES]) -> F {
            Pair(_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8)))
        }
        fn store(v: F, y: &mut [f32; LANES]) -> () {
            _mm256_storeu_ps(y.as_mut_ptr(), v.0);
            _mm256_storeu_ps(y.as_mut_ptr().add(8), v.1);
        }
        fn add(a: F, b: F) -> F { Pair(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
        fn sub(a: F, b: F) -> F { Pair(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
        fn mul(a: F, b: F) -> F { Pair(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
        fn div(a: F, b: F) -> F { Pair(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
        fn mul_add(a: F, b: F, c: F) -> F {
            Pair(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1))
        }
        fn max(a: F, b: F) -> F { Pair(_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)) }
        fn min(a: F, b: F) -> F { Pair(_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)) }
        fn sqrt(a: F) -> F { Pair(_mm256_sqrt_ps(a.0), _mm256_sqrt_ps(a.1)) }
        fn round(a: F) -> F {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            Pair(_mm256_round_ps::<NEAREST>(a.0), _mm256_round_ps::<NEAREST>(a.1))
        }
        fn exp2i(n: F) -> F { Pair(power_of_two(n.0), power_of_two(n.1)) }
        fn lt(a: F, b: F) -> F {
            Pair(_mm256_cmp_ps::<_CMP_LT_OQ>(a.0, b.0), _mm256_cmp_ps::<_CMP_LT_OQ>(a.1, b.1))
        }
        fn select(m: F, a: F, b: F) -> F {
            Pair(_mm256_blendv_ps(b.0, a.0, m.0), _mm256_blendv_ps(b.1, a.1, m.1))
        }
        fn sum(a: F) -> f32 { sum8(_mm256_add_ps(a.0, a.1)) }
        fn max_lane(a: F) -> f32 { max8(_mm256_max_ps(a.0, a.1)) }
        fn splat_u(x: u32) -> U { Pair(_mm256_set1_epi32(x as i32), _mm256_set1_epi32(x as i32)) }
        fn load_u(x: &[u32; LANES]) -> U {
            Pair(
                _mm256_loadu_si256(x.as_ptr().cast()),
                _mm256_loadu_si256(x.as_ptr().add(8).cast()),
            )
        }
        fn store_u(v: U, y: &mut [u32; LANES]) -> () {
            _mm256_storeu_si256(y.as_mut_ptr().cast(), v.0);
            _mm256_storeu_si256(y.as_mut_ptr().add(8).cast(), v.1);
        }
        fn add_u(a: U, b: U) -> U { Pair(_mm256_add_epi32(a.0, b.0), _mm256_add_epi32(a.1, b.1)) }
        fn xor_u(a: U, b: U) -> U { Pair(_mm256_xor_si256(a.0, b.0), _mm256_xor_si256(a.1, b.1)) }
        fn and_u(a: U, b: U) -> U { Pair(_mm256_and_si256(a.0, b.0), _mm256_and_si256(a.1, b.1)) }
        fn mul_even_u(a: U, b: u32) -> U {
            let b = _mm256_set1_epi32(b as i32);
            Pair(_mm256_mul_epu32(a.0, b), _mm256_mul_epu32(a.1, b))
        }
        fn odd_u(a: U) -> U { Pair(_mm256_srli_epi64::<32>(a.0), _mm256_srli_epi64::<32>(a.1)) }
        fn interleave_u(even: U, odd: U) -> U {
            Pair(
                _mm256_blend_epi32::<0xaa>(even.0, _mm256_slli_epi64::<32>(odd.0)),
                _mm256_blend_epi32::<0xaa>(even.1, _mm256_slli_epi64::<32>(odd.1)),
            )
        }
        fn lt_i(a: U, b: U) -> F {
            Pair(
                _mm256_castsi256_ps(_mm256_cmpgt_epi32(b.0, a.0)),
                _mm256_castsi256_ps(_mm256_cmpgt_epi32(b.1, a.1)),
            )
        }
        fn bits(a: F) -> U { Pair(_mm256_castps_si256(a.0), _mm256_castps_si256(a.1)) }
        fn bits_to_float(a: U) -> F { Pair(_mm256_castsi256_ps(a.0), _mm256_castsi256_ps(a.1)) }
        fn float_i(a: U) -> F { Pair(_mm256_cvtepi32_ps(a.0), _mm256_cvtepi32_ps(a.1)) }
        fn mask_bits(m: F) -> u16 {
            (_mm256_movemask_ps(m.0) | (_mm256_movemask_ps(m.1) << 8)) as u16
        }
        fn mask_from_bits(bits: u16) -> F { spread(bits) }
    }

    #[inline(always)]
    fn shr_u<const BITS: u32>(self, a: U) -> U {
        // SAFETY: `self` proves that the processor has the instruction.
        unsafe {
            let count = _mm_cvtsi32_si128(BITS as i32);
            Pair(_mm256_srl_epi32(a.0, count), _mm256_srl_epi32(a.1, count))
        }
    }

    #[inline(always)]
    fn transpose(self, m: &mut [F; LANES]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe {
            let mut quarters = [[_mm256_setzero_ps(); 8]; 4];
            for (i, row) in m.iter().enumerate() {
                quarters[i / 8][i % 8] = row.0;
                quarters[2 + i / 8][i % 8] = row.1;
            }
            for quarter in &mut quarters {
                transpose8(quarter);
            }
            for i in 0..8 {
                m[i] = Pair(quarters[0][i], quarters[1][i]);
                m[i + 8] = Pair(quarters[2][i], quarters[3][i]);
            }
        }
    }
}

/// Three stages of eight shuffles: pairs, quads, halves.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose8(m: &mut [__m256; 8]) {
    let mut t = *m;
    for i in (0..8).step_by(2) {
        t[i] = _mm256_unpacklo_ps(m[i], m[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(m[i], m[i + 1]);
    }
    for i in (0..8).step_by(4) {
        let pd = |j: usize| _mm256_castps_pd(t[i + j]);
        m[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(pd(0), pd(2)));
        m[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(pd(0), pd(2)));
        m[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(pd(1), pd(3)));
        m[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(pd(1), pd(3)));
    }
    for i in 0..4 {
        t[i] = _mm256_permute2f128_ps::<0x20>(m[i], m[i + 4]);
        t[i + 4] = _mm256_permute2f128_ps::<0x31>(m[i], m[i + 4]);
    }
    *m = t;
}
