//! What a study concludes, in sentences.

use gptlab_record::{
    BaselineStanding, Conclusion, ExpectedDifference, FitRegime, PredictionVerdict, Regime,
    Standing, Verdict,
};

use crate::{Arm, Study, StudyKind, number, published, sweep, words};

/// How many times as many steps are advised if nothing better is known.
const MORE: u64 = 4;

/// Answers the question of the study in a few sentences. Of an ablation the first says how far the
/// seeds are apart.
pub fn answer(study: &Study) -> Vec<String> {
    match (study.kind, &study.conclusion) {
        (StudyKind::Run, _) | (StudyKind::Ablation, None) => Vec::new(),
        (StudyKind::Sweep, _) => sweep::answer(study)
            .into_iter()
            .chain(diverged(study))
            .collect(),
        (StudyKind::Published, _) => published::answer(study)
            .into_iter()
            .chain(diverged(study))
            .collect(),
        (StudyKind::Ablation, Some(conclusion)) => ablation(study, conclusion),
    }
}

fn ablation(study: &Study, conclusion: &Conclusion) -> Vec<String> {
    let mut said = vec![noise(study, conclusion)];
    let told = conclusion.baselines.iter();
    for baseline in told.filter(|b| study.is_shared_name(&b.variant)) {
        said.extend(too_short(study, baseline));
    }
    let shared = shared_verdicts(study, conclusion);
    match &study.tuned_setting {
        None => said.extend(groups("", &shared)),
        Some(tuned) => {
            said.extend(groups(&format!("At {}, ", tuned.shared), &shared));
            let own = format!("Each at its best {}, ", tuned.setting);
            said.extend(groups(&own, &tuned_verdicts(study)));
            said.extend(edges(study));
        }
    }
    said.extend(least(study, conclusion));
    said.extend(skill(study));
    said.extend(conclusion.regime.as_ref().map(regime));
    said.extend(diverged(study));
    said.extend(predictions(study, conclusion));
    let floors = study.floors.as_ref();
    said.extend(floors.and_then(|floors| floors.unknown.clone()));
    said
}

fn noise(study: &Study, conclusion: &Conclusion) -> String {
    match (conclusion.noise, study.seeds.len()) {
        (Some(noise), seeds) => format!(
            "Noise between seeds: {} nats, the standard deviation of the baseline's {seeds} seeds.",
            number::loss(noise)
        ),
        (None, 1) => {
            "Noise between seeds: not measured with one seed; `--seeds 3` measures it.".to_owned()
        }
        (None, _) => {
            "Noise between seeds: not measured, since fewer than two runs of the baseline \
                      ended with a finite loss."
                .to_owned()
        }
    }
}

/// Says why nothing can be concluded from a baseline, and what would tell.
fn too_short(study: &Study, baseline: &BaselineStanding) -> Vec<String> {
    let name = &baseline.variant;
    let steps = words::plural(study.steps as usize, "step");
    let nothing = "Nothing is called better or worse.";
    let more = study.steps.saturating_mul(MORE);
    match baseline.standing {
        Standing::Stands => Vec::new(),
        Standing::AboveBigram {
            loss,
            bigram,
            steps: enough,
        } => vec![
            format!(
                "Too short to tell: after {steps} the loss of {name} is {}, and the 2-gram baseline is {}. \
                 {nothing}",
                number::loss(loss),
                number::loss(bigram)
            ),
            format!(
                "What would tell: {}{}.",
                match enough {
                    Some(enough) => format!("about `--steps {enough}`, by the curve so far"),
                    None => format!("many more steps, `--steps {more}` or more, or more text"),
                },
                other_recipe(study)
            ),
        ],
        Standing::NoSkill { loss, ngram, ideal } => vec![
            format!(
                "Too short to tell: after {steps} {name} has not learned the skill of this text. On the tokens \
                 that need it, its loss is {}, the best n-gram baseline {} and the ideal predictor's {}. {nothing}",
                number::loss(loss),
                number::loss(ngram),
                number::loss(ideal)
            ),
            format!(
                "What would tell: more steps, as `--steps {more}`, since a skill appears suddenly{}.",
                other_recipe(study)
            ),
        ],
        Standing::NoLoss => vec![format!(
            "Nothing can be concluded: no run of {name} ended with a finite loss. What would tell: a lower learning \
             rate (`--lr`)."
        )],
    }
}

/// Advises against a recipe that was made for another purpose.
fn other_recipe(study: &Study) -> &'static str {
    let typed = study.command.join(" ");
    if typed.contains("--switches seed") || typed.contains("--switches=seed") {
        "; or `gptlab ablate` without `--switches seed`, whose recipe learns faster"
    } else {
        ""
    }
}

/// A variant and what is said of it.
struct Judged<'a> {
    name: &'a str,
    difference: Option<f64>,
    verdict: Verdict,
}

