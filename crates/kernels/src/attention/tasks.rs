//! The tasks that an attention is cut into, and where each of them may write.
//!
//! Tasks run at the same time and write the same slices. What keeps them apart is held by types: an
//! [`AttentionTask`] exists once for each number, it hands out each of its tiles or key heads once,
//! and only that tile or key head gives access to its part of the outputs.

use super::{Options, QUERIES, QueryTile};
use core::marker::PhantomData;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Some tasks, each with scratch of its own, and `N` matrices that they write.
pub(super) struct AttentionTasks<'a, const N: usize> {
    options: &'a Options<'a>,
    /// Tokens of the sequence.
    t: usize,
    count: usize,
    scratch: SharedSlice<'a>,
    scratch_len: usize,
    outputs: [SharedSlice<'a>; N],
    /// A bit for each task that has started.
    started: [AtomicU64; MOST / 64],
}

/// The most tasks there may be.
pub(super) const MOST: usize = 1024;

/// What the forward writes: mix[T, heads * `head_dim`], then lse[heads, T].
pub(super) type ForwardTasks<'a> = AttentionTasks<'a, 2>;
/// What the backward writes: dqkv[T, (heads + 2 `kv_heads`) `head_dim`].
pub(super) type BackwardTasks<'a> = AttentionTasks<'a, 1>;

impl<'a, const N: usize> AttentionTasks<'a, N> {
    /// `count` tasks with `scratch_len` floats of scratch each.
    pub(super) fn new(
        options: &'a Options<'a>,
        t: usize,
        count: usize,
        scratch: &'a mut [f32],
        scratch_len: usize,
        outputs: [&'a mut [f32]; N],
    ) -> Self {
        assert!(count <= MOST, "there are more than {MOST} tasks");
        Self {
            options,
            t,
            count,
            scratch: SharedSlice::new(scratch),
            scratch_len,
            outputs: outputs.map(SharedSlice::new),
            started: [const { AtomicU64::new(0) }; MOST / 64],
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Starts a task. It panics for a task that has started before, and for one that does not
    /// exist, because a [`Parallel`](crate::Parallel) is the caller's code and may be wrong.
    pub(super) fn start(&self, index: usize) -> AttentionTask<'_, N> {
        assert!(index < self.count, "there is no task {index}");
        let bit = 1 << (index % 64);
        let before = self.started[index / 64].fetch_or(bit, Relaxed);
        assert!(before & bit == 0, "a parallel has run task {index} twice");
        let len = self.scratch_len;
        // SAFETY: the scratch of a task is its row of a matrix of `count` rows. This is the only
        // place that makes windows of the scratch, and it is reached once for each task.
        let scratch = unsafe { self.scratch.window(len, index..index + 1, 0..len) };
        AttentionTask {
            tasks: self,
            index,
            scratch: scratch.into_row(),
        }
    }
}

/// A task that has started: the only one of its number.
pub(super) struct AttentionTask<'a, const N: usize> {
    tasks: &'a AttentionTasks<'a, N>,
    index: usize,
    scratch: &'a mut [f32],
}

impl<'a, const N: usize> AttentionTask<'a, N> {
    /// Whether the piece of work that begins after `done` of `total` belongs to this task.
    fn owns(&self, done: usize, total: usize) -> bool {
        done * self.tasks.count / total == self.index
    }

    /// Takes the scratch of the task.
    pub(super) fn take_scratch(&mut self) -> &'a mut [f32] {
        core::mem::take(&mut self.scratch)
    }
}

/// A task of the forward.
pub(super) type ForwardTask<'a> = AttentionTask<'a, 2>;
/// A task of the backward.
pub(super) type BackwardTask<'a> = AttentionTask<'a, 1>;

impl<'a> ForwardTask<'a> {
    /// Hands out the tiles of this task, head by head. A tile costs as much as it sees keys.
    pub(super) fn into_tiles(self) -> impl Iterator<Item = TileOutput<'a>> {
        let AttentionTasks { options, t, .. } = *self.tasks;
        let tile = move |head, first| QueryTile::new(options, head, first, t);
        let firsts = move || (0..t).step_by(QUERIES);
        let head_cost: usize = firsts().map(|first| tile(0, first).seen().len()).sum();
        let total = options.heads * head_cost;
        let tiles = (0..options.heads).flat_map(move |head| firsts().map(move |f| tile(head, f)));
        let mut done = 0;
        tiles.filter_map(move |tile| {
            let owned = self.owns(done, total);
            done += tile.seen().len();
            // SAFETY: this walks through all tiles once, and takes a task by value, which starts
            // once. Every task walks through the same tiles at the same costs, and `owns` is true
            // for one of them.
            owned.then(|| unsafe { TileOutput::new(self.tasks, tile) })
        })
    }
}

/// A tile of queries and its part of the outputs of the forward.
pub(super) struct TileOutput<'a> {
    pub(super) tile: QueryTile,
    /// Rows of the queries, columns of the head.
    pub(super) mix: Window<'a>,
    /// The log-sum-exp of the queries.
    pub(super) lse: &'a mut [f32],
}

