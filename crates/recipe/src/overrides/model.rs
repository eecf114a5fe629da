//! The settings of the model, over a [`ModelSpec`] and back.

use gptlab_model::{
    Attention, Bias, Init, Mlp, MlpForm, ModelSpec, Norms, OutputHead, Preset, QkNorm, Residual,
    Sublayer, Wiring, check_n_layer,
};

use super::{Overrides, SettingsError};
use crate::{MlpShape, ZeroIsNone};

impl Overrides {
    /// Returns `base`, or the model of the requested preset, with every requested choice.
    ///
    /// # Errors
    /// Returns an error if there are more blocks than a model can have, or if the forms of the MLP
    /// contradict each other.
    pub fn spec(&self, base: ModelSpec) -> Result<ModelSpec, SettingsError> {
        self.n_layer
            .map_or(Ok(()), check_n_layer)
            .map_err(SettingsError::of)?;
        let gated = self.is_gated()?;
        let mut spec = self.preset.map_or(base, Preset::spec);
        self.set_sizes(&mut spec);
        self.set_whole(&mut spec);
        self.take_out(&mut spec);
        spec.attentions_mut().for_each(|a| self.set_attention(a));
        spec.mlps_mut().for_each(|mlp| self.set_mlp(mlp, gated));
        Ok(spec)
    }

    fn set_sizes(&self, spec: &mut ModelSpec) {
        set(&mut spec.block_size, self.block_size);
        set(&mut spec.dropout, self.dropout);
        if let Some(n_layer) = self.n_layer {
            spec.set_depth(n_layer);
        }
        if let Some(n_embd) = self.n_embd {
            spec.set_width(n_embd);
        }
        if let Some(heads) = self.n_head {
            spec.set_heads(heads);
        }
    }

    /// Sets the choices that apply to the whole model.
    fn set_whole(&self, spec: &mut ModelSpec) {
        set(&mut spec.position, self.position);
        set(&mut spec.norms.block, self.norm);
        set(&mut spec.norms.embedding, self.embedding_norm);
        set(&mut spec.norms.last, self.final_norm);
        set(&mut spec.wiring.norm, self.ln_style);
        set(&mut spec.wiring.order, self.order);
        let residual = |off| if off { Residual::None } else { Residual::Add };
        set(
            &mut spec.wiring.residual,
            self.disable_residual.map(residual),
        );
        let head = |tied| {
            if tied {
                OutputHead::Tied
            } else {
                OutputHead::Untied
            }
        };
        set(&mut spec.head, self.tied.map(head));
        let bias = |on| if on { Bias::Everywhere } else { Bias::Nowhere };
        set(&mut spec.bias, self.bias.map(bias));
        set(&mut spec.init.std, self.init_std);
        set(&mut spec.init.residual, self.init_residual);
    }

    /// Removes sublayers: a model without attention or without MLPs has shorter lists.
    fn take_out(&self, spec: &mut ModelSpec) {
        if self.disable_attention == Some(true) {
            spec.remove_attentions();
        }
        if self.mlp == Some(MlpShape::None) {
            spec.remove_mlps();
        }
    }

    fn set_attention(&self, attention: &mut Attention) {
        set(&mut attention.kv_heads, self.n_kv_head);
        set(&mut attention.mask, self.mask);
        set(&mut attention.window, self.window.map(|window| window.0));
        set(&mut attention.scale, self.attention_scale);
        let qk_norm = |on| if on { QkNorm::RmsNorm } else { QkNorm::None };
        set(&mut attention.qk_norm, self.qk_norm.map(qk_norm));
        set(&mut attention.softcap, self.softcap.map(|cap| cap.0));
    }

    /// Returns whether the MLP is to be gated; `None` if nothing is requested.
    fn is_gated(&self) -> Result<Option<bool>, SettingsError> {
        let why = match (self.mlp, self.gated) {
            (None, gated) => return Ok(gated),
            (Some(MlpShape::None), None | Some(false)) => return Ok(None),
            (Some(MlpShape::Plain), None | Some(false)) => return Ok(Some(false)),
            (Some(MlpShape::Gated), None | Some(true)) => return Ok(Some(true)),
            (Some(MlpShape::None), Some(true)) => {
                "mlp none takes the MLPs out and gated wants them gated"
            }
            (Some(MlpShape::Plain), Some(true)) => "mlp plain and gated contradict each other",
            (Some(MlpShape::Gated), Some(false)) => "mlp gated and gated 0 contradict each other",
        };
        Err(SettingsError(why.into()))
    }

