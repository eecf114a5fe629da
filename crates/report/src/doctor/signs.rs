//! The signs of symptoms, one function each.

use gptlab_record::Measure;

use super::{
    Finding, Symptom,
    facts::Facts,
    thresholds::{
        CLIPPED_BY, CLIPPED_SHARE, DEAD_UNITS, ENTROPY, FALLING, GAP, LOGIT, NO_GRADIENT, OVERFIT,
        RISE, SINK, SPIKE, STUCK, TOKENS_ALIKE,
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

fn diverged(facts: &Facts) -> Option<Finding> {
    let step = facts.run.diverged_at()?;
    Some(finding(
        Symptom::Diverged,
        format!("Diverged: the loss of step {step} is not finite."),
        "the learning rate is too high for this model, or nothing keeps its activations in bounds (norms, residual, scale)",
        format!(
            "`--lr {}` (a third); then put the norms back",
            number::short(lower_lr(facts))
        ),
    ))
}

fn lower_lr(facts: &Facts) -> f64 {
    facts.run.experiment.hyper.lr / 3.0
}

fn higher_lr(facts: &Facts) -> f64 {
    facts.run.experiment.hyper.lr * 3.0
}

fn ended(facts: &Facts) -> Option<f64> {
    facts
        .last_loss()
        .filter(|_| facts.has_course() && facts.run.diverged_at().is_none())
}

fn stuck(facts: &Facts) -> Option<Finding> {
    let last = ended(facts)?;
    let unigram = facts.floors.and_then(|f| f.ngrams.first()).copied();
    // A loss near the lowest possible one is not stuck.
    let possible = facts.floors.and_then(|f| f.entropy).unwrap_or(0.0);
    if last - possible < STUCK.value {
        return None;
    }
    let guesses = [
        (Some(facts.uniform), "guessing blindly"),
        (unigram, "a 1-gram table"),
    ];
    let (loss, guess) = guesses.into_iter().find_map(|(loss, name)| {
        let loss = loss.filter(|loss| (last - loss).abs() < STUCK.value)?;
        Some((loss, name))
    })?;
    Some(finding(
        Symptom::Stuck,
        format!(
            "Stuck: the loss, {}, is that of {guess}, {}.",
            number::loss(last),
            number::loss(loss)
        ),
        "nothing of the context reaches the output: a signal or a gradient vanishes in the layers",
        "`--n-layer 1`, then residual connections and norms put back one at a time".to_owned(),
    ))
}

fn rising(facts: &Facts) -> Option<Finding> {
    ended(facts)?;
    let (end, lowest) = (Facts::end(&facts.train)?, Facts::lowest(&facts.train)?);
    (end - lowest > RISE.value).then(|| {
        finding(
            Symptom::Rising,
            format!(
                "Rising: the training loss ends at {} after {}.",
                number::loss(end),
                number::loss(lowest)
            ),
            "the learning rate is too high, or warm-up too short",
            format!(
                "`--lr {}` (a third), or a longer `--warmup`",
                number::short(lower_lr(facts))
            ),
        )
    })
}

fn exploding(facts: &Facts) -> Option<Finding> {
    let median = facts.median_norm().filter(|m| *m > 0.0)?;
    let largest = facts.grad_norms.iter().copied().max_by(f64::total_cmp)?;
    let unclipped = facts.run.experiment.hyper.grad_clip.is_none();
    (largest > SPIKE.value * median).then(|| {
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
                format!("`--lr {}` (a third)", number::short(lower_lr(facts)))
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
    let norm = facts.last_norm().filter(|norm| *norm < NO_GRADIENT.value)?;
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
        finding(
            Symptom::TokensAlike,
            format!("Collapsed: tokens have a mean cosine of {} at the last layer.", number::short(similarity)),
            "attention averages tokens and nothing keeps them distinct (rank collapse; residual connections and MLPs prevent it)",
            "the same run with residual connections, or with fewer layers".to_owned(),
        )
    })
}

fn dead_units(facts: &Facts) -> Option<Finding> {
    let (share, at) = facts
        .largest(Measure::DeadShare)
        .filter(|(x, _)| *x > DEAD_UNITS.value)?;
    Some(finding(
        Symptom::DeadUnits,
        format!(
            "Dead units: {:.0} % in {at} are never active.",
            share * 100.0
        ),
        "too large steps moved the inputs of an activation to its flat side",
        format!(
            "`--activation gelu`, or `--lr {}` (a third)",
            number::short(lower_lr(facts))
        ),
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
        "`--qk-norm`".to_owned(),
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
        "`--qk-norm`, or attention scores divided by the root of the head's width".to_owned(),
    ))
}

fn sees_the_answer(facts: &Facts) -> Option<Finding> {
    let last = ended(facts)?;
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
                "Sees the answer: {} is below what any table of n-grams makes, {}.",
                number::loss(last),
                number::loss(best)
            ),
            "attention without a causal mask reads the token that is to be predicted; the loss is meaningless",
            "`--mask causal`, and a look at the samples".to_owned(),
        )
    })
}

fn memorising(facts: &Facts) -> Option<Finding> {
    ended(facts)?;
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
        finding(
            Symptom::Memorising,
            format!(
                "Memorising: the validation loss ends at {}{lowest}, the training loss at {}.",
                number::loss(last),
                number::loss(train)
            ),
            "the model is large, or the training long, for this much text",
            "`--dropout 0.2`, fewer `--steps`, a smaller model, or more text".to_owned(),
        )
    })
}

fn worse_than_ngram(facts: &Facts) -> Option<Finding> {
    let (last, floors) = (ended(facts)?, facts.floors?);
    let guides = phrases::guides(floors);
    let unbeaten = guides
        .iter()
        .filter(|g| g.short.ends_with("-gram") && number::is_below(g.loss, last));
    // The shortest context whose table has a lower loss is the most informative.
    let shortest = unbeaten.max_by(|a, b| a.loss.total_cmp(&b.loss))?;
    Some(finding(
        Symptom::WorseThanNgram,
        format!(
            "Worse than {}: {} against {}.",
            shortest.name,
            number::loss(last),
            number::loss(shortest.loss)
        ),
        "counting what followed the last few tokens does better, so the model does not yet use that much of its context",
        "more `--steps`; if the loss is flat, put the broken part back".to_owned(),
    ))
}

fn still_falling(facts: &Facts) -> Option<Finding> {
    ended(facts)?;
    let losses = facts.losses();
    let (first, last) = (losses.first()?, losses.last()?);
    let before = losses.get(losses.len() * 3 / 4)?;
    let (fall, late) = (first - last, before - last);
    let falls = number::is_below(*last, *first) && number::is_below(*last, *before);
    (falls && late / fall > FALLING.value).then(|| {
        finding(
            Symptom::StillFalling,
            format!(
                "Still falling: {:.0} % of the loss's fall is in the last quarter of the run.",
                late / fall * 100.0
            ),
            "the learning rate is too low, or there are too few steps",
            format!(
                "`--lr {}` (three times), or `--steps {}`",
                number::short(higher_lr(facts)),
                facts.run.experiment.hyper.steps.saturating_mul(2)
            ),
        )
    })
}
