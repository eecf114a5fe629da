use gptlab_model::{Preset, lower};
use gptlab_recipe::TokenizerKind;

use super::*;

const TEXT: &str = "the cat sat on the mat\nthe dog sat on the log\n";

/// An author of noise.
fn author(kind: TokenizerKind, stop: Option<&str>) -> Author {
    let tokenizer = Tokenizer::fit(kind, TEXT).expect("a text");
    let model = Preset::Microgpt.spec().check(tokenizer.vocab_size());
    let graph = lower(&model.expect("a model"));
    let settings = SampleSettings {
        max_tokens: 40,
        stop: stop.map(str::to_owned),
        ..SampleSettings::default()
    };
    let weights = graph.params().initial(1);
    let options = Options::of_threads(2);
    Author::new(&graph, &weights, &tokenizer, &settings, 3, options).expect("an author")
}

/// All that is heard, and how it ends, where `enough` texts are enough.
fn heard(
    enough: usize,
    write: impl FnOnce(&mut dyn FnMut(Heard<'_>) -> bool) -> Outcome<()>,
) -> (String, Outcome<()>) {
    let (mut all, mut ends) = (String::new(), 0);
    let outcome = write(&mut |heard| {
        match heard {
            Heard::Begin => all.push('<'),
            Heard::Piece(text) => all += text,
            Heard::End(written) => {
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
fn who_gets_no_thread_writes_the_same() {
    let interrupt = Interrupt::default();
    for (kind, stop) in [
        (TokenizerKind::Chars, None),
        (TokenizerKind::Chars, Some("a")),
        (TokenizerKind::Lines, None),
    ] {
        let author = author(kind, stop);
        let tokens = author.tokenizer.prompt("the").expect("known characters");
        let asked = Asked {
            prompt: "the",
            tokens: &tokens,
            interrupt: &interrupt,
        };
        for (numbers, enough) in [(0..0, 9), (4..5, 9), (0..7, 9), (0..7, 3)] {
            let numbers: Vec<u32> = numbers.collect();
            let beside = heard(enough, |mut hear| {
                author
                    .write_beside(&asked, &numbers, &mut hear)
                    .expect("a thread")
            });
            let alone = heard(enough, |mut hear| {
                author.write_alone(&asked, &numbers, &mut hear)
            });
            assert_eq!(beside, alone, "{numbers:?}");
            assert_eq!(alone.0.matches('>').count(), numbers.len().min(enough));
        }
    }
}

#[test]
fn texts_are_begun_a_few_at_a_time() {
    assert_eq!(texts_at_once(1, 200), 64);
    assert_eq!(texts_at_once(4, 200), 256);
    assert_eq!(texts_at_once(64, 1 << 24), 4);
    assert_eq!(texts_at_once(usize::MAX, usize::MAX), 1);
    assert_eq!(texts_at_once(1, 0), 64);
}
