//! The one place where combinations that make no sense are refused.

use std::{fmt, ops::RangeInclusive};

use crate::random::mask_threshold;
use crate::spec::{
    Attention, Mask, Mlp, ModelSpec, NormPlace, Position, QkNorm, Scale, Sublayer, SublayerOrder,
};

/// A checked spec with a vocabulary size. Only [`ModelSpec::check`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    spec: ModelSpec,
    vocab_size: usize,
}

impl Model {
    /// Returns the checked spec.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Returns the number of tokens in the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Returns true if every attention is causal, so that keys and values of a prefix never change.
    pub fn is_causal(&self) -> bool {
        self.spec.is_causal()
    }
}

/// The reason why a spec is refused: a sentence that says what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError(String);

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SpecError {}

/// The largest size that is accepted; larger ones are refused before anything is allocated.
const MOST: usize = 1 << 24;
/// The largest number of blocks: forty times as many as the deepest GPT in use has.
pub const MOST_LAYERS: usize = 1 << 12;
/// The largest number of sublayers in a block.
const MOST_SUBLAYERS: usize = 1 << 6;
/// The largest number of sublayers in a model. Planning a graph takes time quadratic in it.
const MOST_IN_ALL: usize = 4 * MOST_LAYERS;
/// The largest threshold of a dropout mask: `mask_threshold(0.9999)`.
const MOST_DROPPED: u32 = 65_529;
/// The range of softcaps whose reciprocals are finite; kernels multiply by both.
const SOFTCAPS: RangeInclusive<f32> = 1e-30..=1e30;
/// The largest number of parameters. A model with more fits no machine that is supported; machines
/// with 32-bit addresses hold fewer.
const MOST_PARAMETERS: u128 = if usize::BITS < 64 { 1 << 27 } else { 1 << 34 };

impl ModelSpec {
    /// Checks this spec for a vocabulary of `vocab_size` tokens.
    ///
    /// # Errors
    /// Returns a sentence about the first choice that makes no sense.
    pub fn check(&self, vocab_size: usize) -> Result<Model, SpecError> {
        size("vocab_size", vocab_size)?;
        size("block_size", self.block_size)?;
        size("n_embd", self.n_embd)?;
        self.check_layers()?;
        self.check_numbers()?;
        self.check_wiring()?;
        for (i, layer) in self.layers.iter().enumerate() {
            for sublayer in layer {
                match sublayer {
                    Sublayer::Attention(a) => self.check_attention(i, a)?,
                    Sublayer::Mlp(mlp) => check_mlp(i, mlp)?,
                }
            }
        }
        self.check_parameters(vocab_size)?;
        Ok(Model {
            spec: self.clone(),
            vocab_size,
        })
    }

    /// Checks the number of blocks and of sublayers. Either may be zero.
    fn check_layers(&self) -> Result<(), SpecError> {
        check_n_layer(self.layers.len())?;
        let most = |what: &str, most: usize, found: usize| {
            if found <= most {
                return Ok(());
            }
            refuse(format!("{what} must be at most {most}, found {found}"))
        };
        for (i, layer) in self.layers.iter().enumerate() {
            let what = format!("the sublayers of layer {i}");
            most(&what, MOST_SUBLAYERS, layer.len())?;
        }
        let all = self.layers.iter().map(Vec::len).sum();
        most("the sublayers of all layers", MOST_IN_ALL, all)
    }

    fn check_numbers(&self) -> Result<(), SpecError> {
        // Masks compare 16 bits: a threshold that rounds to 1 would drop everything.
        if !(0.0..1.0).contains(&self.dropout) || mask_threshold(self.dropout) > MOST_DROPPED {
            return refuse(format!(
                "dropout must be at least 0 and at most 0.9999, found {}",
                self.dropout
            ));
        }
        if !(self.init.std.is_finite() && self.init.std >= 0.0) {
            return refuse(format!(
                "init std must be a finite number of at least 0, found {}",
                self.init.std
            ));
        }
        Ok(())
    }

    fn check_wiring(&self) -> Result<(), SpecError> {
        match (self.wiring.order, self.wiring.norm) {
            (SublayerOrder::Parallel, NormPlace::After) => refuse(
                "parallel sublayers need the norm before them: after them there is one sum \
                 and no single norm that belongs to it",
            ),
            (SublayerOrder::Parallel, NormPlace::Before)
            | (SublayerOrder::Sequential, NormPlace::Before | NormPlace::After) => Ok(()),
        }?;
        match self.position {
            Position::Sinusoidal | Position::SinusoidalUnscaled
                if !self.n_embd.is_multiple_of(2) =>
            {
                refuse(format!(
                    "sinusoidal positions pair a sine with a cosine and need an even n_embd, found {}",
                    self.n_embd
                ))
            }
            Position::None
            | Position::Learned
            | Position::Sinusoidal
            | Position::SinusoidalUnscaled
            | Position::Rotary
            | Position::Alibi => Ok(()),
        }
    }

