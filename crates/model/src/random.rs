//! Named, counter-based random streams: a draw is a pure function of (seed, purpose, step, index).
//!
//! The generator is Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy
//! as 1, 2, 3", SC 2011). There is no global and no mutable state: more draws for one purpose do
//! not change those of another, and any draw can be repeated.

use std::f64::consts::TAU;

/// A random stream. Copies are the same stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    purpose: u32,
    step: u32,
}

impl Stream {
    /// Returns the stream of `purpose` (any name) at `step` (of training, or the number of a
    /// document).
    pub fn new(seed: u64, purpose: &str, step: u32) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            purpose: fnv1a(purpose),
            step,
        }
    }

    /// Returns the two words of the key, for kernels that make masks in bulk.
    pub fn key(&self) -> [u32; 2] {
        self.key
    }

    /// Returns the counter word of the purpose.
    pub fn purpose(&self) -> u32 {
        self.purpose
    }

    /// Returns the counter word of the step.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// Returns the four words of block `index` of the stream.
    pub fn block(&self, index: u64) -> [u32; 4] {
        philox4x32_10(
            [index as u32, (index >> 32) as u32, self.step, self.purpose],
            self.key,
        )
    }

    /// Returns draw `index` as 64 bits.
    pub fn u64_at(&self, index: u64) -> u64 {
        let block = self.block(index / 2);
        let at = (index % 2) as usize * 2;
        u64::from(block[at]) | u64::from(block[at + 1]) << 32
    }

    /// Returns draw `index`, uniform on [0, 1), with 53 bits.
    pub fn uniform_at(&self, index: u64) -> f64 {
        (self.u64_at(index) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Returns draw `index`, uniform on `0..n`, by 64-bit multiply and shift (bias below
    /// `n / 2^64`).
    pub fn below_at(&self, index: u64, n: usize) -> usize {
        ((u128::from(self.u64_at(index)) * n as u128) >> 64) as usize
    }

    /// Returns draw `index` from N(0, 1), by the transform of Box and Muller of a block of its own.
    pub fn normal_at(&self, index: u64) -> f64 {
        let [a, b, c, d] = self.block(index);
        let to_unit = |lo: u32, hi: u32| {
            let bits = u64::from(lo) | u64::from(hi) << 32;
            ((bits >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
        };
        (-2.0 * to_unit(a, b).ln()).sqrt() * (TAU * to_unit(c, d)).cos()
    }

    /// Returns the 16 bits that decide element `e` of a dropout mask: the element is kept if they
    /// are at least `round(p * 65536)`.
    ///
    /// 128 elements share 16 blocks, laid out so that 16 lanes of Philox make them at once.
    pub fn mask_bits(&self, e: u64) -> u16 {
        let block = self.block(e / 128 * 16 + e % 16);
        let word = block[(e / 16 % 4) as usize];
        (word >> (16 * (e / 64 % 2))) as u16
    }

    /// Returns a cursor at the start of the stream, for successive draws.
    pub fn cursor(self) -> Cursor {
        Cursor {
            stream: self,
            next: 0,
        }
    }
}

/// A stream with a position in it, for code that draws successively.
#[derive(Clone, Debug)]
pub struct Cursor {
    stream: Stream,
    next: u64,
}

impl Cursor {
    fn advance(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Draws a number uniform on [0, 1).
    pub fn uniform(&mut self) -> f64 {
        let at = self.advance();
        self.stream.uniform_at(at)
    }

    /// Draws a number uniform on `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        let at = self.advance();
        self.stream.below_at(at, n)
    }
}

/// Returns the distance between rows of width `width` in a dropout mask's numbering of elements.
pub fn mask_stride(width: usize) -> u64 {
    width.next_multiple_of(128) as u64
}

/// Returns the threshold that [`Stream::mask_bits`] is compared with, for dropout probability `p`.
pub fn mask_threshold(p: f32) -> u32 {
    (f64::from(p) * 65536.0).round() as u32
}

fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        let p0 = u64::from(c[0]) * 0xD251_1F53;
        let p1 = u64::from(c[2]) * 0xCD9E_8D57;
        c = [
            (p1 >> 32) as u32 ^ c[1] ^ k[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ c[3] ^ k[1],
            p0 as u32,
        ];
        k = [
            k[0].wrapping_add(0x9E37_79B9),
            k[1].wrapping_add(0xBB67_AE85),
        ];
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The witness is the list of known answers in Random123, the authors' own library.
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32_10(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let stream = Stream::new(7, "moments", 0);
        let n = 200_000u64;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| stream.uniform_at(i)) - 0.5).abs() < 0.003);
        assert!((mean(&|i| stream.uniform_at(i).powi(2)) - 1.0 / 3.0).abs() < 0.003);
        assert!(mean(&|i| stream.normal_at(i)).abs() < 0.01);
        assert!((mean(&|i| stream.normal_at(i).powi(2)) - 1.0).abs() < 0.015);
        assert!((mean(&|i| stream.normal_at(i).powi(4)) - 3.0).abs() < 0.1);
        assert!(
            (mean(&|i| f64::from(u8::from(
                u32::from(stream.mask_bits(i)) < mask_threshold(0.1)
            ))) - 0.1)
                .abs()
                < 0.003
        );
    }

    #[test]
    fn a_draw_depends_on_each_of_seed_purpose_step_and_index() {
        let base = Stream::new(1, "a", 0).u64_at(0);
        assert_ne!(base, Stream::new(2, "a", 0).u64_at(0));
        assert_ne!(base, Stream::new(1 << 32, "a", 0).u64_at(0));
        assert_ne!(base, Stream::new(1, "b", 0).u64_at(0));
        assert_ne!(base, Stream::new(1, "a", 1).u64_at(0));
        assert_ne!(base, Stream::new(1, "a", 0).u64_at(1));
        assert_eq!(base, Stream::new(1, "a", 0).u64_at(0));
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let stream = Stream::new(3, "below", 0);
        let mut seen = [false; 7];
        (0..1000).for_each(|i| seen[stream.below_at(i, 7)] = true);
        assert_eq!(seen, [true; 7]);
    }
}
