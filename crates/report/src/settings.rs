//! Flattens the settings of an experiment into a list of named values.

use gptlab_model::{Choice, Position};
use serde::Serialize;
use serde_json::Value;

use crate::order::natural;

/// A setting of an experiment: its name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The path in the JSON, such as `spec.wiring.residual`.
    pub path: String,
    /// The name, such as `residual connections`.
    pub words: String,
    /// The value, such as `add`; a `-` stands for an absent value.
    pub value: String,
}

/// The names of the paths in the JSON. A path inside a layer is written without the layer's number.
const WORDS: &[(&str, &str)] = &[
    ("spec.block_size", "context, tokens"),
    ("spec.n_embd", "width"),
    ("spec.position", "positions"),
    ("spec.norms.embedding", "norm after the embedding"),
    ("spec.norms.block", "norm of the sublayers"),
    ("spec.norms.last", "norm before the head"),
    ("spec.wiring.norm", "place of the norm"),
    ("spec.wiring.residual", "residual connections"),
    ("spec.wiring.order", "order of the sublayers"),
    ("spec.head", "head"),
    ("spec.bias", "biases"),
    ("spec.dropout", "dropout"),
    ("spec.init.std", "standard deviation of first weights"),
    (
        "spec.init.residual",
        "first weights of residual projections",
    ),
    ("spec.layers", "layers"),
    ("attention", "attention"),
    ("attention.heads", "attention heads"),
    ("attention.kv_heads", "key and value heads"),
    ("attention.mask", "attention mask"),
    ("attention.window", "window of attention, tokens"),
    ("attention.scale", "scale of attention scores"),
    ("attention.qk_norm", "norm of queries and keys"),
    ("attention.softcap", "cap of attention scores"),
    ("mlp", "MLP"),
    ("mlp.hidden", "inner width of the MLP"),
    ("mlp.form.plain", "activation of the MLP"),
    ("mlp.form.gated", "activation of the gated MLP"),
    ("vocab_size", "vocabulary, tokens"),
    ("seed", "seed"),
    ("program", "program"),
    ("engine", "engine"),
    ("isa", "vector instructions"),
    ("observe", "level of observation"),
    ("sampling.prompt", "prompt of samples"),
    ("sampling.max_tokens", "tokens of a sample, at most"),
    ("sampling.temperature", "temperature of samples"),
    (
        "sampling.top_k",
        "likeliest tokens that samples choose from",
    ),
    ("sampling.top_p", "probability that samples choose from"),
    ("sampling.stop", "text before which samples end"),
    ("extensions", "changes of the number of steps"),
    ("data.source", "text"),
    ("data.fingerprint", "fingerprint of the text"),
    ("data.bytes", "bytes of the text"),
    ("data.val_fraction", "share kept for validation"),
    ("data.train_tokens", "tokens to train on"),
    ("data.val_tokens", "tokens kept for validation"),
    ("hyper.steps", "steps"),
    ("hyper.batch_size", "sequences a step"),
    ("hyper.lr", "peak learning rate"),
    ("hyper.min_lr", "last learning rate"),
    ("hyper.warmup", "steps of warm-up"),
    ("hyper.warmup_start", "where warm-up begins"),
    ("hyper.lr_shape", "shape of the learning rate"),
    ("hyper.beta1", "beta1"),
    ("hyper.beta2", "beta2"),
    ("hyper.eps", "epsilon"),
    ("hyper.weight_decay", "weight decay"),
    ("hyper.decayed", "what is decayed"),
    ("hyper.grad_clip", "largest gradient norm"),
    ("hyper.precision", "precision"),
    ("hyper.optimizer", "optimizer"),
    ("intervals.log", "steps between logs"),
    ("intervals.sample", "steps between samples"),
    ("intervals.checkpoint", "steps between checkpoints"),
    (
        "intervals.checkpoint_seconds",
        "seconds between checkpoints",
    ),
    ("intervals.val_tokens", "tokens evaluated at a log"),
    ("tokenizer", "tokenizer"),
    ("origin", "first weights"),
];

/// The paths whose values are not flattened.
const WHOLE: &[&str] = &["tokenizer", "origin", "data.origin"];

/// Returns the settings in an experiment's JSON, sorted by path in natural order. Layers are
/// identified by their numbers, and sublayers by their kind.
pub fn settings_of(experiment: &Value) -> Vec<Setting> {
    let mut found = Vec::new();
    flatten("", experiment, &mut found);
    found.sort_by(|a, b| natural(&a.path, &b.path));
    found
}

