//! The recipe for a text when no preset is requested. It is sized to the text and to the time that
//! training may take. LOG.md says which of its numbers were chosen by trials.

use std::{cmp::Ordering, num::NonZeroU64, time::Duration};

use gptlab_model::{MlpForm, ModelSpec, Preset};

use crate::{
    Decay, Hyper, Intervals, LrShape, Optimizer, Precision, Settings, WarmupStart,
    recipe_scale::RecipeScale,
};

/// The default time that training may take.
pub const DEFAULT_TIME: Duration = Duration::from_mins(2);

/// The largest number of passes over a text that a recipe makes. It is a choice; no trial made it.
const MOST_PASSES: u64 = 60;

/// The quantities that the recipe for a text depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipeInput {
    /// The number of tokens of the training split.
    pub train_tokens: u64,
    /// The number of documents of the training split, if each is a sequence of its own.
    pub documents: Option<u64>,
    /// The time that the training would take on two ordinary cores. It determines the sizes of
    /// model and batch and the rate. See [`TextRecipe::on_ordinary_cores`].
    pub size_for: Duration,
    /// Whether the processor multiplies bf16 clearly faster than f32. Instructions for bf16 do not
    /// imply it: `vdpbf16ps` doubles the rate of AMD's Zen 4 and equals f32's on Intel's Sapphire
    /// Rapids.
    pub fast_bf16: bool,
}

/// The settings that were chosen for a text. [`TextRecipe::reasons`] explains them.
#[derive(Clone, Debug, PartialEq)]
pub struct TextRecipe {
    pub settings: Settings,
    input: RecipeInput,
}

/// A choice and its reason, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The choice: `4 layers of width 128`.
    pub choice: String,
    /// The reason: a phrase without a full stop.
    pub why: String,
}

impl TextRecipe {
    /// Returns the largest useful number of steps for `input`, whatever the time.
    pub fn most_steps(input: &RecipeInput) -> u64 {
        let scale = RecipeScale::of(input.size_for.as_secs());
        (MOST_PASSES * input.train_tokens / scale.batch_tokens(input)).max(1)
    }

    /// Returns whether the recipe of the size for `size_for` depends on
    /// [`RecipeInput::fast_bf16`].
    pub fn may_use_bf16(size_for: Duration) -> bool {
        RecipeScale::of(size_for.as_secs()).wide
    }

    /// Compares the sizes of the recipes for two times of two ordinary cores.
    pub fn compare_sizes(a: Duration, b: Duration) -> Ordering {
        let [a, b] = [a, b].map(|time| RecipeScale::of(time.as_secs()).up_to);
        a.cmp(&b)
    }

    /// Returns the whole seconds that two ordinary cores take for what a machine does in `time`, if
    /// the machine makes `flops` floating-point operations in a second of training the recipe of
    /// the size for `size_for`. The operations are those of
    /// [`Counts::training_flops`](gptlab_model::Counts::training_flops).
    pub fn on_ordinary_cores(time: Duration, size_for: Duration, flops: f64) -> Duration {
        let ordinary = RecipeScale::of(size_for.as_secs()).ordinary_flops;
        let seconds = time.as_secs_f64() * flops / ordinary;
        // More than a thousand years make no larger model.
        Duration::from_secs(seconds.clamp(1.0, 1e11).round() as u64)
    }

    /// Returns the number of steps from one log to the next in a recipe with `steps` updates.
    pub fn log_interval(steps: u64) -> NonZeroU64 {
        round_below(steps / 10)
    }

    /// Returns the recipe for `input` with `steps` updates.
    pub fn new(input: &RecipeInput, steps: u64) -> Self {
        let scale = RecipeScale::of(input.size_for.as_secs());
        let per_token = scale.parameters() as f64 / input.train_tokens.max(1) as f64;
        let dropout = dropout(passes(steps, scale, input) * per_token);
        let mut settings = Settings::of(Preset::Modern, Some(steps));
        settings.spec = ModelSpec {
            dropout,
            ..scale.spec()
        };
        settings.hyper = hyper(scale, input, steps);
        settings.intervals = intervals(settings.intervals, steps);
        Self {
            settings,
            input: *input,
        }
    }

