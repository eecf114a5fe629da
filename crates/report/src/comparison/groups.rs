//! Which runs have losses that can be compared.

use gptlab_record::Experiment;

use super::{LabelledRun, LossGroup, LossUnit, NamedRun, RunStatus};
use crate::{RecordedRun, Setting, order::natural};

/// Settings that change no number of a run, except in the last bits.
const INCIDENTAL: &[&str] = &[
    "seed",
    "program",
    "engine",
    "isa",
    "observe",
    "data.source",
    "intervals.log",
    "intervals.sample",
    "intervals.checkpoint",
    "intervals.checkpoint_seconds",
];

/// Returns whether a setting changes the numbers of a run, beside its seed.
pub(super) fn counts(path: &str) -> bool {
    !INCIDENTAL.contains(&path) && !path.starts_with("sampling.")
}

/// Sorts runs into groups, in the order in which their texts were named first.
pub(super) fn grouped(runs: Vec<NamedRun>) -> (Vec<(LabelledRun, Vec<Setting>)>, Vec<LossGroup>) {
    let mut sorted = Vec::new();
    let mut groups = Vec::new();
    for texts in split(runs, |a, b| same_text(&a.experiment, &b.experiment)) {
        let (unit, parts) = if let Some(unit) = unit_of(&texts) {
            (unit, vec![texts])
        } else {
            (LossUnit::NatsPerToken, split(texts, same_measure))
        };
        for part in parts {
            let first = sorted.len();
            sorted.extend(in_order(part, unit));
            groups.push(LossGroup {
                name: String::new(),
                unit,
                runs: first..sorted.len(),
            });
        }
    }
    name(&mut groups, &sorted);
    number_recipes(&mut sorted);
    (sorted, groups)
}

/// Splits runs into lists of runs that are the same by `same`.
fn split(
    runs: Vec<NamedRun>,
    same: impl Fn(&RecordedRun, &RecordedRun) -> bool,
) -> Vec<Vec<NamedRun>> {
    let mut lists: Vec<Vec<NamedRun>> = Vec::new();
    for run in runs {
        let belongs =
            |list: &&mut Vec<NamedRun>| list.first().is_some_and(|of| same(&of.run, &run.run));
        match lists.iter_mut().find(belongs) {
            Some(list) => list.push(run),
            None => lists.push(vec![run]),
        }
    }
    lists
}

fn same_text(a: &Experiment, b: &Experiment) -> bool {
    let share = |e: &Experiment| e.data.val_fraction.to_bits();
    a.data.fingerprint == b.data.fingerprint && share(a) == share(b)
}

/// Returns the number of tokens over which the losses of a run's record are.
fn measured(run: &RecordedRun) -> u64 {
    let all = run.experiment.data.val_tokens.saturating_sub(1);
    run.experiment.intervals.val_tokens.min(all)
}

/// Returns whether the losses of a run's record are over the whole validation split.
pub(super) fn logs_whole(run: &RecordedRun) -> bool {
    measured(run) + 1 >= run.experiment.data.val_tokens
}

fn same_measure(a: &RecordedRun, b: &RecordedRun) -> bool {
    a.experiment.tokenizer == b.experiment.tokenizer && measured(a) == measured(b)
}

/// Returns whether all runs are the same as the first one by `same`.
fn all_as_first(runs: &[NamedRun], same: impl Fn(&RecordedRun, &RecordedRun) -> bool) -> bool {
    let first = runs.first();
    first.is_none_or(|first| runs.iter().all(|run| same(&first.run, &run.run)))
}

/// Returns the unit in which runs on one text can be compared; `None` if they cannot.
fn unit_of(runs: &[NamedRun]) -> Option<LossUnit> {
    let tokenizer = all_as_first(runs, |a, b| {
        a.experiment.tokenizer == b.experiment.tokenizer
    });
    let measure = all_as_first(runs, |a, b| measured(a) == measured(b));
    let mut finished = runs
        .iter()
        .filter(|run| run.run.done().is_some())
        .peekable();
    let ends_whole = finished.peek().is_some() && finished.all(|run| run.run.ends_whole());
    // As many tokens of other kinds are as many characters: each token is one.
    let tokens = |run: &RecordedRun| {
        let data = &run.experiment.data;
        (data.train_tokens, data.val_tokens)
    };
    let counts = all_as_first(runs, |a, b| tokens(a) == tokens(b));
    let same_characters = (counts && measure) || runs.iter().all(|run| logs_whole(&run.run));
    match tokenizer {
        true if measure || ends_whole => Some(LossUnit::NatsPerToken),
        false if same_characters => Some(LossUnit::BitsPerCharacter),
        true | false => None,
    }
}

/// Labels the runs of a group and sorts them. A loss over the whole split counts only if all
/// finished runs have one.
fn in_order(mut runs: Vec<NamedRun>, unit: LossUnit) -> Vec<(LabelledRun, Vec<Setting>)> {
    let is_whole = |run: &RecordedRun| run.done().is_none() || run.ends_whole();
    let whole = unit == LossUnit::NatsPerToken && runs.iter().all(|run| is_whole(&run.run));
    for run in runs.iter_mut().filter(|_| !whole) {
        run.run.whole_loss = None;
    }
    let mut runs: Vec<(LabelledRun, Vec<Setting>)> = runs
        .into_iter()
        .map(|named| {
            let run = LabelledRun::of(named.label, named.typed, named.run);
            (run, named.settings)
        })
        .collect();
    let rank = |run: &LabelledRun| match run.status {
        RunStatus::Finished => 0,
        RunStatus::Stopped | RunStatus::Unfinished => 1,
        RunStatus::Diverged => 2,
    };
    let loss = |run: &LabelledRun| run.loss(unit).unwrap_or(f64::INFINITY);
    runs.sort_by(|(a, _), (b, _)| {
        let by_rank = rank(a).cmp(&rank(b));
        by_rank
            .then(loss(a).total_cmp(&loss(b)))
            .then_with(|| natural(&a.label, &b.label))
    });
    runs
}

/// Names groups by their text and, where several have the same, by what else they differ in.
fn name(groups: &mut [LossGroup], runs: &[(LabelledRun, Vec<Setting>)]) {
    let first = |group: &LossGroup| runs.get(group.runs.start).map(|(run, _)| &run.run);
    let text = |group: &LossGroup| {
        let source = first(group).map_or("", |run| run.experiment.data.source.as_str());
        let file = source.rsplit(['/', '\\']).next();
        file.unwrap_or(source).to_owned()
    };
    let texts: Vec<String> = groups.iter().map(text).collect();
    for (group, text) in groups.iter_mut().zip(&texts) {
        let shared = texts.iter().filter(|other| *other == text).count() > 1;
        let details = first(group).filter(|_| shared).map(|run| {
            let tokens = run.experiment.tokenizer.tokenization();
            let measured = crate::words::plural(measured(run) as usize, "validation token");
            format!(" as {tokens}, {measured}")
        });
        group.name = text.clone() + &details.unwrap_or_default();
    }
}

/// Gives runs whose settings are equal but for the seed the same number.
fn number_recipes(runs: &mut [(LabelledRun, Vec<Setting>)]) {
    let mut known: Vec<Vec<Setting>> = Vec::new();
    for (run, settings) in runs {
        let own: Vec<Setting> = settings
            .iter()
            .filter(|setting| counts(&setting.path))
            .cloned()
            .collect();
        let at = known.iter().position(|other| *other == own);
        run.recipe = at.unwrap_or_else(|| {
            known.push(own);
            known.len() - 1
        });
    }
}
