//! Tests of tokenizers: round trips, rejected text, the stored form.

use gptlab_data::{StreamDecoder, Tokenizer};
use gptlab_model::Choice;
use gptlab_recipe::{Tokenization, TokenizerKind, Vocabulary};
use proptest::prelude::*;

fn chars(text: &str) -> Tokenizer {
    Tokenizer::fit(TokenizerKind::Chars, text).unwrap()
}

fn lines(text: &str) -> Tokenizer {
    Tokenizer::fit(TokenizerKind::Lines, text).unwrap()
}

fn bytes(documents: &str) -> Tokenizer {
    let tokenization = Tokenization {
        documents: documents.parse().unwrap(),
        ..TokenizerKind::Bytes.into()
    };
    Tokenizer::fit(tokenization, "any text").unwrap()
}

/// Fits a tokenizer of characters to documents that end at `<|end|>`.
fn separated(text: &str) -> Tokenizer {
    let tokenization = Tokenization {
        documents: "separator=<|end|>".parse().unwrap(),
        ..TokenizerKind::Chars.into()
    };
    Tokenizer::fit(tokenization, text).unwrap()
}

fn known(tokenizer: &Tokenizer) -> &[char] {
    match tokenizer.spec().vocabulary() {
        Vocabulary::Chars(alphabet) => alphabet.chars(),
        Vocabulary::Bytes => &[],
    }
}

/// The expected order is Python's `sorted(set("hello, 猫🐈é
/// "))`.
#[test]
fn characters_are_numbered_by_code_point() {
    let tokenizer = chars("hello, 猫🐈é\n");
    assert_eq!(
        known(&tokenizer),
        ['\n', ' ', ',', 'e', 'h', 'l', 'o', 'é', '猫', '🐈']
    );
    assert_eq!(tokenizer.vocab_size(), 10);
    assert_eq!(tokenizer.bos(), None);
    assert_eq!(tokenizer.encode("hé猫🐈\n").unwrap(), [4, 7, 8, 9, 0]);
    assert_eq!(tokenizer.decode(&[9, 8]).unwrap(), "🐈猫");
}

/// The witness is microgpt: `docs = [l.strip() …]`, `uchars = sorted(set(''.join(docs)))`, `BOS =
/// len(uchars)`.
#[test]
fn lines_are_stripped_and_bos_comes_last() {
    let tokenizer = lines("  emma\r\n\n ava b \n\r\tzo\u{3000}\n");
    assert_eq!(
        known(&tokenizer),
        [' ', 'a', 'b', 'e', 'm', 'o', 'v', 'z'],
        "the space inside a line stays; those at its ends, tabs and line ends go"
    );
    assert_eq!(tokenizer.bos(), Some(8));
    assert_eq!(tokenizer.vocab_size(), 9);
    assert_eq!(tokenizer.encode("\nava\n").unwrap(), [8, 1, 6, 1, 8]);
    assert_eq!(tokenizer.decode(&[8, 1, 6, 1, 8]).unwrap(), "\nava\n");
}

#[test]
fn a_text_without_characters_fits_no_tokenizer() {
    assert_eq!(Tokenizer::fit(TokenizerKind::Chars, ""), None);
    assert_eq!(Tokenizer::fit(TokenizerKind::Lines, " \r\n\t\n"), None);
    let separated = Tokenization {
        documents: "separator=;".parse().unwrap(),
        ..TokenizerKind::Bytes.into()
    };
    assert_eq!(Tokenizer::fit(separated, " ;\n;"), None);
}

/// The expected values are Python's `list("é猫
/// ".encode())`.
#[test]
fn bytes_are_their_values() {
    let tokenizer = bytes("text");
    assert_eq!((tokenizer.vocab_size(), tokenizer.bos()), (256, None));
    assert_eq!(
        tokenizer.encode("é猫\n").unwrap(),
        [195, 169, 231, 140, 171, 10]
    );
    assert_eq!(tokenizer.decode(&[231, 140, 171]).unwrap(), "猫");
    assert_eq!(
        tokenizer.decode(&[231, 140, 97, 255]).unwrap(),
        "\u{FFFD}a\u{FFFD}"
    );
    assert_eq!(tokenizer.prompt("").unwrap(), [10], "the line break");
    assert_eq!(
        [97, 10, 0xE7].map(|t| tokenizer.label(t)),
        ["a", "\n", "<0xE7>"]
    );
}

#[test]
fn bytes_may_be_cut_into_lines_too() {
    let tokenizer = bytes("lines");
    assert_eq!((tokenizer.vocab_size(), tokenizer.bos()), (257, Some(256)));
    assert_eq!(tokenizer.encode("\na\n").unwrap(), [256, 97, 256]);
    assert_eq!(tokenizer.decode(&[256, 97, 256]).unwrap(), "\na\n");
    assert_eq!(tokenizer.prompt("a").unwrap(), [256, 97]);
}

