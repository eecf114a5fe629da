//! Settings to flags: what would have to be typed for them. The reverse of `over`.

use gptlab_data::TokenizerKind;
use gptlab_model::{
    Attention, Bias, Choice, Head, Init, Mlp, MlpForm, ModelSpec, Norms, QkNorm, Residual,
    Sublayer, Wiring,
};
use gptlab_recipe::{Hyper, Intervals, SampleSettings};
use gptlab_train::Settings;
use serde_json::{Value, json};

use crate::args::MlpShape;

/// A flag without its hyphens, and its value, which reads alike in JSON and in TOML.
pub(crate) type Flag = (&'static str, Value);

/// The flags that mean `settings`, by the headings of the help. The blocks of the model must be
/// alike, as they are in every preset; a setting that is `None` because nobody asked for it has no
/// flag.
pub(crate) fn flags(settings: &Settings) -> [(&'static str, Vec<Flag>); 5] {
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
    let mut run = vec![
        ("steps", json!(hyper.steps)),
        ("batch-size", json!(hyper.batch_size)),
        ("seed", json!(seed)),
        ("observe", named(*observe)),
        ("precision", named(hyper.precision)),
    ];
    run.extend(intervals_flags(intervals));
    [
        ("Data", data(*tokenizer, *val_fraction)),
        ("Run", run),
        ("Optimiser", optimiser(hyper)),
        ("Model", model(spec)),
        ("Writing", writing(sampling)),
    ]
}

fn data(tokenizer: TokenizerKind, val_fraction: f64) -> Vec<Flag> {
    vec![
        ("tokenizer", named(tokenizer)),
        ("val-fraction", json!(val_fraction)),
    ]
}

fn intervals_flags(intervals: &Intervals) -> Vec<Flag> {
    let Intervals {
        log,
        sample,
        checkpoint,
        // The clock holds where no number of steps is typed.
        checkpoint_seconds: _,
        val_tokens,
    } = intervals;
    let mut flags = vec![
        ("log-interval", json!(log)),
        ("sample-interval", or_zero(sample.as_ref())),
        ("val-tokens", json!(val_tokens)),
    ];
    flags.extend(checkpoint.map(|steps| ("checkpoint-interval", json!(steps))));
    flags
}

fn optimiser(hyper: &Hyper) -> Vec<Flag> {
    let Hyper {
        // These three stand among the flags of the run.
        steps: _,
        batch_size: _,
        precision: _,
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
    } = hyper;
    vec![
        ("optimizer", named(*optimizer)),
        ("lr", json!(lr)),
        ("min-lr", json!(min_lr)),
        ("warmup", json!(warmup)),
        ("warmup-start", named(*warmup_start)),
        ("lr-shape", named(*lr_shape)),
        ("beta1", json!(beta1)),
        ("beta2", json!(beta2)),
        ("eps", json!(eps)),
        ("weight-decay", json!(weight_decay)),
        ("decayed", named(*decayed)),
        ("grad-clip", or_zero(grad_clip.as_ref())),
    ]
}

fn model(spec: &ModelSpec) -> Vec<Flag> {
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
    let attention_of = |sublayer: &Sublayer| match sublayer {
        Sublayer::Attention(attention) => Some(*attention),
        Sublayer::Mlp(_) => None,
    };
    let mlp_of = |sublayer: &Sublayer| match sublayer {
        Sublayer::Attention(_) => None,
        Sublayer::Mlp(mlp) => Some(*mlp),
    };
    let no_residual = match residual {
        Residual::Add => false,
        Residual::None => true,
    };
    let tied = match head {
        Head::Tied => true,
        Head::Untied => false,
    };
    let bias = match bias {
        Bias::Everywhere => true,
        Bias::Nowhere => false,
    };
    let mut flags = vec![
        ("n-layer", json!(layers.len())),
        ("n-embd", json!(n_embd)),
        ("block-size", json!(block_size)),
        ("dropout", short(*dropout)),
        ("position", named(*position)),
        ("norm", named(*block)),
        ("embedding-norm", named(*embedding)),
        ("final-norm", named(*last)),
        ("ln-style", named(*norm)),
        ("order", named(*order)),
        ("disable-residual", json!(no_residual)),
        ("tied", json!(tied)),
        ("bias", json!(bias)),
        ("init-std", short(*std)),
        ("init-residual", named(*init_residual)),
    ];
    flags.extend(attention(pattern.iter().find_map(attention_of)));
    flags.extend(mlp(pattern.iter().find_map(mlp_of)));
    flags
}

fn attention(attention: Option<Attention>) -> Vec<Flag> {
    let Some(attention) = attention else {
        return vec![("disable-attention", json!(true))];
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
    vec![
        ("disable-attention", json!(false)),
        ("n-head", json!(heads)),
        ("n-kv-head", json!(kv_heads)),
        ("mask", named(mask)),
        ("window", or_zero(window.as_ref())),
        ("attention-scale", named(scale)),
        ("qk-norm", json!(qk_norm)),
        ("softcap", softcap.map_or(json!(0), short)),
    ]
}

fn mlp(mlp: Option<Mlp>) -> Vec<Flag> {
    let Some(Mlp { hidden, form }) = mlp else {
        return vec![("mlp", named(MlpShape::None))];
    };
    let (shape, activation) = match form {
        MlpForm::Plain(f) => (MlpShape::Plain, f),
        MlpForm::Gated(f) => (MlpShape::Gated, f),
    };
    vec![
        ("mlp", named(shape)),
        ("mlp-hidden", json!(hidden)),
        ("activation", named(activation)),
    ]
}

fn writing(sampling: &SampleSettings) -> Vec<Flag> {
    let SampleSettings {
        prompt,
        max_tokens,
        temperature,
        top_k,
        top_p,
        stop,
    } = sampling;
    let mut flags = vec![
        ("prompt", json!(prompt)),
        ("max-tokens", json!(max_tokens)),
        ("temperature", json!(temperature)),
        ("top-k", or_zero(top_k.as_ref())),
    ];
    flags.extend(top_p.map(|p| ("top-p", json!(p))));
    flags.extend(stop.as_ref().map(|text| ("stop", json!(text))));
    flags
}

fn named<C: Choice>(value: C) -> Value {
    json!(value.name())
}

/// What is 0 where there is none.
fn or_zero<T: serde::Serialize>(value: Option<&T>) -> Value {
    value.map_or(json!(0), |value| json!(value))
}

/// The shortest decimal number that is read as `x`.
fn short(x: f32) -> Value {
    let text = x.to_string();
    json!(text.parse::<f64>().unwrap_or_else(|_| f64::from(x)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gptlab_model::Preset;

    use super::*;
    use crate::{
        args::{self, Command},
        settings::fresh,
    };

    fn names() -> BTreeSet<&'static str> {
        let groups = flags(&Settings::of(Preset::Gpt2Mini, None));
        let flags = groups.into_iter().flat_map(|(_, flags)| flags);
        flags.map(|(name, _)| name).collect()
    }

    /// What `train` makes of these words, without training.
    fn meant(words: Vec<String>) -> Settings {
        let program = ["gptlab".to_owned(), "train".to_owned()];
        let typed = program.into_iter().chain(words).map(Into::into);
        let Ok(Command::Train(args)) = args::parse(typed) else {
            panic!("flags of train");
        };
        fresh(&args).unwrap_or_else(|stop| panic!("{}", stop.message))
    }

    /// Nothing is trained, so that the large ones are tried as well.
    #[test]
    fn the_flags_of_every_preset_mean_the_preset() {
        for &preset in Preset::ALL {
            let groups = flags(&Settings::of(preset, None));
            let typed = groups.into_iter().flat_map(|(_, flags)| flags);
            let words = typed.map(|(name, value)| match &value {
                Value::String(text) => format!("--{name}={text}"),
                Value::Bool(on) => format!("--{name}={}", u8::from(*on)),
                Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    format!("--{name}={value}")
                }
            });
            let by_name = meant(vec!["--preset".into(), preset.name().into()]);
            assert_eq!(meant(words.collect()), by_name, "{}", preset.name());
        }
    }

    /// A setting that no recipe has would be lost on the way through a settings file.
    #[test]
    fn every_flag_of_train_is_in_the_recipe_or_is_no_setting_of_it() {
        let definition = args::definition();
        let train = definition.find_subcommand("train").expect("train");
        let flags: BTreeSet<&str> = train
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .collect();
        let others = [
            // Said by other flags, or absent in every recipe.
            "preset",
            "gated",
            "top-p",
            "stop",
            "checkpoint-interval",
            // What is trained on, where, and what becomes of it.
            "data",
            "out",
            "save",
            "load",
            "resume",
            "keep-checkpoints",
            "micro-batch",
            "generate",
            "interactive",
            "threads",
            "isa",
            "json",
            "config",
        ];
        let told: BTreeSet<&str> = names().into_iter().chain(others).collect();
        assert_eq!(told, flags);
    }

    #[test]
    fn the_help_of_train_says_every_default_once() {
        let definition = args::definition();
        let train = definition.find_subcommand("train").expect("train");
        for arg in train.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let said = help.matches("[default: ").count();
            assert_eq!(said, 1, "--{}: {help}", arg.get_long().unwrap_or_default());
        }
    }
}
