//! The generator on the GPU compared with the oracle, with the GPU's engine, which caches nothing,
//! and with the CPU's generator; and with itself: a text among many equals the same text alone.

#[path = "../../engine/tests/common/mod.rs"]
mod common;
mod device;

use common::{
    batches, engines,
    specs::{self, Case, Grid},
    texts::{Greedy, Tale, expected, texts},
    tolerance::{Gate, Tolerance},
    trial::wide,
};
use device::{gpu, maker};
use gptlab_engine::{
    Backend, BackendOptions, Device, DrawRule, GenerationError, GenerationRequest, Generator,
    PromptError, Slot, UncachedGenerator, generate_each,
    memory_need::Texts,
    sample::{Ranking, Sampling},
};
use gptlab_gpu::GpuBackend;
use gptlab_model::random::Stream;
use gptlab_recipe::Precision;

fn generator(backend: &GpuBackend, case: &Case, precision: Precision) -> Box<dyn Generator> {
    let weights = batches::weights(&case.graph, 1);
    let options = BackendOptions {
        precision,
        ..BackendOptions::default()
    };
    let generator = backend.generator(case.graph.clone(), &weights, options);
    generator.unwrap_or_else(|error| panic!("{error}"))
}

fn tales(case: &Case, count: u32) -> Vec<Tale> {
    let (block_size, vocab) = (case.graph.block_size(), case.graph.vocab_size());
    (0..count)
        .map(|i| Tale::new(i, block_size, vocab))
        .collect()
}

/// Compares the logits after every token of `count` texts that are written at once.
fn follow(gate: &mut Gate, backend: &GpuBackend, case: &Case, precision: Precision, count: u32) {
    let weights = batches::weights(&case.graph, 1);
    let mut oracle = engines::oracle(case.graph.clone(), &weights);
    let mut swayed = oracle.clone();
    let moved = batches::sway(&weights, gate.rounding());
    swayed.import64(Slot::Weights, &moved).expect("as many");
    let mut tales = tales(case, count);
    generate_each(&*generator(backend, case, precision), &mut tales).expect("texts");
    for tale in tales {
        assert_eq!(tale.seen.len(), tale.most + 1, "{}", case.name);
        let mut tokens = tale.prompt;
        let mut following = tale.tokens.into_iter();
        for logits in tale.seen {
            let witness = expected(&mut oracle, &case.model, &tokens);
            let beside = expected(&mut swayed, &case.model, &tokens);
            let what = || format!("{} tokens of {}", tokens.len(), case.name);
            gate.compare_swayed(what, &wide(&logits), &witness, &beside);
            tokens.extend(following.next());
        }
    }
}

#[test]
fn every_token_follows_as_if_the_window_were_run_whole() {
    let Some(backend) = gpu() else { return };
    for (precision, tolerance) in [
        (Precision::F32, Tolerance::F32),
        (Precision::Bf16, Tolerance::Bf16),
    ] {
        let mut gate = Gate::new(tolerance);
        let judged = |case: &Case| tolerance.can_judge(case);
        for case in Grid::alone().cases.into_iter().filter(judged) {
            follow(&mut gate, &backend, &case, precision, 7);
        }
        for (case, _) in specs::larger() {
            follow(&mut gate, &backend, &case, precision, 2);
        }
        gate.finish(&format!("gpu, decoding in {precision:?}"));
    }
}

#[test]
fn random_specs_decode_as_the_oracle_evaluates() {
    let Some(backend) = gpu() else { return };
    let mut gate = Gate::new(Tolerance::F32);
    for case in Grid::random(150).cases {
        follow(&mut gate, &backend, &case, Precision::F32, 3);
    }
    gate.finish("gpu, decoding random specs");
}

/// Generators with and without caches, and on the CPU, choose the same likeliest tokens, inside and
/// past the context.
#[test]
fn generators_with_and_without_caches_write_the_same() {
    let Some(backend) = gpu() else { return };
    for case in Grid::alone().cases {
        let (graph, block_size) = (&case.graph, case.graph.block_size());
        let weights = batches::weights(graph, 1);
        let cached = texts(&*generator(&backend, &case, Precision::F32), block_size);
        let engine = maker(&backend, Precision::F32)(graph.clone(), &weights);
        let uncached = texts(&UncachedGenerator::new(engine), block_size);
        assert_eq!(cached, uncached, "{}", case.name);
        let cpu = Device::cpu(1).generator(graph.clone(), &weights);
        let cpu = texts(&*cpu.expect("a generator"), block_size);
        assert_eq!(cached, cpu, "{}", case.name);
    }
}

fn among_many_as_alone(backend: &GpuBackend, case: &Case, precision: Precision, sizes: &[u32]) {
    let most = sizes.iter().copied().max().unwrap_or(0);
    let mut alone = tales(case, most);
    let single = generator(backend, case, precision);
    for tale in &mut alone {
        single.generate_one(tale).expect("a prompt");
    }
    let generator = generator(backend, case, precision);
    // The first size a second time: the same texts again, on a used cache.
    for size in sizes.iter().chain(sizes.first()) {
        let mut tales = tales(case, *size);
        generate_each(&*generator, &mut tales).expect("prompts that can be continued");
        let same = tales == alone[..tales.len()];
        assert!(same, "{} {precision:?}: {size} texts", case.name);
    }
}