    fn check_attention(&self, layer: usize, a: &Attention) -> Result<(), SpecError> {
        size("n_head", a.heads)?;
        size("n_kv_head", a.kv_heads)?;
        if !self.n_embd.is_multiple_of(a.heads) {
            return refuse(format!(
                "n_head must divide n_embd, found {} heads for width {} in layer {layer}; \
                 try {}",
                a.heads,
                self.n_embd,
                nearest_divisor(self.n_embd, a.heads),
            ));
        }
        if !a.heads.is_multiple_of(a.kv_heads) {
            return refuse(format!(
                "n_kv_head must divide n_head, found {} for {} head{} in layer {layer}",
                a.kv_heads,
                a.heads,
                if a.heads == 1 { "" } else { "s" }
            ));
        }
        let head_dim = self.n_embd / a.heads;
        match self.position {
            Position::Rotary if !head_dim.is_multiple_of(2) => refuse(format!(
                "rotary positions turn pairs and need an even head width, found {head_dim} \
                 ({} / {} head{}) in layer {layer}",
                self.n_embd,
                a.heads,
                if a.heads == 1 { "" } else { "s" }
            )),
            Position::None
            | Position::Learned
            | Position::Sinusoidal
            | Position::SinusoidalUnscaled
            | Position::Rotary
            | Position::Alibi => Ok(()),
        }?;
        match a.softcap {
            Some(cap) if !SOFTCAPS.contains(&cap) => refuse(format!(
                "softcap must be from {:e} to {:e}, found {cap}",
                SOFTCAPS.start(),
                SOFTCAPS.end()
            )),
            Some(_) | None => Ok(()),
        }?;
        match (a.mask, a.window) {
            (Mask::Full, Some(_)) => refuse(format!(
                "a window shows the last tokens of the past and needs the causal mask, found the \
                 full one in layer {layer}"
            )),
            (Mask::Causal, Some(n)) if !(1..=self.block_size).contains(&n) => refuse(format!(
                "window must be from 1 to block_size, found {n} for a context of {} in layer {layer}",
                self.block_size
            )),
            (Mask::Causal, None | Some(_)) | (Mask::Full, None) => Ok(()),
        }?;
        // Every variant below is valid with every other; the match turns a new one into a decision.
        match (a.scale, a.qk_norm) {
            (Scale::InverseSqrt | Scale::One, QkNorm::None | QkNorm::RmsNorm) => Ok(()),
        }
    }

    /// Counts in 128 bits what `lower` will count in `usize`, so that the later counts cannot
    /// overflow.
    fn check_parameters(&self, vocab_size: usize) -> Result<(), SpecError> {
        let c = self.n_embd as u128;
        let ends = (2 * vocab_size as u128 + self.block_size as u128 + 4) * c;
        let blocks: u128 = self.layers.iter().flatten().map(|s| inner(s, c)).sum();
        if ends + blocks > MOST_PARAMETERS {
            return refuse(format!(
                "the model would have about {:.1e} parameters; at most {:.1e} are supported",
                (ends + blocks) as f64,
                MOST_PARAMETERS as f64
            ));
        }
        Ok(())
    }
}

fn inner(sublayer: &Sublayer, c: u128) -> u128 {
    match sublayer {
        Sublayer::Attention(_) => 4 * c * c + 8 * c,
        Sublayer::Mlp(mlp) => 3 * c * mlp.hidden as u128 + 2 * mlp.hidden as u128 + 4 * c,
    }
}

/// Checks a number of blocks, for callers that make a spec from it and have no list of blocks yet.
///
/// # Errors
/// Returns a sentence when `n_layer` is greater than [`MOST_LAYERS`].
pub fn check_n_layer(n_layer: usize) -> Result<(), SpecError> {
    if n_layer <= MOST_LAYERS {
        return Ok(());
    }
    refuse(format!(
        "n_layer must be at most {MOST_LAYERS}, found {n_layer}"
    ))
}

fn check_mlp(layer: usize, mlp: &Mlp) -> Result<(), SpecError> {
    size("the MLP's hidden size", mlp.hidden)
        .map_err(|e| SpecError(format!("{e} in layer {layer}")))
}

fn size(what: &str, n: usize) -> Result<(), SpecError> {
    if (1..=MOST).contains(&n) {
        Ok(())
    } else {
        refuse(format!("{what} must be from 1 to {MOST}, found {n}"))
    }
}

fn nearest_divisor(n: usize, to: usize) -> usize {
    (1..=n)
        .filter(|d| n.is_multiple_of(*d))
        .min_by_key(|d| d.abs_diff(to))
        .unwrap_or(1)
}

fn refuse<T>(why: impl Into<String>) -> Result<T, SpecError> {
    Err(SpecError(why.into()))
}
