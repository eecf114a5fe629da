use std::{collections::BTreeSet, fmt::Debug};

use gptlab_model::{Attention, Choice, Preset, Sublayer, lower};

use super::*;

fn seed() -> Settings {
    Settings::of(Preset::Gpt2Mini, Some(400))
}

/// A modern model with Muon: what some switches put back.
fn modern() -> Settings {
    let mut modern = Settings::of(Preset::Modern, Some(400));
    modern.hyper.optimizer = gptlab_recipe::Optimizer::Muon;
    modern
}

fn applied(switch: &Switch, base: &Settings) -> Settings {
    switch.applied(base).expect("settings")
}

#[test]
fn names_are_unlike_and_found_and_every_word_is_there() {
    let names: BTreeSet<&str> = ALL.iter().map(|s| s.name).collect();
    assert_eq!(names.len(), ALL.len());
    for switch in ALL {
        let written = [switch.name.to_owned(), switch.slug()];
        let older = switch.aliases.iter().map(|alias| (*alias).to_owned());
        for name in written.into_iter().chain(older) {
            assert_eq!(Switch::find(&name).unwrap().name, switch.name, "{name}");
        }
        assert!(switch.expected.is_bounded(), "{}", switch.name);
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

/// What gpt2-mini has already, and a modern model has not.
const PUT_BACK: [&str; 4] = ["LayerNorm", "learned positions", "GELU", "AdamW"];

/// A switch that changed nothing, or the same settings as another, would be a useless row of the
/// table.
#[test]
fn every_switch_makes_another_experiment_of_the_seed_or_of_a_modern_model() {
    let all = || [BASELINE].into_iter().chain(ALL.iter().copied());
    let put_back = |switch: &Switch| PUT_BACK.contains(&switch.name);
    let of_seed: Vec<Switch> = all().filter(|s| !put_back(s)).collect();
    let of_modern: Vec<Switch> = all()
        .filter(|s| put_back(s) || s.name == "baseline")
        .collect();
    for (base, switches) in [(seed(), of_seed), (modern(), of_modern)] {
        let made: Vec<Settings> = switches.iter().map(|s| applied(s, &base)).collect();
        for (i, one) in made.iter().enumerate() {
            assert!(
                made[..i].iter().all(|other| other != one),
                "{}",
                switches[i].name
            );
            one.spec.check(65).expect("a model");
            one.hyper.check().expect("hyper-parameters");
        }
    }
    for name in PUT_BACK {
        let switch = Switch::find(name).unwrap();
        assert!(applied(&switch, &seed()) == seed(), "{name}");
    }
}

#[test]
fn a_label_says_what_is_replaced() {
    let label = |name: &str, base: &Settings| Switch::find(name).unwrap().label(base);
    assert_eq!(label("residual", &seed()), "no residual");
    assert_eq!(label("swiglu", &seed()), "SwiGLU for GELU");
    assert_eq!(label("norm-rms", &seed()), "RMSNorm for LayerNorm");
    assert_eq!(label("relu", &modern()), "ReLU for SwiGLU");
    assert_eq!(label("sgd", &modern()), "SGD for Muon");
    let no_mlp = applied(&Switch::find("mlp").unwrap(), &seed());
    assert_eq!(label("gelu", &no_mlp), "GELU");
}

/// A bare `gptlab ablate` has rotary positions and SwiGLU; gpt2-mini has learned positions and
/// GELU, and has expectations of its own.
#[test]
fn an_expectation_is_about_its_baseline() {
    let of = |name: &str, base: &Settings| Switch::find(name).unwrap().expectation(base);
    for (name, ours, theirs) in [
        ("sinusoidal positions", "rotary", "learned"),
        ("ALiBi", "rotary", "learned"),
        ("ReLU", "SwiGLU", "units dead"),
        ("squared ReLU", "SwiGLU", "GELU"),
    ] {
        let (expected, words) = of(name, &modern());
        let switch = Switch::find(name).unwrap();
        assert_eq!((expected, words), (switch.expected, switch.prediction));
        assert!(words.contains(ours), "{words}");
        let (elsewhere, words) = of(name, &seed());
        assert!(elsewhere != expected && words.contains(theirs), "{words}");
    }
    assert_eq!(of("no MLP", &seed()), of("no MLP", &modern()));
}

/// Names of this version are those of none before, so that old records get new names and new ones
/// keep theirs.
#[test]
fn names_of_older_versions_have_a_current_one() {
    let current = |old: &str| current_name(old);
    assert_eq!(current("residual").as_deref(), Some("no residual"));
    assert_eq!(
        current("norm-rms lr=0.1 n-layer=2").as_deref(),
        Some("RMSNorm lr=0.1 n-layer=2")
    );
    assert_eq!(current("one-head").as_deref(), Some("one head"));
    assert_eq!(current("post-ln lr=1").as_deref(), Some("post-LN lr=1"));
    assert_eq!(current("baseline lr=0.1"), None);
    for switch in ALL {
        assert_eq!(current(switch.name), None, "{}", switch.name);
    }
}

/// The other optimiser trains at its own rate, and everything else stays: a step decays the weights
/// by as much, and the rate falls by the same curve.
#[test]
fn an_optimiser_s_switch_changes_the_optimiser_alone() {
    let mut base = seed();
    (base.hyper.lr, base.hyper.min_lr) = (2e-3, 2e-4);
    for (name, base) in [("sgd", &base), ("muon", &base), ("adamw", &modern())] {
        let (was, is) = (
            &base.hyper,
            &applied(&Switch::find(name).unwrap(), base).hyper,
        );
        assert_ne!(was.optimizer, is.optimizer);
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-12, "{name}: {a} {b}");
        close(is.lr * is.weight_decay, was.lr * was.weight_decay);
        close(is.min_lr / is.lr, was.min_lr / was.lr);
        let ours = gptlab_recipe::Hyper {
            optimizer: was.optimizer,
            lr: was.lr,
            min_lr: was.min_lr,
            weight_decay: was.weight_decay,
            ..*is
        };
        assert!(ours == *was, "{name}");
    }
}

/// Each architectural switch changes the listing or the initial weights; the others change only the
/// training.
#[test]
fn a_listing_tells_architecture_from_training() {
    let base = seed();
    let listing = |s: &Settings| lower(&s.spec.check(65).expect("a model")).to_string();
    let trains = [
        "no warm-up",
        "no clipping",
        "SGD",
        "Muon",
        "init x10",
        "init x0.1",
        "other residual init",
    ];
    for switch in ALL.iter().filter(|s| !PUT_BACK.contains(&s.name)) {
        let same = listing(&applied(switch, &base)) == listing(&base);
        assert_eq!(same, trains.contains(&switch.name), "{}", switch.name);
    }
}

/// Fails if a choice has a value that neither gpt2-mini nor any switch uses.
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
        ["no MLP", "no residual", "post-LN", "no attention"]
    );
    assert_eq!(names("bias,all").len(), ALL.len());
    assert_eq!(names("main"), MAIN);
    assert_eq!(names("no residual, no-mlp,SwiGLU for GELU").len(), 3);
    assert!(names("").is_empty());
    assert!(Switch::named("seed,residuals").is_err());
}
