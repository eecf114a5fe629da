//! What a switch replaces, as papers call it.

use gptlab_model::Choice;
use gptlab_recipe::{MlpShape, Overrides, Settings};

pub(super) fn none(_: &Settings) -> Option<&'static str> {
    None
}

/// What papers call a choice; a choice that is not in the list is called as users type it.
const WORDS: &[(&str, &str)] = &[
    ("layer-norm", "LayerNorm"),
    ("rms-norm", "RMSNorm"),
    ("rms-norm-no-gain", "RMSNorm without gain"),
    ("gelu", "GELU"),
    ("gelu-tanh", "GELU"),
    ("relu", "ReLU"),
    ("relu-squared", "squared ReLU"),
    ("silu", "SiLU"),
    ("adamw", "AdamW"),
    ("sgd", "SGD"),
    ("muon", "Muon"),
];

/// What papers call a gated MLP, by its activation (Shazeer 2020).
const GATED: &[(&str, &str)] = &[
    ("silu", "SwiGLU"),
    ("gelu", "GEGLU"),
    ("gelu-tanh", "GEGLU"),
    ("relu", "ReGLU"),
];

fn called(words: &[(&'static str, &'static str)], name: &'static str) -> &'static str {
    let found = words.iter().find(|(typed, _)| *typed == name);
    found.map_or(name, |(_, word)| word)
}

pub(super) fn norm_of(base: &Settings) -> Option<&'static str> {
    Some(called(WORDS, Overrides::of(base).norm?.name()))
}

pub(super) fn activation_of(base: &Settings) -> Option<&'static str> {
    let base = Overrides::of(base);
    let words = match base.mlp? {
        MlpShape::None => return None,
        MlpShape::Plain => WORDS,
        MlpShape::Gated => GATED,
    };
    Some(called(words, base.activation?.name()))
}

pub(super) fn optimizer_of(base: &Settings) -> Option<&'static str> {
    Some(called(WORDS, Overrides::of(base).optimizer?.name()))
}
