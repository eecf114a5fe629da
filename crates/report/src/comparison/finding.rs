//! What several runs show, in sentences.

use super::{Comparison, LabelledRun, LossGroup, LossUnit, RunStatus, groups::counts};
use crate::{
    diff::{self, SettingChange},
    number,
    words::{count, plural},
};

/// The most settings that a sentence names.
const MOST_SETTINGS: usize = 3;
/// The most runs that have a sentence each, because they have not finished or have diverged.
const MOST_RUNS: usize = 4;

/// What another seed changes, as far as the runs show it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SeedSpread {
    /// No two finished runs differ in the seed alone.
    Unknown,
    /// Runs that differ in the seed alone end at most so far apart.
    Known(f64),
}

/// A finished run and its last loss, in the unit of its group.
#[derive(Clone, Copy)]
struct Ended<'a> {
    run: &'a LabelledRun,
    loss: f64,
}

impl Ended<'_> {
    fn code(&self) -> String {
        code(self.run)
    }
}

/// The two runs that a sentence compares: the lowest of all, and the lowest with other settings.
struct Lead<'a> {
    best: Ended<'a>,
    rival: Ended<'a>,
    /// Whether other runs of the best one's settings lie between them.
    others_between: bool,
    /// Whether a run that has not finished has a lower loss.
    is_undercut: bool,
}

impl Lead<'_> {
    fn difference(&self) -> f64 {
        self.rival.loss - self.best.loss
    }

    fn is_level(&self) -> bool {
        number::is_level(self.best.loss, self.rival.loss)
    }
}

impl Comparison {
    /// Says what was found: a sentence without its full stop, in which names are in backticks.
    pub fn headline(&self) -> String {
        match self.groups.as_slice() {
            [group] => self.finding(group),
            groups => format!(
                "The losses of {} cannot all be compared: {}",
                plural(self.runs.len(), "run"),
                self.why_not(groups)
            ),
        }
    }

    /// Says what was found besides, a sentence each: what stands, what does not, and how to find
    /// out more.
    pub fn answer(&self) -> Vec<String> {
        let mut said = Vec::new();
        for group in &self.groups {
            if self.groups.len() > 1 && self.runs_of(group).len() > 1 {
                said.push(format!("On {}: {}.", group.name, self.finding(group)));
            }
            if group.unit == LossUnit::BitsPerCharacter {
                said.push(
                    "The runs cut the text into different tokens, so that losses per token cannot be compared; bits \
                     per character can."
                        .to_owned(),
                );
            }
            said.extend(self.too_short(group));
            said.extend(self.lead(group).and_then(|lead| changes(&lead)));
            said.extend(self.chance(group));
            said.extend(self.lower_before(group));
        }
        said.extend(self.not_ended());
        said
    }