#[test]
fn documents_may_end_at_any_text() {
    let tokenizer = separated("a cat\n<|end|>\n  a hat\n<|end|>\n");
    assert_eq!(known(&tokenizer), [' ', 'a', 'c', 'h', 't'], "stripped");
    assert_eq!(tokenizer.bos(), Some(5));
    assert_eq!(tokenizer.encode("<|end|>at").unwrap(), [5, 1, 4]);
    assert_eq!(tokenizer.decode(&[5, 1, 4, 5]).unwrap(), "<|end|>at<|end|>");
    let error = tokenizer.encode("a<|end").unwrap_err();
    assert_eq!(error.characters, ['<', '|', 'e', 'n', 'd']);
}

#[test]
fn a_prompt_is_never_empty() {
    assert_eq!(chars("a\nb").prompt("").unwrap(), [0]);
    assert_eq!(chars("ab").prompt("").unwrap(), [0]);
    assert_eq!(chars("\t\na").prompt("").unwrap(), [1], "the line break");
    assert_eq!(chars("ab").prompt("ba").unwrap(), [1, 0]);
    assert_eq!(lines("ab").prompt("").unwrap(), [2]);
    assert_eq!(lines("ab").prompt("ba").unwrap(), [2, 1, 0]);
}

#[test]
fn unknown_characters_are_named_once_in_order() {
    let error = chars("abc").encode("xéa\tx猫").unwrap_err();
    assert_eq!(error.characters, ['x', 'é', '\t', '猫']);
    assert_eq!(
        error.to_string(),
        "the tokenizer knows 3 characters and not 'x' (U+0078), 'é' (U+00E9), '\\t' (U+0009), \
         '猫' (U+732B); leave them out, or train on a text that holds them"
    );
    let many = chars("a").encode("bcdefghijk").unwrap_err().to_string();
    assert!(many.contains("'i' (U+0069) and 2 more;"), "{many}");
    assert!(many.contains("knows 1 character and"), "{many}");
    let one = lines("ab").encode("a\nb\rc").unwrap_err();
    assert_eq!(
        one.characters,
        ['\r', 'c'],
        "a line break is a BOS, a carriage return is not"
    );
}

#[test]
fn unknown_tokens_are_named() {
    assert_eq!(
        chars("ab").decode(&[0, 2]).unwrap_err().to_string(),
        "the tokenizer has 2 tokens (0 to 1) and none numbered 2; the tokens come from another \
         tokenizer"
    );
    assert!(lines("ab").decode(&[2]).is_ok());
    assert!(lines("ab").decode(&[3]).is_err());
}

#[test]
fn a_token_is_bytes_and_has_a_label() {
    let tokenizer = lines("é猫");
    assert_eq!(tokenizer.token_bytes(1), Some("猫".as_bytes()));
    assert_eq!(tokenizer.token_bytes(2), Some(&b"\n"[..]), "the BOS");
    assert_eq!(tokenizer.token_bytes(3), None);
    assert_eq!([0, 2, 3].map(|t| tokenizer.label(t)), ["é", "\n", "3"]);
}

