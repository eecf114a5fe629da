//! The signs of symptoms, one function each.

use gptlab_record::Measure;

use super::{
    Finding, Symptom,
    facts::Facts,
    remedies::{self, Remedy},
    thresholds::{
        CLIPPED_BY, CLIPPED_SHARE, DEAD_UNITS, ENTROPY, FALLING, GAP, LOGIT, OVERFIT, RISE, SINK,
        SPIKE, STUCK, TOKENS_ALIKE,
    },
};
use crate::{number, phrases};

type Sign = fn(&Facts) -> Option<Finding>;

/// All signs, those that explain most first.
pub(super) const ALL: &[Sign] = &[
    diverged,
    stuck,
    rising,
    exploding,
    clipped,
    no_gradient,
    tokens_alike,
    dead_units,
    attention_collapsed,
    attention_sink,
    large_logits,
    sees_the_answer,
    memorising,
    worse_than_ngram,
    still_falling,
];

fn finding(symptom: Symptom, evidence: String, cause: &str, experiment: String) -> Finding {
    Finding {
        symptom,
        evidence,
        cause: cause.to_owned(),
        experiment,
    }
}

fn remedied(symptom: Symptom, evidence: String, remedy: Remedy) -> Finding {
    finding(symptom, evidence, &remedy.cause, remedy.experiment)
}

fn diverged(facts: &Facts) -> Option<Finding> {
    let step = facts.run.diverged_at()?;
    Some(remedied(
        Symptom::Diverged,
        format!("Diverged: the loss of step {step} is not a finite number."),
        remedies::unstable(facts),
    ))
}

/// The share of the whole fall of the loss in the last quarter of a run below which it is flat.
const STILL: f64 = 0.03;

fn stuck(facts: &Facts) -> Option<Finding> {
    let last = facts.loss_after_course()?;
    // Who is where nobody could be better, or passes a baseline on its way down, is not stuck.
    let falls = late_share(facts).is_some_and(|share| share > STILL);
    if facts.is_at_its_best() || falls {
        return None;
    }
    let unigram = facts.floors.and_then(|f| f.ngrams.first()).copied();
    let baselines = [
        (Some(facts.uniform), phrases::UNIFORM),
        (unigram, "the 1-gram baseline"),
    ];
    let (loss, baseline) = baselines.into_iter().find_map(|(loss, name)| {
        let loss = loss.filter(|loss| (last - loss).abs() < STUCK.value)?;
        Some((loss, name))
    })?;
    let moved = facts.train.first().is_some_and(|x| x - last > STUCK.value);
    Some(remedied(
        Symptom::Stuck,
        format!(
            "Stuck: the loss, {}, is about that of {baseline}, {}.",
            number::loss(last),
            number::loss(loss)
        ),
        remedies::stuck(facts, moved),
    ))
}

fn rising(facts: &Facts) -> Option<Finding> {
    facts.loss_after_course()?;
    let (end, lowest) = (Facts::end(&facts.train)?, Facts::lowest(&facts.train)?);
    (end - lowest > RISE.value).then(|| {
        remedied(
            Symptom::Rising,
            format!(
                "Rising: the training loss ends at {} after {}.",
                number::loss(end),
                number::loss(lowest)
            ),
            remedies::unstable(facts),
        )
    })
}

fn exploding(facts: &Facts) -> Option<Finding> {
    let median = facts.median_norm().filter(|m| *m > 0.0)?;
    let largest = facts.grad_norms.iter().copied().max_by(f64::total_cmp)?;
    let unclipped = facts.run.experiment.hyper.grad_clip.is_none();
    // Where hardly any gradient is left, its ratios say nothing.
    (largest > SPIKE.value * median && !facts.has_no_gradient()).then(|| {
        finding(
            Symptom::Exploding,
            format!(
                "Exploding: a gradient norm of {}, where {} is usual.",
                number::short(largest),
                number::short(median)
            ),
            if unclipped {
                "nothing clips the gradients"
            } else {
                "steep places that clipping only hides"
            },
            if unclipped {
                "`--grad-clip 1`".to_owned()
            } else {
                remedies::third_of_the_rate(facts)
            },
        )
    })
}

fn clipped(facts: &Facts) -> Option<Finding> {
    let clip = facts.run.experiment.hyper.grad_clip?;
    let norms = &facts.grad_norms;
    let share = norms.iter().filter(|x| **x > clip).count() as f64 / norms.len().max(1) as f64;
    let median = facts.median_norm()?;
    (facts.has_course() && share >= CLIPPED_SHARE.value && median >= CLIPPED_BY.value * clip).then(|| {
        finding(
            Symptom::AlwaysClipped,
            format!(
                "Always clipped: {:.0} % of logged gradients are above the limit of {clip}; {} is usual.",
                share * 100.0,
                number::short(median)
            ),
            "gradients are large throughout: a missing norm or scale, or a loss that is not falling",
            format!("`--grad-clip {}`, to see whether the limit matters", number::short(median)),
        )
    })
}

fn no_gradient(facts: &Facts) -> Option<Finding> {
    let norm = facts.last_norm().filter(|_| facts.has_no_gradient())?;
    Some(finding(
        Symptom::NoGradient,
        format!(
            "No gradient: its norm at the end is {}.",
            number::short(norm)
        ),
        "no gradient reaches the weights (dead activations, a saturated softmax, vanishing through depth), or there is \
         nothing left to learn",
        format!(
            "the map of `{}` by layer in `gptlab report` shows where it ends",
            Measure::GradNorm.name()
        ),
    ))
}

