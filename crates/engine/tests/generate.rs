//! The decoder compared with the oracle: after every token, inside the context and past it, the
//! generator's logits are those of the last window as a whole. The generator is also compared with
//! itself: a text among many equals the same text alone.

mod common;

use std::{
    hint,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use common::{
    batches, engines,
    specs::{self, Case, Grid},
    texts::{Tale, expected},
    tolerance::{Gate, Tolerance},
    trial::wide,
};
use gptlab_engine::{
    GenerationRequest, PromptError, Slot,
    cpu::{CpuEngine, CpuGenerator, CpuOptions, OperandType},
    generate_each,
    sample::Sampling,
};
use gptlab_kernels::Isa;
use gptlab_model::{Attention, Mlp, MlpForm, Preset, Sublayer, random::Stream};

/// Compares the logits after every token from the `prompt_len`th on.
fn follow(gate: &mut Gate, case: &Case, options: CpuOptions, prompt_len: usize) {
    let sampling = Sampling::new(1.0, None, None).expect("plain sampling");
    let weights = batches::weights(&case.graph, 1);
    let mut oracle = engines::oracle(case.graph.clone(), &weights);
    let mut swayed = oracle.clone();
    let moved = batches::sway(&weights, gate.rounding());
    swayed.import64(Slot::Weights, &moved).expect("as many");
    let graph = case.graph.clone();
    let mut generator = CpuGenerator::with_options(graph, &weights, options).expect("weights");
    let block_size = case.model.spec().block_size;
    let mut tokens: Vec<u32> = (0..prompt_len as u32).map(|t| t % 3).collect();
    generator.begin(&tokens).expect("tokens of the vocabulary");
    while tokens.len() < block_size + 3 {
        let expected_logits = expected(&mut oracle, &case.model, &tokens);
        let beside = expected(&mut swayed, &case.model, &tokens);
        let what = || format!("{} tokens of {} by {options:?}", tokens.len(), case.name);
        gate.compare_swayed(what, &wide(generator.logits()), &expected_logits, &beside);
        let token = generator
            .next_token(&sampling, 0.37)
            .expect("finite logits");
        tokens.push(token);
    }
}

#[test]
fn every_token_follows_as_if_the_window_were_run_whole() {
    for (precision, tolerance) in [
        (OperandType::F32, Tolerance::F32),
        (OperandType::Bf16, Tolerance::Bf16),
    ] {
        let mut gate = Gate::new(tolerance);
        for options in every_isa(precision) {
            let judged = |case: &Case| tolerance.can_judge(case);
            for case in Grid::alone().cases.into_iter().filter(judged) {
                // The text starts from one token, and from a prompt that already fills the context.
                follow(&mut gate, &case, options, 1);
                follow(&mut gate, &case, options, 9);
            }
            for (case, _) in specs::larger() {
                let before = case.model.spec().block_size.saturating_sub(9);
                follow(&mut gate, &case, options, before.max(1));
            }
        }
        gate.finish("decoding");
    }
}

fn every_isa(precision: OperandType) -> impl Iterator<Item = CpuOptions> {
    Isa::available().map(move |isa| CpuOptions {
        precision,
        ..of_threads(1, isa)
    })
}

/// Attention sums in another order while evaluating. Without attention, decoding and evaluating
/// compute the same bits.
#[test]
fn products_of_decoding_are_those_of_evaluating() {
    let mut spec = specs::base();
    for sublayers in &mut spec.layers {
        sublayers.retain(|sublayer| match sublayer {
            Sublayer::Attention(_) => false,
            Sublayer::Mlp(_) => true,
        });
    }
    let case = Case::new("no attention", &spec, 37).expect("sizes that divide");
    let weights = batches::weights(&case.graph, 1);
    let tokens: Vec<u32> = (0..spec.block_size as u32).map(|t| 5 * t % 37).collect();
    let both = OperandType::ALL.into_iter();
    for options in both.flat_map(every_isa) {
        let graph = || case.graph.clone();
        let mut engine = CpuEngine::new(graph(), &weights, options).expect("weights");
        let evaluated = expected(&mut engine, &case.model, &tokens);
        let mut generator =
            CpuGenerator::with_options(graph(), &weights, options).expect("weights");
        generator.begin(&tokens).expect("tokens of the vocabulary");
        assert_eq!(wide(generator.logits()), evaluated, "{options:?}");
    }
}

/// Writes a tale with the generator's simplest calls.
fn alone(mut tale: Tale, generator: &mut CpuGenerator) -> Tale {
    generator
        .begin(&tale.prompt)
        .expect("tokens of the vocabulary");
    let sampling = Sampling::new(1.0, Some(5), None).expect("settings in range");
    for i in 0..tale.most {
        tale.seen.push(generator.logits().to_vec());
        let token = generator.next_token(&sampling, tale.draws.uniform_at(i as u64));
        tale.tokens.extend(token);
    }
    tale.seen.push(generator.logits().to_vec());
    tale
}

fn of_threads(threads: usize, isa: Isa) -> CpuOptions {
    CpuOptions {
        isa,
        ..CpuOptions::of_threads(threads)
    }
}

fn among_many_as_alone(case: &Case, isa: Isa, teams: &[usize], sizes: &[u32]) {
    for precision in OperandType::ALL {
        among_many_as_alone_in(case, precision, isa, teams, sizes);
    }
}

fn among_many_as_alone_in(
    case: &Case,
    precision: OperandType,
    isa: Isa,
    teams: &[usize],
    sizes: &[u32],
) {
    let (vocab, block_size) = (case.model.vocab_size(), case.model.spec().block_size);
    let weights = batches::weights(&case.graph, 1);
    let make = |threads| {
        let options = CpuOptions {
            precision,
            ..of_threads(threads, isa)
        };
        CpuGenerator::with_options(case.graph.clone(), &weights, options).expect("weights")
    };
    let most = sizes.iter().copied().max().unwrap_or(0);
    let tales: Vec<Tale> = (0..most).map(|i| Tale::new(i, block_size, vocab)).collect();
    let mut single = make(1);
    let expected: Vec<Tale> = tales
        .iter()
        .map(|t| alone(t.clone(), &mut single))
        .collect();
    for threads in teams {
        let generator = make(*threads);
        for size in sizes {
            let mut tales = tales[..*size as usize].to_vec();
            generate_each(&generator, &mut tales).expect("prompts that can be continued");
            let same = tales == expected[..tales.len()];
            assert!(
                same,
                "{} on {isa:?}: {size} texts, {threads} threads",
                case.name
            );
        }
    }
}

#[test]
fn a_text_among_many_is_the_text_alone_to_the_bit() {
    for (i, case) in Grid::alone().cases.into_iter().enumerate() {
        let teams: &[usize] = if i == 0 { &[1, 2, 3, 8] } else { &[2] };
        among_many_as_alone(&case, Isa::detect(), teams, &[0, 1, 2, 7, 29]);
    }
    for (isa, (case, _)) in
        Isa::available().flat_map(|isa| specs::larger().into_iter().map(move |c| (isa, c)))
    {
        among_many_as_alone(&case, isa, &[2], &[5, 14]);
    }
}

/// The model is so large that threads share the reading of its matrices.
#[test]
fn a_large_model_writes_the_same_on_any_number_of_threads() {
    let mut spec = specs::base();
    (spec.n_embd, spec.init.std) = (1030, 0.02);
    spec.layers.truncate(1);
    let form = MlpForm::Plain(gptlab_model::Activation::GeluErf);
    spec.layers[0] = vec![
        Sublayer::Attention(Attention::causal(10)),
        Sublayer::Mlp(Mlp { hidden: 2100, form }),
    ];
    let case = Case::new("large", &spec, 37).expect("sizes that divide");
    let weights = batches::weights(&case.graph, 1);
    let tell = |threads| {
        let options = CpuOptions::of_threads(threads);
        let generator = CpuGenerator::with_options(case.graph.clone(), &weights, options);
        let mut generator = generator.expect("weights");
        (0..3)
            .map(|i| alone(Tale::new(i, 6, 37), &mut generator))
            .collect::<Vec<_>>()
    };
    let expected = tell(1);
    assert!(
        [2, 3, 8]
            .into_iter()
            .all(|threads| tell(threads) == expected)
    );
    among_many_as_alone(&case, Isa::detect(), &[2], &[3]);
}

/// Returns a small model that is worth sharing: two layers of `preset` with `heads` and `kv_heads`.
fn worth_sharing(preset: Preset, heads: usize, kv_heads: usize) -> Case {
    let mut spec = preset.spec();
    (spec.n_embd, spec.block_size) = (128, 12);
    spec.layers.truncate(2);
    for sublayer in spec.layers.iter_mut().flatten() {
        match sublayer {
            Sublayer::Attention(attention) => {
                (attention.heads, attention.kv_heads) = (heads, kv_heads);
            }
            Sublayer::Mlp(_) => {}
        }
    }
    Case::new("shared", &spec, 70).expect("sizes that divide")
}

/// Some heads start where panels do and some do not; there are more threads than heads of keys, and
/// prompts and contexts of all lengths.
#[test]
fn one_text_is_the_same_on_any_number_of_threads() {
    for (preset, heads, kv_heads) in [
        (Preset::Gpt2Mini, 4, 4),
        (Preset::Gpt2Mini, 8, 8),
        (Preset::Modern, 4, 2),
    ] {
        let case = worth_sharing(preset, heads, kv_heads);
        let weights = batches::weights(&case.graph, 1);
        let both = OperandType::ALL.into_iter();
        for options in both.flat_map(every_isa) {
            let make = |threads| {
                let options = CpuOptions { threads, ..options };
                CpuGenerator::with_options(case.graph.clone(), &weights, options).expect("weights")
            };
            let mut single = make(1);
            for threads in [2, 3, 5] {
                let mut generator = make(threads);
                for i in 0..4 {
                    let tale = Tale::new(i, 12, 70);
                    let expected = alone(tale.clone(), &mut single);
                    let mut tales = [tale.clone()];
                    generate_each(&generator, &mut tales).expect("a prompt");
                    let what = format!("{preset:?}, {heads} heads, {threads} threads, text {i}");
                    assert!(tales == [expected], "{what}, {options:?}");
                    assert!(
                        alone(tale, &mut generator) == tales[0],
                        "{what}, {options:?}"
                    );
                }
            }
        }
    }
}

/// A text that waits between its tokens: not at all, a little, or until its helpers sleep.
struct SlowText(Tale);

impl GenerationRequest for SlowText {
    fn prompt(&self) -> &[u32] {
        self.0.prompt()
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        let index = 1 << 20 | self.0.seen.len() as u64;
        match self.0.draws.below_at(index, 40) {
            0 => thread::sleep(Duration::from_micros(300)),
            1..10 => thread::yield_now(),
            10..20 => (0..self.0.draws.below_at(2 * index, 2000)).for_each(|_| hint::spin_loop()),
            _ => {}
        }
        self.0.next(logits)
    }
}

/// Other threads take the cores now and then while thousands of tokens are generated, so that
/// helpers are late in every way.
#[test]
fn one_text_is_the_same_however_late_its_helpers_are() {
    let mut spec = worth_sharing(Preset::Gpt2Mini, 4, 4).model.spec().clone();
    spec.block_size = 40;
    let case = Case::new("stress", &spec, 70).expect("sizes that divide");
    let weights = batches::weights(&case.graph, 1);
    let make = |threads| {
        let options = CpuOptions::of_threads(threads);
        CpuGenerator::with_options(case.graph.clone(), &weights, options).expect("weights")
    };
    let tale = |i| Tale {
        most: 38,
        prompt: vec![i % 70],
        ..Tale::new(i, 40, 70)
    };
    let mut single = make(1);
    let expected: Vec<Tale> = (0..40).map(|i| alone(tale(i), &mut single)).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for hog in 0..2 {
            let over = &over;
            scope.spawn(move || {
                let draws = Stream::new(7, "hogs", hog);
                for i in (0..).take_while(|_| !over.load(Ordering::Relaxed)) {
                    (0..draws.below_at(i, 200_000)).for_each(|_| hint::spin_loop());
                    thread::sleep(Duration::from_micros(draws.below_at(i, 3_000) as u64));
                }
            });
        }
        for threads in [2, 3] {
            let generator = make(threads);
            for (expected, i) in expected.iter().zip(0..) {
                let mut texts = [SlowText(tale(i))];
                generate_each(&generator, &mut texts).expect("a prompt");
                assert!(texts[0].0 == *expected, "{threads} threads, text {i}");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn if_one_prompt_is_invalid_nothing_is_written() {
    let case = Grid::alone().cases.swap_remove(0);
    let weights = batches::weights(&case.graph, 1);
    let generator = CpuGenerator::new(case.graph.clone(), &weights).expect("all weights");
    let mut tales: Vec<Tale> = (0..3).map(|i| Tale::new(i, 6, 7)).collect();
    tales[2].prompt = vec![0, 7];
    let refused = generate_each(&generator, &mut tales);
    assert_eq!(refused, Err(PromptError::Unknown(7, 7).into()));
    tales[1].prompt.clear();
    assert_eq!(
        generate_each(&generator, &mut tales),
        Err(PromptError::Empty.into())
    );
    assert!(tales.iter().all(|t| t.seen.is_empty()));
}

#[test]
fn a_generator_that_cached_the_wrong_token_is_detected() {
    let case = Grid::alone().cases.swap_remove(0);
    let weights = batches::weights(&case.graph, 1);
    let mut oracle = engines::oracle(case.graph.clone(), &weights);
    let mut generator = CpuGenerator::new(case.graph.clone(), &weights).expect("all weights");
    generator
        .begin(&[0, 1, 2])
        .expect("tokens of the vocabulary");
    let mut gate = Gate::new(Tolerance::F32);
    let expected_logits = expected(&mut oracle, &case.model, &[1, 0, 2]);
    gate.compare(
        || "another prefix".into(),
        &wide(generator.logits()),
        &expected_logits,
    );
    assert!(!gate.passes());
}

#[test]
fn a_new_prompt_replaces_the_old_text() {
    let case = Grid::alone().cases.swap_remove(0);
    let weights = batches::weights(&case.graph, 1);
    let mut generator = CpuGenerator::new(case.graph.clone(), &weights).expect("all weights");
    generator
        .begin(&[0, 1, 2])
        .expect("tokens of the vocabulary");
    let first = generator.logits().to_vec();
    generator.begin(&[2, 2]).expect("tokens of the vocabulary");
    assert_ne!(generator.logits(), first);
    generator
        .begin(&[0, 1, 2])
        .expect("tokens of the vocabulary");
    assert_eq!(generator.logits(), first);
}

#[test]
fn invalid_prompts_are_refused() {
    let case = Grid::alone().cases.swap_remove(0);
    let vocab = case.model.vocab_size();
    let weights = batches::weights(&case.graph, 1);
    let mut generator = CpuGenerator::new(case.graph.clone(), &weights).expect("all weights");
    let sampling = Sampling::new(1.0, None, None).expect("plain sampling");
    assert_eq!(generator.next_token(&sampling, 0.5), None);
    assert_eq!(generator.begin(&[]), Err(PromptError::Empty));
    let unknown = vocab as u32;
    assert_eq!(
        generator.begin(&[0, unknown]),
        Err(PromptError::Unknown(unknown, vocab))
    );
    assert!(CpuGenerator::new(case.graph.clone(), &weights[1..]).is_err());
}
