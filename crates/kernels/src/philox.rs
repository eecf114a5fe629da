//! Philox4x32-10, a random function of a counter and a key.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011);
//! constants and known answers are those of their Random123 library. Sixteen counters at a time
//! cost about as much as one. (In eager PyTorch on a CPU, the serial generator of the dropout masks
//! takes half of a training step.)

use crate::simd::{LANES, Simd};

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// Takes one counter at a time.
pub mod naive {
    use super::{MULTIPLIERS, ROUNDS, WEYL};

    /// Returns four random words for a counter and a key.
    pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
        for _ in 0..ROUNDS {
            let product = |i: usize, c: u32| u64::from(MULTIPLIERS[i]) * u64::from(c);
            let (first, second) = (product(0, counter[0]), product(1, counter[2]));
            counter = [
                (second >> 32) as u32 ^ counter[1] ^ key[0],
                second as u32,
                (first >> 32) as u32 ^ counter[3] ^ key[1],
                first as u32,
            ];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        counter
    }
}

/// Takes `N` times sixteen counters. A chain of rounds takes three times as long as its arithmetic,
/// so that two chains are hardly slower than one. The even lanes and the odd lanes are separate,
/// because a processor multiplies every other word into a double word, whose low half is already
/// where the next round needs it.
#[inline(always)]
pub(crate) fn philox_lanes<S: Simd, const N: usize>(
    s: S,
    counters: [[S::U; 4]; N],
    mut key: [u32; 2],
) -> [[S::U; 4]; N] {
    let (mut even, mut odd) = (counters, counters);
    for word in odd.as_flattened_mut() {
        *word = s.odd_u(*word);
    }
    for _ in 0..ROUNDS {
        for (even, odd) in even.iter_mut().zip(&mut odd) {
            (*even, *odd) = (round(s, *even, key), round(s, *odd, key));
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    for (even, odd) in even.as_flattened_mut().iter_mut().zip(odd.as_flattened()) {
        *even = s.interleave_u(*even, *odd);
    }
    even
}

/// Makes one round of the even lanes. The odd lanes hold nothing of meaning afterwards.
#[inline(always)]
fn round<S: Simd>(s: S, counter: [S::U; 4], key: [u32; 2]) -> [S::U; 4] {
    let first = s.mul_even_u(counter[0], MULTIPLIERS[0]);
    let second = s.mul_even_u(counter[2], MULTIPLIERS[1]);
    [
        s.xor_u(s.xor_u(s.odd_u(second), counter[1]), s.splat_u(key[0])),
        second,
        s.xor_u(s.xor_u(s.odd_u(first), counter[3]), s.splat_u(key[1])),
        first,
    ]
}

/// Returns the counters `first .. first + 16` (`first` is a multiple of sixteen) in the low two
/// words, with `step` and `purpose` above them.
#[inline(always)]
pub(crate) fn counters<S: Simd>(s: S, first: u64, step: u32, purpose: u32) -> [S::U; 4] {
    let lanes: [u32; LANES] = core::array::from_fn(|i| i as u32);
    [
        s.add_u(s.splat_u(first as u32), s.load_u(&lanes)),
        s.splat_u((first >> 32) as u32),
        s.splat_u(step),
        s.splat_u(purpose),
    ]
}

#[cfg(test)]
mod tests {
    use super::naive::philox4x32;

    /// `kat_vectors` of Random123. The lanes are checked against this function by `dropout`.
    #[test]
    fn known_answers() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }
}