    /// Returns the recipe of the default time for a text that is too long for dropout.
    pub fn for_long_text(steps: u64) -> Self {
        let input = RecipeInput {
            train_tokens: u64::from(u32::MAX),
            documents: None,
            size_for: DEFAULT_TIME,
            fast_bf16: false,
        };
        Self::new(&input, steps)
    }

    /// Returns the reasons of the choices that a run with `spec` and `hyper` follows; the user can
    /// have overridden others. The most important ones come first.
    pub fn reasons(&self, spec: &ModelSpec, hyper: &Hyper) -> Vec<Reason> {
        let (own, own_hyper) = (&self.settings.spec, &self.settings.hyper);
        let scale = RecipeScale::of(self.input.size_for.as_secs());
        let mut reasons = Vec::new();
        let mut add = |followed: bool, choice: String, why: String| {
            if followed {
                reasons.push(Reason { choice, why });
            }
        };
        add(
            (own.layers.len(), own.n_embd) == (spec.layers.len(), spec.n_embd),
            format!("{} layers of width {}", scale.n_layer, scale.n_embd),
            format!(
                "suits {} on two ordinary cores",
                in_words(self.input.size_for)
            ),
        );
        let attends = |spec: &ModelSpec| spec.attentions().next().is_some();
        let block = |spec: &ModelSpec| {
            let norm = spec.norms.block;
            (spec.position, norm, mlp_form(spec), attends(spec))
        };
        add(
            block(own) == block(spec),
            "RMSNorm, rotary, SwiGLU".to_owned(),
            "this block learns faster than GPT-2's".to_owned(),
        );
        add(
            (own_hyper.optimizer, own_hyper.lr) == (hyper.optimizer, hyper.lr),
            format!("Muon, rate {}", scale.lr),
            "it learns more in a step than AdamW".to_owned(),
        );
        add(
            (own_hyper.batch_size, own.block_size) == (hyper.batch_size, spec.block_size),
            format!("batches of {} x {}", scale.batch_size, scale.block_size),
            "small batches make more steps".to_owned(),
        );
        add(
            own_hyper.precision == hyper.precision,
            match own_hyper.precision {
                Precision::F32 => "f32 products".to_owned(),
                Precision::Bf16 => "bf16 products".to_owned(),
            },
            match (own_hyper.precision, scale.wide) {
                (Precision::F32, false) => "bf16 saves little time at this width",
                (Precision::F32, true) => "bf16 is not seen to be faster here",
                (Precision::Bf16, _) => "this processor is faster at bf16",
            }
            .to_owned(),
        );
        let passes = passes(own_hyper.steps, scale, &self.input);
        add(
            own.dropout == spec.dropout,
            format!("dropout {}", own.dropout),
            format!("for {} over the text", passes_in_words(passes)),
        );
        reasons
    }
}

/// Returns the form of the first MLP.
fn mlp_form(spec: &ModelSpec) -> Option<MlpForm> {
    spec.mlps().next().map(|mlp| mlp.form)
}

/// Returns the number of passes over the training split.
fn passes(steps: u64, scale: &RecipeScale, input: &RecipeInput) -> f64 {
    steps as f64 * scale.batch_tokens(input) as f64 / input.train_tokens.max(1) as f64
}

/// Returns the dropout probability for a number of passes over a text, times the parameters a token
/// of the text. A small model needs many passes to memorise a text, and a large one few. Where 12
/// passes come to 9.2, a dropout of 0.1 ends higher than none after 7.6 passes (LOG.md,
/// 2026-11-29); nanoGPT's large recipe has 0.2 at 880. The limits between are choices.
fn dropout(exposure: f64) -> f32 {
    match exposure {
        e if e <= 12.0 => 0.0,
        e if e <= 64.0 => 0.1,
        _ => 0.2,
    }
}

