//! Settings as overrides: what would have to be asked for to have them. The reverse of `apply`.

use gptlab_model::{
    Attention, Bias, Init, Mlp, MlpForm, ModelSpec, Norms, OutputHead, QkNorm, Residual, Sublayer,
    Wiring,
};

use super::Overrides;
use crate::{Hyper, Intervals, MlpShape, SampleSettings, Settings, ZeroIsNone};

impl Overrides {
    /// Returns what has to be asked for to have `settings`, over any preset whose blocks are
    /// attention and an MLP. The blocks of the model must be alike, as they are in every preset; a
    /// setting that is `None` because nobody asked for it is left out.
    pub fn of(settings: &Settings) -> Self {
        let Settings {
            spec,
            tokenizer,
            hyper,
            seed,
            val_fraction,
            intervals,
            observe,
            sampling,
            // What the machine has is no part of a recipe.
            engine: _,
            isa: _,
        } = settings;
        let rest = Self {
            tokenizer: Some(tokenizer.kind()),
            documents: tokenizer.other_documents().cloned(),
            seed: Some(*seed),
            val_fraction: Some(*val_fraction),
            observe: Some(*observe),
            ..of_sampling(sampling)
        };
        let recipe = of_hyper(hyper).or(of_intervals(intervals));
        rest.or(recipe).or(of_spec(spec))
    }
}

fn of_intervals(intervals: &Intervals) -> Overrides {
    let Intervals {
        log,
        sample,
        checkpoint,
        // The clock holds where no number of steps is asked for.
        checkpoint_seconds: _,
        val_tokens,
    } = intervals;
    Overrides {
        log_interval: Some(log.get()),
        sample_interval: Some(ZeroIsNone(sample.map(u64::from))),
        val_tokens: Some(*val_tokens),
        checkpoint_interval: checkpoint.map(|steps| ZeroIsNone(Some(steps.get()))),
        ..Overrides::default()
    }
}

fn of_hyper(hyper: &Hyper) -> Overrides {
    let Hyper {
        steps,
        batch_size,
        precision,
        lr,
        min_lr,
        warmup,
        warmup_start,
        lr_shape,
        beta1,
        beta2,
        eps,
        weight_decay,
        decayed,
        grad_clip,
        optimizer,
    } = *hyper;
    Overrides {
        steps: Some(steps),
        batch_size: Some(batch_size),
        precision: Some(precision),
        lr: Some(lr),
        min_lr: Some(min_lr),
        warmup: Some(warmup),
        warmup_start: Some(warmup_start),
        lr_shape: Some(lr_shape),
        beta1: Some(beta1),
        beta2: Some(beta2),
        eps: Some(eps),
        weight_decay: Some(weight_decay),
        decayed: Some(decayed),
        grad_clip: Some(ZeroIsNone(grad_clip)),
        optimizer: Some(optimizer),
        ..Overrides::default()
    }
}

fn of_spec(spec: &ModelSpec) -> Overrides {
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

fn of_sampling(sampling: &SampleSettings) -> Overrides {
    let SampleSettings {
        prompt,
        max_tokens,
        temperature,
        top_k,
        top_p,
        stop,
    } = sampling;
    Overrides {
        prompt: Some(prompt.clone()),
        max_tokens: Some(*max_tokens),
        temperature: Some(*temperature),
        top_k: Some(ZeroIsNone(*top_k)),
        top_p: *top_p,
        stop: stop.clone(),
        ..Overrides::default()
    }
}
