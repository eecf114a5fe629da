//! A panel: 32 columns of the right operand, step by step of the sum, from which a tile reads.

use crate::simd::{LANES, prefetch};

/// Columns of a panel.
pub(super) const PANEL: usize = 2 * LANES;
/// Bytes of a cache line.
const LINE: usize = 64;

/// The right operand of a tile: step k, column c at `k * step_stride + c`.
#[derive(Clone, Copy)]
pub(super) struct PanelB<'a> {
    pub(super) data: &'a [u32],
    pub(super) step_stride: usize,
}

impl<'a> PanelB<'a> {
    /// Steps that lie one behind the other.
    #[inline(always)]
    pub(super) fn packed(data: &'a [u32]) -> Self {
        Self {
            data,
            step_stride: PANEL,
        }
    }

    /// The same panel without its first `columns` columns.
    #[inline(always)]
    pub(super) fn skip(self, columns: usize) -> Self {
        let data = &self.data[columns.min(self.data.len())..];
        Self { data, ..self }
    }
}

/// Rows of a panel's width that will soon be read or written. They are fetched into the caches and
/// never read here.
#[derive(Clone, Copy)]
pub(super) struct Prefetch {
    next: *const u32,
    stride: usize,
    rows: usize,
}

impl Prefetch {
    /// No rows.
    pub(super) const NONE: Self = Self {
        next: core::ptr::null(),
        stride: 0,
        rows: 0,
    };

    /// Rows `stride` words apart, the first at the beginning of `data`.
    #[inline(always)]
    pub(super) fn new(data: &[u32], stride: usize) -> Self {
        Self {
            next: data.as_ptr(),
            stride,
            rows: data.len().div_ceil(stride),
        }
    }

    /// How many rows are left.
    #[inline(always)]
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Removes up to `rows` rows from the front and returns them.
    #[inline(always)]
    pub(super) fn take(&mut self, rows: usize) -> Self {
        let rows = rows.min(self.rows);
        let taken = Self { rows, ..*self };
        self.next = self.next.wrapping_add(rows * self.stride);
        self.rows -= rows;
        taken
    }

    /// Fetches the next row, if one is left.
    #[inline(always)]
    pub(super) fn fetch_row(&mut self) {
        if self.rows == 0 {
            return;
        }
        prefetch(self.next);
        prefetch(self.next.wrapping_add(PANEL - 1));
        if !self.next.addr().is_multiple_of(LINE) {
            prefetch(self.next.wrapping_add(LANES));
        }
        self.next = self.next.wrapping_add(self.stride);
        self.rows -= 1;
    }
}