/// Returns the hyper-parameters: Muon, and a rate that falls linearly to zero.
fn hyper(scale: &RecipeScale, input: &RecipeInput, steps: u64) -> Hyper {
    Hyper {
        batch_size: scale.batch_size,
        lr: scale.lr,
        min_lr: 0.0,
        warmup: (steps / 10).min(60),
        warmup_start: WarmupStart::FirstStep,
        lr_shape: LrShape::Linear,
        beta2: 0.95,
        decayed: Decay::Matrices,
        optimizer: Optimizer::Muon,
        precision: scale.precision(input),
        ..Hyper::of(Preset::Modern, Some(steps))
    }
}

/// Returns the intervals: ten to twenty logs, so that validation takes a few percent of the time.
fn intervals(base: Intervals, steps: u64) -> Intervals {
    Intervals {
        log: TextRecipe::log_interval(steps),
        sample: NonZeroU64::new(steps.div_ceil(2)),
        val_tokens: 1 << 15,
        ..base
    }
}

/// Returns the largest of 1, 2, 5, 10, 20, 50, ... that is at most `n`; 1 for 0.
fn round_below(n: u64) -> NonZeroU64 {
    let power = 10_u64.pow(n.max(1).ilog10());
    let round = [5, 2, 1].map(|f| f * power);
    let found = round.into_iter().find(|round| *round <= n.max(1));
    found.and_then(NonZeroU64::new).unwrap_or(NonZeroU64::MIN)
}

/// Returns a time in its largest unit: `2 min`, `1.5 h`.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (n, unit) = match seconds {
        s if s < 60.0 => (s, "s"),
        s if s < 3_600.0 => (s / 60.0, "min"),
        s => (s / 3_600.0, "h"),
    };
    format!("{} {unit}", (n * 10.0).round() / 10.0)
}

fn passes_in_words(passes: f64) -> String {
    match passes {
        p if p < 10.0 => format!("{p:.1} passes"),
        p => format!("{p:.0} passes"),
    }
}

#[cfg(test)]
mod tests {
    use gptlab_model::Position;

    use super::*;

    fn input(train_tokens: u64, seconds: u64) -> RecipeInput {
        RecipeInput {
            train_tokens,
            documents: None,
            size_for: Duration::from_secs(seconds),
            fast_bf16: true,
        }
    }

    #[test]
    fn every_recipe_is_accepted() {
        for train_tokens in [2, 1_000, 1_000_000, u64::from(u32::MAX)] {
            for seconds in [1, 60, 120, 301, 1_800, 100_000] {
                let input = input(train_tokens, seconds);
                for steps in [
                    1,
                    9,
                    2_600,
                    TextRecipe::most_steps(&input).min(u64::from(u32::MAX)),
                ] {
                    let settings = TextRecipe::new(&input, steps).settings;
                    assert_eq!(settings.hyper.check(), Ok(()));
                    assert_eq!(settings.hyper.steps, steps);
                    assert!(settings.spec.check(65).is_ok());
                }
            }
        }
    }

    #[test]
    fn more_time_is_a_larger_model_and_more_passes_are_more_dropout() {
        let width = |seconds| {
            TextRecipe::new(&input(1_000_000, seconds), 100)
                .settings
                .spec
                .n_embd
        };
        let times = [10, 20, 60, 500, 600, 3_600, 36_000];
        assert!(times.is_sorted_by(|a, b| width(*a) < width(*b)));
        let dropout = |tokens| {
            TextRecipe::new(&input(tokens, 120), 2_000)
                .settings
                .spec
                .dropout
        };
        assert_eq!(dropout(1_000_000), 0.0);
        assert!(dropout(200_000) > 0.0 && dropout(100_000) > dropout(200_000));
    }

