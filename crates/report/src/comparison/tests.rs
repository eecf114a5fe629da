use gptlab_model::Preset;
use gptlab_recipe::{Documents, TokenizerSpec, Vocabulary};
use gptlab_record::Floors;

use super::*;
use crate::{
    page::{PAGE, comparison_files},
    study::tests::{run, step},
};

/// Makes a run of its own name whose loss ends at `last`.
fn named(name: &str, seed: u64, last: f64) -> RecordedRun {
    RecordedRun {
        name: name.into(),
        ..run(seed, last)
    }
}

/// Makes a run with another learning rate.
fn other(name: &str, seed: u64, last: f64) -> RecordedRun {
    let mut run = named(name, seed, last);
    run.experiment.hyper.lr = 0.5;
    run
}

fn of(runs: Vec<RecordedRun>) -> Comparison {
    let typed = |run: RecordedRun| (format!("runs/{}", run.name), run);
    Comparison::of(runs.into_iter().map(typed).collect()).unwrap()
}

/// Ends a run before its last step.
fn without_end(mut run: RecordedRun, last: Option<Event>) -> RecordedRun {
    run.events.retain(|e| !matches!(e, Event::Done { .. }));
    run.events.extend(last);
    run
}

fn labels(comparison: &Comparison) -> Vec<&str> {
    comparison.runs.iter().map(|r| r.label.as_str()).collect()
}

/// Returns all sentences as one text.
fn answer(comparison: &Comparison) -> String {
    comparison.answer().join("\n")
}

#[test]
fn a_difference_between_single_runs_is_told_with_its_doubt() {
    let found = of(vec![named("a", 0, 2.12), other("b", 0, 2.0)]);
    assert_eq!(found.headline(), "`b` ends lowest: 2.0000, 0.12 below `a`");
    let said = answer(&found);
    for part in [
        "One setting changes from `a` to `b`: peak learning rate: 0.01 -> 0.5.",
        "ran with one seed, so it is not known whether the difference is more than chance",
        "`gptlab ablate`",
    ] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
    assert_eq!(labels(&found), ["b", "a"]);
    let setting = &found.settings[0];
    let values = [Some("0.5".to_owned()), Some("0.01".to_owned())];
    assert_eq!(
        (found.settings.len(), &setting.values[..]),
        (1, &values[..])
    );
}

#[test]
fn losses_that_print_alike_are_level() {
    let found = of(vec![named("a", 0, 2.0), other("b", 0, 2.000_001)]);
    assert_eq!(found.headline(), "`a` and `b` end level, at 2.0000");
    assert!(!answer(&found).contains("chance"));
    let equal = of(vec![named("a", 0, 2.0), named("b", 0, 2.0)]);
    assert_eq!(equal.headline(), "All 2 runs end level, at 2.0000");
}

#[test]
fn what_seeds_change_is_the_measure_of_a_difference() {
    let seeds = |apart: f64| {
        of(vec![
            named("a0", 0, 2.12),
            other("b0", 0, 2.0),
            other("b1", 1, 2.0 + apart),
        ])
    };
    let clear = seeds(0.01);
    let headline = "`b0` ends lowest: 2.0000, 0.12 below `a0`, the lowest with other settings";
    assert_eq!(clear.headline(), headline);
    assert!(answer(&clear).contains("seed alone end up to 0.01 apart, less than that difference"));
    let noisy = seeds(0.3);
    let headline = "`b0` ends lowest, at 2.0000, but by no more than seeds differ";
    assert_eq!(noisy.headline(), headline);
    assert!(answer(&noisy).contains("0.3 apart, no less than that difference"));
    let alone = of(vec![named("a", 0, 2.12), named("b", 1, 2.0)]);
    let headline = "2 runs of the same settings end between 2.0000 and 2.1200";
    assert_eq!(alone.headline(), headline);
}