/// Returns the verdicts at the value that all variants share, or all verdicts if no setting was
/// tuned.
fn shared_verdicts<'a>(study: &'a Study, conclusion: &'a Conclusion) -> Vec<Judged<'a>> {
    let arms = study.arms.iter().filter(|arm| study.is_shared(arm));
    arms.filter_map(|arm| {
        let difference = arm.row.as_ref()?.difference;
        Some(Judged {
            name: study.shared_name(&arm.variant.name),
            difference: difference.map(|d| d.mean),
            verdict: conclusion.verdict(&arm.variant.name)?.verdict,
        })
    })
    .collect()
}

fn tuned_verdicts(study: &Study) -> Vec<Judged<'_>> {
    let judged = study.tuned.iter().map(|row| Judged {
        name: &row.variant,
        difference: row.difference.map(|d| d.mean),
        verdict: row.verdict,
    });
    judged.collect()
}

/// Makes a sentence for each verdict, which names the largest difference first.
fn groups(before: &str, judged: &[Judged<'_>]) -> Vec<String> {
    let verdicts = [
        (Verdict::Worse, "worse"),
        (Verdict::Better, "better"),
        (Verdict::NotSignificant, "not significant"),
        (
            Verdict::NotTested,
            "not tested, which takes two seeds or more",
        ),
    ];
    let sentence = |(verdict, words): (Verdict, &str)| {
        let mut own: Vec<(&str, f64)> = judged
            .iter()
            .filter(|j| j.verdict == verdict)
            .filter_map(|j| Some((j.name, j.difference?)))
            .collect();
        own.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let own: Vec<String> = own
            .into_iter()
            .map(|(name, mean)| format!("{name} ({})", number::signed(mean)))
            .collect();
        let said = format!("{before}{words}: {}.", own.join(", "));
        (!own.is_empty()).then(|| capital(&said))
    };
    verdicts.into_iter().filter_map(sentence).collect()
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Says whose best value may lie beyond those that were tried.
fn edges(study: &Study) -> Option<String> {
    let setting = &study.tuned_setting.as_ref()?.setting;
    let at_edge: Vec<String> = study
        .tuned
        .iter()
        .filter(|row| row.at_edge)
        .map(|row| format!("{} ({})", row.variant, number::short(row.value)))
        .collect();
    (!at_edge.is_empty()).then(|| {
        format!(
            "The best {setting} is the least or the greatest that was tried, so that a better one may lie beyond: {}.",
            at_edge.join(", ")
        )
    })
}

/// Says what the intervals are corrected for, and how small a difference could not be seen.
fn least(study: &Study, conclusion: &Conclusion) -> Option<String> {
    let comparisons = words::plural(conclusion.comparisons, "comparison");
    let corrected = (conclusion.comparisons > 1)
        .then(|| format!("Intervals and p-values are corrected for {comparisons} (Holm 1979)."));
    let least = conclusion.least_difference.filter(|_| conclusion.stands());
    let least = least.filter(|least| number::shows(*least)).map(|least| {
        format!(
            "With {} and {comparisons}, a variant whose seeds vary as much as these do on average had to differ by \
             about {} nats to be significant; one whose seeds vary less, by less.",
            words::plural(study.seeds.len(), "seed"),
            number::loss(least)
        )
    });
    let said: Vec<String> = [corrected.filter(|_| conclusion.stands()), least]
        .into_iter()
        .flatten()
        .collect();
    (!said.is_empty()).then(|| said.join(" "))
}

/// Says which variants have the skill of a diagnostic text.
fn skill(study: &Study) -> Option<String> {
    let below = study.skill?.appeared_below();
    let losses: Vec<(&str, f64)> = study
        .arms
        .iter()
        .filter(|arm| study.is_shared(arm))
        .filter_map(|arm| {
            let loss = arm.mean_of(|o| o.skill_loss).filter(|x| x.is_finite())?;
            Some((study.shared_name(&arm.variant.name), loss))
        })
        .collect();
    let list = |has: bool| -> String {
        let own = losses.iter().filter(|(_, loss)| (*loss <= below) == has);
        let own = own.map(|(name, loss)| format!("{name} ({})", number::loss(*loss)));
        own.collect::<Vec<_>>().join(", ")
    };
    let said = [("With the skill", list(true)), ("Without it", list(false))];
    let said = said.into_iter().filter(|(_, names)| !names.is_empty());
    let said: Vec<String> = said
        .map(|(who, names)| format!("{who}: {names}."))
        .collect();
    (!said.is_empty()).then(|| said.join(" "))
}

fn regime(regime: &Regime) -> String {
    let fit = match regime.fit {
        FitRegime::UnderTrained => "under-trained",
        FitRegime::OverFitting => "over-fitting",
    };
    format!(
        "Regime: {} over the text, {} a parameter, {fit} (the baseline's training loss is {}, its \
         validation loss {}).",
        number::short_of(regime.passes, "pass", "passes"),
        number::short_of(regime.tokens_per_parameter, "token", "tokens"),
        number::loss(regime.train_loss),
        number::loss(regime.val_loss)
    )
}

fn diverged(study: &Study) -> Option<String> {
    let lost: Vec<String> = study
        .arms
        .iter()
        .filter(|arm| arm.diverged().is_some())
        .map(|arm| format!("{} ({})", arm.variant.name, super::diverged(arm)))
        .collect();
    (!lost.is_empty()).then(|| format!("Diverged: {}.", lost.join(", ")))
}

/// Says what became of the expectations, in a sentence.
fn predictions(study: &Study, conclusion: &Conclusion) -> Option<String> {
    let list = |verdict: PredictionVerdict| {
        let variants = conclusion.variants.iter();
        let shared = variants.filter(|v| study.is_shared_name(&v.variant));
        let own = shared.filter(|v| v.prediction == Some(verdict));
        let names: Vec<String> = own.map(|v| expectation(study, &v.variant)).collect();
        (!names.is_empty()).then(|| format!("{}: {}", prediction(verdict), names.join(", ")))
    };
    let said: Vec<String> = [
        PredictionVerdict::Held,
        PredictionVerdict::DidNotHold,
        PredictionVerdict::CannotBeTold,
    ]
    .into_iter()
    .filter_map(list)
    .collect();
    (!said.is_empty()).then(|| format!("Predictions: {}.", said.join("; ")))
}

/// Returns a variant's name, and what was expected of it where that is a number.
fn expectation(study: &Study, variant: &str) -> String {
    let name = study.shared_name(variant);
    let arm = study.arms.iter().find(|arm| arm.variant.name == variant);
    let expected = arm.and_then(|arm| arm.variant.expected);
    expected.map_or_else(
        || name.to_owned(),
        |e| format!("{name} ({})", self::expected(e)),
    )
}

/// Returns what is said of an expectation after the runs.
pub(super) fn prediction(verdict: PredictionVerdict) -> &'static str {
    match verdict {
        PredictionVerdict::Held => "held",
        PredictionVerdict::DidNotHold => "did not hold",
        PredictionVerdict::CannotBeTold => "cannot be told",
    }
}

/// Returns what a verdict is called in a table, which is empty for the baseline.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Baseline => "",
        Verdict::Worse => "worse",
        Verdict::Better => "better",
        Verdict::NotSignificant => "not significant",
        Verdict::NotTested => "not tested",
        Verdict::TooShort => "too short to tell",
        Verdict::NoLoss => "no finite loss",
    }
}

