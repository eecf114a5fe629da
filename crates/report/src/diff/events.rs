//! Finds the first difference between two records.

use std::collections::BTreeMap;

use gptlab_record::{Event, Observation, StepRecord};
use serde::Serialize;

use crate::number;

/// The first recorded number that differs at a step that both sides recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FirstDifference {
    pub step: u64,
    /// The number that differs: `loss`, or a measure and its place.
    pub what: String,
    pub a: String,
    pub b: String,
}

impl FirstDifference {
    pub(super) fn text(&self) -> String {
        format!(
            "first differ at step {}: {} {} in a, {} in b",
            self.step, self.what, self.a, self.b
        )
    }
}

/// The recorded numbers of a step with their names, in order.
type Numbers = Vec<(String, f64)>;

/// Returns the events that contain numbers of a run, without their times. Notices, checkpoints,
/// stops and resumes contain none.
fn numeric_events(events: &[Event]) -> Vec<Event> {
    let counts = |event: &Event| match event {
        Event::Step(_)
        | Event::Observation(_)
        | Event::Sample { .. }
        | Event::Diverged { .. }
        | Event::Done { .. } => true,
        Event::Start { .. }
        | Event::Notice { .. }
        | Event::Checkpoint { .. }
        | Event::Resume { .. }
        | Event::Stop { .. } => false,
    };
    events
        .iter()
        .filter(|e| counts(e))
        .cloned()
        .map(Event::timeless)
        .collect()
}

/// Returns whether both records are the same. A NaN equals itself here.
pub(super) fn same(a: &[Event], b: &[Event]) -> bool {
    let text = |events: &[Event]| -> Vec<String> {
        numeric_events(events)
            .iter()
            .map(|e| format!("{e:?}"))
            .collect()
    };
    text(a) == text(b)
}

/// Returns the first difference, and the number of common steps.
pub(super) fn part(a: &[Event], b: &[Event]) -> (Option<FirstDifference>, usize) {
    let (a, b) = (numeric_events(a), numeric_events(b));
    let others: BTreeMap<((u8, u64), usize), &Event> =
        numbered(b.iter().map(key)).into_iter().zip(&b).collect();
    let mut common = 0;
    let mut first_difference = None;
    for (place, event) in numbered(a.iter().map(key)).into_iter().zip(&a) {
        let Some(other) = others.get(&place) else {
            continue;
        };
        let (kind, step) = place.0;
        common += usize::from(kind == 0);
        if first_difference.is_none() {
            first_difference = differing(step, event, other);
        }
    }
    (first_difference, common)
}

/// Pairs each of `keys` with the number of equal keys before it, because a record may contain a
/// step twice.
fn numbered<K: Ord + Clone>(keys: impl Iterator<Item = K>) -> Vec<(K, usize)> {
    let mut seen: BTreeMap<K, usize> = BTreeMap::new();
    let number = |key: K| {
        let before = seen.entry(key.clone()).or_default();
        *before += 1;
        (key, *before - 1)
    };
    keys.map(number).collect()
}

/// Returns the kind of the event and its step.
fn key(event: &Event) -> (u8, u64) {
    match event {
        Event::Step(record) => (0, record.step),
        Event::Observation(observation) => (1, observation.step),
        Event::Sample { step, .. } => (2, *step),
        Event::Done { step, .. } => (3, *step),
        Event::Diverged { step, .. } => (4, *step),
        Event::Start { .. } | Event::Notice { .. } => (5, 0),
        Event::Checkpoint { step, .. } | Event::Resume { step } | Event::Stop { step, .. } => {
            (6, *step)
        }
    }
}

fn differing(step: u64, a: &Event, b: &Event) -> Option<FirstDifference> {
    let part = |what: String, a: String, b: String| FirstDifference { step, what, a, b };
    if let (Event::Sample { text: a, .. }, Event::Sample { text: b, .. }) = (a, b) {
        return (a != b).then(|| part("sample".to_owned(), format!("{a:?}"), format!("{b:?}")));
    }
    let (a, b) = (numbers(a), numbers(b));
    let names = |numbers: &Numbers| numbered(numbers.iter().map(|(what, _)| what.clone()));
    let others: BTreeMap<(String, usize), f64> =
        names(&b).into_iter().zip(b.iter().map(|n| n.1)).collect();
    let differs = |(name, x): ((String, usize), f64)| {
        let y = *others.get(&name)?;
        (x.to_bits() != y.to_bits()).then(|| part(name.0, number::exact(x), number::exact(y)))
    };
    let own = names(&a).into_iter().zip(a.iter().map(|n| n.1));
    own.into_iter().find_map(differs)
}

fn numbers(event: &Event) -> Numbers {
    match event {
        Event::Step(record) => of_step(record),
        Event::Observation(observation) => of_observation(observation),
        Event::Done { val_loss, .. } => val_loss
            .map(|x| ("val_loss".to_owned(), x))
            .into_iter()
            .collect(),
        Event::Start { .. }
        | Event::Notice { .. }
        | Event::Sample { .. }
        | Event::Checkpoint { .. }
        | Event::Resume { .. }
        | Event::Stop { .. }
        | Event::Diverged { .. } => Vec::new(),
    }
}

fn of_step(record: &StepRecord) -> Numbers {
    let mut numbers = vec![
        ("loss".to_owned(), record.loss),
        ("grad_norm".to_owned(), record.grad_norm),
        ("lr".to_owned(), record.lr),
    ];
    numbers.extend(record.val_loss.map(|x| ("val_loss".to_owned(), x)));
    numbers
}

fn of_observation(observation: &Observation) -> Numbers {
    let series = observation.series.iter();
    let named = series.flat_map(|s| {
        s.at.iter()
            .zip(&s.values)
            .map(move |(at, x)| (format!("{} of {at}", s.measure), *x))
    });
    named.collect()
}

/// Returns the losses by step: the validation losses if there are any, otherwise the batches'
/// losses.
pub(super) fn curve(events: &[Event]) -> Vec<(f64, f64)> {
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Step(r) => {
                train.push((r.step as f64, r.loss));
                val.extend(r.val_loss.map(|x| (r.step as f64, x)));
            }
            Event::Done { step, val_loss, .. } => val.extend(val_loss.map(|x| (*step as f64, x))),
            Event::Start { .. }
            | Event::Notice { .. }
            | Event::Observation(_)
            | Event::Sample { .. }
            | Event::Checkpoint { .. }
            | Event::Resume { .. }
            | Event::Stop { .. }
            | Event::Diverged { .. } => {}
        }
    }
    if val.is_empty() { train } else { val }
}
