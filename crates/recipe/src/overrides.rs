//! The table of all settings, and the values that are requested of them.

mod model;
mod sampling;
#[cfg(test)]
mod tests;
mod text;
mod training;
mod whole;

use std::fmt;

use gptlab_model::{
    Activation, Mask, Norm, NormPlace, Position, Preset, ResidualInit, Scale, SublayerOrder,
};

use crate::{
    Decay, Documents, LrShape, MlpShape, ObserveLevel, Optimizer, Precision, SettingValue,
    TokenizerKind, ValueKind, WarmupStart, ZeroIsNone, nearest, value::SettingType,
};

/// One setting: what it is called, what it takes and what it means.
#[derive(Clone, Copy, Debug)]
pub struct SettingKey {
    /// The name with underscores: the field of [`Overrides`]. See [`SettingKey::name`].
    pub field: &'static str,
    /// Other names that mean the same, with hyphens: those of other programs. Help does not show
    /// them.
    pub aliases: &'static [&'static str],
    /// What the setting belongs to.
    pub group: SettingGroup,
    /// What stands for a value in help: "N".
    pub value_name: &'static str,
    /// What it means, in one line without a full stop.
    pub help: &'static str,
    /// What holds where no preset says it and nobody sets it.
    pub absent: Option<&'static str>,
    kind: fn() -> ValueKind,
    check: fn(&str) -> Result<(), String>,
    set: fn(&mut Overrides, &str) -> Result<(), String>,
    get: fn(&Overrides) -> Option<SettingValue>,
}

/// What settings belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingGroup {
    Data,
    Run,
    Optimiser,
    Model,
    Writing,
}

impl SettingGroup {
    /// Returns the heading in help and settings files.
    pub fn title(self) -> &'static str {
        match self {
            Self::Data => "Data",
            Self::Run => "Run",
            Self::Optimiser => "Optimiser",
            Self::Model => "Model",
            Self::Writing => "Writing",
        }
    }
}

