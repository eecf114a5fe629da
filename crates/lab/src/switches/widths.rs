//! Widths that keep the number of parameters when the form of the MLP changes.

use gptlab_recipe::{MlpShape, Overrides, Settings};

/// Returns three halves of the inner width of a gated MLP, whose two matrices become one. Other
/// widths are kept.
pub(super) fn widened(base: &Settings) -> Option<usize> {
    let base = Overrides::of(base);
    let wider = |hidden: usize| hidden.saturating_mul(3).div_ceil(2);
    match base.mlp? {
        MlpShape::Gated => base.mlp_hidden.map(wider),
        MlpShape::None | MlpShape::Plain => base.mlp_hidden,
    }
}
