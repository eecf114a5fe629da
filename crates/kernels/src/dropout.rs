//! Dropout (Srivastava et al. 2014, the inverted form). A mask is computed when it is needed and
//! never stored.
//!
//! Element e of the stream (key, purpose, step) is random by 16 bits of Philox: chunk c = e / 128
//! and lane l = e mod 16 make the counter (c * 16 + l, step, purpose); the bits are half (e / 64)
//! mod 2 of word (e / 16) mod 4. So sixteen lanes of Philox make the masks of 128 consecutive
//! elements, in the order of the vectors that they apply to. An element is kept when its bits are
//! at least `round(65536 p)`, and is then divided by exactly the probability of that.
//!
//! A row of C columns takes [`mask_stride`]`(C)` elements of the stream, so that any tile of rows
//! can make its own mask: element (row, column) is `row * mask_stride(C) + column`. The backward is
//! the forward on dy.

use crate::isa::{Isa, dispatch};
use crate::philox::{self, counters, philox_lanes};
use crate::simd::{LANES, Simd};

/// Elements whose masks are made at once.
pub const CHUNK: usize = 128;

/// A stream of masks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    key: [u32; 2],
    purpose: u32,
    step: u32,
    threshold: u32,
    scale: f32,
}

impl Dropout {
    /// Creates a stream that drops with probability `p`, to the nearest 1/65536, clamped to 0 ..=
    /// 1.
    pub fn new(p: f32, key: [u32; 2], purpose: u32, step: u32) -> Self {
        let threshold = (f64::from(p) * 65536.0).round().clamp(0.0, 65536.0) as u32;
        let kept = 65536 - threshold;
        let scale = if kept == 0 {
            0.0
        } else {
            65536.0 / kept as f32
        };
        Self {
            key,
            purpose,
            step,
            threshold,
            scale,
        }
    }

    /// Returns the factor of a kept element.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Returns whether an element of the stream is kept.
    pub fn keeps(&self, element: u64) -> bool {
        let counter = element / CHUNK as u64 * LANES as u64 + element % LANES as u64;
        let counter = [
            counter as u32,
            (counter >> 32) as u32,
            self.step,
            self.purpose,
        ];
        let word = philox::naive::philox4x32(counter, self.key)[(element / 16 % 4) as usize];
        (word >> (16 * (element / 64 % 2))) & 0xffff >= self.threshold
    }

    /// Returns the factor of element (row, column) of a matrix of `c` columns.
    pub fn factor(&self, row: u64, column: usize, c: usize) -> f32 {
        let kept = self.keeps(row * mask_stride(c) as u64 + column as u64);
        if kept { self.scale } else { 0.0 }
    }

    /// Returns which of the 128 elements of each chunk are dropped, sixteen to a mask.
    #[inline(always)]
    pub(crate) fn dropped<S: Simd, const N: usize>(
        &self,
        s: S,
        chunks: [u64; N],
    ) -> [[S::M; 8]; N] {
        let (halves, threshold) = (s.splat_u(0xffff), s.splat_u(self.threshold));
        let mut starts = [[halves; 4]; N];
        for (start, chunk) in starts.iter_mut().zip(chunks) {
            *start = counters(s, chunk * LANES as u64, self.step, self.purpose);
        }
        let words = philox_lanes(s, starts, self.key);
        let mut dropped = [[s.lt_i(threshold, threshold); 8]; N];
        for (dropped, words) in dropped.iter_mut().zip(words) {
            for (i, word) in words.into_iter().enumerate() {
                dropped[i] = s.lt_i(s.and_u(word, halves), threshold);
                dropped[4 + i] = s.lt_i(s.shr_u::<16>(word), threshold);
            }
        }
        dropped
    }
}

/// Returns how many elements of the stream a row of `c` columns takes.
pub fn mask_stride(c: usize) -> usize {
    c.next_multiple_of(CHUNK)
}

/// Element by element.
pub mod naive {
    use super::Dropout;

    /// y[n, c] = mask * x.
    pub fn forward(
        y: &mut [f32],
        x: &[f32],
        dropout: &Dropout,
        first_row: u64,
        n: usize,
        c: usize,
    ) {
        for row in 0..n {
            for column in 0..c {
                let factor = dropout.factor(first_row + row as u64, column, c);
                y[row * c + column] = if factor == 0.0 {
                    0.0
                } else {
                    x[row * c + column] * factor
                };
            }
        }
    }
}

/// y[n, c] = mask * x, or mask * dy in the backward. Row 0 takes row `first_row` of the stream.
pub fn forward(
    isa: Isa,
    y: &mut [f32],
    x: &[f32],
    dropout: &Dropout,
    first_row: u64,
    n: usize,
    c: usize,
) {
    assert!(y.len() == n * c && x.len() == n * c, "dropout sizes");
    dispatch!(isa, s => rows(s, y, MaskInput::Other(x), dropout, first_row, c));
}

/// y *= mask, in place.
pub fn in_place(isa: Isa, y: &mut [f32], dropout: &Dropout, first_row: u64, n: usize, c: usize) {
    assert!(y.len() == n * c, "dropout sizes");
    dispatch!(isa, s => rows(s, y, MaskInput::Output, dropout, first_row, c));
}

