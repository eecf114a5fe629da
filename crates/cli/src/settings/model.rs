//! Flags to a spec: the base's, with every typed choice in place of its own.

use gptlab_model::{
    Attention, Bias, Head, Mlp, MlpForm, ModelSpec, Preset, QkNorm, Residual, Sublayer,
    check_n_layer,
};

use crate::{
    args::{MlpShape, ModelArgs},
    exit::{Outcome, Stop},
};

/// The preset that holds where none is typed: the seed.
pub(crate) const DEFAULT_PRESET: Preset = Preset::Gpt2Mini;

/// The spec that `args` mean.
pub(crate) fn spec(args: &ModelArgs) -> Outcome<ModelSpec> {
    over(args.preset.unwrap_or(DEFAULT_PRESET).spec(), args)
}

/// `spec` with the typed choices of `args`, whatever preset they name.
pub(crate) fn over(mut spec: ModelSpec, args: &ModelArgs) -> Outcome<ModelSpec> {
    args.n_layer
        .map_or(Ok(()), check_n_layer)
        .map_err(Stop::usage)?;
    sizes(&mut spec, args);
    whole(&mut spec, args);
    take_out(&mut spec, args);
    let form = form(args)?;
    for sublayer in spec.layers.iter_mut().flatten() {
        match sublayer {
            Sublayer::Attention(a) => attention(a, args),
            Sublayer::Mlp(mlp) => change_mlp(mlp, form, args),
        }
    }
    Ok(spec)
}

fn sizes(spec: &mut ModelSpec, args: &ModelArgs) {
    set(&mut spec.block_size, args.block_size);
    set(&mut spec.dropout, args.dropout);
    if let Some(n_layer) = args.n_layer {
        spec.set_depth(n_layer);
    }
    if let Some(n_embd) = args.n_embd {
        spec.set_width(n_embd);
    }
    if let Some(heads) = args.n_head {
        spec.set_heads(heads);
    }
}

/// Choices that hold for the whole model.
fn whole(spec: &mut ModelSpec, args: &ModelArgs) {
    set(&mut spec.position, args.position);
    set(&mut spec.norms.block, args.norm);
    set(&mut spec.norms.embedding, args.embedding_norm);
    set(&mut spec.norms.last, args.final_norm);
    set(&mut spec.wiring.norm, args.ln_style);
    set(&mut spec.wiring.order, args.order);
    let residual = |off| if off { Residual::None } else { Residual::Add };
    set(
        &mut spec.wiring.residual,
        args.disable_residual.map(residual),
    );
    let head = |tied| if tied { Head::Tied } else { Head::Untied };
    set(&mut spec.head, args.tied.map(head));
    let bias = |on| if on { Bias::Everywhere } else { Bias::Nowhere };
    set(&mut spec.bias, args.bias.map(bias));
    set(&mut spec.init.std, args.init_std);
    set(&mut spec.init.residual, args.init_residual);
}

/// "No attention" and "no MLP" are shorter lists.
fn take_out(spec: &mut ModelSpec, args: &ModelArgs) {
    let no_attention = args.disable_attention == Some(true);
    let no_mlp = match args.mlp {
        Some(MlpShape::None) => true,
        Some(MlpShape::Plain | MlpShape::Gated) | None => false,
    };
    for layer in &mut spec.layers {
        layer.retain(|sublayer| match sublayer {
            Sublayer::Attention(_) => !no_attention,
            Sublayer::Mlp(_) => !no_mlp,
        });
    }
}

fn attention(a: &mut Attention, args: &ModelArgs) {
    set(&mut a.kv_heads, args.n_kv_head);
    set(&mut a.mask, args.mask);
    set(
        &mut a.window,
        args.window.map(|n| Some(n).filter(|n| *n != 0)),
    );
    set(&mut a.scale, args.attention_scale);
    let qk_norm = |on| if on { QkNorm::RmsNorm } else { QkNorm::None };
    set(&mut a.qk_norm, args.qk_norm.map(qk_norm));
    set(
        &mut a.softcap,
        args.softcap.map(|cap| Some(cap).filter(|c| *c != 0.0)),
    );
}

/// Whether the MLP is to be gated, where that was typed.
fn form(args: &ModelArgs) -> Outcome<Option<bool>> {
    match (args.mlp, args.gated) {
        (None, gated) => Ok(gated),
        (Some(MlpShape::None), None | Some(false)) => Ok(None),
        (Some(MlpShape::Plain), None | Some(false)) => Ok(Some(false)),
        (Some(MlpShape::Gated), None | Some(true)) => Ok(Some(true)),
        (Some(MlpShape::None), Some(true)) => Err(Stop::usage(
            "--mlp none takes the MLPs out and --gated wants them gated",
        )),
        (Some(MlpShape::Plain), Some(true)) => {
            Err(Stop::usage("--mlp plain and --gated contradict each other"))
        }
        (Some(MlpShape::Gated), Some(false)) => Err(Stop::usage(
            "--mlp gated and --gated 0 contradict each other",
        )),
    }
}

fn change_mlp(mlp: &mut Mlp, gated: Option<bool>, args: &ModelArgs) {
    set(&mut mlp.hidden, args.mlp_hidden);
    let (was_gated, had) = match mlp.form {
        MlpForm::Plain(f) => (false, f),
        MlpForm::Gated(f) => (true, f),
    };
    let f = args.activation.unwrap_or(had);
    mlp.form = if gated.unwrap_or(was_gated) {
        MlpForm::Gated(f)
    } else {
        MlpForm::Plain(f)
    };
}

fn set<T>(place: &mut T, typed: Option<T>) {
    if let Some(value) = typed {
        *place = value;
    }
}

/// How many tokens the vocabulary has in the world a preset comes from.
pub(crate) fn usual_vocab_size(preset: Preset) -> usize {
    match preset {
        // 26 letters and BOS
        Preset::Microgpt => 27,
        // the characters of TinyShakespeare
        Preset::Gpt2Mini | Preset::Stories | Preset::Nano | Preset::Modern => 65,
        // GPT-2's byte pairs
        Preset::Gpt2 | Preset::Gpt2Medium | Preset::Gpt2Large | Preset::Gpt2Xl => 50_257,
    }
}