/// The tales of the base are more than can be written at once.
#[test]
fn a_text_among_many_is_the_text_alone_to_the_bit() {
    let Some(backend) = gpu() else { return };
    for (i, case) in Grid::alone().cases.into_iter().enumerate() {
        let sizes: &[u32] = if i == 0 { &[0, 1, 2, 70] } else { &[2, 9] };
        among_many_as_alone(&backend, &case, Precision::F32, sizes);
    }
    for (case, _) in specs::larger() {
        for precision in [Precision::F32, Precision::Bf16] {
            among_many_as_alone(&backend, &case, precision, &[3]);
        }
    }
}

#[test]
fn if_one_prompt_is_invalid_nothing_is_written() {
    let Some(backend) = gpu() else { return };
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let generator = generator(&backend, &case, Precision::F32);
    let mut tales = tales(&case, 3);
    tales[2].prompt = vec![0, 7];
    let refused = generate_each(&*generator, &mut tales);
    assert_eq!(refused, Err(PromptError::Unknown(7, 7).into()));
    let mut empty = Tale::new(0, 6, 7);
    empty.prompt.clear();
    let refused = generator.generate_one(&mut empty);
    assert_eq!(refused, Err(PromptError::Empty.into()));
    assert!(tales.iter().chain([&empty]).all(|t| t.seen.is_empty()));
    let few = vec![0.0; case.graph.params().total() - 1];
    let refused = backend.generator(case.graph.clone(), &few, BackendOptions::default());
    assert!(refused.is_err());
}

/// A text whose device is lost after a few of its tokens.
struct LosingText {
    backend: GpuBackend,
    seen: usize,
}

impl GenerationRequest for LosingText {
    fn prompt(&self) -> &[u32] {
        &[0]
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        assert!(logits.iter().all(|x| x.is_finite()));
        self.seen += 1;
        if self.seen == 3 {
            self.backend.lose();
        }
        Some(1)
    }
}

/// A text whose tokens the device chooses. It may end itself early.
#[derive(Clone, Debug, PartialEq)]
struct DrawnText {
    prompt: Vec<u32>,
    rule: DrawRule,
    /// The number of tokens with which the text ends itself.
    end: usize,
    tokens: Vec<u32>,
}

impl DrawnText {
    /// Returns the `i`th of many texts: prompts, rules and lengths of all kinds.
    fn new(i: u32, block_size: usize, vocab: usize) -> Self {
        let Tale { prompt, most, .. } = Tale::new(i, block_size, vocab);
        let rules = [
            (1.0, None, None),
            (0.7, Some(3), None),
            (0.0, None, None),
            (1.0, None, Some(0.7)),
        ];
        let (temperature, top_k, top_p) = rules[i as usize % rules.len()];
        Self {
            prompt,
            rule: DrawRule {
                sampling: Sampling::new(temperature, top_k, top_p).expect("settings in range"),
                draws: Stream::new(8, "drawn texts", i),
                most,
            },
            end: if i.is_multiple_of(3) { 2 } else { usize::MAX },
            tokens: Vec::new(),
        }
    }
}

impl GenerationRequest for DrawnText {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    fn next(&mut self, _: &[f32]) -> Option<u32> {
        panic!("the GPU chooses by the rule");
    }

    fn rule(&self) -> Option<DrawRule> {
        Some(self.rule)
    }

    fn take(&mut self, token: Option<u32>) -> bool {
        if self.rule.most == 0 {
            return false;
        }
        self.tokens.push(token.expect("finite logits"));
        assert!(self.tokens.len() <= self.rule.most.min(self.end));
        self.tokens.len() < self.end
    }
}

fn drawn_texts(case: &Case, count: u32) -> Vec<DrawnText> {
    let (block_size, vocab) = (case.graph.block_size(), case.graph.vocab_size());
    (0..count)
        .map(|i| DrawnText::new(i, block_size, vocab))
        .collect()
}

