//! Tests that the diagnostic texts have their documented form, names, sizes and seeds, and never
//! change.

use std::collections::BTreeSet;

use gptlab_data::{Builtin, Corpus, Diagnostic, DocumentSet, Fingerprint, Text};
use gptlab_model::Choice;
use gptlab_recipe::TokenizerKind;

const FIRST: [(Diagnostic, &str, &str); 5] = [
    (
        Diagnostic::Copy,
        "ievdivydusvpf|ievdivydusvpf",
        "fd7b795b37b6",
    ),
    (
        Diagnostic::Brackets,
        "<{}>{}[[][([][()({}{}<>)])]]",
        "197c48a4d615",
    ),
    (Diagnostic::Agreement, "Fsvtvtttxvsttyy:f", "efc034f150a3"),
    (Diagnostic::Addition, "358+836=194", "5ae6272fd7d8"),
    (
        Diagnostic::InContext,
        "aefcbaeghefcbabegegcfcfcgegheghegcbchegcfchegegfegcheghegeghdbaebheghefcfcheghegchegcfaegchegegcbheghfcghdbegegcghegfcfcheghdbe",
        "6781859268e1",
    ),
];

fn usual(kind: Diagnostic) -> Builtin {
    Builtin::Diagnostic(kind, DocumentSet::USUAL)
}

#[test]
fn diagnostic_texts_are_the_same_forever() {
    for (kind, first, fingerprint) in FIRST {
        let text = usual(kind).text();
        assert_eq!(text.lines().next(), Some(first), "{kind:?}");
        let found = Fingerprint::of(text.as_bytes()).short();
        assert_eq!(found, fingerprint, "{kind:?}");
    }
}

