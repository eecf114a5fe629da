//! Sixteen lanes in one AVX-512 register.

use super::{LANES, Simd};
// Listing the intrinsics would repeat the file.
#[allow(clippy::wildcard_imports)]
use core::arch::x86_64::*;
use core::mem::transmute;

/// Proof of AVX-512 F, BW, CD, DQ, VL, AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Runs `f` compiled for AVX-512.
///
/// # Safety
/// The processor must have the features named here.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn enter<R>(f: impl FnOnce(Avx512) -> R) -> R {
    f(Avx512(()))
}

/// Proof of AVX-512 BF16.
#[derive(Clone, Copy)]
pub(crate) struct Bf16(());

/// Runs `f` compiled for AVX-512 with products of bf16.
///
/// # Safety
/// The processor must have the features named here.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub(crate) unsafe fn enter_bf16<R>(f: impl FnOnce(Avx512, Bf16) -> R) -> R {
    f(Avx512(()), Bf16(()))
}

// The value is not read: it is the proof.
#[allow(clippy::unused_self)]
impl Bf16 {
    /// Each lane of `low` and of `high` rounded to bf16, in the low and the high half of that lane.
    #[inline(always)]
    pub(crate) fn pair(self, low: __m512, high: __m512) -> __m512i {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe {
            let order = core::array::from_fn::<u16, 32, _>(
                #[inline(always)]
                |i| (i / 2 + i % 2 * 16) as u16,
            );
            let order = _mm512_loadu_si512(order.as_ptr().cast());
            _mm512_permutexvar_epi16(order, self.narrow(low, high))
        }
    }

    /// The 32 lanes of `low` and `high` rounded to bf16, in order.
    #[inline(always)]
    pub(crate) fn narrow(self, low: __m512, high: __m512) -> __m512i {
        // SAFETY: `self` proves that the processor has the instruction; the types differ in name
        // alone.
        unsafe { transmute(_mm512_cvtne2ps_pbh(high, low)) }
    }

    /// The halves of each lane change places.
    #[inline(always)]
    pub(crate) fn swap(self, a: __m512i) -> __m512i {
        // SAFETY: `self` proves that the processor has the instruction.
        unsafe { _mm512_rol_epi32::<16>(a) }
    }

    /// `c + a_high * b_high + a_low * b_low`, in this order, each multiply-add rounded once.
    #[inline(always)]
    pub(crate) fn mul_add(self, a: __m512i, b: __m512i, c: __m512) -> __m512 {
        // SAFETY: `self` proves that the processor has the instruction; the types differ in name
        // alone.
        unsafe {
            let words = |v| transmute::<__m512i, __m512bh>(v);
            _mm512_dpbf16_ps(c, words(a), words(b))
        }
    }
}