/// Writes [`Overrides`] and [`KEYS`] from one line a setting: its field, type, value name and help,
/// then what holds where it is absent, and aliases, if any.
macro_rules! settings {
    ($($group:ident { $(
        $field:ident: $type:ty = $value:literal, $help:literal
            $(, absent $absent:literal)? $(, alias $($alias:literal)|+)?;
    )+ })+) => {
        /// Requested settings, each optional: `None` leaves a setting unchanged.
        ///
        /// Flags, settings files, the axes of grids and switches are made into this; [`KEYS`] has
        /// an entry for each field. Its text form (JSON, TOML) is a map from the names of [`KEYS`]
        /// to values.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(clippy::doc_markdown, reason = "help is read on terminals, without markdown")]
        pub struct Overrides {
            $($(#[doc = $help] pub $field: Option<$type>,)+)+
        }

        /// Every setting, in the order in which settings files have them.
        pub const KEYS: &[SettingKey] = &[$($(SettingKey {
            field: stringify!($field),
            aliases: &[$($($alias),+)?],
            group: SettingGroup::$group,
            value_name: $value,
            help: $help,
            absent: settings!(@option $($absent)?),
            kind: <$type as SettingType>::kind,
            check: |typed| <$type as SettingType>::read(typed).map(|_| ()),
            set: |overrides, typed| {
                overrides.$field = Some(SettingType::read(typed)?);
                Ok(())
            },
            get: |overrides| overrides.$field.as_ref().map(SettingType::value),
        },)+)+];

        impl Overrides {
            /// Returns `self` with the settings of `base` where `self` has none.
            #[must_use]
            pub fn or(self, base: Self) -> Self {
                Self { $($($field: self.$field.or(base.$field),)+)+ }
            }
        }
    };
    (@option) => { None };
    (@option $value:literal) => { Some($value) };
}

settings! {
    Data {
        tokenizer: TokenizerKind = "KIND", "How text becomes tokens";
        documents: Documents = "HOW", "How the text is cut into documents: text (not at all), lines, or separator=TEXT for what stands between them, in which \\n is a line break", absent "as --tokenizer says";
        val_fraction: f64 = "FRACTION", "The last part of the text, kept from training to validate on; 0 for none";
    }
    Run {
        steps: u64 = "N", "How many steps to train; with --resume, how many in all", alias "max-iters" | "iterations" | "iters" | "max-steps" | "num-steps";
        batch_size: usize = "N", "Sequences a step", alias "batch";
        seed: u64 = "N", "The seed of weights, batches, dropout and samples";
        observe: ObserveLevel = "LEVEL", "Look into the model at every log: off, basic (gradients and updates) or full (activations too)";
        precision: Precision = "TYPE", "What operands of matrix products are rounded to; weights and sums stay f32";
        log_interval: u64 = "N", "Say how it goes every N steps";
        sample_interval: ZeroIsNone<u64> = "N", "Write a sample every N steps, broken to the width of a terminal; 0 for none";
        val_tokens: u64 = "N", "Validate on at most about N tokens at a log";
        checkpoint_interval: ZeroIsNone<u64> = "N", "Save a checkpoint every N steps, besides the one at the end; 0 for none", absent "every minute";
    }
    Optimiser {
        optimizer: Optimizer = "NAME", "How gradients become steps", alias "optimiser";
        lr: f64 = "X", "The learning rate at its highest", alias "learning-rate";
        min_lr: f64 = "X", "The learning rate at the end";
        warmup: u64 = "N", "Steps in which the learning rate rises", alias "warm-up" | "warmup-steps" | "warmup-iters";
        warmup_start: WarmupStart = "WHERE", "Where it rises from";
        lr_shape: LrShape = "SHAPE", "How the learning rate falls after that";
        beta1: f64 = "X", "The decay rate of the first moment, or the momentum";
        beta2: f64 = "X", "The decay rate of the second moment";
        eps: f64 = "X", "AdamW's epsilon";
        weight_decay: f64 = "X", "Weight decay";
        decayed: Decay = "WHAT", "What weight decay applies to";
        grad_clip: ZeroIsNone<f64> = "X", "The largest global gradient norm; 0 for no limit", alias "clip" | "max-grad-norm";
    }
    Model {
        preset: Preset = "NAME", "Begin from a model with a name (see `gptlab presets`)", absent "a recipe for the text", alias "base";
        n_layer: usize = "N", "Blocks", alias "layers" | "n-layers" | "num-layers" | "depth";
        n_embd: usize = "N", "The width of the residual stream", alias "width" | "dim" | "d-model" | "n-embed";
        block_size: usize = "N", "The context, in tokens", alias "context" | "context-length" | "seq-len" | "sequence-length";
        dropout: f32 = "P", "Probability of zeroing while training";
        position: Position = "KIND", "How a token learns where it stands";
        norm: Norm = "KIND", "The norm of every sublayer";
        embedding_norm: Norm = "KIND", "The norm after the embeddings";
        final_norm: Norm = "KIND", "The norm before the head";
        ln_style: NormPlace = "PLACE", "The norm before (pre) or after (post) each sublayer; the norm before the head stays in both";
        order: SublayerOrder = "ORDER", "Sublayers one after the other, or all from the block's input";
        disable_residual: bool = "0|1", "Break: no residual connection, a sublayer's output replaces the stream";
        tied: bool = "0|1", "Logits by the token embedding's own rows";
        bias: bool = "0|1", "Biases in the linear maps and LayerNorms";
        init_std: f32 = "STD", "Standard deviation of the initial weights";
        init_residual: ResidualInit = "KIND", "Projections onto the residual stream begin like the rest, or scaled by 1/sqrt(2 layers)";
        disable_attention: bool = "0|1", "Break: no attention sublayers";
        n_head: usize = "N", "Attention heads; their number divides the width", alias "heads" | "n-heads" | "num-heads";
        n_kv_head: usize = "N", "Key and value heads; fewer than --n-head is grouped-query attention", alias "kv-heads" | "n-kv-heads";
        mask: Mask = "KIND", "Which tokens a token sees: those before it, or all";
        window: ZeroIsNone<usize> = "N", "How many tokens a token sees, itself included (sliding-window attention); 0 for all before it";
        attention_scale: Scale = "KIND", "What attention scores are multiplied by";
        qk_norm: bool = "0|1", "Queries and keys divided by their root mean square";
        softcap: ZeroIsNone<f32> = "CAP", "Attention scores bent by cap * tanh(score / cap); 0 for none";
        mlp: MlpShape = "FORM", "The MLP's form; none takes the MLPs out";
        mlp_hidden: usize = "N", "The MLP's inner width";
        activation: Activation = "F", "The MLP's activation";
        gated: bool = "0|1", "The gated MLP (the same as --mlp gated), or the plain one with 0", absent "as --mlp";
    }
    Writing {
        prompt: String = "TEXT", "The text to go on from";
        max_tokens: usize = "N", "How many tokens to write at most", alias "max-new-tokens";
        temperature: f64 = "X", "What divides the logits before the softmax; 0 takes the likeliest token";
        top_k: ZeroIsNone<usize> = "K", "Choose among the K likeliest tokens; 0 for all";
        top_p: f64 = "P", "Choose among the fewest tokens whose probabilities sum to P; without it, among all", absent "none";
        stop: String = "TEXT", "Stop where this text has been written", absent "none";
    }
}

impl SettingKey {
    /// Finds the setting of this name or alias, with hyphens or underscores.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub fn find(typed: &str) -> Result<&'static Self, UnknownKey> {
        let name = typed.replace('_', "-");
        let called = |key: &&Self| key.name() == name || key.aliases.contains(&name.as_str());
        KEYS.iter().find(called).ok_or_else(|| UnknownKey {
            nearest: nearest(&name, KEYS.iter().map(Self::name)),
            typed: typed.to_owned(),
        })
    }

    /// Returns the name that users type, with hyphens: a flag's without the two that begin it.
    pub fn name(&self) -> String {
        self.field.replace('_', "-")
    }

    /// Says which values the setting takes.
    pub fn kind(&self) -> ValueKind {
        (self.kind)()
    }

    /// Refuses what is no value of this setting.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(&self, typed: &str) -> Result<(), String> {
        (self.check)(typed)
    }
}