#[test]
fn runs_that_did_not_finish_are_told_and_shown() {
    let stop = Event::Stop {
        step: 95,
        seconds: 24.0,
    };
    let diverged = Event::Diverged {
        step: 95,
        seconds: 24.0,
        what: None,
    };
    let found = of(vec![
        without_end(other("gone", 0, 1.0), None),
        without_end(named("div", 0, 0.5), Some(diverged)),
        without_end(named("stopped", 0, 1.5), Some(stop)),
        named("a", 0, 2.0),
    ]);
    assert_eq!(found.headline(), "Only `a` has finished: it ends at 2.0000");
    assert_eq!(labels(&found), ["a", "gone", "stopped", "div"]);
    let statuses: Vec<&str> = found.runs.iter().map(|run| run.status.name()).collect();
    assert_eq!(statuses, ["finished", "unfinished", "stopped", "diverged"]);
    let said = answer(&found);
    for part in [
        "`gone` has not finished: it has made 100 of 100 steps, at 1.0",
        "`stopped` was stopped after 100 of 100 steps",
        "`div` diverged at step 95.",
    ] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
    let none = of(vec![without_end(named("a", 0, 1.0), None)]);
    assert_eq!(none.headline(), "No run has finished");
}

#[test]
fn a_lower_run_that_did_not_finish_is_not_hidden() {
    let runs = vec![
        named("a", 0, 2.12),
        other("b", 0, 2.0),
        without_end(other("c", 0, 1.9), None),
    ];
    assert_eq!(
        of(runs).headline(),
        "`b` ends lowest of the runs that finished: 2.0000, 0.12 below `a`"
    );
}

#[test]
fn many_runs_that_did_not_finish_are_counted() {
    let runs = (0..9).map(|n| without_end(named(&format!("r{n}"), n, 2.0), None));
    let found = of(runs.collect());
    assert_eq!(
        answer(&found),
        "Not finished: 9 runs, which the table names."
    );
}

#[test]
fn losses_on_other_texts_are_not_compared() {
    let mut foreign = named("foreign", 0, 1.0);
    foreign.experiment.data.fingerprint = "11ee".into();
    let found = of(vec![named("a", 0, 2.0), foreign, other("b", 0, 2.5)]);
    assert_eq!(
        found.headline(),
        "The losses of 3 runs cannot all be compared: they read different texts"
    );
    let said = answer(&found);
    assert!(
        said.contains("`a` ends lowest: 2.0000, 0.5 below `b`."),
        "{said}"
    );
    assert!(!said.contains("foreign"), "{said}");
    assert_eq!(labels(&found), ["a", "b", "foreign"]);
    assert_eq!(found.groups.len(), 2);
}

/// Makes a run that reads bytes, and whose losses per token and per character differ.
fn of_bytes(name: &str, bits: f64) -> RecordedRun {
    let mut run = named(name, 0, 1.0);
    run.experiment.tokenizer = TokenizerSpec::new(Vocabulary::Bytes, Documents::Text).unwrap();
    run.experiment.vocab_size = 256;
    with_bits(run, bits)
}

fn with_bits(mut run: RecordedRun, bits: f64) -> RecordedRun {
    for event in &mut run.events {
        if let Event::Done {
            val_bits_per_char, ..
        } = event
        {
            *val_bits_per_char = Some(bits);
        }
    }
    run
}

#[test]
fn bits_per_character_stand_where_tokens_differ_and_characters_do_not() {
    let found = of(vec![
        of_bytes("bytes", 3.0),
        with_bits(other("a", 0, 2.0), 2.5),
    ]);
    assert_eq!(found.groups[0].unit, LossUnit::BitsPerCharacter);
    assert_eq!(
        found.headline(),
        "`a` ends lowest: 2.5000 bits per character, 0.5 below `bytes`"
    );
    assert!(answer(&found).contains("losses per token cannot be compared"));
    // Another number of tokens, of which a part is measured, is another part of the text.
    let mut longer = of_bytes("bytes", 3.0);
    longer.experiment.data.val_tokens = 1_500;
    let apart = of(vec![longer, named("a", 0, 2.0)]);
    assert_eq!(apart.groups.len(), 2);
    assert!(
        apart.headline().ends_with("measure different parts of it"),
        "{}",
        apart.headline()
    );
    assert!(
        apart.groups[0]
            .name
            .ends_with(" as bytes, 1,000 validation tokens"),
        "{:?}",
        apart.groups
    );
}

