//! Choices with names that users type, in one list for each type.

use std::fmt;

/// A type whose every value has a name that users type.
///
/// Flags, settings files, help, completions, grids and tests take values and words from the one
/// list that [`choices!`](crate::choices) writes. An enum with a variant that is not in that list
/// does not compile. The names that serde writes into files may differ from these.
pub trait Choice: Copy + PartialEq + 'static {
    /// What is chosen, in a word or two, for example "position".
    const SUBJECT: &'static str;
    /// Every value, in the order in which help lists them.
    const ALL: &'static [Self];

    /// Returns the names and the help of this value.
    fn words(self) -> Words;

    /// Returns the name that users type.
    fn name(self) -> &'static str {
        self.words().name
    }

    /// Returns what the value means, in one line without a full stop.
    fn help(self) -> &'static str {
        self.words().help
    }

    /// Returns the value with this name or alias, in capitals or not.
    ///
    /// # Errors
    /// Returns a sentence that lists the names when no value has this one.
    fn parse(typed: &str) -> Result<Self, UnknownChoice> {
        let called = |value: &Self| {
            let Words { name, aliases, .. } = value.words();
            let is_typed = |word: &&str| word.eq_ignore_ascii_case(typed);
            [name].iter().chain(aliases).any(is_typed)
        };
        let found = Self::ALL.iter().copied().find(called);
        found.ok_or_else(|| UnknownChoice {
            subject: Self::SUBJECT,
            typed: typed.to_owned(),
            names: Self::ALL.iter().map(|value| value.name()).collect(),
        })
    }
}

/// The names and the help of a value of a [`Choice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// The name that users type.
    pub name: &'static str,
    /// Other names with the same meaning; help does not show them.
    pub aliases: &'static [&'static str],
    /// What the value means, in one line without a full stop.
    pub help: &'static str,
}

/// A name that no value of a [`Choice`] has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownChoice {
    subject: &'static str,
    typed: String,
    names: Vec<&'static str>,
}

impl fmt::Display for UnknownChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there is no {} called {:?}; there are {}",
            self.subject,
            self.typed,
            self.names.join(", ")
        )
    }
}

impl std::error::Error for UnknownChoice {}

/// Implements [`Choice`] for an enum: its subject, then for each variant its name, its aliases if
/// any, and one line of help. The list and the `match` come from the same lines, so that an enum
/// does not compile if a variant is left out.
///
/// ```
/// use gptlab_model::{Choice, choices};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// enum Mood { Major, Minor }
///
/// choices! { Mood, "mood":
///     Major = "major" | "dur", "The third note stands four semitones up";
///     Minor = "minor", "The third note stands three semitones up";
/// }
///
/// assert_eq!(Mood::parse("dur"), Ok(Mood::Major));
/// assert_eq!(Mood::Minor.name(), "minor");
/// let refused = Mood::parse("blue").unwrap_err().to_string();
/// assert_eq!(refused, "there is no mood called \"blue\"; there are major, minor");
/// ```
#[macro_export]
macro_rules! choices {
    ($type:ident, $subject:literal:
        $($variant:ident = $name:literal $(| $alias:literal)*, $help:literal;)+
    ) => {
        impl $crate::Choice for $type {
            const SUBJECT: &'static str = $subject;
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn words(self) -> $crate::Words {
                match self {
                    $(Self::$variant => $crate::Words {
                        name: $name,
                        aliases: &[$($alias),*],
                        help: $help,
                    },)+
                }
            }
        }
    };
}