    /// Says why the runs of several groups cannot be compared.
    fn why_not(&self, groups: &[LossGroup]) -> &'static str {
        let firsts = || {
            groups
                .iter()
                .filter_map(|group| self.runs_of(group).first())
        };
        let differ = |same: &dyn Fn(&LabelledRun, &LabelledRun) -> bool| {
            let first = firsts().next();
            first.is_some_and(|first| firsts().any(|run| !same(first, run)))
        };
        if differ(&|a, b| a.run.experiment.data.fingerprint == b.run.experiment.data.fingerprint) {
            "they read different texts"
        } else if differ(&|a, b| {
            let share = |run: &LabelledRun| run.run.experiment.data.val_fraction.to_bits();
            share(a) == share(b)
        }) {
            "they keep different shares of the text for validation"
        } else if differ(&|a, b| a.run.experiment.tokenizer == b.run.experiment.tokenizer) {
            "they cut the text into different tokens, and measure different parts of it"
        } else {
            "they measure different numbers of validation tokens (`--val-tokens`)"
        }
    }

    /// Returns the finished runs of a group, the lowest loss first.
    fn ended(&self, group: &LossGroup) -> Vec<Ended<'_>> {
        let runs = self.runs_of(group).iter();
        let finished = runs.filter(|run| run.status == RunStatus::Finished);
        let ended = finished.filter_map(|run| {
            let loss = run.loss(group.unit)?;
            Some(Ended { run, loss })
        });
        ended.collect()
    }

    /// Returns the lowest run and the lowest one with other settings.
    fn lead(&self, group: &LossGroup) -> Option<Lead<'_>> {
        let ended = self.ended(group);
        let best = *ended.first()?;
        let other = |run: &Ended| run.run.recipe != best.run.recipe;
        let at = ended.iter().position(other)?;
        Some(Lead {
            best,
            rival: ended[at],
            others_between: at > 1,
            is_undercut: self.is_undercut(group, best.loss),
        })
    }

    /// Returns whether a run that has not finished has a lower loss.
    fn is_undercut(&self, group: &LossGroup, loss: f64) -> bool {
        let unfinished = self.runs_of(group).iter();
        let unfinished = unfinished.filter(|run| run.status != RunStatus::Finished);
        let mut losses = unfinished.filter_map(|run| run.loss(group.unit));
        losses.any(|other| other < loss)
    }

    /// Returns how far the finished runs that differ in the seed alone are apart.
    fn spread(&self, group: &LossGroup) -> SeedSpread {
        let ended = self.ended(group);
        let apart = ended.iter().filter_map(|one| {
            let others = ended.iter().filter(|other| {
                one.run.recipe == other.run.recipe && one.run.run.seed() != other.run.run.seed()
            });
            let distances = others.map(|other| (one.loss - other.loss).abs());
            distances.max_by(f64::total_cmp)
        });
        apart
            .max_by(f64::total_cmp)
            .map_or(SeedSpread::Unknown, SeedSpread::Known)
    }

    fn finding(&self, group: &LossGroup) -> String {
        let ended = self.ended(group);
        let at = |loss: f64| in_unit(loss, group.unit);
        match ended.as_slice() {
            [] if self.has_finished(group) => {
                let mut runs = self.runs_of(group).iter();
                if runs.any(|run| run.run.keeps_validation()) {
                    "No finished run has a finite validation loss".to_owned()
                } else {
                    "No run kept a part of its text for validation".to_owned()
                }
            }
            [] => "No run has finished".to_owned(),
            [only] => format!(
                "Only {} has finished: it ends at {}",
                only.code(),
                at(only.loss)
            ),
            [best, .., last] => match self.lead(group) {
                Some(lead) => led(&lead, self.spread(group), group.unit),
                None if number::is_level(best.loss, last.loss) => {
                    format!(
                        "All {} end level, at {}",
                        plural(ended.len(), "run"),
                        at(best.loss)
                    )
                }
                None => format!(
                    "{} of the same settings end between {} and {}",
                    plural(ended.len(), "run"),
                    number::loss(best.loss),
                    at(last.loss)
                ),
            },
        }
    }

    fn has_finished(&self, group: &LossGroup) -> bool {
        let mut runs = self.runs_of(group).iter();
        runs.any(|run| run.status == RunStatus::Finished)
    }

    /// Says that no finished run has passed the 2-gram baseline, if it is known.
    fn too_short(&self, group: &LossGroup) -> Option<String> {
        let best = *self.ended(group).first()?;
        let bigram = *best.run.run.floors.as_ref()?.ngrams.get(1)?;
        let passed = number::is_below(best.loss, bigram);
        (group.unit == LossUnit::NatsPerToken && !passed).then(|| {
            format!(
                "Too short to tell: no run has passed the 2-gram baseline, {}, which sees one token of context. \
                 What attention, positions or depth are for shows in longer runs.",
                number::loss(bigram)
            )
        })
    }

    /// Says whether the difference between the lowest runs is more than what a seed changes, and
    /// how to find out.
    fn chance(&self, group: &LossGroup) -> Option<String> {
        let lead = self.lead(group)?;
        if lead.is_level() {
            return None;
        }
        Some(match self.spread(group) {
            SeedSpread::Unknown => {
                "Each of these settings ran with one seed, so it is not known whether the difference is more than \
                 chance. To find out, train each with other seeds (`--seed 1`) and report all runs together, or let \
                 `gptlab ablate` repeat them and test the differences."
                    .to_owned()
            }
            SeedSpread::Known(spread) => {
                let size = if lead.difference() > spread {
                    "less than that difference"
                } else {
                    "no less than that difference, which may be chance"
                };
                format!(
                    "Runs that differ in the seed alone end up to {} apart, {size}. `gptlab ablate` repeats runs and \
                     tests their differences.",
                    number::short(spread)
                )
            }
        })
    }

    /// Says which run was lower on its way than any finished run is at its end.
    fn lower_before(&self, group: &LossGroup) -> Option<String> {
        let lowest = self.ended(group).first()?.loss;
        let runs = self.runs_of(group).iter();
        let bests = runs.filter_map(|run| Some((run, run.best(group.unit)?)));
        let (run, (step, loss)) = bests.min_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
        number::is_below(loss, lowest).then(|| {
            format!(
                "The lowest loss on the way is that of {} at step {}: {}.",
                code(run),
                count(step),
                in_unit(loss, group.unit)
            )
        })
    }

    /// Says which runs have not finished, and which diverged.
    fn not_ended(&self) -> Vec<String> {
        let told: Vec<String> = self
            .groups
            .iter()
            .flat_map(|group| self.runs_of(group).iter().map(move |run| (run, group.unit)))
            .filter_map(|(run, unit)| not_ended(run, unit))
            .collect();
        if told.len() <= MOST_RUNS {
            return told;
        }
        let diverged = self.runs.iter();
        let diverged = diverged.filter(|run| run.status == RunStatus::Diverged);
        let (all, diverged) = (told.len(), diverged.count());
        let mut said = Vec::new();
        if all > diverged {
            let unfinished = plural(all - diverged, "run");
            said.push(format!(
                "Not finished: {unfinished}, which the table names."
            ));
        }
        if diverged > 0 {
            said.push(format!("Diverged: {}.", plural(diverged, "run")));
        }
        said
    }
}

