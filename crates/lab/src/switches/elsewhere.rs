//! What is expected of a switch on another baseline than that of a bare `gptlab ablate`, which has
//! rotary positions and SwiGLU.

use gptlab_model::Choice;
use gptlab_recipe::{Overrides, Settings};
use gptlab_record::ExpectedDifference;

use super::names::activation_of;

/// An expectation on baselines of one kind.
struct Elsewhere {
    /// The switch's name.
    switch: &'static str,
    is_base: fn(&Settings) -> bool,
    expected: ExpectedDifference,
    prediction: &'static str,
}

const ALL: &[Elsewhere] = &[
    Elsewhere {
        switch: "sinusoidal positions",
        is_base: has_learned_positions,
        expected: ExpectedDifference::between(-0.1, 0.1),
        prediction: "about as good as learned positions",
    },
    Elsewhere {
        switch: "ALiBi",
        is_base: has_learned_positions,
        expected: ExpectedDifference::better(),
        prediction: "better than learned positions early on, for the same reason as rotary ones",
    },
    Elsewhere {
        switch: "ReLU",
        is_base: has_gelu,
        expected: ExpectedDifference::between(-0.02, 0.02),
        prediction: "no difference beyond noise; some units dead",
    },
    Elsewhere {
        switch: "squared ReLU",
        is_base: has_gelu,
        expected: ExpectedDifference::between(-0.1, 0.01),
        prediction: "as good as GELU or better",
    },
];

/// Returns what is expected of the switch on `base`, and in words; `None` where the switch's own
/// expectation holds.
pub(super) fn expectation(
    switch: &str,
    base: &Settings,
) -> Option<(ExpectedDifference, &'static str)> {
    let found = ALL.iter().find(|e| e.switch == switch && (e.is_base)(base));
    found.map(|found| (found.expected, found.prediction))
}

fn has_learned_positions(base: &Settings) -> bool {
    Overrides::of(base).position.map(Choice::name) == Some("learned")
}

fn has_gelu(base: &Settings) -> bool {
    activation_of(base) == Some("GELU")
}