impl<'a> TileOutput<'a> {
    /// # Safety
    /// It is called once for a tile of these tasks.
    unsafe fn new(tasks: &'a ForwardTasks<'a>, tile: QueryTile) -> Self {
        let (options, [mix, lse]) = (tasks.options, &tasks.outputs);
        let (width, queries) = (options.head_dim, tile.queries());
        let columns = tile.head * width..(tile.head + 1) * width;
        // SAFETY: tiles of one head have different queries, tiles of different heads have different
        // columns of `mix` and different rows of `lse`, and the caller makes one output of a tile.
        let (mix, lse) = unsafe {
            (
                mix.window(options.mix_width(), queries.clone(), columns),
                lse.window(tasks.t, tile.head..tile.head + 1, queries),
            )
        };
        Self {
            tile,
            mix,
            lse: lse.into_row(),
        }
    }
}

impl<'a> BackwardTask<'a> {
    /// Hands out the key heads of this task. It walks through all key heads once, and `owns` is
    /// true for one task.
    pub(super) fn into_key_heads(self) -> impl Iterator<Item = KeyHeadOutput<'a>> {
        let (tasks, kv_heads) = (self.tasks, self.tasks.options.kv_heads);
        (0..kv_heads)
            .filter(move |&kv_head| self.owns(kv_head, kv_heads))
            .map(move |kv_head| KeyHeadOutput { tasks, kv_head })
    }
}

/// A key head and its part of dqkv: its keys, its values and the queries that read them. No other
/// value stands for the same key head: see [`BackwardTask::into_key_heads`].
pub(super) struct KeyHeadOutput<'a> {
    tasks: &'a BackwardTasks<'a>,
    kv_head: usize,
}

impl KeyHeadOutput<'_> {
    pub(super) fn kv_head(&self) -> usize {
        self.kv_head
    }

    /// Where a gradient of some rows is written: the columns of one head.
    pub(super) fn window(&mut self, of: Gradient, rows: Range<usize>) -> Window<'_> {
        let (options, [dqkv]) = (self.tasks.options, &self.tasks.outputs);
        let first = match of {
            Gradient::Query { head } => {
                let group = options.group(self.kv_head);
                assert!(group.contains(&head), "a query of another key head");
                head * options.head_dim
            }
            Gradient::Key => options.key_column(self.kv_head),
            Gradient::Value => options.value_column(self.kv_head),
        };
        let columns = first..first + options.head_dim;
        // SAFETY: these columns belong to this key head, and no other value stands for it. `self`
        // is borrowed for as long as the window lives, so that there is one window at a time.
        unsafe { dqkv.window(options.qkv_width(), rows, columns) }
    }
}

/// What a gradient belongs to.
#[derive(Clone, Copy)]
pub(super) enum Gradient {
    Query { head: usize },
    Key,
    Value,
}

/// A slice that several tasks write.
struct SharedSlice<'a> {
    data: *mut f32,
    len: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for a `&mut [f32]`, which may be sent to other threads; a shared reference to
// it gives access through `window` alone, whose caller guarantees that windows are disjoint.
unsafe impl Sync for SharedSlice<'_> {}

impl<'a> SharedSlice<'a> {
    fn new(data: &'a mut [f32]) -> Self {
        Self {
            data: data.as_mut_ptr(),
            len: data.len(),
            owner: PhantomData,
        }
    }

    /// The columns of some rows, where rows are `stride` apart.
    ///
    /// # Safety
    /// While the window lives, no other window of this slice has an element of it.
    unsafe fn window(
        &self,
        stride: usize,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Window<'_> {
        let end = rows.end.checked_mul(stride);
        assert!(
            columns.end <= stride && end.is_some_and(|end| end <= self.len),
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

/// Some columns of some rows of a matrix, which nothing else reads or writes.
pub(super) struct Window<'a> {
    data: *mut f32,
    stride: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    owner: PhantomData<&'a mut [f32]>,
}

impl<'a> Window<'a> {
    /// The window's columns of its `i`th row.
    #[inline(always)]
    pub(super) fn row(&mut self, i: usize) -> &mut [f32] {
        assert!(i < self.rows.len(), "a row outside the window");
        let at = (self.rows.start + i) * self.stride + self.columns.start;
        // SAFETY: `SharedSlice::window` has checked that rows and columns lie inside the slice,
        // which is borrowed mutably for as long as the window lives. No other window has these
        // elements, and `self` is borrowed mutably for as long as the row lives.
        unsafe { core::slice::from_raw_parts_mut(self.data.add(at), self.columns.len()) }
    }

    /// The window's first row, for as long as the window could have lived.
    fn into_row(mut self) -> &'a mut [f32] {
        let row = self.row(0);
        // SAFETY: the window is gone, so that nothing else has these elements while `'a` lasts.
        unsafe { core::slice::from_raw_parts_mut(row.as_mut_ptr(), row.len()) }
    }
}