#[inline(always)]
fn low_bits(len: usize) -> __mmask16 {
    ((1_u32 << len.min(LANES)) - 1) as u16
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

impl Simd for Avx512 {
    type F = __m512;
    type U = __m512i;
    type M = __mmask16;
    const WIDE: bool = true;

    operations! {
        fn splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
        fn load(x: &[f32; LANES]) -> __m512 { _mm512_loadu_ps(x.as_ptr()) }
        fn store(v: __m512, y: &mut [f32; LANES]) -> () { _mm512_storeu_ps(y.as_mut_ptr(), v) }
        fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        fn sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
        fn mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        fn div(a: __m512, b: __m512) -> __m512 { _mm512_div_ps(a, b) }
        fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
        fn min(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
        fn sqrt(a: __m512) -> __m512 { _mm512_sqrt_ps(a) }
        fn round(a: __m512) -> __m512 {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
        }
        fn exp2i(n: __m512) -> __m512 {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
        fn scale_by_power(p: __m512, n: __m512) -> __m512 {
            _mm512_scalef_ps(p, n)
        }
        fn lt(a: __m512, b: __m512) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
        fn select(m: __mmask16, a: __m512, b: __m512) -> __m512 { _mm512_mask_blend_ps(m, b, a) }
        fn sum(a: __m512) -> f32 {
            let high = _mm512_extractf32x8_ps::<1>(a);
            super::avx2::sum8(_mm256_add_ps(_mm512_castps512_ps256(a), high))
        }
        fn max_lane(a: __m512) -> f32 {
            let high = _mm512_extractf32x8_ps::<1>(a);
            super::avx2::max8(_mm256_max_ps(_mm512_castps512_ps256(a), high))
        }
        fn splat_u(x: u32) -> __m512i { _mm512_set1_epi32(x as i32) }
        fn load_u(x: &[u32; LANES]) -> __m512i { _mm512_loadu_si512(x.as_ptr().cast()) }
        fn store_u(v: __m512i, y: &mut [u32; LANES]) -> () {
            _mm512_storeu_si512(y.as_mut_ptr().cast(), v);
        }
        fn add_u(a: __m512i, b: __m512i) -> __m512i { _mm512_add_epi32(a, b) }
        fn xor_u(a: __m512i, b: __m512i) -> __m512i { _mm512_xor_si512(a, b) }
        fn and_u(a: __m512i, b: __m512i) -> __m512i { _mm512_and_si512(a, b) }
        fn mul_even_u(a: __m512i, b: u32) -> __m512i {
            _mm512_mul_epu32(a, _mm512_set1_epi32(b as i32))
        }
        fn odd_u(a: __m512i) -> __m512i { _mm512_srli_epi64::<32>(a) }
        fn interleave_u(even: __m512i, odd: __m512i) -> __m512i {
            _mm512_mask_shuffle_epi32::<_MM_PERM_CCAA>(even, 0xaaaa, odd)
        }
        fn lt_i(a: __m512i, b: __m512i) -> __mmask16 { _mm512_cmplt_epi32_mask(a, b) }
        fn bits(a: __m512) -> __m512i { _mm512_castps_si512(a) }
        fn bits_to_float(a: __m512i) -> __m512 { _mm512_castsi512_ps(a) }
        fn float_i(a: __m512i) -> __m512 { _mm512_cvtepi32_ps(a) }
        fn load_partial(x: &[f32], fill: f32) -> __m512 {
            // The mask keeps the load inside `x`.
            _mm512_mask_loadu_ps(_mm512_set1_ps(fill), low_bits(x.len()), x.as_ptr())
        }
        fn store_partial(v: __m512, y: &mut [f32]) -> () {
            // The mask keeps the store inside `y`.
            _mm512_mask_storeu_ps(y.as_mut_ptr(), low_bits(y.len()), v)
        }
    }

    #[inline(always)]
    fn mask_bits(self, m: __mmask16) -> u16 {
        m
    }

    #[inline(always)]
    fn mask_from_bits(self, bits: u16) -> __mmask16 {
        bits
    }

    #[inline(always)]
    fn shr_u<const BITS: u32>(self, a: __m512i) -> __m512i {
        // SAFETY: `self` proves that the processor has the instruction.
        unsafe { _mm512_srli_epi32::<BITS>(a) }
    }

    #[inline(always)]
    fn transpose(self, m: &mut [__m512; LANES]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { transpose(m) }
    }
}

/// Four stages of sixteen shuffles: pairs, quads, then 128-bit quarters twice.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(m: &mut [__m512; LANES]) {
    let mut t = *m;
    for i in (0..LANES).step_by(2) {
        t[i] = _mm512_unpacklo_ps(m[i], m[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(m[i], m[i + 1]);
    }
    for i in (0..LANES).step_by(4) {
        let pd = |j: usize| _mm512_castps_pd(t[i + j]);
        m[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(0), pd(2)));
        m[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(0), pd(2)));
        m[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(1), pd(3)));
        m[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(1), pd(3)));
    }
    for i in 0..4 {
        // Quarters 0 and 2, then 1 and 3, of the rows of each half.
        t[i] = _mm512_shuffle_f32x4::<0x88>(m[i], m[i + 4]);
        t[i + 4] = _mm512_shuffle_f32x4::<0xdd>(m[i], m[i + 4]);
        t[i + 8] = _mm512_shuffle_f32x4::<0x88>(m[i + 8], m[i + 12]);
        t[i + 12] = _mm512_shuffle_f32x4::<0xdd>(m[i + 8], m[i + 12]);
    }
    for i in 0..4 {
        m[i] = _mm512_shuffle_f32x4::<0x88>(t[i], t[i + 8]);
        m[i + 4] = _mm512_shuffle_f32x4::<0x88>(t[i + 4], t[i + 12]);
        m[i + 8] = _mm512_shuffle_f32x4::<0xdd>(t[i], t[i + 8]);
        m[i + 12] = _mm512_shuffle_f32x4::<0xdd>(t[i + 4], t[i + 12]);
    }
}
