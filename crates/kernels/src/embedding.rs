//! The embedding of tokens: rows of a table, to which the rows of the positions are added in the
//! same pass.
//!
//! The backward adds rows of dy into the table's gradient in the order of the rows, so that the sum
//! of a token that occurs twice has a fixed order. The gradient of the positions is a plain sum
//! (`elementwise::accumulate`).

use crate::elementwise;
use crate::isa::Isa;

/// Plain loops.
pub mod naive {
    /// y[n, c] = table[token] + positions.
    pub fn forward(
        y: &mut [f32],
        tokens: &[u32],
        table: &[f32],
        positions: Option<&[f32]>,
        c: usize,
    ) {
        for (row, &token) in tokens.iter().enumerate() {
            for i in 0..c {
                let position = positions.map_or(0.0, |positions| positions[row * c + i]);
                y[row * c + i] = table[token as usize * c + i] + position;
            }
        }
    }

    /// dtable[token] += dy.
    pub fn backward(dtable: &mut [f32], tokens: &[u32], dy: &[f32], c: usize) {
        for (row, &token) in tokens.iter().enumerate() {
            for i in 0..c {
                dtable[token as usize * c + i] += dy[row * c + i];
            }
        }
    }
}

/// y[n, c] = table[token], plus row r of positions[n, c] if there are positions. Tokens lie inside
/// the table.
pub fn forward(
    isa: Isa,
    y: &mut [f32],
    tokens: &[u32],
    table: &[f32],
    positions: Option<&[f32]>,
    c: usize,
) {
    assert_eq!(y.len(), tokens.len() * c, "embedding: y is not [n, c]");
    assert!(
        positions.is_none_or(|p| p.len() == y.len()),
        "embedding: positions are not [n, c]"
    );
    for (row, &token) in tokens.iter().enumerate() {
        let (y, entry) = (&mut y[row * c..][..c], &table[token as usize * c..][..c]);
        match positions {
            Some(positions) => elementwise::add(isa, y, entry, &positions[row * c..][..c]),
            None => y.copy_from_slice(entry),
        }
    }
}

/// dtable[token] += row of dy[n, c], in row order.
pub fn backward(isa: Isa, dtable: &mut [f32], tokens: &[u32], dy: &[f32], c: usize) {
    assert_eq!(dy.len(), tokens.len() * c, "embedding: dy is not [n, c]");
    for (row, &token) in tokens.iter().enumerate() {
        let entry = &mut dtable[token as usize * c..][..c];
        elementwise::accumulate(isa, entry, &dy[row * c..][..c]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    #[test]
    fn fast_agrees_with_naive_to_the_bit() {
        for (isa, c) in Isa::available().flat_map(|isa| [1, 7, 17, 33, 130].map(|c| (isa, c))) {
            let tokens = [3, 0, 3, 6, 3, 1];
            let (table, positions, dy) = (values(7 * c, 1), values(6 * c, 2), values(6 * c, 3));
            for positions in [None, Some(positions.as_slice())] {
                let (mut fast, mut slow) = (vec![0.0; 6 * c], vec![0.0; 6 * c]);
                forward(isa, &mut fast, &tokens, &table, positions, c);
                naive::forward(&mut slow, &tokens, &table, positions, c);
                assert_eq!(fast, slow);
            }
            let (mut fast, mut slow) = (values(7 * c, 4), values(7 * c, 4));
            backward(isa, &mut fast, &tokens, &dy, c);
            naive::backward(&mut slow, &tokens, &dy, c);
            assert_eq!(fast, slow);
        }
    }
}
