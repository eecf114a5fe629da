//! How sums over rows are split among groups: by their shape alone.

/// The rows and columns of a tile of a product.
pub(crate) const TILE: usize = 64;
/// The groups that keep a large GPU busy.
const ENOUGH_GROUPS: usize = 512;
/// The least rows of a part of a weight's gradient.
const LEAST_ROWS: usize = 128;
/// The most numbers in all parts of a weight's gradient.
const MOST_NUMBERS: usize = 1 << 22;
/// The rows of a part of a column's sum.
const COLUMN_ROWS: usize = 64;

/// A sum over rows in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) parts: usize,
    /// The rows of each part but the last.
    pub(crate) rows: usize,
}

impl Split {
    /// Returns the parts of the gradient of a weight `[out, inp]` over `rows` rows.
    pub(crate) fn of_weight(rows: usize, out: usize, inp: usize) -> Self {
        let tiles = out.div_ceil(TILE) * inp.div_ceil(TILE);
        let parts = Self::most_parts(rows, out, inp)
            .min(ENOUGH_GROUPS.div_ceil(tiles))
            .max(1);
        let rows_of_part = rows.div_ceil(parts).next_multiple_of(16);
        Self {
            parts: rows.div_ceil(rows_of_part),
            rows: rows_of_part,
        }
    }

    fn most_parts(rows: usize, out: usize, inp: usize) -> usize {
        let affordable = MOST_NUMBERS / (out * inp).max(1);
        affordable.min(rows.div_ceil(LEAST_ROWS))
    }

    /// Returns the parts of the sum of each column over `rows` rows.
    pub(crate) fn of_columns(rows: usize) -> Self {
        Self {
            parts: rows.div_ceil(COLUMN_ROWS),
            rows: COLUMN_ROWS,
        }
    }

    /// Returns the numbers in all parts of the gradient of a weight, for up to `rows` rows.
    pub(crate) fn weight_scratch(rows: usize, out: usize, inp: usize) -> usize {
        match Self::most_parts(rows, out, inp) {
            0 | 1 => 0,
            parts => parts * out * inp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_rows_and_fit_the_scratch_of_more_rows() {
        for (out, inp) in [(1, 1), (384, 128), (65, 7), (3072, 768), (50_257, 768)] {
            for rows in [1, 2, 127, 128, 129, 1000, 8192] {
                let split = Split::of_weight(rows, out, inp);
                assert!(split.parts * split.rows >= rows, "{split:?} of {rows}");
                assert!((split.parts - 1) * split.rows < rows, "{split:?} of {rows}");
                for more in [rows, rows + 5, 3 * rows] {
                    let scratch = Split::weight_scratch(more, out, inp);
                    assert!(split.parts == 1 || split.parts * out * inp <= scratch);
                }
            }
        }
    }
}
