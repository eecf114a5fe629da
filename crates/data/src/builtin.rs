//! The texts that come with the program.

use std::fmt;

use gptlab_model::Choice;
use gptlab_recipe::TokenizerKind;

use crate::{Diagnostic, names, stories};

/// A text written for this project, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// About a million characters of small stories; see [`stories`].
    Stories,
    /// Eight thousand made-up names, one a line; see [`names`].
    Names,
    /// Documents that need one skill; see [`Diagnostic`].
    Diagnostic(Diagnostic, DocumentSet),
}

/// Which documents of a diagnostic text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentSet {
    pub seed: u64,
    /// How many characters, at least: the last document is whole.
    pub size: usize,
}

impl DocumentSet {
    /// Where nothing is typed.
    pub const USUAL: Self = Self {
        seed: 0,
        size: 1_000_000,
    };
    /// Enough for a few documents of every kind.
    pub const LEAST_SIZE: usize = 1_000;
    /// Beyond what a model of this size can use; a record of somebody else's may ask for it.
    pub const MOST_SIZE: usize = 100_000_000;
}

impl Builtin {
    /// Every text, each with the usual recipe where it takes one.
    pub fn all() -> impl Iterator<Item = Self> {
        let usual = |kind: &Diagnostic| Self::Diagnostic(*kind, DocumentSet::USUAL);
        let diagnostics = Diagnostic::ALL.iter().map(usual);
        [Self::Stories, Self::Names].into_iter().chain(diagnostics)
    }

    /// The names of all texts, separated by commas.
    pub fn names() -> String {
        let names: Vec<&str> = Self::all().map(Self::name).collect();
        names.join(", ")
    }

    /// The name users type, without a recipe; with it, that is what [`fmt::Display`] writes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stories => "stories",
            Self::Names => "names",
            Self::Diagnostic(kind, _) => kind.name(),
        }
    }

    /// What it is, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Stories => "small stories with a known entropy, about a million characters",
            Self::Names => "made-up names, one a line, for models of short documents",
            Self::Diagnostic(kind, _) => kind.help(),
        }
    }

    /// Which skill it needs, where it is made for one.
    pub fn diagnostic(self) -> Option<Diagnostic> {
        match self {
            Self::Stories | Self::Names => None,
            Self::Diagnostic(kind, _) => Some(kind),
        }
    }

    /// The entropy rate, in nats a character: no model that sees whole stories or documents does
    /// better in the long run. `None` where it is not known.
    pub fn entropy(self) -> Option<f64> {
        match self {
            Self::Stories => Some(stories::floor().nats_per_character()),
            Self::Names => None,
            Self::Diagnostic(kind, _) => Some(kind.floor().nats_per_token()),
        }
    }

    /// Whether the text may be so many bytes long. Nothing is made to find out: of a recipe it is
    /// known up to the last document's length.
    pub fn may_have(self, bytes: u64) -> bool {
        match self {
            Self::Stories | Self::Names => true,
            // Every character of these texts is one byte, and a document is shorter than the least
            // text.
            Self::Diagnostic(_, DocumentSet { size, .. }) => {
                (size..size + DocumentSet::LEAST_SIZE).contains(&(bytes as usize))
            }
        }
    }

    /// How the text is to be cut where nobody says it; `None` where the model decides.
    pub fn usual_tokenizer(self) -> Option<TokenizerKind> {
        match self {
            Self::Stories | Self::Names => None,
            Self::Diagnostic(..) => Some(TokenizerKind::Lines),
        }
    }

    /// The text with exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|b| b.name() == name)
    }

    /// What was typed: a name, or the name of a diagnostic text with its recipe,
    /// `copy:seed=3,size=200000`. `None` where it does not begin with a built-in text's name.
    ///
    /// # Errors
    /// When a recipe follows that makes no sense.
    pub fn parse(typed: &str) -> Result<Option<Self>, RecipeError> {
        let (name, recipe) = match typed.split_once(':') {
            Some((name, recipe)) => (name, Some(recipe)),
            None => (typed, None),
        };
        let (Some(found), Some(recipe)) = (Self::from_name(name), recipe) else {
            return Ok(Self::from_name(typed));
        };
        match found {
            Self::Stories | Self::Names => Err(RecipeError::NoRecipe(found.name())),
            Self::Diagnostic(kind, _) => {
                DocumentSet::parse(kind, recipe).map(|r| Some(Self::Diagnostic(kind, r)))
            }
        }
    }

    /// The text itself, always the same.
    pub fn text(self) -> String {
        match self {
            Self::Stories => stories::stories(0, stories::DEFAULT_CHARACTERS),
            Self::Names => names::names(0, names::DEFAULT_COUNT),
            Self::Diagnostic(kind, recipe) => kind.text(recipe.seed, recipe.size),
        }
    }
}

/// What [`Builtin::parse`] reads back.
impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Diagnostic(kind, DocumentSet { seed, size }) if !self.is_usual() => {
                write!(f, "{}:seed={seed},size={size}", kind.name())
            }
            Self::Stories | Self::Names | Self::Diagnostic(..) => f.write_str(self.name()),
        }
    }
}

impl Builtin {
    fn is_usual(self) -> bool {
        Self::all().any(|usual| usual == self)
    }
}

impl DocumentSet {
    fn parse(kind: Diagnostic, typed: &str) -> Result<Self, RecipeError> {
        let (mut seed, mut size) = (None, None);
        for setting in typed.split(',') {
            let wrong = || RecipeError::Setting(kind, setting.to_owned());
            let (key, value) = setting.split_once('=').ok_or_else(wrong)?;
            let place = match key {
                "seed" => &mut seed,
                "size" => &mut size,
                _ => return Err(wrong()),
            };
            let number: u64 = value.parse().map_err(|_| wrong())?;
            if place.replace(number).is_some() {
                return Err(RecipeError::Twice(kind, setting.to_owned()));
            }
        }
        Self::sized(kind, seed, size)
    }

    fn sized(kind: Diagnostic, seed: Option<u64>, size: Option<u64>) -> Result<Self, RecipeError> {
        let size = size.unwrap_or(Self::USUAL.size as u64);
        if !(Self::LEAST_SIZE as u64..=Self::MOST_SIZE as u64).contains(&size) {
            return Err(RecipeError::Size(kind, size));
        }
        Ok(Self {
            seed: seed.unwrap_or(Self::USUAL.seed),
            size: size as usize,
        })
    }
}

/// Why a recipe makes no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipeError {
    /// This text is always the same.
    NoRecipe(&'static str),
    /// What was found where a setting was expected.
    Setting(Diagnostic, String),
    Twice(Diagnostic, String),
    Size(Diagnostic, u64),
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecipe(name) => write!(
                f,
                "the built-in text `{name}` takes no settings: it is always the same; type `{name}`"
            ),
            Self::Setting(kind, found) => write!(
                f,
                "the built-in text `{}` takes seed=N and size=N, two whole numbers, and found `{found}`; \
                 type it like `{}:seed=3,size=200000`",
                kind.name(),
                kind.name()
            ),
            Self::Twice(kind, found) => write!(
                f,
                "the built-in text `{}` takes each setting once, and found `{found}` as a second",
                kind.name()
            ),
            Self::Size(kind, found) => write!(
                f,
                "the size of the built-in text `{}` must be from {} to {} characters, found {found}",
                kind.name(),
                DocumentSet::LEAST_SIZE,
                DocumentSet::MOST_SIZE
            ),
        }
    }
}

impl std::error::Error for RecipeError {}