#[test]
fn the_stored_form_is_stable() {
    let json = serde_json::to_string(&chars("ba\n\"猫")).unwrap();
    assert_eq!(json, r#"{"kind":"chars","chars":"\n\"ab猫"}"#);
    assert_eq!(
        serde_json::from_str::<Tokenizer>(&json).unwrap(),
        chars("ba\n\"猫")
    );
    let json = serde_json::to_string(&lines("ba")).unwrap();
    assert_eq!(json, r#"{"kind":"lines","chars":"ab"}"#);
    assert_eq!(
        serde_json::from_str::<Tokenizer>(&json).unwrap(),
        lines("ba")
    );
    for (tokenizer, stored) in [
        (bytes("text"), r#"{"kind":"bytes"}"#),
        (bytes("lines"), r#"{"kind":"bytes","documents":"lines"}"#),
        (
            separated("a"),
            r#"{"kind":"chars","chars":"a","documents":{"separator":"<|end|>"}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&tokenizer).unwrap(), stored);
        assert_eq!(
            serde_json::from_str::<Tokenizer>(stored).unwrap(),
            tokenizer
        );
    }
    let by_line = r#"{"kind":"chars","chars":"ab","documents":"lines"}"#;
    assert_eq!(
        serde_json::from_str::<Tokenizer>(by_line).unwrap(),
        lines("ab"),
        "the same by another name"
    );
}

#[test]
fn a_damaged_stored_form_is_a_sentence() {
    for (json, expected) in [
        (
            r#"{"kind":"chars","chars":""}"#,
            "needs at least one character, found none",
        ),
        (
            r#"{"kind":"chars","chars":"aa"}"#,
            "found 'a' (U+0061) after 'a' (U+0061) at place 1",
        ),
        (
            r#"{"kind":"chars","chars":"acb"}"#,
            "found 'b' (U+0062) after 'c' (U+0063) at place 2",
        ),
        (
            r#"{"kind":"lines","chars":"\nab"}"#,
            "cannot hold the line break '\\n' (U+000A)",
        ),
        (
            r#"{"kind":"words","chars":"ab"}"#,
            "unknown variant `words`",
        ),
        (
            r#"{"kind":"chars","chars":"ab","more":1}"#,
            "unknown field `more`",
        ),
        (r#"{"kind":"chars"}"#, "missing field `chars`"),
        (
            r#"{"kind":"bytes","chars":"ab"}"#,
            "no characters of its own",
        ),
        (
            r#"{"kind":"chars","chars":";ab","documents":{"separator":";"}}"#,
            "cannot hold ';' (U+003B), which separates its documents",
        ),
        (
            r#"{"kind":"bytes","documents":{"separator":""}}"#,
            "at least one character, found none",
        ),
    ] {
        let error = serde_json::from_str::<Tokenizer>(json)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_fingerprint_tells_kinds_and_alphabets_apart() {
    assert_eq!(chars("ab").fingerprint(), chars("abba").fingerprint());
    assert_ne!(chars("ab").fingerprint(), chars("abc").fingerprint());
    assert_ne!(chars("ab").fingerprint(), lines("ab").fingerprint());
    assert_ne!(bytes("text").fingerprint(), bytes("lines").fingerprint());
    assert_ne!(chars("a").fingerprint(), separated("a").fingerprint());
    // The digest is that of `printf 'lines\0ab' | sha256sum`.
    assert_eq!(
        lines("ab").fingerprint().to_string(),
        "59fd0b5f7eb19aa0fc62825934ce694789c87b242f266781df5b20d20dbe4092"
    );
}

#[test]
fn kinds_go_by_name() {
    for &kind in TokenizerKind::ALL {
        assert_eq!(TokenizerKind::parse(kind.name()), Ok(kind));
        assert_eq!(
            serde_json::to_string(&kind).unwrap(),
            format!("{:?}", kind.name())
        );
    }
}

proptest! {
    #[test]
    fn any_text_comes_back_as_it_was(text in any::<String>()) {
        prop_assume!(!text.is_empty());
        let tokenizer = chars(&text);
        let tokens = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(tokens.len(), text.chars().count());
        prop_assert!(tokens.iter().all(|t| (*t as usize) < tokenizer.vocab_size()));
        prop_assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
    }

    #[test]
    fn any_text_comes_back_from_bytes(text in any::<String>()) {
        let tokenizer = bytes("text");
        let tokens = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(tokens.len(), text.len());
        prop_assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
    }

    /// The tokens are arbitrary and need not be text: the pieces of a stream equal the whole
    /// decoding.
    #[test]
    fn a_stream_is_the_whole(tokens in proptest::collection::vec(0..256u32, 0..60)) {
        let tokenizer = bytes("text");
        let mut decoder = StreamDecoder::new(&tokenizer);
        let mut text = String::new();
        for token in &tokens {
            text += decoder.push(*token);
        }
        text += decoder.finish();
        let raw: Vec<u8> = tokens.iter().map(|t| *t as u8).collect();
        prop_assert_eq!(&text, &String::from_utf8_lossy(&raw));
        prop_assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
    }

    #[test]
    fn any_lines_come_back_stripped(text in "[ \\t\\r\\na-eé猫🐈]{0,40}") {
        let kept: Vec<&str> = text.split(['\r', '\n']).map(str::trim).filter(|l| !l.is_empty()).collect();
        match Tokenizer::fit(TokenizerKind::Lines, &text) {
            None => prop_assert!(kept.is_empty()),
            Some(tokenizer) => {
                let joined = kept.join("\n");
                let tokens = tokenizer.encode(&joined).unwrap();
                prop_assert_eq!(tokenizer.decode(&tokens).unwrap(), joined);
            }
        }
    }

    #[test]
    fn any_tokenizer_survives_json(text in any::<String>()) {
        prop_assume!(!text.is_empty());
        let json = serde_json::to_string(&chars(&text)).unwrap();
        prop_assert_eq!(serde_json::from_str::<Tokenizer>(&json).unwrap(), chars(&text));
    }

    #[test]
    fn no_token_is_made_up_for_a_stranger(known in "[a-f]{1,9}", text in "[a-j]{0,20}") {
        let tokenizer = chars(&known);
        let strangers = text.chars().any(|c| !known.contains(c));
        prop_assert_eq!(tokenizer.encode(&text).is_err(), strangers);
    }
}