impl Overrides {
    /// Asks for `typed`, a flag's value, as the setting called `key`, with hyphens or underscores.
    ///
    /// # Errors
    /// A sentence where there is no such setting, or it has no such value.
    ///
    /// ```
    /// let mut overrides = gptlab_recipe::Overrides::default();
    /// overrides.set("n-layer", "2")?;
    /// assert_eq!(overrides.n_layer, Some(2));
    /// let refused = overrides.set("n_layr", "2").unwrap_err().to_string();
    /// assert_eq!(refused, "there is no setting called `n_layr`; did you mean `n-layer`?");
    /// # Ok::<(), gptlab_recipe::SettingsError>(())
    /// ```
    pub fn set(&mut self, key: &str, typed: &str) -> Result<(), SettingsError> {
        let key = SettingKey::find(key).map_err(SettingsError::of)?;
        (key.set)(self, typed)
            .map_err(|why| SettingsError(format!("{} = {typed}: {why}", key.name())))
    }

    /// Returns the requested value of the setting `key`; `None` if there is none.
    pub fn get(&self, key: &SettingKey) -> Option<SettingValue> {
        (key.get)(self)
    }

    /// Returns every requested setting, in the order of [`KEYS`].
    pub fn values(&self) -> impl Iterator<Item = (&'static SettingKey, SettingValue)> + '_ {
        KEYS.iter().filter_map(|key| Some((key, self.get(key)?)))
    }
}

/// A name that no setting has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    pub typed: String,
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no setting called `{}`", self.typed)?;
        match &self.nearest {
            Some(near) => write!(f, "; did you mean `{near}`?"),
            None => f.write_str("; the settings are those of `gptlab presets NAME`"),
        }
    }
}

impl std::error::Error for UnknownKey {}

/// Why settings are refused: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(pub(crate) String);

impl SettingsError {
    pub(crate) fn of(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}