fn flatten(path: &str, value: &Value, found: &mut Vec<Setting>) {
    if WHOLE.contains(&path) {
        found.push(setting(path, value.to_string()));
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flatten(&joined(path, key), value, found);
            }
        }
        Value::Array(items) if path == "spec.layers" => {
            found.push(setting(path, items.len().to_string()));
            for (i, layer) in items.iter().enumerate() {
                flatten_layer(&joined(path, &i.to_string()), layer, found);
            }
        }
        Value::String(text) if path == "spec.position" => {
            // Files call the unscaled sines by the name that flags give to the others.
            let read: Result<Position, _> = serde_json::from_value(value.clone());
            let name = read.map_or_else(|_| text.clone(), |found| found.name().to_owned());
            found.push(setting(path, name));
        }
        Value::String(text) => found.push(setting(path, text.clone())),
        Value::Null => found.push(setting(path, "none".to_owned())),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => {
            found.push(setting(path, value.to_string()));
        }
    }
}

/// Flattens a layer, which is a list of sublayers. Only the second one of a kind needs a number.
fn flatten_layer(path: &str, layer: &Value, found: &mut Vec<Setting>) {
    let mut seen: Vec<&str> = Vec::new();
    for sublayer in layer.as_array().into_iter().flatten() {
        for (kind, value) in sublayer.as_object().into_iter().flatten() {
            let before = seen.iter().filter(|k| *k == kind).count();
            let name = match before {
                0 => kind.clone(),
                n => format!("{kind}{}", n + 1),
            };
            seen.push(kind);
            let path = joined(path, &name);
            found.push(setting(&path, "present".to_owned()));
            flatten(&path, value, found);
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn setting(path: &str, value: String) -> Setting {
    Setting {
        path: path.to_owned(),
        words: words(path),
        value,
    }
}

/// Returns the number of the layer that a path is inside, and the path within the layer.
pub(crate) fn layer_of(path: &str) -> Option<(usize, &str)> {
    let (number, rest) = path.strip_prefix("spec.layers.")?.split_once('.')?;
    Some((number.parse().ok()?, rest))
}

fn words(path: &str) -> String {
    let place = layer_of(path).map_or(path, |(_, rest)| rest);
    let known = WORDS.iter().find(|(known, _)| *known == place);
    known.map_or_else(
        || place.replace(['.', '_'], " "),
        |(_, words)| (*words).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::tests::experiment;

    #[test]
    fn every_setting_of_an_experiment_has_words() {
        let json = serde_json::to_value(experiment(3)).unwrap();
        let found = settings_of(&json);
        for setting in &found {
            let place = layer_of(&setting.path).map_or(setting.path.as_str(), |(_, rest)| rest);
            let known = WORDS.iter().any(|(known, _)| *known == place) || WHOLE.contains(&place);
            assert!(known || place == "format", "`{place}` has no words");
        }
        let value = |path: &str| {
            found
                .iter()
                .find(|s| s.path == path)
                .map(|s| s.value.as_str())
        };
        assert_eq!(value("seed"), Some("3"));
        assert_eq!(value("spec.layers"), Some("1"));
        assert_eq!(value("spec.layers.0.attention"), Some("present"));
        assert_eq!(value("spec.layers.0.attention.heads"), Some("4"));
        assert_eq!(value("spec.wiring.residual"), Some("add"));
        for (file, shown) in [
            ("sinusoidal", "sinusoidal-unscaled"),
            ("sinusoidal-scaled", "sinusoidal"),
            ("a later one", "a later one"),
        ] {
            let mut json = json.clone();
            json["spec"]["position"] = file.into();
            let found = settings_of(&json);
            let position = found.iter().find(|s| s.path == "spec.position");
            assert_eq!(position.map(|s| s.value.as_str()), Some(shown));
        }
    }

    #[test]
    fn the_words_are_about_settings_that_there_are() {
        let json = serde_json::to_value(experiment(3)).unwrap();
        let found = settings_of(&json);
        let places: Vec<&str> = found
            .iter()
            .map(|s| layer_of(&s.path).map_or(s.path.as_str(), |l| l.1))
            .collect();
        // These paths occur only in the JSON of other models.
        let elsewhere = [
            "mlp.form.gated",
            "attention.window",
            "hyper.precision",
            "hyper.optimizer",
            "hyper.warmup_start",
            "extensions",
        ];
        for (place, _) in WORDS {
            assert!(
                places.contains(place) || elsewhere.contains(place),
                "nothing is at `{place}`"
            );
        }
    }
}
