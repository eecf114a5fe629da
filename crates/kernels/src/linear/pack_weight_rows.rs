//! Panels that are written by rows of W, in any order and by any number of threads. An optimiser
//! that changes W packs a few rows at a time, while they are still in a cache.

use super::right_panel::PANEL;
use super::{Direction, Linear};
use core::marker::PhantomData;

/// Where some rows of W lie in its panels for both directions, to be written.
///
/// For y these rows are whole panels. For dx they are steps of the sum: a part of every panel.
#[derive(Debug)]
pub struct PanelRows<'a> {
    /// These rows as a W of their own.
    rows: Linear,
    forward: &'a mut [u32],
    backward: PanelSteps<'a>,
}

/// The same steps of every panel: `panels` slices of `len` words, `stride` words apart, which
/// nothing else may read or write.
#[derive(Debug)]
struct PanelSteps<'a> {
    first: *mut u32,
    stride: usize,
    len: usize,
    panels: usize,
    words: PhantomData<&'a mut [u32]>,
}

// SAFETY: it stands for parts of a `&mut [u32]`, which may be sent to another thread too.
unsafe impl Send for PanelSteps<'_> {}

impl Linear {
    /// [`PanelRows::split`] cuts after any multiple of this many rows of W.
    pub const BAND: usize = PANEL;

    /// Returns all of W's panels, to be written by rows.
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
            backward: PanelSteps {
                first: backward.as_mut_ptr(),
                stride: len,
                len,
                panels: self.panels(Direction::Backward),
                words: PhantomData,
            },
        }
    }
}

impl PanelRows<'_> {
    /// Returns how many numbers a row of W has.
    pub fn width(&self) -> usize {
        self.rows.inp
    }

    /// Splits into the first `n` rows and the rest. Unless the rest is empty, `n` is a multiple of
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

    /// Copies these rows of W, and no others, to their places. It writes what [`Linear::pack`]
    /// would write there.
    pub fn pack(mut self, w: &[f32]) {
        self.rows.pack(Direction::Forward, self.forward, 0, w);
        for panel in 0..self.backward.panels {
            let steps = self.backward.of_panel(panel);
            self.rows.pack(Direction::Backward, steps, panel, w);
        }
    }
}

impl PanelSteps<'_> {
    /// Splits into the first `words` words of every panel and the rest of every panel.
    fn split(self, words: usize) -> (Self, Self) {
        assert!(words <= self.len, "the parts of the panels are shorter");
        let rest = Self {
            first: self.first.wrapping_add(words),
            len: self.len - words,
            ..self
        };
        let first = Self { len: words, ..self };
        (first, rest)
    }

    /// Returns the words of one panel.
    fn of_panel(&mut self, panel: usize) -> &mut [u32] {
        assert!(panel < self.panels, "there are fewer panels");
        // SAFETY: `panels` slices of `len` words, `stride` words apart, lie in a slice that is
        // borrowed mutably for as long as this value lives. `split` gives every word of it to one
        // of two values, and `self` is borrowed mutably for as long as the result lives.
        unsafe { core::slice::from_raw_parts_mut(self.first.add(panel * self.stride), self.len) }
    }
}
