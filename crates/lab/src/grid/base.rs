//! What the runs of a grid have in common: a recipe, and what is asked for over it.

use std::num::NonZeroU64;

use gptlab_data::{Builtin, Text};
use gptlab_model::Preset;
use gptlab_recipe::{
    DEFAULT_PRESET, ObserveLevel, Optimizer, Overrides, Precision, Settings, WarmupStart,
};

use super::{GridAxis, GridError, Point, points};

/// At most about so many tokens are evaluated at a log.
const VAL_TOKENS: u64 = 1 << 15;
/// How many times a run logs.
const LOGS: u64 = 20;
/// How many times a run is saved on its way: what a kill costs at most.
const SAVES: u64 = 4;
/// No variant is trained with more seeds.
pub const MOST_SEEDS: u64 = 1000;

/// Where a grid's runs begin, before anything is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridRecipe {
    /// The preset's own, for so many steps.
    Own { steps: u64 },
    /// What learns most in a quarter of a minute: short contexts, many of them, at a high rate
    /// (LOG.md, "a grid's recipe").
    Quick,
    /// What learns most in a quarter of a minute on two cores with a modern model: the recipe of an
    /// ablation (LOG.md, "an ablation's recipe").
    Ablation,
}

impl GridRecipe {
    /// The recipe of the ancestor's own table ([`crate::switches::SEED`]).
    pub const ANCESTOR: Self = Self::Own { steps: 30 };

    fn steps(self) -> u64 {
        match self {
            Self::Own { steps } => steps,
            Self::Quick => 400,
            Self::Ablation => 300,
        }
    }

    /// Returns the preset that this recipe is over where nobody asks for another.
    pub fn preset(self) -> Preset {
        match self {
            Self::Own { .. } | Self::Quick => DEFAULT_PRESET,
            Self::Ablation => Preset::Modern,
        }
    }

    /// Returns the settings in which this recipe is not the preset's, whatever its number of steps.
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
            Self::Ablation => Overrides {
                block_size: Some(128),
                batch_size: Some(16),
                optimizer: Some(Optimizer::Muon),
                lr: Some(8e-3),
                min_lr: Some(0.0),
                dropout: Some(0.0),
                precision: Some(Precision::Bf16),
                val_tokens: Some(VAL_TOKENS / 2),
                ..of_all
            },
        }
    }

    /// Makes the settings of a grid's baseline on `text`: the preset that is `asked` for or else
    /// the recipe's, this recipe, logs and samples that fit its number of steps, and all else that
    /// is asked for.
    ///
    /// # Errors
    /// When settings are asked for that cannot be.
    pub fn base(self, asked: &Overrides, text: &Text) -> Result<Settings, GridError> {
        let steps = asked.steps.unwrap_or(self.steps());
        let mut base = Settings::of(asked.preset.unwrap_or(self.preset()), Some(steps));
        if let Some(kind) = text.recipe().and_then(Builtin::usual_tokenizer) {
            base.tokenizer = kind.into();
        }
        let recipe = self.overrides();
        recipe.apply(&mut base).map_err(GridError::Base)?;
        base.intervals.log = NonZeroU64::new(steps / LOGS).unwrap_or(NonZeroU64::MIN);
        base.intervals.sample = NonZeroU64::new(steps / 2);
        base.intervals.checkpoint = NonZeroU64::new(steps / SAVES);
        over_recipe(asked)
            .apply(&mut base)
            .map_err(GridError::Base)?;
        Ok(base)
    }
}

/// Returns what is `asked` for over a recipe: its preset is where the recipe began, and again would
/// undo the recipe.
fn over_recipe(asked: &Overrides) -> Overrides {
    Overrides {
        preset: None,
        ..asked.clone()
    }
}

/// Returns `count` seeds: `first` and those after it.
///
/// # Errors
/// When `count` is 0 or more than [`MOST_SEEDS`], or `first` has not so many after it.
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

/// A model of the scaling experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub name: &'static str,
    /// Blocks.
    pub n_layer: usize,
    /// Attention heads.
    pub n_head: usize,
    /// The width.
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

    /// Finds the sizes that `typed` names, separated by commas; `all` is all of them.
    ///
    /// # Errors
    /// When a name is none of theirs, or there is no name.
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

    /// Returns the settings that make a model this large.
    pub fn overrides(self) -> Overrides {
        Overrides {
            n_layer: Some(self.n_layer),
            n_head: Some(self.n_head),
            n_embd: Some(self.n_embd),
            ..Overrides::default()
        }
    }
}

/// The sizes of the scaling experiment, the smallest first.
pub const SIZES: [Size; 5] = [
    Size::new("tiny", 3, 3, 96),
    Size::new("mini", 4, 4, 128),
    Size::new("small", 5, 6, 192),
    Size::new("medium", 6, 8, 256),
    Size::new("large", 9, 12, 384),
];

/// Returns `base` in each of `sizes`, at every combination of the values of `axes`. What is `asked`
/// for besides its size holds in every size.
///
/// # Errors
/// As for [`points`].
pub fn sized_points(
    base: &Settings,
    asked: &Overrides,
    sizes: &[Size],
    axes: &[GridAxis],
) -> Result<Vec<Point>, GridError> {
    let mut all = Vec::new();
    for size in sizes {
        let mut settings = base.clone();
        let overrides = size.overrides().or(over_recipe(asked));
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
