//! The settings that all runs of a grid share: a recipe, and the overrides that the user requested.

use std::num::NonZeroU64;

use gptlab_data::{Builtin, Text};
use gptlab_model::Preset;
use gptlab_recipe::{DEFAULT_PRESET, ObserveLevel, Overrides, Settings, TextRecipe, WarmupStart};

use super::{GridAxis, GridError, Point, points};

/// An evaluation during training uses at most about this many tokens.
const VAL_TOKENS: u64 = 1 << 15;
/// The number of times that a run logs.
const LOGS: u64 = 20;
/// The number of checkpoints that a run saves before its end, which bounds what an interruption
/// costs.
const SAVES: u64 = 4;
/// The largest number of seeds per variant.
pub const MOST_SEEDS: u64 = 1000;

/// The settings of a grid's runs before the user's overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridRecipe {
    /// The preset's own settings, with this number of steps.
    Own { steps: u64 },
    /// The settings that learn most in a quarter of a minute: large batches of short contexts at a
    /// high learning rate (LOG.md, "a grid's recipe").
    Quick,
    /// The recipe for a text in the default time ([`TextRecipe`]) without dropout: the recipe of
    /// an ablation (LOG.md, "An ablation's recipe").
    Ablation,
}

impl GridRecipe {
    /// The recipe of the ancestor's ablation table ([`crate::switches::SEED`]).
    pub const ANCESTOR: Self = Self::Own { steps: 30 };

    fn steps(self) -> u64 {
        match self {
            Self::Own { steps } => steps,
            Self::Quick => 400,
            Self::Ablation => 500,
        }
    }

    /// Returns the preset that this recipe is over where nobody asks for another.
    pub fn preset(self) -> Preset {
        match self {
            Self::Own { .. } | Self::Quick => DEFAULT_PRESET,
            Self::Ablation => Preset::Modern,
        }
    }

    /// Returns the settings in which this recipe differs from the preset, except its number of
    /// steps.
    pub fn overrides(self) -> Overrides {
        let of_all = Overrides {
            val_tokens: Some(VAL_TOKENS),
            observe: Some(ObserveLevel::Full),
            ..Overrides::default()
        };
        match self {
            Self::Own { .. } => of_all,
            Self::Quick => Overrides {
                block_size: Some(64),
                batch_size: Some(32),
                lr: Some(3e-3),
                warmup_start: Some(WarmupStart::FirstStep),
                ..of_all
            },
            Self::Ablation => {
                let Settings { spec, hyper, .. } = TextRecipe::for_long_text(self.steps()).settings;
                Overrides {
                    block_size: Some(spec.block_size),
                    batch_size: Some(hyper.batch_size),
                    optimizer: Some(hyper.optimizer),
                    lr: Some(hyper.lr),
                    min_lr: Some(hyper.min_lr),
                    dropout: Some(0.0),
                    precision: Some(hyper.precision),
                    val_tokens: Some(VAL_TOKENS / 2),
                    ..of_all
                }
            }
        }
    }

    /// Makes the settings of a grid's baseline on `text`: the preset of `requested` or else the
    /// recipe's in the recipe's size, then this recipe with logging, sampling and checkpoint
    /// intervals that suit its number of steps, then the other overrides of `requested`.
    ///
    /// # Errors
    /// Returns an error if an override has an invalid value.
    pub fn base(self, requested: &Overrides, text: &Text) -> Result<Settings, GridError> {
        let steps = requested.steps.unwrap_or(self.steps());
        let mut base = Settings::of(requested.preset.unwrap_or(self.preset()), Some(steps));
        if let Some(kind) = text.recipe().and_then(Builtin::usual_tokenizer) {
            base.tokenizer = kind.into();
        }
        let mut recipe = self.overrides();
        if self == Self::Ablation && requested.preset.is_none() {
            let spec = TextRecipe::for_long_text(steps).settings.spec;
            recipe.n_layer = Some(spec.layers.len());
            recipe.n_embd = Some(spec.n_embd);
            recipe.n_head = spec.attentions().next().map(|attention| attention.heads);
        }
        recipe.apply(&mut base).map_err(GridError::Base)?;
        let val_tokens = base.intervals.val_tokens;
        set_intervals(&mut base, val_tokens);
        over_recipe(requested)
            .apply(&mut base)
            .map_err(GridError::Base)?;
        Ok(base)
    }
}