/// Says which run ends lowest, and by how much.
fn led(lead: &Lead, spread: SeedSpread, unit: LossUnit) -> String {
    let (best, rival) = (lead.best.code(), lead.rival.code());
    let loss = in_unit(lead.best.loss, unit);
    let among = if lead.is_undercut {
        " of the runs that finished"
    } else {
        ""
    };
    if lead.is_level() {
        return format!("{best} and {rival} end level, at {loss}");
    }
    match spread {
        SeedSpread::Known(spread) if lead.difference() <= spread => {
            format!("{best} ends lowest{among}, at {loss}, but by no more than seeds differ")
        }
        SeedSpread::Known(_) | SeedSpread::Unknown => {
            let which = if lead.others_between {
                ", the lowest with other settings"
            } else {
                ""
            };
            let by = number::short(lead.difference());
            format!("{best} ends lowest{among}: {loss}, {by} below {rival}{which}")
        }
    }
}

/// Says in which settings the two runs differ.
fn changes(lead: &Lead) -> Option<String> {
    let (a, b) = (lead.rival.run, lead.best.run);
    let found = diff::settings(&a.run.experiment, &b.run.experiment).ok()?;
    let found: Vec<SettingChange> = found.into_iter().filter(|c| counts(&c.path)).collect();
    let names: Vec<String> = found
        .iter()
        .take(MOST_SETTINGS)
        .map(SettingChange::text)
        .collect();
    let more = match found.len().saturating_sub(MOST_SETTINGS) {
        0 => String::new(),
        n => format!("; and {n} more, which the table lists"),
    };
    let (from, to) = (code(a), code(b));
    match found.len() {
        0 => None,
        1 => Some(format!(
            "One setting changes from {from} to {to}: {}.",
            names.join("")
        )),
        n => Some(format!(
            "{n} settings change from {from} to {to}, and the runs cannot show which of them matters: {}{more}.",
            names.join("; ")
        )),
    }
}

/// Says how far a run has come that has not finished; `None` of a finished run.
fn not_ended(run: &LabelledRun, unit: LossUnit) -> Option<String> {
    let (name, steps, of) = (
        code(run),
        count(run.summary.steps),
        plural(run.summary.of as usize, "step"),
    );
    let loss = run.loss(unit).map_or_else(String::new, |loss| {
        format!(", at {} so far", in_unit(loss, unit))
    });
    match run.status {
        RunStatus::Finished => None,
        RunStatus::Stopped => Some(format!(
            "{name} was stopped after {steps} of {of}{loss}; `gptlab train --resume` continues it."
        )),
        RunStatus::Unfinished => Some(format!(
            "{name} has not finished: it has made {steps} of {of}{loss}."
        )),
        RunStatus::Diverged => Some(format!("{name} diverged at step {steps}.")),
    }
}

fn code(run: &LabelledRun) -> String {
    format!("`{}`", run.label)
}

fn in_unit(loss: f64, unit: LossUnit) -> String {
    let loss = number::loss(loss);
    match unit {
        LossUnit::NatsPerToken => loss,
        LossUnit::BitsPerCharacter => format!("{loss} bits per character"),
    }
}
