//! The elements of a product's operands: words of 32 bits, each of which holds one step of the sum
//! or two.

use crate::simd::{Simd, at};

/// How f32 numbers become words, and how words are multiplied. A value of the implementing type
/// proves that the processor has the instructions.
pub(crate) trait Element<S: Simd>: Copy {
    /// How many steps of the sum a word holds.
    const STEPS: usize;
    /// Whether the bits of an f32 number are its word.
    const IN_PLACE: bool;

    /// Makes sixteen words from up to `16 * STEPS` numbers side by side; missing numbers are zero.
    fn along(self, s: S, x: &[f32]) -> S::U;
    /// Makes sixteen words from numbers side by side: from `low` or, where a word holds two steps,
    /// from `low` followed by `high`.
    fn beside(self, s: S, low: S::F, high: S::F) -> S::U;
    /// Makes sixteen words whose steps are `even` and, where a word holds two, `odd`.
    fn across(self, s: S, even: S::F, odd: S::F) -> S::U;
    /// Returns `c + a * b`, step by step.
    fn mul_add(self, s: S, a: S::U, b: S::U, c: S::F) -> S::F;
}

/// A word is a number.
#[derive(Clone, Copy)]
pub(crate) struct Single;

impl<S: Simd> Element<S> for Single {
    const STEPS: usize = 1;
    const IN_PLACE: bool = true;

    #[inline(always)]
    fn along(self, s: S, x: &[f32]) -> S::U {
        s.bits(at(s, x, 0))
    }

    #[inline(always)]
    fn beside(self, s: S, low: S::F, _: S::F) -> S::U {
        s.bits(low)
    }

    #[inline(always)]
    fn across(self, s: S, even: S::F, _: S::F) -> S::U {
        s.bits(even)
    }

    #[inline(always)]
    fn mul_add(self, s: S, a: S::U, b: S::U, c: S::F) -> S::F {
        s.mul_add(s.bits_to_float(a), s.bits_to_float(b), c)
    }
}

/// A word is a number rounded to bf16: bf16 products for processors that lack the instruction. The
/// steps are added in the order of [`Pairs`], and each is rounded once where the multiply-add is
/// fused.
#[derive(Clone, Copy)]
pub(crate) struct RoundedToBf16;

impl<S: Simd> Element<S> for RoundedToBf16 {
    const STEPS: usize = 1;
    const IN_PLACE: bool = false;

    #[inline(always)]
    fn along(self, s: S, x: &[f32]) -> S::U {
        round(s, at(s, x, 0))
    }

    #[inline(always)]
    fn beside(self, s: S, low: S::F, _: S::F) -> S::U {
        round(s, low)
    }

    #[inline(always)]
    fn across(self, s: S, even: S::F, _: S::F) -> S::U {
        round(s, even)
    }

    #[inline(always)]
    fn mul_add(self, s: S, a: S::U, b: S::U, c: S::F) -> S::F {
        Single.mul_add(s, a, b, c)
    }
}

/// Rounds to the nearest bf16, ties to even, and returns it as the bits of an f32. NaN stays NaN:
/// its payload must not carry into the exponent.
#[inline(always)]
fn round<S: Simd>(s: S, x: S::F) -> S::U {
    let bits = s.bits(x);
    let odd = s.and_u(s.shr_u::<16>(bits), s.splat_u(1));
    let nearest = s.add_u(bits, s.add_u(odd, s.splat_u(0x7fff)));
    let magnitude = s.and_u(bits, s.splat_u(0x7fff_ffff));
    let nan = s.lt_i(s.splat_u(0x7f80_0000), magnitude);
    let quiet = s.splat(f32::NAN);
    let rounded = s.select(nan, quiet, s.bits_to_float(nearest));
    s.and_u(s.bits(rounded), s.splat_u(0xffff_0000))
}

/// A word is two numbers rounded to bf16. The earlier step is in the high half, because the
/// processor adds the product of the high halves first. It treats subnormal numbers as zero.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Pairs(pub(crate) crate::simd::avx512::Bf16);

#[cfg(target_arch = "x86_64")]
impl Element<crate::simd::avx512::Avx512> for Pairs {
    const STEPS: usize = 2;
    const IN_PLACE: bool = false;

    #[inline(always)]
    fn along(self, s: crate::simd::avx512::Avx512, x: &[f32]) -> U {
        let low = at(s, x, 0);
        let high = at(s, x, crate::simd::LANES.min(x.len()));
        self.beside(s, low, high)
    }

    #[inline(always)]
    fn beside(self, _: crate::simd::avx512::Avx512, low: F, high: F) -> U {
        self.0.swap(self.0.narrow(low, high))
    }

    #[inline(always)]
    fn across(self, _: crate::simd::avx512::Avx512, even: F, odd: F) -> U {
        self.0.pair(odd, even)
    }

    #[inline(always)]
    fn mul_add(self, _: crate::simd::avx512::Avx512, a: U, b: U, c: F) -> F {
        self.0.mul_add(a, b, c)
    }
}

#[cfg(target_arch = "x86_64")]
type F = <crate::simd::avx512::Avx512 as Simd>::F;
#[cfg(target_arch = "x86_64")]
type U = <crate::simd::avx512::Avx512 as Simd>::U;

/// The words of f32 numbers, as bits.
pub(crate) fn words(x: &[f32]) -> &[u32] {
    // SAFETY: both types are four bytes of the same alignment, and every pattern of bits is a u32.
    unsafe { core::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// The words of f32 numbers, to be written.
pub(crate) fn words_mut(x: &mut [f32]) -> &mut [u32] {
    // SAFETY: both types are four bytes of the same alignment, and every pattern of bits is one of
    // either.
    unsafe { core::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}

/// Runs `$body` with `$s` bound to the instructions of `$isa` and `$e` to the elements of
/// `$precision`.
macro_rules! products {
    ($isa:expr, $precision:expr, ($s:ident, $e:ident) => $body:expr) => {
        match ($precision, $isa.kind()) {
            ($crate::OperandType::F32, _) => $crate::isa::dispatch!($isa, $s => {
                let $e = $crate::element::Single;
                $body
            }),
            #[cfg(target_arch = "x86_64")]
            ($crate::OperandType::Bf16, $crate::Kind::Avx512Bf16) => {
                // SAFETY: an `Isa` of this kind exists only where the processor has these features.
                unsafe {
                    $crate::simd::avx512::enter_bf16(
                        #[inline(always)]
                        |$s, bf16| {
                            let $e = $crate::element::Pairs(bf16);
                            $body
                        },
                    )
                }
            }
            ($crate::OperandType::Bf16, _) => $crate::isa::dispatch!($isa, $s => {
                let $e = $crate::element::RoundedToBf16;
                $body
            }),
        }
    };
}
pub(crate) use products;
