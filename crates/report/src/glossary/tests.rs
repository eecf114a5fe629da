//! The glossary is complete and says each thing once.

use std::collections::BTreeMap;

use super::*;

#[test]
fn every_entry_is_a_paragraph_of_a_few_sentences() {
    for Entry { word, text, .. } in entries() {
        let sentences = text
            .split_inclusive(['.', '?', '!'])
            .zip(text.split(['.', '?', '!']).skip(1))
            .filter(|(_, next)| next.is_empty() || next.starts_with(' '))
            .count();
        assert!(
            (2..=6).contains(&sentences),
            "{word}: {sentences} sentences"
        );
        assert!(text.ends_with('.'), "{word}");
        assert!(!text.contains("  ") && !text.contains('\n'), "{word}");
        assert!((100..700).contains(&text.len()), "{word}: {}", text.len());
    }
}

#[test]
fn every_word_and_alias_means_one_entry() {
    let mut known = BTreeMap::new();
    for entry in entries() {
        for name in entry.names() {
            let before = known.insert(key(name), entry.word);
            assert_eq!(before, None, "{name} of {}", entry.word);
        }
    }
}

#[test]
fn a_word_is_found_however_it_is_spelt() {
    for typed in [
        "block size",
        "Block-Size",
        "BLOCK_SIZE",
        "blocksize",
        "context",
    ] {
        let found = explain(typed).unwrap().entry.map(|entry| entry.word);
        assert_eq!(found, Some("context"), "{typed}");
    }
}

#[test]
fn every_measure_is_found() {
    for measure in Measure::ALL {
        for typed in [measure.name().to_owned(), measure.name().replace('_', " ")] {
            let found = explain(&typed).unwrap().measure;
            assert_eq!(found, Some(measure.definition()), "{typed}");
        }
    }
    let both = explain("attention entropy").unwrap();
    assert!(both.entry.is_some() && both.measure.is_some());
    assert_eq!(explain("log-z").unwrap().entry, None);
}

#[test]
fn an_unknown_word_has_near_ones() {
    assert_eq!(explain("perplexty"), Err(vec!["perplexity".to_owned()]));
    let near = explain("attentoin").unwrap_err();
    assert_eq!(near.first().map(String::as_str), Some("attention"));
    assert_eq!(explain("zebra crossing"), Err(Vec::new()));
}

/// The doctor's thresholds are the witness.
#[test]
fn thresholds_are_the_doctor_s() {
    for (word, quantity) in [
        ("over-fitting", "nats that the validation loss ends above"),
        ("under-trained", "predictions seen for each parameter"),
        ("attention sink", "mean share of attention on the first"),
        ("gradient norm", "largest gradient norm over the median"),
    ] {
        let limit = crate::doctor::THRESHOLDS
            .iter()
            .find(|limit| limit.name.starts_with(quantity))
            .expect("a threshold");
        let text = explain(word).unwrap().entry.expect("an entry").text;
        let value = match limit.value {
            100.0 => "a hundred".to_owned(),
            value => value.to_string(),
        };
        assert!(text.contains(&value), "{word}: {value}");
    }
}

/// Outside of backticks nothing may be read as markup but the emphasis of the source.
#[test]
fn the_page_has_every_entry_and_no_stray_markup() {
    let page = markdown();
    for entry in entries() {
        assert!(page.contains(&format!("\n### {}\n", entry.word)));
        assert_eq!(entry.text.matches('`').count() % 2, 0, "{}", entry.word);
        let plain = entry.text.split('`').step_by(2);
        for part in plain {
            let dashes = part.contains("--");
            assert!(!dashes && !part.contains('<'), "{}: {part}", entry.word);
        }
    }
}
