//! Users can type every list of choices, and records hold the names they have always held.

use std::{collections::BTreeSet, fmt::Debug};

use gptlab_model::{Choice, Words};
use gptlab_recipe::{Decay, LrShape, ObserveLevel, Optimizer, Precision, WarmupStart};
use serde::{Serialize, de::DeserializeOwned};

/// For all these types, files hold the name that users type.
fn can_be_typed<C: Choice + Debug + Serialize + DeserializeOwned>(names: &[&str]) {
    let listed: Vec<&str> = C::ALL.iter().map(|value| value.name()).collect();
    assert_eq!(listed, names);
    let mut typed = BTreeSet::new();
    for &value in C::ALL {
        let Words {
            name,
            aliases,
            help,
        } = value.words();
        for word in [&[name], aliases].concat() {
            assert_eq!(C::parse(word), Ok(value), "{word}");
            assert!(typed.insert(word), "{}: {word} stands twice", C::SUBJECT);
        }
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}: {help}");
        let json = serde_json::to_string(&value).expect("a name");
        assert_eq!(json, format!("{name:?}"));
        assert_eq!(serde_json::from_str::<C>(&json).expect("a name"), value);
    }
}

#[test]
fn every_list_can_be_typed_and_is_what_files_hold() {
    can_be_typed::<Optimizer>(&["adamw", "sgd", "muon"]);
    can_be_typed::<Precision>(&["f32", "bf16"]);
    can_be_typed::<WarmupStart>(&["zero", "first-step"]);
    can_be_typed::<LrShape>(&["constant", "linear", "cosine"]);
    can_be_typed::<Decay>(&["everything", "matrices"]);
    can_be_typed::<ObserveLevel>(&["off", "basic", "full"]);
}
