//! The whole recipe of each preset. [`Preset::spec`] is its point of the model space; this module
//! adds how it is trained, on what, and how it is logged.

use std::{num::NonZeroU64, sync::LazyLock};

use gptlab_model::{Choice, Preset};

use crate::{
    Decay, Hyper, Intervals, LrShape, ObserveLevel, Optimizer, Overrides, Precision,
    SampleSettings, SettingKey, SettingValue, Settings, TokenizerKind, WarmupStart,
};

/// The preset that holds unless another is chosen: the ancestor's.
pub const DEFAULT_PRESET: Preset = Preset::Gpt2Mini;

/// The fraction of a text that is kept for validation by default.
pub const DEFAULT_VAL_FRACTION: f64 = 0.1;

/// The seconds between checkpoints by default, and so the time that a crash costs at most.
const CHECKPOINT_SECONDS: u64 = 60;

/// The approximate upper limit of tokens evaluated at each log by default.
const VAL_TOKENS: u64 = 1 << 16;

/// The settings of a preset, besides its model.
struct Defaults {
    /// The hyper-parameters for a number of updates.
    hyper: fn(u64) -> Hyper,
    /// The number of updates.
    steps: u64,
    tokenizer: TokenizerKind,
    val_fraction: f64,
    /// The steps between logs.
    log_interval: u64,
    /// The vocabulary size that the preset was published with, in tokens.
    vocab_size: usize,
}

/// The vocabulary size of the characters of `TinyShakespeare`.
const CHARACTERS: usize = 65;
/// The vocabulary size of GPT-2's byte pairs.
const BYTE_PAIRS: usize = 50_257;

impl Defaults {
    fn of(preset: Preset) -> Self {
        let gpt2_of = |hyper| Self {
            steps: 600_000,
            vocab_size: BYTE_PAIRS,
            ..Self::of_characters(hyper)
        };
        match preset {
            // microgpt.py trains on every name and prints every step; 26 letters and BOS.
            Preset::Microgpt => Self {
                tokenizer: TokenizerKind::Lines,
                val_fraction: 0.0,
                log_interval: 1,
                vocab_size: 27,
                ..Self::of_characters(microgpt)
            },
            Preset::Gpt2Mini => Self::of_characters(gpt2_mini),
            Preset::Gpt2 => gpt2_of(|steps| gpt2(6e-4, steps)),
            Preset::Gpt2Medium => gpt2_of(|steps| gpt2(3e-4, steps)),
            Preset::Gpt2Large => gpt2_of(|steps| gpt2(2.5e-4, steps)),
            Preset::Gpt2Xl => gpt2_of(|steps| gpt2(2e-4, steps)),
            Preset::Nano => Self {
                steps: 5_000,
                ..Self::of_characters(nano)
            },
            Preset::NanoLaptop => Self {
                steps: 2_000,
                ..Self::of_characters(nano_laptop)
            },
            Preset::Modern => Self::of_characters(modern),
        }
    }

    /// Returns a recipe of a thousand steps on the characters of a text.
    fn of_characters(hyper: fn(u64) -> Hyper) -> Self {
        Self {
            hyper,
            steps: 1_000,
            tokenizer: TokenizerKind::Chars,
            val_fraction: DEFAULT_VAL_FRACTION,
            log_interval: 100,
            vocab_size: CHARACTERS,
        }
    }
}

impl Settings {
    /// Returns the whole recipe of `preset`, for `steps` updates or, if `None`, its own number of
    /// them.
    pub fn of(preset: Preset, steps: Option<u64>) -> Self {
        let recipe = Defaults::of(preset);
        Self {
            spec: preset.spec(),
            tokenizer: recipe.tokenizer.into(),
            hyper: (recipe.hyper)(steps.unwrap_or(recipe.steps)),
            seed: 0,
            val_fraction: recipe.val_fraction,
            intervals: Intervals {
                log: NonZeroU64::new(recipe.log_interval).unwrap_or(NonZeroU64::MIN),
                sample: NonZeroU64::new(500),
                checkpoint: None,
                checkpoint_seconds: NonZeroU64::new(CHECKPOINT_SECONDS),
                val_tokens: VAL_TOKENS,
            },
            observe: ObserveLevel::Off,
            sampling: SampleSettings::default(),
            engine: String::new(),
            isa: None,
        }
    }
}

