use std::collections::BTreeSet;

use gptlab_model::{Activation, Choice, Position, Preset};

use super::*;
use crate::Settings;

fn requested(settings: &[(&str, &str)]) -> Overrides {
    let mut overrides = Overrides::default();
    for (key, typed) in settings {
        overrides.set(key, typed).expect("a setting and its value");
    }
    overrides
}

fn refused(key: &str, typed: &str) -> String {
    let refused = Overrides::default().set(key, typed);
    refused.unwrap_err().to_string()
}

#[test]
fn names_and_fields_are_unlike_and_found() {
    let every = |key: &SettingKey| {
        let aliases = key.aliases.iter().map(ToString::to_string);
        std::iter::once(key.name())
            .chain(aliases)
            .collect::<Vec<_>>()
    };
    let all: Vec<String> = KEYS.iter().flat_map(every).collect();
    let names: BTreeSet<&String> = all.iter().collect();
    assert_eq!(names.len(), all.len());
    for key in KEYS {
        for typed in every(key) {
            assert_eq!(SettingKey::find(&typed).unwrap().field, key.field);
            let field = typed.replace('-', "_");
            assert_eq!(SettingKey::find(&field).unwrap().field, key.field);
        }
    }
}

/// The witness is the recipe of every preset: each setting is typed as the value that
/// `Overrides::of` returns for it, over the settings of another preset.
#[test]
fn the_settings_of_every_preset_are_parsed_back() {
    for &preset in Preset::ALL {
        let settings = Settings::of(preset, None);
        let mut typed = Overrides::default();
        for (key, value) in Overrides::of(&settings).values() {
            assert_eq!(key.check(&value.to_string()), Ok(()), "{}", key.field);
            typed.set(&key.name(), &value.to_string()).expect("a value");
        }
        assert_eq!(typed, Overrides::of(&settings));
        let mut other = Settings::of(Preset::Microgpt, None);
        typed.apply(&mut other).expect("settings");
        assert_eq!(other, settings, "{}", preset.name());
    }
}

#[test]
fn a_setting_changes_itself_alone() {
    let base = Settings::of(Preset::Gpt2Mini, None);
    let before = Overrides::of(&base);
    let cases = [
        ("position", "rotary"),
        ("softcap", "30"),
        ("disable-residual", "1"),
        ("n-kv-head", "2"),
        ("activation", "relu"),
        ("grad-clip", "0"),
        ("seed", "18446744073709551615"),
        ("top-k", "0"),
        ("sample-interval", "0"),
        ("init-std", "0.1"),
    ];
    for (name, typed) in cases {
        let mut settings = base.clone();
        requested(&[(name, typed)])
            .apply(&mut settings)
            .expect("settings");
        let after = Overrides::of(&settings);
        for key in KEYS {
            let same = after.get(key) == before.get(key);
            assert_eq!(same, key.name() != name, "{name} and {}", key.field);
        }
    }
}

#[test]
fn requested_settings_override_the_preset() {
    let overrides = requested(&[("base", "modern"), ("n_layer", "2"), ("steps", "50")]);
    let settings = overrides.resolve(Preset::Nano).expect("settings");
    assert_eq!(settings.spec.position, Position::Rotary);
    assert_eq!((settings.spec.layers.len(), settings.hyper.warmup), (2, 5));
    let typed = requested(&[("n-layer", "3")]).or(overrides);
    assert_eq!((typed.n_layer, typed.steps), (Some(3), Some(50)));
}

#[test]
fn json_holds_requested_settings_in_the_order_of_the_table() {
    let overrides = requested(&[
        ("bias", "off"),
        ("activation", "gelu-erf"),
        ("lr", "3e-4"),
        ("grad_clip", "0"),
        ("prompt", "1"),
    ]);
    let json = r#"{"lr":0.0003,"grad-clip":0,"bias":false,"activation":"gelu","prompt":"1"}"#;
    assert_eq!(serde_json::to_string(&overrides).unwrap(), json);
    let read: Overrides = serde_json::from_str(json).unwrap();
    assert_eq!(read, overrides);
    assert_eq!(read.activation, Some(Activation::GeluErf));
    let underscored: Overrides = serde_json::from_str(r#"{"grad_clip":0.0}"#).unwrap();
    assert_eq!(underscored.grad_clip, overrides.grad_clip);
}

#[test]
fn wrong_settings_are_refused_with_a_sentence() {
    assert_eq!(
        refused("n_layr", "2"),
        "there is no setting called `n_layr`; did you mean `n-layer`?"
    );
    assert_eq!(
        refused("colour", "red"),
        "there is no setting called `colour`; the settings are those of `gptlab presets NAME`"
    );
    assert_eq!(
        refused("steps", "many"),
        "steps = many: expected a whole number"
    );
    let wrong = refused("position", "rotery");
    assert!(
        wrong.starts_with("position = rotery: there is no position called"),
        "{wrong}"
    );
    let json = serde_json::from_str::<Overrides>(r#"{"steps":[1]}"#).unwrap_err();
    assert!(
        json.to_string()
            .starts_with("`steps` must be a number, a string, true or false"),
        "{json}"
    );
}

/// A refused override changes nothing.
#[test]
fn contradictions_are_refused_and_leave_settings_as_they_were() {
    let cases = [
        (
            vec![("mlp", "plain"), ("gated", "1")],
            "mlp plain and gated contradict each other",
        ),
        (
            vec![("lr", "0.1"), ("log-interval", "0")],
            "log-interval must be at least 1, found 0",
        ),
        (vec![("lr", "0.1"), ("beta1", "1")], "beta1 must be "),
        (vec![("temperature", "-1")], "temperature must be a number"),
        (vec![("n-layer", "100000")], "n_layer must be at most "),
    ];
    for (settings, said) in cases {
        let mut base = Settings::of(Preset::Gpt2Mini, None);
        let refused = requested(&settings)
            .apply(&mut base)
            .unwrap_err()
            .to_string();
        assert!(refused.starts_with(said), "{refused}");
        assert_eq!(base, Settings::of(Preset::Gpt2Mini, None));
    }
}

#[test]
fn the_default_of_every_setting_is_described() {
    use crate::KeyDefault;
    for key in KEYS {
        let is_absent = key.default() == KeyDefault::Absent;
        assert_eq!(is_absent, key.absent.is_some(), "{}", key.field);
    }
    let preset = SettingKey::find("preset")
        .unwrap()
        .absent
        .unwrap_or_default();
    assert_eq!(preset, "a recipe for the text");
    let of = |name: &str| SettingKey::find(name).unwrap().default();
    assert_eq!(of("lr"), KeyDefault::ByPreset);
    assert_eq!(of("beta1"), KeyDefault::ByPreset);
    assert_eq!(of("eps"), KeyDefault::Value(SettingValue::Number(1e-8)));
}