#[test]
fn every_line_is_a_document_that_the_ideal_predictor_knows() {
    for &kind in Diagnostic::ALL {
        let text = kind.text(7, 20_000);
        for line in text.lines() {
            let ideal = kind.ideal(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(ideal.len(), line.len() + 1, "and the BOS: {line}");
            assert!(ideal.len() <= 128, "fits a small context: {line}");
            assert!(ideal.iter().all(|t| t.nats >= 0.0 && t.nats.is_finite()));
            let skill = kind.skill(line).unwrap();
            assert!(skill.contains(&true) && skill.contains(&false), "{line}");
            let other = format!("{line}?");
            assert_eq!(kind.ideal(&other), None, "{other}");
        }
        assert_eq!(kind.ideal(""), None);
        assert_eq!(kind.ideal_loss_on(&format!("{text}nonsense\n")), None);
        assert_eq!(kind.ideal_loss_on("\n"), None);
    }
}

/// One document of each kind has its skilled tokens marked by hand.
#[test]
fn the_skill_is_where_it_is_said_to_be() {
    for (kind, document, marked) in [
        // The last mark is that of the BOS.
        (Diagnostic::Copy, "abcdefgh|abcdefgh", "         ********* "),
        (
            Diagnostic::Brackets,
            "(())[[]]{<>}()<>",
            "  **  **  ** * * ",
        ),
        (Diagnostic::Agreement, "Dstuvwxyzz:d", "           * "),
        (Diagnostic::Addition, "955+540=406", "        ***  "),
    ] {
        let skill = kind.skill(document).unwrap();
        let shown: String = skill.iter().map(|s| if *s { '*' } else { ' ' }).collect();
        assert_eq!(shown, marked[..=document.len()], "{document}");
    }
    // The first successor of each letter is unpredictable; then a table has started.
    let cycle: String = "abcd".chars().cycle().take(127).collect();
    let skill = Diagnostic::InContext.skill(&cycle).unwrap();
    let first = skill.iter().position(|s| *s);
    assert_eq!(first, Some(5), "b after the second a");
    assert!(!skill[127] && skill[5..127].iter().all(|s| *s));
}

#[test]
fn what_is_wrong_is_no_document() {
    for (kind, wrong) in [
        (Diagnostic::Copy, "abcdefgh|abcdefgi"),
        (Diagnostic::Copy, "abcdefg|abcdefg"),
        (Diagnostic::Copy, "abcdefgA|abcdefgA"),
        (Diagnostic::Brackets, "(())[[]]{<}>()<>"),
        (Diagnostic::Brackets, "(())[[]]"),
        (Diagnostic::Brackets, "((((((()))))))()"),
        (Diagnostic::Brackets, "((()))((()))(((("),
        (Diagnostic::Agreement, "Dstuvwxyzz:c"),
        (Diagnostic::Agreement, "Dstu:d"),
        (Diagnostic::Addition, "955+540=495"),
        (Diagnostic::Addition, "55+40=95"),
        (Diagnostic::InContext, &"ab".repeat(63)),
        (
            Diagnostic::InContext,
            &format!("{}aa", "ab".repeat(63))[1..],
        ),
    ] {
        assert_eq!(kind.ideal(wrong), None, "{wrong}");
    }
}

/// The proportions are those of the generators, within four standard errors of a count.
#[test]
fn proportions_are_the_generators() {
    let share = |kind: Diagnostic, which: fn(&str) -> bool| {
        let text = kind.text(5, 400_000);
        let all: Vec<&str> = text.lines().collect();
        let found = all.iter().filter(|l| which(l)).count() as f64 / all.len() as f64;
        (found, all.len() as f64)
    };
    for (kind, which, p) in [
        (
            Diagnostic::Copy,
            (|l| l.len() == 17) as fn(&str) -> bool,
            1.0 / 13.0,
        ),
        (Diagnostic::Copy, |l| l.starts_with('q'), 1.0 / 26.0),
        (Diagnostic::Brackets, |l| l.starts_with('<'), 0.25),
        (
            Diagnostic::Brackets,
            |l| l[1..].starts_with(['(', '[', '{', '<']),
            0.5,
        ),
        (Diagnostic::Agreement, |l| l.ends_with('c'), 0.125),
        (Diagnostic::Agreement, |l| l.len() == 11, 1.0 / 49.0),
        (Diagnostic::Addition, |l| l[2..].starts_with('9'), 0.1),
        (Diagnostic::Addition, |l| l.ends_with('0'), 0.1),
        (Diagnostic::InContext, |l| l.starts_with('h'), 0.125),
        // The first letter comes back third with probability 1/7; two equal letters in a row never
        // occur.
        (
            Diagnostic::InContext,
            |l| l[2..].starts_with(&l[..1]),
            1.0 / 7.0,
        ),
        (Diagnostic::InContext, |l| l[1..].starts_with(&l[..1]), 0.0),
    ] {
        let (found, n) = share(kind, which);
        let error = (p * (1.0 - p) / n).sqrt();
        assert!(
            (found - p).abs() <= 4.0 * error,
            "{kind:?}: {found}, not {p}"
        );
    }
}

#[test]
fn sums_are_right() {
    let digits = |s: &str| s.chars().rev().collect::<String>().parse::<u32>().unwrap();
    for line in Diagnostic::Addition.text(1, 20_000).lines() {
        let (a, rest) = line.split_once('+').unwrap();
        let (b, c) = rest.split_once('=').unwrap();
        assert_eq!((digits(a) + digits(b)) % 1000, digits(c), "{line}");
    }
}

#[test]
fn seeds_make_other_texts_and_sizes_longer_ones() {
    for &kind in Diagnostic::ALL {
        let texts: BTreeSet<String> = (0..20).map(|seed| kind.text(seed, 2_000)).collect();
        assert_eq!(texts.len(), 20, "{kind:?}");
        let (short, long) = (kind.text(3, 2_000), kind.text(3, 4_000));
        assert!(long.starts_with(&short) && short.ends_with('\n'));
        assert!((2_000..2_128).contains(&short.len()));
    }
}

/// The ideal loss of a text is the mean of its documents, and near the expectation.
#[test]
fn a_texts_own_ideal_loss_is_near_the_expected_one() {
    for &kind in Diagnostic::ALL {
        let text = kind.text(9, 200_000);
        let (found, expected) = (kind.ideal_loss_on(&text).unwrap(), kind.ideal_loss());
        for (found, expected) in [
            (found.nats_per_token(), expected.nats_per_token()),
            (
                found.skill_nats_per_token(),
                expected.skill_nats_per_token(),
            ),
            (found.tokens_per_document, expected.tokens_per_document),
        ] {
            let off = (found - expected).abs();
            assert!(off <= 0.02 * expected, "{kind:?}: {found}, not {expected}");
        }
        let corpus = Corpus::fit(&Text::builtin(usual(kind)), TokenizerKind::Lines, 0.1).unwrap();
        let tokens = corpus.train().predictions() as f64;
        let documents = corpus.train().documents().unwrap() as f64;
        assert!((tokens / documents / expected.tokens_per_document - 1.0).abs() < 0.02);
    }
}

#[test]
fn recipes_are_typed_after_a_colon() {
    let of = |seed, size| Builtin::Diagnostic(Diagnostic::Copy, DocumentSet { seed, size });
    for (typed, expected, shown) in [
        ("copy", usual(Diagnostic::Copy), "copy"),
        (
            "copy:seed=3,size=200000",
            of(3, 200_000),
            "copy:seed=3,size=200000",
        ),
        ("copy:size=5000", of(0, 5_000), "copy:seed=0,size=5000"),
        ("copy:seed=4", of(4, 1_000_000), "copy:seed=4,size=1000000"),
        ("copy:size=1000000,seed=0", usual(Diagnostic::Copy), "copy"),
    ] {
        let found = Builtin::parse(typed).unwrap().unwrap();
        assert_eq!(found, expected, "{typed}");
        assert_eq!(found.to_string(), shown);
        assert_eq!(Builtin::parse(shown), Ok(Some(found)));
        assert_eq!(Text::builtin(found).recipe(), Some(found));
    }
    for file in [
        "copies",
        "copy.txt",
        "C:\\copy",
        "file:size=3",
        "Copy:seed=1",
        "",
    ] {
        assert_eq!(Builtin::parse(file), Ok(None), "{file}");
    }
}

#[test]
fn recipes_that_make_no_sense_are_sentences() {
    let takes = "the built-in text `copy` takes seed=N and size=N, two whole numbers, and found";
    let like = "type it like `copy:seed=3,size=200000`";
    for (typed, sentence) in [
        ("copy:", format!("{takes} ``; {like}")),
        ("copy:sed=3", format!("{takes} `sed=3`; {like}")),
        ("copy:seed=x", format!("{takes} `seed=x`; {like}")),
        ("copy:seed=3,", format!("{takes} ``; {like}")),
        ("copy:size=-1", format!("{takes} `size=-1`; {like}")),
        (
            "copy:seed=3,seed=4",
            "the built-in text `copy` takes each setting once, and found `seed=4` as a second".into(),
        ),
        (
            "addition:size=999",
            "the size of the built-in text `addition` must be from 1000 to 100000000 characters, found 999"
                .into(),
        ),
        (
            "stories:seed=1",
            "the built-in text `stories` takes no settings: it is always the same; type `stories`".into(),
        ),
    ] {
        assert_eq!(Builtin::parse(typed).unwrap_err().to_string(), sentence);
    }
}

#[test]
fn a_diagnostic_text_is_cut_into_lines_and_says_its_entropy() {
    for &kind in Diagnostic::ALL {
        assert_eq!(usual(kind).usual_tokenizer(), Some(TokenizerKind::Lines));
        assert_eq!(
            usual(kind).entropy(),
            Some(kind.ideal_loss().nats_per_token())
        );
        assert!(kind.skill_needed().ends_with(")."), "with its source");
    }
    assert_eq!(Builtin::Stories.usual_tokenizer(), None);
    assert!(
        Builtin::Stories
            .entropy()
            .is_some_and(|e| (e - 0.104).abs() < 0.001)
    );
    assert_eq!(Builtin::Names.entropy(), None);
}
