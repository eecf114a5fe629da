//! What the operands of a product are made of: words of 32 bits that hold one step of the sum, or
//! two.

use crate::simd::{Simd, at};

/// How f32 numbers become words and words are multiplied. A value proves that the processor can.
pub(crate) trait Element<S: Simd>: Copy {
    /// Steps of the sum in a word.
    const STEPS: usize;
    /// Whether f32 numbers are words as they are.
    const IN_PLACE: bool;

    /// Sixteen words from `16 * STEPS` numbers side by side, or fewer: zeros beyond.
    fn along(self, s: S, x: &[f32]) -> S::U;
    /// Sixteen words from numbers side by side: from `low` or, where a word holds two, from `low`
    /// and then `high`.
    fn beside(self, s: S, low: S::F, high: S::F) -> S::U;
    /// Sixteen words whose steps are `even` and, where a word holds two, `odd`.
    fn across(self, s: S, even: S::F, odd: S::F) -> S::U;
    /// `c + a * b`, step by step.
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

/// A word is a number rounded to bf16: products of bf16 for processors that have none. The same
/// steps in the same order as [`Pairs`], each rounded once where the multiply-add is fused.
#[derive(Clone, Copy)]
pub(crate) struct Rounded;

impl<S: Simd> Element<S> for Rounded {
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

/// To the nearest bf16, ties to even, as the bits of an f32. NaN stays NaN: its payload must not
/// carry into the exponent.
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

/// A word is two numbers rounded to bf16, the earlier step in its high half: the order in which the
/// processor adds their products. It takes subnormal numbers for zero.
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

/// Runs `$body` with `$s` bound to the instructions of `$isa` and `$e` to the elements of
/// `$precision`.
macro_rules! products {
    ($isa:expr, $precision:expr, ($s:ident, $e:ident) => $body:expr) => {
        match ($precision, $isa.kind()) {
            ($crate::Precision::F32, _) => $crate::isa::dispatch!($isa, $s => {
                let $e = $crate::linear::element::Single;
                $body
            }),
            #[cfg(target_arch = "x86_64")]
            ($crate::Precision::Bf16, $crate::Kind::Avx512Bf16) => {
                // SAFETY: an `Isa` of this kind exists only where the processor has these features.
                unsafe {
                    $crate::simd::avx512::enter_bf16(
                        #[inline(always)]
                        |$s, bf16| {
                            let $e = $crate::linear::element::Pairs(bf16);
                            $body
                        },
                    )
                }
            }
            ($crate::Precision::Bf16, _) => $crate::isa::dispatch!($isa, $s => {
                let $e = $crate::linear::element::Rounded;
                $body
            }),
        }
    };
}
pub(crate) use products;
