//! Panels written by rows of W, in any order and by any number of threads: whoever changes W, like
//! an optimiser, packs a few rows while they are still in a cache.

use super::panel::PANEL;
use super::{Direction, Linear};
use core::marker::PhantomData;

/// The places of some rows of W in its panels for both directions, to be written.
///
/// For y these rows are whole panels. For dx they are steps of the sum: a piece of every panel.
#[derive(Debug)]
pub struct PanelRows<'a> {
    /// These rows as a W of their own.
    rows: Linear,
    forward: &'a mut [u32],
    backward: Pieces<'a>,
}

/// The same steps of every panel: pieces of one length, a panel's length apart, that nobody else
/// may touch.
#[derive(Debug)]
struct Pieces<'a> {
    first: *mut u32,
    apart: usize,
    each: usize,
    count: usize,
    words: PhantomData<&'a mut [u32]>,
}

// SAFETY: pieces of a `&mut [u32]`, which may go to another thread too.
unsafe impl Send for Pieces<'_> {}

impl Linear {
    /// [`PanelRows::split`] cuts after any multiple of so many rows of W.
    pub const BAND: usize = PANEL;

    /// All of W's panels, to be written by rows.
    pub fn panel_rows<'a>(&self, forward: &'a mut [u32], backward: &'a mut [u32]) -> PanelRows<'a> {
        assert!(
            forward.len() == self.panels_len(Direction::Forward)
                && backward.len() == self.panels_len(Direction::Backward),
            "not panels of this W"
        );
        let len = self.panel_len(Direction::Backward);
        PanelRows {
            rows: *self,
            forward,
            backward: Pieces {
                first: backward.as_mut_ptr(),
                apart: len,
                each: len,
                count: self.panels(Direction::Backward),
                words: PhantomData,
            },
        }
    }
}

impl PanelRows<'_> {
    /// How many numbers a row of W has.
    pub fn width(&self) -> usize {
        self.rows.inp
    }

    /// The first `n` rows and the rest. Where there is a rest, `n` is a multiple of
    /// [`Linear::BAND`].
    pub fn split(self, n: usize) -> (Self, Self) {
        let all = self.rows.out;
        assert!(
            n == all || n < all && n.is_multiple_of(Linear::BAND),
            "panels of {all} rows cannot be cut after {n}"
        );
        let [first, rest] = [n, all - n].map(|out| Linear { out, ..self.rows });
        let (forward, more_forward) = self
            .forward
            .split_at_mut(first.panels_len(Direction::Forward));
        let (backward, more_backward) = self.backward.split(first.panel_len(Direction::Backward));
        let first = Self {
            rows: first,
            forward,
            backward,
        };
        let rest = Self {
            rows: rest,
            forward: more_forward,
            backward: more_backward,
        };
        (first, rest)
    }

    /// Copies these rows of W, and no others, to their places: what [`Linear::pack`] would write
    /// there.
    pub fn pack(mut self, w: &[f32]) {
        self.rows.pack(Direction::Forward, self.forward, 0, w);
        for i in 0..self.backward.count {
            let piece = self.backward.get(i);
            self.rows.pack(Direction::Backward, piece, i, w);
        }
    }
}

impl Pieces<'_> {
    /// The first `words` of each piece, and the rest of each.
    fn split(self, words: usize) -> (Self, Self) {
        assert!(words <= self.each, "pieces are shorter");
        let rest = Self {
            first: self.first.wrapping_add(words),
            each: self.each - words,
            ..self
        };
        let first = Self {
            each: words,
            ..self
        };
        (first, rest)
    }

    fn get(&mut self, i: usize) -> &mut [u32] {
        assert!(i < self.count, "no such piece");
        // SAFETY: `count` pieces of `each` words, `apart` words from each other, lie in a slice
        // that was borrowed for as long as these pieces live; `split` gives every word of it to one
        // of two, and `self` is borrowed for the result.
        unsafe { core::slice::from_raw_parts_mut(self.first.add(i * self.apart), self.each) }
    }
}