/// Describes an expected difference, such as `worse by 0.1 or more`.
pub fn expected(range: ExpectedDifference) -> String {
    let nats = |x: f64| number::short(x.abs());
    match (range.low, range.high) {
        (None, None) => "nothing in particular".to_owned(),
        (Some(0.0), None) => "worse".to_owned(),
        (None, Some(0.0)) => "better".to_owned(),
        (Some(low), None) if low > 0.0 => format!("worse by {} or more", nats(low)),
        (Some(low), None) => format!("better by {} at most", nats(low)),
        (None, Some(high)) if high < 0.0 => format!("better by {} or more", nats(high)),
        (None, Some(high)) => format!("worse by {} at most", nats(high)),
        (Some(low), Some(high)) if low == -high => format!("within {} of the baseline", nats(high)),
        (Some(0.0), Some(high)) => format!("worse by up to {}", nats(high)),
        (Some(low), Some(0.0)) => format!("better by up to {}", nats(low)),
        (Some(low), Some(high)) if low > 0.0 => {
            format!("worse by {} to {}", nats(low), nats(high))
        }
        (Some(low), Some(high)) => {
            format!("from {} to {}", number::signed(low), number::signed(high))
        }
    }
}

/// Says what was expected of a variant and what became of it, such as
/// `held: worse by 0.2 or more was expected`.
pub fn prediction_verdict(study: &Study, arm: &Arm) -> Option<String> {
    let found = study.verdict(arm)?.prediction?;
    let range = expected(arm.variant.expected?);
    Some(format!("{}: {range} was expected", prediction(found)))
}

/// Says what is concluded of a variant, in a sentence.
pub fn compared(study: &Study, arm: &Arm) -> Option<String> {
    let difference = arm.row.as_ref()?.difference?;
    let verdict = study.verdict(arm).map_or(Verdict::NotTested, |v| v.verdict);
    let size = number::loss(difference.mean.abs());
    let way = if difference.mean >= 0.0 {
        "above"
    } else {
        "below"
    };
    let seeds = words::plural(difference.pairs, "seed");
    let p = difference.corrected.and_then(|c| c.p).or(difference.p);
    let tested = p.map_or_else(|| seeds.clone(), |p| format!("p {}, {seeds}", equals(p)));
    Some(match verdict {
        Verdict::Baseline => return None,
        Verdict::NoLoss => format!("It cannot be compared with the baseline ({seeds})."),
        Verdict::Worse => format!("It is worse than the baseline by {size} ({tested})."),
        Verdict::Better => format!("It is better than the baseline by {size} ({tested})."),
        Verdict::NotSignificant => {
            format!("It is {size} {way} the baseline, which is not significant ({tested}).")
        }
        Verdict::NotTested => {
            format!("It is {size} {way} the baseline; {seeds} is no test of chance.")
        }
        Verdict::TooShort => {
            format!("It is {size} {way} the baseline, which has not learned enough to tell.")
        }
    })
}

fn equals(p: f64) -> String {
    let said = number::p_value(p);
    if said.starts_with('<') {
        said
    } else {
        format!("= {said}")
    }
}