/// The runs of a grid have a loss over the whole split; others have one over a part of it.
#[test]
fn a_loss_over_the_whole_split_is_not_compared_with_one_over_a_part() {
    let part = |name: &str, whole: Option<f64>| {
        let mut run = named(name, 0, 2.0);
        run.experiment.data.val_tokens = 5_000;
        run.whole_loss = whole;
        run
    };
    let mixed = of(vec![part("a", Some(1.0)), part("b", None)]);
    assert_eq!(mixed.headline(), "All 2 runs end level, at 2.0000");
    let whole = of(vec![part("a", Some(1.0)), part("b", Some(1.5))]);
    assert_eq!(whole.runs[0].loss(LossUnit::NatsPerToken), Some(1.0));
    assert_eq!(whole.runs[0].best(LossUnit::NatsPerToken), None);
    let best = mixed.runs[0].best(LossUnit::NatsPerToken);
    assert_eq!(best, Some((100, 2.0)));
}

#[test]
fn settings_of_layers_that_only_some_models_have_are_no_differences() {
    let deep = |name: &str, layers: usize, heads: usize| {
        let mut run = named(name, 0, 2.0);
        let mut spec = Preset::Gpt2Mini.spec();
        let layer = spec.layers[0].clone();
        spec.layers = vec![layer; layers];
        let mut json = serde_json::to_value(&spec).unwrap();
        for layer in json["layers"].as_array_mut().unwrap() {
            layer[0]["attention"]["heads"] = heads.into();
        }
        run.experiment.spec = serde_json::from_value(json).unwrap();
        run
    };
    let found = of(vec![deep("a", 2, 4), deep("b", 3, 2), deep("c", 6, 2)]);
    let words: Vec<(&str, Vec<&str>)> = found
        .settings
        .iter()
        .map(|s| {
            let values = s.values.iter();
            let values = values.map(|v| v.as_deref().unwrap_or("absent"));
            (s.words.as_str(), values.collect())
        })
        .collect();
    assert_eq!(
        words,
        [
            ("layers", vec!["2", "3", "6"]),
            ("attention heads of layers 0 to 1", vec!["4", "2", "2"]),
        ]
    );
}

#[test]
fn runs_of_one_name_are_called_by_their_paths() {
    let paths = ["x/run", "y/run", "z/o`ther"];
    let runs = paths.map(|path| {
        let name = path.rsplit('/').next().unwrap();
        (path.to_owned(), named(name, 0, 2.0))
    });
    assert_eq!(labels::labels(&runs), ["x/run", "y/run", "o'ther"]);
    let names = [
        "20260131-235959-text-tied-0",
        "20260131-235959-text",
        "20260201-000000-text",
        "20260201-",
    ];
    let runs = names.map(|name| (format!("runs/{name}"), named(name, 0, 2.0)));
    let expected = ["text-tied-0", names[1], names[2], names[3]];
    assert_eq!(
        labels::labels(&runs),
        expected,
        "times only where they are needed"
    );
    assert_eq!(shortened("20260102-abcdefghij", 9), "2026…ghij");
    assert_eq!(shortened("short", 9), "short");
}

/// Returns the text of a file of the page.
fn page(comparison: &Comparison, name: &str) -> String {
    let files = comparison_files(comparison, Some("2026-01-02"));
    let names: Vec<&str> = files.iter().map(|f| f.name.as_str()).collect();
    let found = files.iter().find(|file| file.name == name);
    found
        .unwrap_or_else(|| panic!("no {name} among {names:?}"))
        .text
        .clone()
}

