//! Which vector instructions a kernel may use, decided at run time.
//!
//! An [`Isa`] is a value that proves that this processor has the instructions: only
//! [`Isa::detect`], [`Isa::try_new`] and [`Isa::available`] make one. Kernels take it as their
//! first argument, so that a test can run every path that the machine has. Nothing here reads the
//! environment.
//!
//! All paths work on sixteen lanes at once and reduce them in the same order; they differ only in
//! whether a multiply-add rounds once (fused) or twice (portable code on x86).

use core::fmt;

/// A set of vector instructions, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Plain Rust that the compiler vectorises with what every processor of the family has.
    Portable,
    /// `AArch64`, whose baseline has NEON with fused multiply-add.
    Neon,
    /// x86-64 with AVX2 and FMA (2013 and later).
    Avx2,
    /// x86-64 with AVX-512 F, BW, CD, DQ and VL (x86-64-v4).
    Avx512,
    /// The same with AVX-512 BF16, whose instruction multiplies pairs of bf16. Everything but
    /// products in bf16 runs as on `Avx512`.
    Avx512Bf16,
}

impl Kind {
    /// Every kind, worst first.
    pub const ALL: [Self; 5] = [
        Self::Portable,
        Self::Neon,
        Self::Avx2,
        Self::Avx512,
        Self::Avx512Bf16,
    ];

    /// Returns the name that people and records use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512-bf16",
        }
    }

    /// Returns the kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Vector instructions that this processor has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Isa(Kind);

impl Isa {
    /// The instructions that every processor has.
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// Returns the best instructions that this processor has.
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::PORTABLE)
    }

    /// Returns `kind`, if this processor has it.
    pub fn try_new(kind: Kind) -> Option<Self> {
        supported(kind).then_some(Self(kind))
    }

    /// Returns all that this processor has, worst first.
    pub fn available() -> impl Iterator<Item = Self> {
        Kind::ALL.into_iter().filter_map(Self::try_new)
    }

    /// Returns which instructions these are.
    pub fn kind(self) -> Kind {
        self.0
    }

    /// Returns the name that people and records use.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(target_arch = "x86_64")]
fn supported(kind: Kind) -> bool {
    let avx2 = || {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    };
    let avx512 = || {
        std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512cd")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
    };
    match kind {
        Kind::Portable => true,
        Kind::Neon => false,
        Kind::Avx2 => avx2(),
        Kind::Avx512 => avx2() && avx512(),
        Kind::Avx512Bf16 => avx2() && avx512() && std::arch::is_x86_feature_detected!("avx512bf16"),
    }
}

#[cfg(target_arch = "aarch64")]
fn supported(kind: Kind) -> bool {
    match kind {
        Kind::Portable | Kind::Neon => true,
        Kind::Avx2 | Kind::Avx512 | Kind::Avx512Bf16 => false,
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn supported(kind: Kind) -> bool {
    kind == Kind::Portable
}

/// Runs `$body` with `$s` bound to the instructions of `$isa`, compiled once for each of them.
///
/// `$body` must be a call of an `#[inline(always)]` function: only what is inlined is compiled with
/// the wider instructions.
macro_rules! dispatch {
    ($isa:expr, $s:ident => $body:expr) => {
        match $isa.kind() {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Kind::Avx512 | $crate::isa::Kind::Avx512Bf16 => {
                // SAFETY: an `Isa` of these kinds exists only where the processor has these
                // features.
                unsafe {
                    $crate::simd::avx512::enter(
                        #[inline(always)]
                        |$s| $body,
                    )
                }
            }
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Kind::Avx2 => {
                // SAFETY: as above.
                unsafe {
                    $crate::simd::avx2::enter(
                        #[inline(always)]
                        |$s| $body,
                    )
                }
            }
            #[cfg(target_arch = "aarch64")]
            $crate::isa::Kind::Neon => {
                let $s = $crate::simd::lanes::Lanes::<true>;
                $body
            }
            _ => {
                let $s = $crate::simd::lanes::Lanes::<false>;
                $body
            }
        }
    };
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_is_always_there_and_the_best_comes_last() {
        let all: Vec<Isa> = Isa::available().collect();
        assert_eq!(all[0], Isa::PORTABLE);
        assert_eq!(all.last(), Some(&Isa::detect()));
        assert!(all.windows(2).all(|pair| pair[0].kind() < pair[1].kind()));
    }
}