/// Every token is the one that the rule chooses in f64 by the oracle's logits, or would choose by a
/// draw, or logits, that differ in the last places of f32.
#[test]
#[expect(clippy::print_stderr, reason = "the counts are for people to read")]
fn the_device_chooses_as_the_rule_does() {
    let Some(backend) = gpu() else { return };
    let (mut same, mut all) = (0, 0);
    for case in Grid::alone().cases {
        let weights = batches::weights(&case.graph, 1);
        let mut oracle = engines::oracle(case.graph.clone(), &weights);
        let mut texts = drawn_texts(&case, 8);
        generate_each(&*generator(&backend, &case, Precision::F32), &mut texts).expect("texts");
        for text in texts {
            assert_eq!(
                text.tokens.len(),
                text.rule.most.min(text.end),
                "{}",
                case.name
            );
            let mut tokens = text.prompt;
            for (n, token) in text.tokens.into_iter().enumerate() {
                let logits = expected(&mut oracle, &case.model, &tokens);
                let uniform = text.rule.draws.uniform_at(n as u64);
                let by = |sway: f64, uniform: f64| {
                    let even = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
                    let swayed = logits.iter().enumerate();
                    let swayed = swayed.map(|(i, x)| (x + even(i) * sway) as f32);
                    let swayed: Vec<f32> = swayed.collect();
                    let rule = text.rule.sampling;
                    rule.choose(
                        &mut Ranking::default(),
                        &swayed,
                        uniform.clamp(0.0, 0.999_999_9),
                    )
                };
                let likely = by(0.0, uniform) == Some(token);
                let close = [-1e-4, 0.0, 1e-4].into_iter().any(|sway| {
                    let draws = [uniform - 1e-4, uniform, uniform + 1e-4];
                    draws.into_iter().any(|draw| by(sway, draw) == Some(token))
                });
                assert!(close, "{}: token {n} is {token}", case.name);
                (same, all) = (same + usize::from(likely), all + 1);
                tokens.push(token);
            }
        }
    }
    eprintln!("{same} of {all} tokens are those of the rule in f64");
    assert!(all - same <= all / 500, "{same} of {all}");
}

/// Texts that end early leave their slots to others while a token of theirs is still computed.
#[test]
fn a_drawn_text_among_many_is_the_text_alone() {
    let Some(backend) = gpu() else { return };
    for (i, case) in Grid::alone().cases.into_iter().enumerate() {
        let sizes: &[u32] = if i == 0 { &[1, 2, 150] } else { &[9] };
        let most = sizes.iter().copied().max().unwrap_or(0);
        let mut alone = drawn_texts(&case, most);
        let single = generator(&backend, &case, Precision::F32);
        for text in &mut alone {
            single.generate_one(text).expect("a prompt");
        }
        let generator = generator(&backend, &case, Precision::F32);
        for size in sizes.iter().chain(sizes.first()) {
            let mut texts = drawn_texts(&case, *size);
            generate_each(&*generator, &mut texts).expect("prompts that can be continued");
            assert!(texts == alone[..texts.len()], "{}: {size} texts", case.name);
        }
    }
}

/// A diverged model has no next token.
#[test]
fn logits_that_are_not_numbers_have_no_token() {
    #[derive(Default)]
    struct Diverged(Vec<Option<u32>>);
    impl GenerationRequest for Diverged {
        fn prompt(&self) -> &[u32] {
            &[0]
        }

        fn next(&mut self, _: &[f32]) -> Option<u32> {
            panic!("the GPU chooses by the rule");
        }

        fn rule(&self) -> Option<DrawRule> {
            Some(DrawRule {
                sampling: Sampling::new(1.0, None, None).expect("settings in range"),
                draws: Stream::new(1, "diverged", 0),
                most: 3,
            })
        }

        fn take(&mut self, token: Option<u32>) -> bool {
            self.0.push(token);
            true
        }
    }
    let Some(backend) = gpu() else { return };
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let weights = vec![f32::NAN; case.graph.params().total()];
    let options = BackendOptions::default();
    let generator = backend
        .generator(case.graph.clone(), &weights, options)
        .expect("weights");
    let mut text = Diverged::default();
    generator.generate_one(&mut text).expect("a prompt");
    assert_eq!(text.0, [None]);
}

type MakeGenerator = fn(&GpuBackend, &Case) -> Box<dyn Generator>;

#[test]
fn a_lost_device_is_an_error_and_shows_no_numbers() {
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let makers: [MakeGenerator; 2] = [
        |backend, case| generator(backend, case, Precision::F32),
        |backend, case| {
            let weights = batches::weights(&case.graph, 1);
            let engine = maker(backend, Precision::F32)(case.graph.clone(), &weights);
            Box::new(UncachedGenerator::new(engine))
        },
    ];
    for make in makers {
        let Some(backend) = gpu() else { return };
        let generator = make(&backend, &case);
        let mut text = LosingText { backend, seen: 0 };
        for _ in 0..2 {
            let Err(GenerationError::Device(reason)) = generator.generate_one(&mut text) else {
                panic!("a device that was destroyed");
            };
            assert!(reason.contains("has stopped computing"), "{reason}");
            assert_eq!(text.seen, 3);
        }
        let mut greedy = Greedy {
            prompt: vec![0],
            left: 1,
            tokens: Vec::new(),
        };
        assert!(generator.generate_one(&mut greedy).is_err() && greedy.tokens.is_empty());
    }
}

#[test]
fn the_memory_of_texts_grows_with_their_number() {
    let Some(backend) = gpu() else { return };
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let need = |count| {
        let texts = Texts {
            count,
            prompt: 1,
            tokens: 6,
        };
        backend.generation_memory(&case.graph, BackendOptions::default(), texts)
    };
    // Two layers of 6 tokens, each with a key and a value of 8 numbers.
    assert_eq!(need(1).caches, 4 * 2 * 6 * 16);
    assert_eq!(need(3).caches, 3 * need(1).caches);
    assert!(need(1).total() < need(3).total());
    assert_eq!(
        need(1).weights,
        4 * case.graph.params().total() as u64,
        "a generator has no gradients and no optimiser"
    );
}