#[test]
fn the_page_and_its_other_forms_say_the_same() {
    let mut wide = other("b", 0, 2.0);
    wide.experiment.hyper.batch_size *= 2;
    let mut found = of(vec![named("a", 0, 2.12), wide]);
    let baselines = Floors {
        uniform: 27f64.ln(),
        ngrams: vec![2.8, 2.4],
        ..Floors::default()
    };
    for run in &mut found.runs {
        run.run.floors = Some(baselines.clone());
    }
    let html = page(&found, PAGE);
    for part in [
        "</code> ends lowest: 2.0000, 0.12 below <code",
        "<title>b ends lowest: 2.0000",
        "gptlab comparison of 2 runs on built-in names",
        "The validation loss by step",
        "The validation loss by trained tokens",
        ">2-gram</text>",
        "better than the 2-gram baseline",
        "peak learning rate",
        "&lt;b&gt;anna&lt;/b&gt;",
        "2026-01-02",
        "25.0 s",
    ] {
        assert!(html.contains(part), "no {part}");
    }
    let markdown = page(&found, "report.md");
    for part in [
        "# `b` ends lowest: 2.0000, 0.12 below `a`\n",
        "| b | finished | 2.0000 | 2.0000 |",
        "![The validation loss by step](curves.svg)",
        "````text\n<b>anna</b>\n```\nbob\n````",
    ] {
        assert!(markdown.contains(part), "no {part} in\n{markdown}");
    }
    assert!(
        !markdown.contains("25.0 s"),
        "times differ between equal runs"
    );
    assert!(page(&found, "runs.csv").starts_with("run,text,status,seed,parameters,steps,"));
    assert!(page(&found, "settings.csv").starts_with("run,sequences a step,peak learning rate\n"));
    assert!(!html.contains("Too short to tell"));
    for run in &mut found.runs {
        run.run.floors = Some(Floors {
            ngrams: vec![2.8, 1.9],
            ..baselines.clone()
        });
    }
    let said = found.answer().join("\n");
    let short = "Too short to tell: no run has passed the 2-gram baseline, 1.9000, which sees one token of \
                 context. What attention,";
    assert!(said.contains(short), "{said}");
    let curves = page(&found, "curves.csv");
    assert!(
        curves.contains("\nb,0,90,2880.0,") || curves.contains("\nb,0,90,2880,"),
        "{curves}"
    );
    assert!(page(&found, "baselines.csv").contains("2-gram"));
    assert!(page(&found, "curves-by-tokens.svg").contains(">tokens</text>"));
    let told = story(&found, 80);
    assert!(told.starts_with("`b` ends lowest"), "{told}");
    assert!(
        told.contains("After 100 steps b wrote:\n  <b>anna</b>\n"),
        "{told}"
    );
}

#[test]
fn thirty_runs_are_drawn_as_far_as_they_can_be_told_apart() {
    let runs = (0..30).map(|n| {
        let mut run = named(
            &format!("a-run-with-a-name-{n}"),
            0,
            2.0 + f64::from(n) / 10.0,
        );
        run.experiment.hyper.lr = f64::from(n);
        run
    });
    let found = of(runs.collect());
    let svg = page(&found, "curves.svg");
    assert_eq!(svg.matches("class=\"label ").count(), 28);
    assert!(svg.contains("2 more are not drawn."));
    let html = page(&found, PAGE);
    assert!(html.contains("a-run-with-a-name-29"), "the table has all");
    assert!(story(&found, 80).contains("The page draws 24 more curves."));
    assert!(html.contains("viewBox=\"0 0 340 740\""), "a legend below");
}

#[test]
fn runs_without_numbers_are_no_trouble() {
    let empty = |name: &str| {
        let mut run = named(name, 0, 2.0);
        run.events.clear();
        run
    };
    let mut odd = named("odd", 0, f64::NAN);
    odd.experiment.data.val_tokens = 0;
    odd.events.push(step(u64::MAX, f64::INFINITY, f64::NAN));
    for runs in [vec![empty("a"), empty("b")], vec![odd, empty("b")], vec![]] {
        let found = of(runs);
        let _ = (
            story(&found, 80),
            page(&found, PAGE),
            page(&found, "report.md"),
        );
    }
}
