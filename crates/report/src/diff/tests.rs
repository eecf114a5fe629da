use gptlab_model::{Preset, Residual};
use gptlab_record::{Event, StepRecord};

use super::*;
use crate::study::tests::run;

fn side(name: &str, run: &RecordedRun) -> ComparedRun {
    ComparedRun::of_run(name, run).unwrap()
}

#[test]
fn a_run_is_equal_to_itself_whatever_time_it_took() {
    let (a, mut b) = (run(0, 2.0), run(0, 2.0));
    for event in &mut b.events {
        if let Event::Step(record) = event {
            *record = StepRecord {
                seconds: 99.0,
                tokens_per_second: 1.0,
                ..*record
            };
        }
    }
    b.events.insert(3, Event::Resume { step: 10 });
    let found = compare(&side("a", &a), &side("b", &b));
    assert!(found.equal, "{found:?}");
    assert!(found.text(80, Glyphs::Ascii).contains("The runs are equal"));
}

/// A damaged or edited record may contain a step twice, or a measure in two series.
#[test]
fn a_run_that_tells_a_step_twice_is_equal_to_itself() {
    let mut twice = run(0, 2.0);
    for event in twice.events.clone() {
        match event {
            Event::Step(record) => twice.events.push(Event::Step(StepRecord {
                loss: record.loss + 1.0,
                ..record
            })),
            Event::Observation(mut observation) => {
                let mut again = observation.series.clone();
                for series in &mut again {
                    series.values.fill(7.0);
                }
                observation.series.extend(again);
                twice.events.push(Event::Observation(observation));
            }
            Event::Start { .. }
            | Event::Notice { .. }
            | Event::Sample { .. }
            | Event::Checkpoint { .. }
            | Event::Resume { .. }
            | Event::Stop { .. }
            | Event::Diverged { .. }
            | Event::Done { .. } => {}
        }
    }
    let found = compare(&side("a", &twice), &side("b", &twice));
    assert!(found.equal, "{:?}", found.first_difference);
    assert_eq!(found.common_steps, 20);
}

#[test]
fn runs_part_at_a_step_and_a_number() {
    let (a, mut b) = (run(0, 2.0), run(0, 2.0));
    let mut steps = 0;
    for event in &mut b.events {
        if let Event::Step(record) = event {
            steps += 1;
            if steps > 3 {
                record.grad_norm = 0.75;
            }
        }
    }
    let found = compare(&side("a", &a), &side("b", &b));
    assert!(!found.equal);
    assert_eq!(
        (
            found.common_steps,
            found.settings.len(),
            found.listing.len()
        ),
        (10, 0, 0)
    );
    let text = found.text(80, Glyphs::Ascii);
    assert!(
        text.contains("first differ at step 30: grad_norm 0.5 in a, 0.75 in b"),
        "{text}"
    );
    assert!(
        text.contains("no setting differs") && text.contains("the same ops"),
        "{text}"
    );
    assert!(
        text.contains("last recorded losses: a 2.0000, b 2.0000 (+0.0000)"),
        "{text}"
    );
}

#[test]
fn settings_differ_in_words_and_layers_together() {
    let (mut a, mut b) = (run(0, 2.0), run(0, 2.0));
    a.experiment.spec = Preset::Gpt2Mini.spec();
    b.experiment.spec = Preset::Gpt2Mini.spec();
    b.experiment.spec.wiring.residual = Residual::None;
    for layer in &mut b.experiment.spec.layers {
        layer.remove(0);
    }
    b.experiment.hyper.lr = 0.5;
    let found = compare(&side("a", &a), &side("b", &b));
    let text: Vec<String> = found.settings.iter().map(SettingChange::text).collect();
    assert_eq!(
        text,
        [
            "peak learning rate: 0.01 -> 0.5",
            "attention of layers 0 to 3: present -> absent",
            "residual connections: add -> none",
        ]
    );
    assert!(
        found
            .listing
            .iter()
            .any(|l| l.sign == '-' && l.text.contains("attn")),
        "{:?}",
        found.listing
    );
}

#[test]
fn what_is_no_number_is_equal_to_itself() {
    let mut a = run(0, 2.0);
    if let Event::Step(record) = &mut a.events[1] {
        record.loss = f64::NAN;
    }
    assert!(compare(&side("a", &a), &side("b", &a.clone())).equal);
}

#[test]
fn a_side_without_events_has_only_settings() {
    let a = run(0, 2.0);
    let mut b = side("b", &a);
    b.events.clear();
    let found = compare(&side("a", &a), &b);
    assert!(!found.equal && found.first_difference.is_none());
    assert!(
        found
            .text(80, Glyphs::Unicode)
            .contains("nothing is recorded by both")
    );
    assert!(
        serde_json::to_string(&found)
            .unwrap()
            .contains("\"equal\":false")
    );
    b.knows = KnownSettings::Part;
    b.settings.as_object_mut().unwrap().remove("engine");
    assert!(
        compare(&side("a", &a), &b).equal,
        "what a checkpoint does not know is not compared"
    );
}

#[test]
fn listings_show_what_changed_and_little_more() {
    let all: Vec<String> = (0..20).map(|n| format!("op{n}")).collect();
    let mut other = all.clone();
    other[10] = "new".into();
    let lines = listing(&all.join("\n"), &other.join("\n"));
    let text: Vec<String> = lines
        .iter()
        .map(|l| format!("{}{}", l.sign, l.text))
        .collect();
    assert_eq!(text, [" op8", " op9", "-op10", "+new", " op11", " op12"]);
    let lines = listing("a    = 1\nlong = 2\n", "a = 1\n");
    let text: Vec<String> = lines
        .iter()
        .map(|l| format!("{}{}", l.sign, l.text))
        .collect();
    assert_eq!(
        text,
        [" a    = 1", "-long = 2"],
        "another width is no change"
    );
}