    #[test]
    fn bf16_is_for_wide_models_on_processors_that_are_fast_at_it() {
        let precision = |seconds, fast_bf16| {
            let input = RecipeInput {
                fast_bf16,
                ..input(1_000_000, seconds)
            };
            TextRecipe::new(&input, 100).settings.hyper.precision
        };
        assert_eq!(precision(500, true), Precision::Bf16);
        assert_eq!(precision(500, false), Precision::F32);
        assert_eq!(precision(120, true), Precision::F32);
    }

    #[test]
    fn times_of_one_scale_have_one_recipe() {
        let (short, longer) = (input(1_000_000, 61), input(1_000_000, 150));
        assert_eq!(
            TextRecipe::new(&short, 500).settings,
            TextRecipe::new(&longer, 500).settings
        );
    }

    #[test]
    fn a_faster_machine_gets_the_size_of_a_longer_time() {
        let minute = Duration::from_mins(1);
        let ordinary = RecipeScale::of(60).ordinary_flops;
        let on = |flops| TextRecipe::on_ordinary_cores(minute, minute, flops);
        assert_eq!(on(ordinary), minute);
        assert_eq!(on(10.0 * ordinary), Duration::from_mins(10));
        assert_eq!(on(0.0), Duration::from_secs(1));
        assert_eq!(
            TextRecipe::compare_sizes(on(f64::INFINITY), minute),
            Ordering::Greater
        );
        assert_eq!(
            TextRecipe::compare_sizes(minute, Duration::from_secs(59)),
            Ordering::Equal
        );
    }

    #[test]
    fn short_documents_make_short_batches() {
        let names = RecipeInput {
            documents: Some(100_000),
            ..input(700_000, 120)
        };
        let lines = TextRecipe::most_steps(&names) as f64;
        let text = TextRecipe::most_steps(&input(700_000, 120)) as f64;
        assert!((lines / text - 128.0 / 7.0).abs() < 0.1);
    }

    #[test]
    fn reasons_fit_a_terminal() {
        for seconds in [10, 20, 60, 120, 300, 600, 3_600, 36_000] {
            let recipe = TextRecipe::new(&input(100_000, seconds), 1_000);
            let Settings { spec, hyper, .. } = &recipe.settings;
            let reasons = recipe.reasons(spec, hyper);
            assert_eq!(reasons.len(), 6);
            for reason in reasons {
                assert!(
                    reason.choice.len() <= 24 && reason.why.len() <= 45,
                    "{reason:?}"
                );
            }
        }
    }

    #[test]
    fn an_overridden_choice_has_no_reason() {
        let recipe = TextRecipe::new(&input(100_000, 120), 1_000);
        let (mut spec, mut hyper) = (recipe.settings.spec.clone(), recipe.settings.hyper);
        spec.position = Position::None;
        hyper.lr /= 2.0;
        let choices: Vec<String> = recipe
            .reasons(&spec, &hyper)
            .into_iter()
            .map(|r| r.choice)
            .collect();
        assert_eq!(choices.len(), 4);
        assert!(
            !choices
                .iter()
                .any(|c| c.contains("rotary") || c.contains("Muon")),
            "{choices:?}"
        );
    }

    #[test]
    fn a_model_without_attention_has_no_reason_for_rotary_positions() {
        let Settings { spec, hyper, .. } = TextRecipe::for_long_text(1_000).settings;
        let mut broken = spec.clone();
        for layer in &mut broken.layers {
            layer.retain(|sublayer| sublayer.attention().is_none());
        }
        let has_block = |spec: &ModelSpec| {
            let reasons = TextRecipe::for_long_text(1_000).reasons(spec, &hyper);
            reasons
                .iter()
                .any(|reason| reason.choice.contains("rotary"))
        };
        assert!(has_block(&spec) && !has_block(&broken));
    }

    #[test]
    fn logs_are_at_round_steps() {
        let found = [0, 1, 3, 9, 10, 49, 260, 999].map(|n| round_below(n).get());
        assert_eq!(found, [1, 1, 2, 5, 10, 20, 200, 500]);
    }
}
