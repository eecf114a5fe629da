//! Causes and experiments that fit the model and the settings of a run.

use super::facts::Facts;
use crate::number;

/// What a symptom most likely comes from, and what to run to know.
pub(super) struct Remedy {
    pub(super) cause: String,
    pub(super) experiment: String,
}

fn remedy(cause: impl Into<String>, experiment: impl Into<String>) -> Remedy {
    Remedy {
        cause: cause.into(),
        experiment: experiment.into(),
    }
}

pub(super) fn third_of_the_rate(facts: &Facts) -> String {
    let lr = facts.run.experiment.hyper.lr / 3.0;
    format!("`--lr {}` (a third)", number::short(lr))
}

fn higher_rate(facts: &Facts) -> String {
    let lr = facts.run.experiment.hyper.lr * 10.0;
    format!("`--lr {}` (ten times)", number::short(lr))
}

pub(super) fn three_times_the_rate(facts: &Facts) -> String {
    let lr = facts.run.experiment.hyper.lr * 3.0;
    format!("`--lr {}` (three times)", number::short(lr))
}

pub(super) fn twice_the_steps(facts: &Facts) -> String {
    let steps = facts.run.experiment.hyper.steps.saturating_mul(2);
    format!("`--steps {steps}` (twice as many)")
}

/// Suggests a warm-up of a twentieth of the steps, and at least 10, if the run's is shorter.
fn longer_warmup(facts: &Facts) -> Option<String> {
    let hyper = &facts.run.experiment.hyper;
    let usual = (hyper.steps / 20).max(10);
    (hyper.warmup < usual).then(|| format!("`--warmup {usual}`"))
}

/// Suggests a lower rate, and what else keeps the first steps small.
fn gentler(facts: &Facts) -> String {
    let clip = facts.run.experiment.hyper.grad_clip.is_none();
    let clip = clip.then(|| "`--grad-clip 1`".to_owned());
    let others = [longer_warmup(facts), clip].into_iter().flatten();
    let all: Vec<String> = std::iter::once(third_of_the_rate(facts))
        .chain(others)
        .collect();
    all.join(", or ")
}

/// Advises on a run whose loss is not a finite number, or rises.
pub(super) fn unstable(facts: &Facts) -> Remedy {
    let spec = &facts.run.experiment.spec;
    if !spec.has_block_norms() {
        return remedy(
            "nothing keeps the activations in bounds: the blocks have no norm, and bear a lower learning rate",
            format!("{}; then `--norm layer-norm`", gentler(facts)),
        );
    }
    if spec.is_post_norm() {
        return remedy(
            "the learning rate is too high for post-LN, whose first steps are large (Xiong et al. 2020)",
            format!("{}; then `--ln-style pre`", gentler(facts)),
        );
    }
    remedy(
        "the learning rate is too high for this model, or warm-up is too short",
        gentler(facts),
    )
}

/// Advises on a run whose learning rate is 0.
fn at_rest(facts: &Facts) -> Option<Remedy> {
    (facts.run.experiment.hyper.lr == 0.0).then(|| {
        remedy(
            "the learning rate is 0: no step changes the model",
            "a rate above 0, as in `--lr 1e-3`",
        )
    })
}

/// Advises on a run whose loss stays where nothing of the context is used. `moved` says whether it
/// has fallen at all.
pub(super) fn stuck(facts: &Facts, moved: bool) -> Remedy {
    if let Some(at_rest) = at_rest(facts) {
        return at_rest;
    }
    let spec = &facts.run.experiment.spec;
    let sublayers = spec.layers.iter().flatten().count();
    if !spec.has_residual() && sublayers > 1 {
        return remedy(
            format!(
                "without residual connections, signal and gradient die on the way through {sublayers} sublayers"
            ),
            "the same run with residual connections, or with `--n-layer 1`",
        );
    }
    if !moved && !facts.has_no_gradient() {
        return remedy(
            "the steps are too small: the loss has not moved, and there is a gradient",
            higher_rate(facts),
        );
    }
    if !spec.has_block_norms() && sublayers > 1 {
        return remedy(
            "the blocks have no norm, and a signal or a gradient dies on the way through them",
            "`--norm layer-norm`, or `--n-layer 1`",
        );
    }
    if spec.is_post_norm() {
        return remedy(
            "post-LN learns deep models only with a long warm-up (Xiong et al. 2020)",
            longer_warmup(facts).map_or_else(
                || "`--ln-style pre`".to_owned(),
                |warmup| format!("`--ln-style pre`, or {warmup}"),
            ),
        );
    }
    remedy(
        "the learning rate is too high: nothing of the context reaches the output any more",
        gentler(facts),
    )
}