/// What the mask applies to.
#[derive(Clone, Copy)]
enum MaskInput<'a> {
    /// The output, in place.
    Output,
    Other(&'a [f32]),
}

impl MaskInput<'_> {
    #[inline(always)]
    fn from(self, at: usize) -> Self {
        match self {
            Self::Output => self,
            Self::Other(x) => Self::Other(&x[at..]),
        }
    }
}

/// y = mask * x row by row, chunk by chunk, vector by vector.
#[inline(always)]
fn rows<S: Simd>(
    s: S,
    y: &mut [f32],
    x: MaskInput<'_>,
    dropout: &Dropout,
    first_row: u64,
    c: usize,
) {
    let chunks = mask_stride(c) / CHUNK;
    let total = y.len() / c.max(1) * chunks;
    let base = first_row * chunks as u64;
    for first in (0..total).step_by(2) {
        let number = base + first as u64;
        let dropped = dropout.dropped(s, [number, number + 1]);
        for (k, dropped) in (first..total).zip(&dropped) {
            let (row, column) = (k / chunks, k % chunks * CHUNK);
            let at = row * c + column;
            let y = &mut y[at..][..CHUNK.min(c - column)];
            chunk(s, y, x.from(at), dropout.scale, dropped);
        }
    }
}

/// y = mask * x for one chunk.
#[inline(always)]
fn chunk<S: Simd>(s: S, y: &mut [f32], x: MaskInput<'_>, scale: f32, dropped: &[S::M; 8]) {
    for (group, (y, &dropped)) in y.chunks_mut(LANES).zip(dropped).enumerate() {
        let at = group * LANES;
        let source = match x {
            MaskInput::Output => &*y,
            MaskInput::Other(x) => &x[at..][..y.len()],
        };
        let x = match source.first_chunk() {
            Some(x) => s.load(x),
            None => s.load_partial(source, 0.0),
        };
        let kept = s.mul(x, s.splat(scale));
        let v = s.select(dropped, s.zero(), kept);
        match y.first_chunk_mut() {
            Some(y) => s.store(v, y),
            None => s.store_partial(v, y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    const KEY: [u32; 2] = [0x1234_5678, 0x9abc_def0];

    #[test]
    fn fast_agrees_with_naive_to_the_bit() {
        for (isa, c) in
            Isa::available().flat_map(|isa| [1, 7, 17, 33, 130, 256, 300].map(|c| (isa, c)))
        {
            let (n, dropout) = (3, Dropout::new(0.3, KEY, 5, 77));
            let x = values(n * c, 1);
            // The second start crosses into the counter's high word.
            for first_row in [0, (1_u64 << 35) - 1] {
                let (mut fast, mut slow) = (vec![0.0; n * c], vec![0.0; n * c]);
                forward(isa, &mut fast, &x, &dropout, first_row, n, c);
                naive::forward(&mut slow, &x, &dropout, first_row, n, c);
                assert_eq!(fast, slow, "{isa:?} {c}");
                let mut same = x.clone();
                in_place(isa, &mut same, &dropout, first_row, n, c);
                assert_eq!(same, slow);
            }
        }
    }

    #[test]
    fn a_tile_of_rows_makes_its_own_mask() {
        let (c, dropout) = (65, Dropout::new(0.5, KEY, 1, 2));
        let x = vec![1.0; 10 * c];
        let (mut whole, mut part) = (vec![0.0; 10 * c], vec![0.0; 4 * c]);
        forward(Isa::detect(), &mut whole, &x, &dropout, 100, 10, c);
        forward(Isa::detect(), &mut part, &x[..4 * c], &dropout, 103, 4, c);
        assert_eq!(part, whole[3 * c..7 * c]);
    }

    #[test]
    fn the_expectation_is_kept_and_streams_differ() {
        let (n, c) = (1000, 128);
        let x = vec![1.0; n * c];
        let mut masks = Vec::new();
        for (key, purpose, step) in [(KEY, 1, 2), (KEY, 1, 3), (KEY, 2, 2), ([1, 2], 1, 2)] {
            let mut y = vec![0.0; n * c];
            forward(
                Isa::detect(),
                &mut y,
                &x,
                &Dropout::new(0.1, key, purpose, step),
                0,
                n,
                c,
            );
            let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / (n * c) as f64;
            // Five standard deviations of the mean of 128,000 kept-or-dropped elements.
            assert!(
                (mean - 1.0).abs() < 5.0 * (0.1 / 0.9 / (n * c) as f64).sqrt(),
                "{mean}"
            );
            assert!(!masks.contains(&y));
            masks.push(y);
        }
        for (p, expected) in [(0.0, 1.0), (1.0, 0.0)] {
            let mut y = vec![0.5; 64];
            forward(
                Isa::detect(),
                &mut y,
                &x[..64],
                &Dropout::new(p, KEY, 0, 0),
                0,
                1,
                64,
            );
            assert!(y.iter().all(|&y| y == expected));
        }
    }
}