impl Hyper {
    /// Returns the hyper-parameters of `preset`, for `steps` updates or, if `None`, its own number
    /// of them.
    ///
    /// The warm-up is a tenth of the steps if that is less than the recipe's own.
    pub fn of(preset: Preset, steps: Option<u64>) -> Self {
        Settings::of(preset, steps).hyper
    }
}

/// Returns the vocabulary size, in tokens, that `preset` was published with.
pub fn usual_vocab_size(preset: Preset) -> usize {
    Defaults::of(preset).vocab_size
}

/// The value of a setting that nobody sets.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyDefault {
    /// The value is the same in every preset.
    Value(SettingValue),
    /// The value differs between presets.
    ByPreset,
    /// No preset sets it.
    Absent,
}

/// The recipes of all presets.
static RECIPES: LazyLock<Vec<Overrides>> = LazyLock::new(|| {
    let presets = Preset::ALL.iter();
    presets
        .map(|preset| Overrides::of(&Settings::of(*preset, None)))
        .collect()
});

impl SettingKey {
    /// Returns the value of this setting when nobody sets it, derived from the recipes of all
    /// presets.
    pub fn default(&self) -> KeyDefault {
        let values: Vec<_> = RECIPES.iter().map(|recipe| recipe.get(self)).collect();
        let alike = values.iter().all(|value| *value == values[0]);
        match values.into_iter().flatten().next() {
            None => KeyDefault::Absent,
            Some(value) if alike => KeyDefault::Value(value),
            Some(_) => KeyDefault::ByPreset,
        }
    }
}

/// Returns the exact settings of gpt2-mini: `AdamW`, with weight decay on every parameter.
fn gpt2_mini(steps: u64) -> Hyper {
    Hyper {
        steps,
        batch_size: 32,
        lr: 3e-4,
        min_lr: 0.0,
        warmup: (steps / 10).min(100),
        warmup_start: WarmupStart::Zero,
        lr_shape: LrShape::Cosine,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.1,
        decayed: Decay::Everything,
        grad_clip: Some(1.0),
        optimizer: Optimizer::AdamW,
        precision: Precision::F32,
    }
}

/// Returns the settings of Karpathy's `microgpt.py`: Adam, one document per step.
fn microgpt(steps: u64) -> Hyper {
    Hyper {
        batch_size: 1,
        lr: 0.01,
        warmup: 0,
        lr_shape: LrShape::Linear,
        beta1: 0.85,
        beta2: 0.99,
        weight_decay: 0.0,
        grad_clip: None,
        precision: Precision::F32,
        ..gpt2_mini(steps)
    }
}

/// Returns those of nanoGPT's `config/train_shakespeare_char.py` and the defaults of its
/// `train.py`.
fn nano(steps: u64) -> Hyper {
    Hyper {
        batch_size: 64,
        lr: 1e-3,
        min_lr: 1e-4,
        beta2: 0.99,
        decayed: Decay::Matrices,
        warmup_start: WarmupStart::FirstStep,
        ..gpt2_mini(steps)
    }
}

/// Returns the settings of the command for a laptop in nanoGPT's README, over
/// `config/train_shakespeare_char.py`.
fn nano_laptop(steps: u64) -> Hyper {
    Hyper {
        batch_size: 12,
        ..nano(steps)
    }
}

/// Returns the settings of nanoGPT's `train.py` for GPT-2, with the peak rates of GPT-3's table 2.1
/// (Brown et al. 2020) by size. The batch is nanoGPT's 12 sequences, without its accumulation of 40
/// batches on 8 GPUs.
fn gpt2(lr: f64, steps: u64) -> Hyper {
    Hyper {
        batch_size: 12,
        lr,
        min_lr: lr / 10.0,
        warmup: (steps / 10).min(2_000),
        beta2: 0.95,
        decayed: Decay::Matrices,
        warmup_start: WarmupStart::FirstStep,
        ..gpt2_mini(steps)
    }
}

/// Returns `LLaMA`'s optimiser (Touvron et al. 2023) at the rate that nanoGPT found for small
/// models.
fn modern(steps: u64) -> Hyper {
    Hyper {
        lr: 1e-3,
        min_lr: 1e-4,
        beta2: 0.95,
        decayed: Decay::Matrices,
        warmup_start: WarmupStart::FirstStep,
        ..gpt2_mini(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_s_own_numbers_are_accepted() {
        for &preset in Preset::ALL {
            assert_eq!(Hyper::of(preset, None).check(), Ok(()), "{}", preset.name());
            let short = Hyper::of(preset, Some(5));
            assert_eq!((short.steps, short.warmup), (5, 0), "{}", preset.name());
        }
    }
}