/// Advises on a run that an n-gram baseline with a context of `order - 1` tokens predicts better
/// than.
pub(super) fn worse_than_ngram(facts: &Facts, order: usize) -> Remedy {
    if let Some(at_rest) = at_rest(facts) {
        return at_rest;
    }
    let spec = &facts.run.experiment.spec;
    if !facts.has_attention() && (order > 2 || facts.is_at_its_best()) {
        return remedy(
            "without attention the model sees one token: its loss stays at about the 2-gram baseline",
            "the same run with attention; more steps are no help",
        );
    }
    if !spec.has_residual() {
        return remedy(
            "without residual connections the model learns slowly, or not at all",
            "the same run with residual connections",
        );
    }
    if facts.is_short()
        && let Some((each, passes)) = facts.seen_each()
    {
        return remedy(
            format!(
                "the run is short: it has seen {} a parameter, {} over the text",
                number::short_of(each, "prediction", "predictions"),
                number::short_of(passes, "pass", "passes")
            ),
            format!("{}, or a smaller model", twice_the_steps(facts)),
        );
    }
    remedy(
        "the model does not use that much of its context, after a run that is long for its size: the learning \
         rate may be far from the best one",
        format!(
            "{}, and {}",
            third_of_the_rate(facts),
            three_times_the_rate(facts)
        ),
    )
}

/// Advises on a run that does better on its training text than on other text.
pub(super) fn memorising(facts: &Facts) -> Remedy {
    let spec = &facts.run.experiment.spec;
    let dropout = if spec.dropout == 0.0 {
        "`--dropout 0.2` (this run has none)".to_owned()
    } else {
        format!("more `--dropout` (this run has {})", spec.dropout)
    };
    let passes = facts.seen_each().map_or_else(String::new, |(_, passes)| {
        format!(
            ", which it has seen {}",
            number::short_of(passes, "time", "times")
        )
    });
    remedy(
        format!("the model is large, or the training long, for this much text{passes}"),
        format!("{dropout}, fewer `--steps`, a smaller model, or more text"),
    )
}

/// Advises on attention scores that have grown large.
pub(super) fn large_scores(facts: &Facts) -> String {
    let spec = &facts.run.experiment.spec;
    if spec.has_unscaled_scores() {
        return "scores divided by the root of the head's width".to_owned();
    }
    if spec.lacks_qk_norm() {
        return format!("`--qk-norm`, or {}", third_of_the_rate(facts));
    }
    third_of_the_rate(facts)
}

/// Advises on tokens that have become the same.
pub(super) fn tokens_alike(facts: &Facts) -> Remedy {
    let spec = &facts.run.experiment.spec;
    if !spec.has_residual() {
        return remedy(
            "attention averages tokens and no residual connection keeps them apart (rank collapse)",
            "the same run with residual connections, or with fewer layers",
        );
    }
    remedy(
        "every token gets the same large vector added: steps were too large, or the model is at rest",
        third_of_the_rate(facts),
    )
}

/// Advises on hidden units that are never active.
pub(super) fn dead_units(facts: &Facts) -> Remedy {
    if !facts.run.experiment.spec.has_residual() {
        return remedy(
            "without residual connections the signal vanishes from block to block, and nothing reaches them",
            "the same run with residual connections",
        );
    }
    if facts.run.experiment.spec.has_relu() {
        return remedy(
            "an activation with a flat side was pushed there by too large steps",
            format!("`--activation gelu`, or {}", third_of_the_rate(facts)),
        );
    }
    remedy(
        "too large steps have pushed the inputs of the activation far below 0",
        third_of_the_rate(facts),
    )
}