    fn set_mlp(&self, mlp: &mut Mlp, gated: Option<bool>) {
        set(&mut mlp.hidden, self.mlp_hidden);
        let (was_gated, had) = match mlp.form {
            MlpForm::Plain(f) => (false, f),
            MlpForm::Gated(f) => (true, f),
        };
        let f = self.activation.unwrap_or(had);
        mlp.form = if gated.unwrap_or(was_gated) {
            MlpForm::Gated(f)
        } else {
            MlpForm::Plain(f)
        };
    }
}

fn set<T>(place: &mut T, requested: Option<T>) {
    if let Some(value) = requested {
        *place = value;
    }
}

pub(super) fn of_spec(spec: &ModelSpec) -> Overrides {
    let ModelSpec {
        block_size,
        n_embd,
        position,
        norms: Norms {
            embedding,
            block,
            last,
        },
        wiring: Wiring {
            norm,
            residual,
            order,
        },
        layers,
        head,
        bias,
        dropout,
        init: Init {
            std,
            residual: init_residual,
        },
    } = spec;
    let pattern = layers.first().map(Vec::as_slice).unwrap_or_default();
    let no_residual = match residual {
        Residual::Add => false,
        Residual::None => true,
    };
    let tied = match head {
        OutputHead::Tied => true,
        OutputHead::Untied => false,
    };
    let bias = match bias {
        Bias::Everywhere => true,
        Bias::Nowhere => false,
    };
    let whole = Overrides {
        n_layer: Some(layers.len()),
        n_embd: Some(*n_embd),
        block_size: Some(*block_size),
        dropout: Some(*dropout),
        position: Some(*position),
        norm: Some(*block),
        embedding_norm: Some(*embedding),
        final_norm: Some(*last),
        ln_style: Some(*norm),
        order: Some(*order),
        disable_residual: Some(no_residual),
        tied: Some(tied),
        bias: Some(bias),
        init_std: Some(*std),
        init_residual: Some(*init_residual),
        ..Overrides::default()
    };
    whole.or(of_attention(pattern)).or(of_mlp(pattern))
}

fn of_attention(block: &[Sublayer]) -> Overrides {
    let attention = block.iter().find_map(|sublayer| match sublayer {
        Sublayer::Attention(attention) => Some(*attention),
        Sublayer::Mlp(_) => None,
    });
    let Some(attention) = attention else {
        return Overrides {
            disable_attention: Some(true),
            ..Overrides::default()
        };
    };
    let Attention {
        heads,
        kv_heads,
        mask,
        window,
        scale,
        qk_norm,
        softcap,
    } = attention;
    let qk_norm = match qk_norm {
        QkNorm::None => false,
        QkNorm::RmsNorm => true,
    };
    Overrides {
        disable_attention: Some(false),
        n_head: Some(heads),
        n_kv_head: Some(kv_heads),
        mask: Some(mask),
        window: Some(ZeroIsNone(window)),
        attention_scale: Some(scale),
        qk_norm: Some(qk_norm),
        softcap: Some(ZeroIsNone(softcap)),
        ..Overrides::default()
    }
}

fn of_mlp(block: &[Sublayer]) -> Overrides {
    let mlp = block.iter().find_map(|sublayer| match sublayer {
        Sublayer::Attention(_) => None,
        Sublayer::Mlp(mlp) => Some(*mlp),
    });
    let Some(Mlp { hidden, form }) = mlp else {
        return Overrides {
            mlp: Some(MlpShape::None),
            ..Overrides::default()
        };
    };
    let (shape, activation) = match form {
        MlpForm::Plain(f) => (MlpShape::Plain, f),
        MlpForm::Gated(f) => (MlpShape::Gated, f),
    };
    Overrides {
        mlp: Some(shape),
        mlp_hidden: Some(hidden),
        activation: Some(activation),
        ..Overrides::default()
    }
}
