use gptlab_engine::GenerationRequest;
use gptlab_model::{Preset, lower};
use gptlab_recipe::TokenizerKind;

use super::*;

const TEXT: &str = "the cat sat on the mat\nthe dog sat on the log\n";

/// Makes a sampler of an untrained model.
fn sampler(kind: TokenizerKind, stop: Option<&str>) -> Sampler {
    let tokenizer = Tokenizer::fit(kind, TEXT).expect("a text");
    let model = Preset::Microgpt.spec().check(tokenizer.vocab_size());
    let graph = lower(&model.expect("a model"));
    let settings = SampleSettings {
        max_tokens: 40,
        stop: stop.map(str::to_owned),
        ..SampleSettings::default()
    };
    let model = SampleModel {
        graph: &graph,
        weights: &graph.params().initial(1),
        tokenizer: &tokenizer,
    };
    Sampler::new(&Device::cpu(2), model, &settings, 3).expect("a sampler")
}

/// Returns everything that is reported, and the outcome, if `on_event` ends it after `enough`
/// texts.
fn reported(
    enough: usize,
    write: impl FnOnce(&mut OnEvent<'_>) -> Result<(), SampleError>,
) -> (String, Result<(), SampleError>) {
    let (mut all, mut ends) = (String::new(), 0);
    let outcome = write(&mut |event| {
        match event {
            SampleEvent::Begin => all.push('<'),
            SampleEvent::Piece(text) => all += text,
            SampleEvent::End(written) => {
                let end = format!("={}, {}, {:?}>", written.text, written.tokens, written.end);
                all.push_str(&end);
                ends += 1;
            }
        }
        ends < enough
    });
    (all, outcome)
}

#[test]
fn without_a_second_thread_texts_are_the_same() {
    let cancel = AtomicBool::new(false);
    for (kind, stop) in [
        (TokenizerKind::Chars, None),
        (TokenizerKind::Chars, Some("a")),
        (TokenizerKind::Lines, None),
    ] {
        let sampler = sampler(kind, stop);
        let tokens = sampler.tokenizer.prompt("the").expect("known characters");
        let common = Common {
            prompt: "the",
            tokens: &tokens,
            cancel: &cancel,
        };
        for (numbers, enough) in [(0..0, 9), (4..5, 9), (0..7, 9), (0..7, 3)] {
            let numbers: Vec<u32> = numbers.collect();
            let two = reported(enough, |on_event| {
                let outcome = sampler.on_two_threads(&common, &numbers, on_event);
                outcome.expect("a thread")
            });
            let one = reported(enough, |on_event| {
                sampler.one_by_one(&common, &numbers, on_event)
            });
            assert_eq!(two, one, "{numbers:?}");
            assert_eq!(one.0.matches('>').count(), numbers.len().min(enough));
        }
    }
}

#[test]
fn a_sampler_that_is_cancelled_ends_each_text() {
    let sampler = sampler(TokenizerKind::Chars, None);
    let cancel = AtomicBool::new(true);
    let written = sampler.sample("the", 0, &cancel, |_| {}).expect("a text");
    assert_eq!(
        (written.tokens, written.end),
        (0, ContinuationEnd::Interrupted)
    );
    assert_eq!(sampler.sample_of_step("the", 1, &cancel), Ok(None));
}

#[test]
fn texts_are_begun_a_few_at_a_time() {
    assert_eq!(texts_at_once(1, 200), 64);
    assert_eq!(texts_at_once(4, 200), 256);
    assert_eq!(texts_at_once(64, 1 << 24), 4);
    assert_eq!(texts_at_once(usize::MAX, usize::MAX), 1);
    assert_eq!(texts_at_once(1, 0), 64);
}

/// A generator whose device stops after one token of the first text.
#[derive(Debug)]
struct Stopping;

impl Generator for Stopping {
    fn generate_all(
        &self,
        requests: &mut [&mut (dyn GenerationRequest + Send)],
    ) -> Result<(), GenerationError> {
        self.generate_one(requests[0])
    }

    fn generate_one(&self, request: &mut dyn GenerationRequest) -> Result<(), GenerationError> {
        request.next(&[1.0, 0.0]);
        Err(GenerationError::Device("the device has stopped".to_owned()))
    }
}

#[test]
fn a_device_that_stops_is_an_error_and_no_divergence() {
    let sampler = Sampler {
        generator: Box::new(Stopping),
        ..sampler(TokenizerKind::Chars, None)
    };
    let cancel = AtomicBool::new(false);
    let stopped = SampleError::Device("the device has stopped".to_owned());
    let sample = sampler.sample("the", 0, &cancel, |_| {});
    assert_eq!(sample, Err(stopped.clone()));
    assert_eq!(
        sampler.sample_of_step("the", 1, &cancel),
        Err(stopped.clone())
    );
    let tokens = sampler.tokenizer.prompt("the").expect("known characters");
    let common = Common {
        prompt: "the",
        tokens: &tokens,
        cancel: &cancel,
    };
    let (_, outcome) = reported(9, |on_event| sampler.one_by_one(&common, &[0, 1], on_event));
    assert_eq!(outcome, Err(stopped));
}

/// A generator that chooses by the rules of its requests, as a device does.
#[derive(Debug)]
struct Choosing(Box<dyn Generator>);

/// A request that chooses for another by its rule.
struct Chosen<'a> {
    request: &'a mut dyn GenerationRequest,
    tokens: u64,
}

impl GenerationRequest for Chosen<'_> {
    fn prompt(&self) -> &[u32] {
        self.request.prompt()
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        let rule = self.request.rule().expect("a rule");
        assert!(self.tokens <= rule.most as u64);
        let uniform = rule.draws.uniform_at(self.tokens);
        let token = rule
            .sampling
            .choose(&mut Ranking::default(), logits, uniform);
        self.tokens += 1;
        let continues = self.request.take(token);
        token.filter(|_| continues)
    }
}

impl Generator for Choosing {
    fn generate_all(
        &self,
        requests: &mut [&mut (dyn GenerationRequest + Send)],
    ) -> Result<(), GenerationError> {
        requests
            .iter_mut()
            .try_for_each(|request| self.generate_one(*request))
    }

    fn generate_one(&self, request: &mut dyn GenerationRequest) -> Result<(), GenerationError> {
        self.0.generate_one(&mut Chosen { request, tokens: 0 })
    }
}

#[test]
fn a_generator_that_chooses_by_the_rule_writes_the_same_texts() {
    for (kind, stop) in [
        (TokenizerKind::Chars, None),
        (TokenizerKind::Chars, Some("a")),
        (TokenizerKind::Lines, None),
    ] {
        let mut shown = sampler(kind, stop);
        let like = sampler(kind, stop);
        let mut chosen = Sampler {
            generator: Box::new(Choosing(like.generator)),
            ..like
        };
        for (temperature, top_k, max_tokens) in [(1.0, None, 40), (0.0, None, 9), (0.8, Some(3), 0)]
        {
            let settings = SampleSettings {
                temperature,
                top_k,
                max_tokens,
                stop: stop.map(str::to_owned),
                ..SampleSettings::default()
            };
            for sampler in [&mut shown, &mut chosen] {
                sampler.set(&settings, 3).expect("settings in range");
            }
            for cancelled in [false, true] {
                let cancel = AtomicBool::new(cancelled);
                let [shown, chosen] = [&shown, &chosen].map(|sampler| {
                    reported(9, |on_event| {
                        sampler.sample_all("the", &[0, 1, 2, 3], &cancel, on_event)
                    })
                });
                assert_eq!(shown, chosen);
            }
        }
    }
}
