use gptlab_model::AttentionMask;

use super::*;
use crate::{Table, page::File, table::Column};

fn guess(token: &str) -> Guess {
    Guess {
        token: token.into(),
        probability: 0.75,
    }
}

fn head(head: usize) -> HeadMap {
    HeadMap {
        part: "block0.attn".into(),
        block: 0,
        head,
        attention_entropy: 0.3 + head as f64,
        sink_mass: None,
        max_attention_logit: None,
        prefix_matching: None,
        weights: vec![vec![1.0, 0.0], vec![0.25, 0.75]],
        mask: AttentionMask::Causal,
    }
}

fn report() -> ProbeReport {
    ProbeReport {
        checkpoint: "model.safetensors".into(),
        step: 7,
        tokens: vec!["a".into(), "\n".into()],
        text: "data.txt".into(),
        seed: 0,
        precision: Precision::F32,
        trained_in: Precision::F32,
        attention: Some(vec![head(0), head(1)]),
        repeated: None,
        activations: None,
        ablation: None,
        lens: None,
        attribution: None,
        surprise: Some(vec![
            Surprise {
                position: 1,
                token: Some("\n".into()),
                surprise: Some(1.5),
                rank: Some(2),
                expected: 1.0,
                top: vec![guess("x")],
            },
            Surprise {
                position: 2,
                token: None,
                surprise: None,
                rank: None,
                expected: 1.0,
                top: vec![guess("<b>")],
            },
        ]),
        patching: None,
        copied: Some(CopiedReport {
            written: "it".into(),
            training: "data.txt".into(),
            longest: None,
        }),
        measures: Vec::new(),
    }
}

#[test]
fn what_was_found_becomes_a_page_and_pictures() {
    let mut table = Table::new("All heads", vec![Column::words("head")]);
    table.push(vec![crate::table::TableCell::text("block0.attn, head 1")]);
    let files = pictures::files(&report(), vec![table]);
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let expected = [
        pictures::PAGE,
        "surprise.svg",
        "attention-block0.attn-head0.svg",
        "attention-block0.attn-head1.svg",
    ];
    assert_eq!(names, expected);
    let File { text: page, .. } = &files[0];
    for part in [
        "the model expects \"&lt;b&gt;\", with probability 0.75",
        "Copied: nothing of it stands in data.txt.",
        "the sharpest head is block0.attn head 0 (0.30 nats)",
        "<summary>All heads</summary>",
    ] {
        let quoted = part.replace('"', "&quot;");
        assert!(page.contains(part) || page.contains(&quoted), "no {part}");
    }
}

#[test]
fn heads_of_an_attention_have_a_mean() {
    let tokens = ["a".to_owned(), "b".to_owned()];
    let mut other = head(1);
    other.weights[1] = vec![0.75, 0.25];
    let mean = mean_maps("the mean", &[head(0), other], &tokens).unwrap();
    assert_eq!(mean.panels.len(), 1);
    let numbers = mean.numbers.unwrap().csv();
    assert!(numbers.contains("b 1: 0.50"), "{numbers}");
    assert!(attention_maps("none", &[], &tokens).is_none());
}
