//! Multiply-adds that touch no memory, for a caller that measures how fast this processor
//! multiplies.
//!
//! The result means nothing. Independent chains of multiply-adds keep every unit busy; there are as
//! many chains as hide the latency and stay in registers. A matrix product can do no better.

use core::hint::black_box;

use crate::isa::{Isa, Kind, dispatch};
use crate::operand_type::OperandType;
use crate::simd::{LANES, Simd};

/// Runs `rounds` rounds of multiply-adds and returns how many operations they were, two for each
/// multiply-add. Where the processor has no instruction for bf16, f32 multiply-adds run instead, as
/// in the products.
pub fn run(isa: Isa, precision: OperandType, rounds: usize) -> u64 {
    match (precision, isa.kind()) {
        #[cfg(target_arch = "x86_64")]
        (OperandType::Bf16, Kind::Avx512Bf16) => {
            // SAFETY: an `Isa` of this kind exists only where the processor has these features.
            unsafe { bf16::dots(rounds) }
        }
        // In units of sixteen lanes, the registers of AVX-512, AVX2 and NEON, and SSE2 hold 32, 8,
        // 8 and 4.
        (_, Kind::Avx512 | Kind::Avx512Bf16) => dispatch!(isa, s => chains::<_, 24>(s, rounds)),
        (_, Kind::Avx2 | Kind::Neon) => dispatch!(isa, s => chains::<_, 6>(s, rounds)),
        (_, Kind::Portable) => dispatch!(isa, s => chains::<_, 3>(s, rounds)),
    }
}

#[inline(always)]
fn chains<S: Simd, const N: usize>(s: S, rounds: usize) -> u64 {
    // a -> a / 2 + 1 stays near 2: neither infinite nor denormal, which would be slow.
    let (half, one) = (s.splat(black_box(0.5)), s.splat(black_box(1.0)));
    let mut acc = [s.zero(); N];
    for _ in 0..rounds {
        for acc in &mut acc {
            *acc = s.mul_add(*acc, half, one);
        }
    }
    for acc in acc {
        black_box(s.sum(acc));
    }
    (rounds * N * 2 * LANES) as u64
}

#[cfg(target_arch = "x86_64")]
mod bf16 {
    use core::arch::x86_64::{
        __m512bh, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_reduce_add_ps, _mm512_set1_ps,
        _mm512_setzero_ps,
    };
    use core::hint::black_box;

    const CHAINS: usize = 24;
    /// Multiply-adds of an instruction: two for each of sixteen sums.
    const PAIRS: usize = 32;

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn dots(rounds: usize) -> u64 {
        let (a, b) = (all(black_box(0.5)), all(black_box(0.25)));
        let mut acc = [_mm512_setzero_ps(); CHAINS];
        for _ in 0..rounds {
            for acc in &mut acc {
                *acc = _mm512_dpbf16_ps(*acc, a, b);
            }
        }
        for acc in acc {
            black_box(_mm512_reduce_add_ps(acc));
        }
        (rounds * CHAINS * 2 * PAIRS) as u64
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn all(x: f32) -> __m512bh {
        let x = _mm512_set1_ps(x);
        _mm512_cvtne2ps_pbh(x, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_in_whole_rounds() {
        for isa in Isa::available() {
            for precision in OperandType::ALL {
                let one = run(isa, precision, 1);
                assert!(one > 0 && one.is_multiple_of(2 * LANES as u64), "{isa:?}");
                assert_eq!(run(isa, precision, 7), 7 * one);
                assert_eq!(run(isa, precision, 0), 0);
            }
        }
    }
}
