//! What several tasks write at once, each into its own places.

use core::marker::PhantomData;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Which tasks have begun. A [`Parallel`](crate::Parallel) is anybody's code, and windows are apart
/// only if no task runs twice.
pub(super) struct Claims([AtomicU64; Self::MOST / 64]);

impl Claims {
    /// The most tasks there may be.
    pub(super) const MOST: usize = 1024;

    pub(super) fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Self::MOST / 64])
    }

    /// Panics when a task has begun before.
    pub(super) fn take(&self, task: usize) {
        let bit = 1 << (task % 64);
        let before = self.0[task / 64].fetch_or(bit, Relaxed);
        assert!(before & bit == 0, "a parallel has run task {task} twice");
    }
}

/// A slice, cut into windows that are written at the same time.
pub(super) struct Shared<'a> {
    data: *mut f32,
    len: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for a `&mut [f32]`, which may go to other threads; all that can be done through
// a shared reference is `window`, whose caller answers for its windows being apart.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(super) fn new(data: &'a mut [f32]) -> Self {
        Self {
            data: data.as_mut_ptr(),
            len: data.len(),
            owner: PhantomData,
        }
    }

    /// The columns of some rows, where rows are `stride` apart.
    ///
    /// # Safety
    /// While a window lives, no other window of this slice has an element of it.
    pub(super) unsafe fn window(
        &self,
        stride: usize,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Window<'_> {
        assert!(
            columns.end <= stride && rows.end * stride <= self.len,
            "the window is larger than the slice"
        );
        Window {
            data: self.data,
            stride,
            rows,
            columns,
            owner: PhantomData,
        }
    }
}

/// Some columns of some rows.
pub(super) struct Window<'a> {
    data: *mut f32,
    stride: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    owner: PhantomData<&'a mut [f32]>,
}

impl Window<'_> {
    /// The window's columns of its `i`th row.
    #[inline(always)]
    pub(super) fn row(&mut self, i: usize) -> &mut [f32] {
        let row = self.rows.start + i;
        assert!(row < self.rows.end, "a row outside the window");
        let at = row * self.stride + self.columns.start;
        // SAFETY: `Shared::window` has found rows and columns inside the slice, which is borrowed
        // mutably for as long as the window lives, and its caller has promised that no other window
        // has these elements.
        unsafe { core::slice::from_raw_parts_mut(self.data.add(at), self.columns.len()) }
    }
}