/// Sets logging, sampling and checkpoint intervals that suit the number of steps, and the number of
/// tokens of an evaluation during training.
pub(crate) fn set_intervals(settings: &mut Settings, val_tokens: u64) {
    let steps = settings.hyper.steps;
    let intervals = &mut settings.intervals;
    intervals.log = NonZeroU64::new(steps / LOGS).unwrap_or(NonZeroU64::MIN);
    intervals.sample = NonZeroU64::new(steps / 2);
    intervals.checkpoint = NonZeroU64::new(steps / SAVES);
    intervals.val_tokens = val_tokens;
}

/// Returns `requested` without its preset, which is already applied. A second application would
/// undo the recipe.
fn over_recipe(requested: &Overrides) -> Overrides {
    Overrides {
        preset: None,
        ..requested.clone()
    }
}

/// Returns `count` consecutive seeds that start at `first`.
///
/// # Errors
/// Returns an error if `count` is 0 or more than [`MOST_SEEDS`], or if the last seed would
/// overflow.
pub fn seeds(first: u64, count: u64) -> Result<Vec<u64>, GridError> {
    if !(1..=MOST_SEEDS).contains(&count) {
        let most = MOST_SEEDS;
        return Err(GridError::Seeds { count, most });
    }
    match first.checked_add(count - 1) {
        Some(last) => Ok((first..=last).collect()),
        None => Err(GridError::FirstSeed { first, count }),
    }
}

/// A model size of the scaling experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The name that users type.
    pub name: &'static str,
    /// The number of blocks.
    pub n_layer: usize,
    /// The number of attention heads per block.
    pub n_head: usize,
    /// The width of the residual stream.
    pub n_embd: usize,
}

impl Size {
    const fn new(name: &'static str, n_layer: usize, n_head: usize, n_embd: usize) -> Self {
        Self {
            name,
            n_layer,
            n_head,
            n_embd,
        }
    }

    /// Parses a comma-separated list of sizes; `all` stands for all of them.
    ///
    /// # Errors
    /// Returns an error if a name is unknown, or if there is no name.
    pub fn named(typed: &str) -> Result<Vec<Self>, GridError> {
        if typed.trim() == "all" {
            return Ok(SIZES.to_vec());
        }
        let names = typed
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let find = |name: &str| {
            let size = SIZES.iter().find(|size| size.name == name).copied();
            size.ok_or_else(|| GridError::UnknownSize {
                name: name.to_owned(),
                known: SIZES.map(|size| size.name).to_vec(),
            })
        };
        let found = names.map(find).collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            return Err(GridError::NoSize);
        }
        Ok(found)
    }

    /// Returns the overrides that give a model this size.
    pub fn overrides(self) -> Overrides {
        Overrides {
            n_layer: Some(self.n_layer),
            n_head: Some(self.n_head),
            n_embd: Some(self.n_embd),
            ..Overrides::default()
        }
    }
}

/// The sizes of the scaling experiment, in increasing order.
pub const SIZES: [Size; 5] = [
    Size::new("tiny", 3, 3, 96),
    Size::new("mini", 4, 4, 128),
    Size::new("small", 5, 6, 192),
    Size::new("medium", 6, 8, 256),
    Size::new("large", 9, 12, 384),
];

/// Returns `base` in each of `sizes`, at every combination of the values of `axes`. Settings in
/// `requested` take precedence over those of a size.
///
/// # Errors
/// Returns the errors of [`points`].
pub fn sized_points(
    base: &Settings,
    requested: &Overrides,
    sizes: &[Size],
    axes: &[GridAxis],
) -> Result<Vec<Point>, GridError> {
    let mut all = Vec::new();
    for size in sizes {
        let mut settings = base.clone();
        let overrides = size.overrides().or(over_recipe(requested));
        overrides.apply(&mut settings).map_err(GridError::Base)?;
        all.extend(points(&settings, axes)?.into_iter().map(|point| {
            Point {
                name: format!("{} {}", size.name, point.name)
                    .trim_end()
                    .to_owned(),
                ..point
            }
        }));
    }
    Ok(all)
}
