use std::{collections::BTreeSet, fmt::Debug};

use gptlab_model::{Attention, Choice, Preset, Sublayer, lower};

use super::*;

fn seed() -> Settings {
    Settings::of(Preset::Gpt2Mini, Some(400))
}

fn applied(switch: &Switch, base: &Settings) -> Settings {
    switch.applied(base).expect("settings")
}

#[test]
fn names_are_unlike_and_found_and_every_word_is_there() {
    let names: BTreeSet<&str> = ALL.iter().map(|s| s.name).collect();
    assert_eq!(names.len(), ALL.len());
    for switch in ALL {
        assert_eq!(Switch::find(switch.name).unwrap().title, switch.title);
        for words in [
            switch.title,
            switch.purpose,
            switch.prediction,
            switch.source,
        ] {
            assert!(words.len() > 5, "{}: {words}", switch.name);
        }
    }
    assert!(SEED.iter().all(|name| names.contains(name)));
    let message = Switch::find("residuals").unwrap_err().to_string();
    assert!(
        message.contains("\"residuals\"") && message.contains("swiglu"),
        "{message}"
    );
}

/// A switch that changed nothing, or the same settings as another, would be a useless row of the
/// table.
#[test]
fn every_switch_makes_another_experiment_of_the_seed() {
    let base = seed();
    let all = || [BASELINE].into_iter().chain(ALL.iter().copied());
    let made: Vec<Settings> = all().map(|s| applied(&s, &base)).collect();
    for (i, one) in made.iter().enumerate() {
        assert!(
            made[..i].iter().all(|other| other != one),
            "{}",
            ALL[i.max(1) - 1].name
        );
        one.spec.check(65).expect("a model");
        one.hyper.check().expect("hyper-parameters");
    }
}

/// Each architectural switch changes the listing or the initial weights; the others change only the
/// training.
#[test]
fn a_listing_tells_architecture_from_training() {
    let base = seed();
    let listing = |s: &Settings| lower(&s.spec.check(65).expect("a model")).to_string();
    let trains = [
        "warm-up",
        "clip",
        "sgd",
        "muon",
        "init-x10",
        "init-x0.1",
        "residual-init",
    ];
    for switch in ALL {
        let same = listing(&applied(switch, &base)) == listing(&base);
        assert_eq!(same, trains.contains(&switch.name), "{}", switch.name);
    }
}

/// Fails if a choice has a value that neither the seed nor any switch uses.
fn every_value_is_tried<C: Choice + Debug>(of: fn(&Settings) -> C) {
    let base = seed();
    let tried: Vec<C> = [BASELINE]
        .iter()
        .chain(ALL)
        .map(|switch| of(&applied(switch, &base)))
        .collect();
    for value in C::ALL {
        assert!(tried.contains(value), "{} {}", C::SUBJECT, value.name());
    }
}

fn attention_of(settings: &Settings) -> Attention {
    let sublayers = settings.spec.layers.iter().flatten();
    let mut attentions = sublayers.filter_map(|sublayer| match sublayer {
        Sublayer::Attention(attention) => Some(*attention),
        Sublayer::Mlp(_) => None,
    });
    attentions.next().unwrap_or_else(|| Attention::causal(1))
}

#[test]
fn a_choice_that_is_only_a_value_has_a_switch_for_each() {
    every_value_is_tried(|s| s.spec.position);
    every_value_is_tried(|s| s.spec.wiring.norm);
    every_value_is_tried(|s| s.spec.wiring.residual);
    every_value_is_tried(|s| s.spec.head);
    every_value_is_tried(|s| s.spec.bias);
    every_value_is_tried(|s| s.spec.init.residual);
    every_value_is_tried(|s| attention_of(s).mask);
    every_value_is_tried(|s| attention_of(s).scale);
    every_value_is_tried(|s| attention_of(s).qk_norm);
    every_value_is_tried(|s| s.hyper.optimizer);
}

#[test]
fn a_list_of_switches_names_each_once() {
    let names = |typed: &str| -> Vec<&str> {
        let found = Switch::named(typed).expect("switches");
        found.iter().map(|switch| switch.name).collect()
    };
    assert_eq!(
        names("mlp, baseline,seed"),
        ["mlp", "residual", "post-ln", "attention"]
    );
    assert_eq!(names("bias,all").len(), ALL.len());
    assert!(names("").is_empty());
    assert!(Switch::named("seed,residuals").is_err());
}