fn tokens_alike(facts: &Facts) -> Option<Finding> {
    let similarity = facts
        .run
        .measure(Measure::TokenSimilarity)?
        .last()
        .last()
        .copied()?;
    (similarity > TOKENS_ALIKE.value).then(|| {
        let similarity = number::short(similarity);
        remedied(
            Symptom::TokensAlike,
            format!("Collapsed: tokens have a mean cosine of {similarity} at the last layer."),
            remedies::tokens_alike(facts),
        )
    })
}

fn dead_units(facts: &Facts) -> Option<Finding> {
    let (share, at) = facts
        .largest(Measure::DeadShare)
        .filter(|(x, _)| *x > DEAD_UNITS.value)?;
    Some(remedied(
        Symptom::DeadUnits,
        format!(
            "Dead units: {:.0} % in {at} are never active.",
            share * 100.0
        ),
        remedies::dead_units(facts),
    ))
}

fn attention_collapsed(facts: &Facts) -> Option<Finding> {
    let entropy = facts
        .measured(Measure::AttentionEntropy)
        .filter(|x| *x < ENTROPY.value)?;
    Some(finding(
        Symptom::AttentionCollapsed,
        format!(
            "Attention looks at one token: its mean entropy is {} nats.",
            number::short(entropy)
        ),
        "attention scores have grown until the softmax is saturated",
        remedies::large_scores(facts),
    ))
}

fn attention_sink(facts: &Facts) -> Option<Finding> {
    let mass = facts
        .measured(Measure::SinkMass)
        .filter(|x| *x > SINK.value)?;
    Some(finding(
        Symptom::AttentionSink,
        format!(
            "Attention goes to the first token: {:.0} % of it.",
            mass * 100.0
        ),
        "heads without a useful target attend there; if most do, context is hardly used",
        "`--disable-attention`: if the loss is no worse, attention did nothing".to_owned(),
    ))
}

fn large_logits(facts: &Facts) -> Option<Finding> {
    let (logit, at) = facts
        .largest(Measure::MaxAttentionLogit)
        .filter(|(x, _)| *x > LOGIT.value)?;
    Some(finding(
        Symptom::LargeLogits,
        format!("Large attention scores: {} in {at}.", number::short(logit)),
        "queries and keys grow without bound, and the softmax loses its gradient",
        remedies::large_scores(facts),
    ))
}

fn sees_the_answer(facts: &Facts) -> Option<Finding> {
    let last = facts.loss_at_end()?;
    let best = facts
        .floors?
        .ngrams
        .iter()
        .copied()
        .min_by(f64::total_cmp)?;
    let unmasked = !facts.run.experiment.spec.is_causal();
    (unmasked && number::is_below(last, best)).then(|| {
        finding(
            Symptom::SeesTheAnswer,
            format!(
                "Sees the answer: {} is below every n-gram baseline, {}.",
                number::loss(last),
                number::loss(best)
            ),
            "attention without a causal mask reads the token that is to be predicted; the loss is meaningless",
            "`--mask causal`, and a look at the samples".to_owned(),
        )
    })
}

fn memorising(facts: &Facts) -> Option<Finding> {
    facts.loss_at_end()?;
    let (val, train) = (Facts::end(&facts.val)?, Facts::end(&facts.train)?);
    let lowest = facts.val.iter().copied().min_by(f64::total_cmp)?;
    let last = facts.val.last().copied()?;
    let course = facts.val.len() > 2 && facts.train.first().is_some_and(|first| train < *first);
    let turned = course && last - lowest > OVERFIT.value;
    (turned || val - train > GAP.value).then(|| {
        let lowest = if turned {
            format!(" after {}", number::loss(lowest))
        } else {
            String::new()
        };
        remedied(
            Symptom::Memorising,
            format!(
                "Memorising: the validation loss ends at {}{lowest}, the training loss at {}.",
                number::loss(last),
                number::loss(train)
            ),
            remedies::memorising(facts),
        )
    })
}

fn worse_than_ngram(facts: &Facts) -> Option<Finding> {
    let last = facts.loss_at_end()?;
    // A run that is stuck is worse than every baseline, which says nothing more.
    if facts.is_at_the_entropy() || stuck(facts).is_some() {
        return None;
    }
    let unbeaten = facts.shortest_unbeaten(last)?;
    let order = unbeaten.short.trim_end_matches("-gram").parse().ok()?;
    Some(remedied(
        Symptom::WorseThanNgram,
        format!(
            "Worse than {}: {} against {}.",
            unbeaten.name,
            number::loss(last),
            number::loss(unbeaten.loss)
        ),
        remedies::worse_than_ngram(facts, order),
    ))
}

fn still_falling(facts: &Facts) -> Option<Finding> {
    facts.loss_after_course()?;
    // More steps are no help to a run that cannot be better.
    let share = late_share(facts).filter(|_| !facts.is_at_its_best())?;
    (share > FALLING.value).then(|| {
        finding(
            Symptom::StillFalling,
            format!(
                "Still falling: {:.0} % of the loss's fall is in the last quarter of the run.",
                share * 100.0
            ),
            "there are too few steps, or the learning rate is too low",
            format!(
                "{}, or {}",
                remedies::twice_the_steps(facts),
                remedies::three_times_the_rate(facts)
            ),
        )
    })
}

/// Returns the share of the whole fall of the loss that lies in the last quarter of the run; `None`
/// if the loss does not fall there.
fn late_share(facts: &Facts) -> Option<f64> {
    let losses = facts.losses();
    let (first, last) = (losses.first()?, losses.last()?);
    let before = losses.get(losses.len() * 3 / 4)?;
    let falls = number::is_below(*last, *first) && number::is_below(*last, *before);
    falls.then(|| (before - last) / (first - last))
}
