//! Tests of requests that cannot be probed.

use gptlab_lab::probe::ProbeError;

use crate::{case, common::specs, of};

#[test]
fn what_cannot_be_probed_is_a_sentence() {
    let mut probed = of(&case(&specs::base()));
    let message = |e: ProbeError| e.to_string();
    let long = probed.prompt("prompt", "abcdefg").map_err(message);
    assert_eq!(
        long,
        Err("the prompt has 7 tokens and the model's context holds 6; shorten it".into())
    );
    let unknown = probed.prompt("prompt", "xyz").map_err(message);
    assert!(unknown.is_err_and(|e| e.starts_with("the tokenizer knows 7 characters and not")));
    let [a, b] = ["ab", "abc"].map(|text| probed.prompt("prompt", text).expect("a prompt"));
    let unequal = probed.patching(&a, &b, [0, 1]).map_err(message);
    assert!(
        unequal.is_err_and(|e| e.starts_with("the prompt has 2 tokens and the corrupted one 3"))
    );
    let same = probed.patching(&a, &a, [0, 1]);
    assert!(
        matches!(same, Err(ProbeError::NoDifference { clean, corrupted }) if clean == corrupted)
    );
    let rounding = ProbeError::NoDifference {
        clean: 0.25,
        corrupted: 0.25 + 3.6e-7,
    };
    assert_eq!(
        rounding.to_string(),
        "the model prefers the first answer to the second by 0.250000 after the clean prompt and by 0.250000 after \
         the corrupted one; the 3.6e-7 between them is rounding, and no share of it would mean anything; use prompts \
         or answers that the model tells apart"
    );
    for text in ["a", "abc", "aa", ""] {
        assert_eq!(probed.answers(text), Err(ProbeError::Answers(text.into())));
    }
    assert_eq!(probed.answers("ba"), Ok([1, 0]));
    assert_eq!(probed.windows(&[1], 5), Err(ProbeError::TooShort("text")));
}
