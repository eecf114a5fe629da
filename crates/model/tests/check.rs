//! The exact sentences with which wrong specs and batches are refused.

use gptlab_model::{
    Attention, Batch, BatchError, Mask, Mlp, ModelSpec, NormPlace, Position, Preset, Sublayer,
    SublayerOrder, check_n_layer,
};

/// Returns the sentence with which gpt2-mini after `change` is refused.
fn refusal(change: impl Fn(&mut ModelSpec)) -> String {
    let mut spec = Preset::Gpt2Mini.spec();
    change(&mut spec);
    let refused = spec.check(65);
    refused.expect_err("a spec that makes no sense").to_string()
}

fn attention(spec: &mut ModelSpec, layer: usize, change: impl Fn(&mut Attention)) {
    match &mut spec.layers[layer][0] {
        Sublayer::Attention(a) => change(a),
        Sublayer::Mlp(_) => panic!("gpt2-mini begins its blocks with attention"),
    }
}

fn mlp(spec: &mut ModelSpec, layer: usize, change: impl Fn(&mut Mlp)) {
    match &mut spec.layers[layer][1] {
        Sublayer::Attention(_) => panic!("gpt2-mini ends its blocks with an MLP"),
        Sublayer::Mlp(mlp) => change(mlp),
    }
}

/// Flags and files can hold counts that no machine can: they are refused before a list is made.
#[test]
fn layers() {
    let block = Preset::Gpt2Mini.spec().layers[0].clone();
    let layers = |n: usize| move |s: &mut ModelSpec| s.layers = vec![Vec::new(); n];
    let expected = |found: &str| format!("n_layer must be at most 4096, found {found}");
    assert_eq!(refusal(layers(4097)), expected("4097"));
    assert_eq!(
        check_n_layer(usize::MAX).map_err(|e| e.to_string()),
        Err(expected(&usize::MAX.to_string()))
    );
    assert_eq!(check_n_layer(4096), Ok(()));
    let mut most = Preset::Gpt2Mini.spec();
    layers(4096)(&mut most);
    assert!(most.check(65).is_ok());
    assert_eq!(
        refusal(|s| s.layers[1] = block.repeat(33)),
        "the sublayers of layer 1 must be at most 64, found 66"
    );
    assert_eq!(
        refusal(|s| s.layers = vec![block.repeat(4); 2049]),
        "the sublayers of all layers must be at most 16384, found 16392"
    );
}

#[test]
fn sizes() {
    let spec = Preset::Gpt2Mini.spec();
    for (vocab_size, found) in [(0, "0"), (16_777_217, "16777217")] {
        assert_eq!(
            spec.check(vocab_size).unwrap_err().to_string(),
            format!("vocab_size must be from 1 to 16777216, found {found}")
        );
    }
    assert_eq!(
        refusal(|s| s.block_size = 0),
        "block_size must be from 1 to 16777216, found 0"
    );
    assert_eq!(
        refusal(|s| s.n_embd = 1 << 30),
        "n_embd must be from 1 to 16777216, found 1073741824"
    );
    assert_eq!(
        refusal(|s| attention(s, 1, |a| a.heads = 0)),
        "n_head must be from 1 to 16777216, found 0"
    );
    assert_eq!(
        refusal(|s| attention(s, 1, |a| a.kv_heads = 0)),
        "n_kv_head must be from 1 to 16777216, found 0"
    );
    assert_eq!(
        refusal(|s| mlp(s, 2, |m| m.hidden = 0)),
        "the MLP's hidden size must be from 1 to 16777216, found 0 in layer 2"
    );
    assert_eq!(
        refusal(|s| {
            s.n_embd = 1 << 20;
            s.layers.truncate(1);
            mlp(s, 0, |m| m.hidden = 1 << 20);
        }),
        "the model would have about 7.7e12 parameters; at most 1.7e10 are supported"
    );
}

#[test]
fn numbers() {
    for (dropout, found) in [
        (-0.1, "-0.1"),
        (1.0, "1"),
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
    ] {
        assert_eq!(
            refusal(|s| s.dropout = dropout),
            format!("dropout must be at least 0 and at most 0.9999, found {found}")
        );
    }
    for (std, found) in [(-0.02, "-0.02"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        assert_eq!(
            refusal(|s| s.init.std = std),
            format!("init std must be a finite number of at least 0, found {found}")
        );
    }
    for (cap, found) in [
        (0.0, "0"),
        (-1.0, "-1"),
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        // A score divided by the first overflows, and so does a score times the second.
        (1e-31, "0.0000000000000000000000000000001"),
        (1e31, "10000000000000000000000000000000"),
    ] {
        assert_eq!(
            refusal(|s| attention(s, 0, |a| a.softcap = Some(cap))),
            format!("softcap must be from 1e-30 to 1e30, found {found}")
        );
    }
}

/// A window as long as the context is valid; it means the same as the causal mask.
#[test]
fn windows() {
    for n in [0, 257] {
        assert_eq!(
            refusal(|s| attention(s, 1, |a| a.window = Some(n))),
            format!(
                "window must be from 1 to block_size, found {n} for a context of 256 in layer 1"
            )
        );
    }
    assert_eq!(
        refusal(|s| attention(s, 2, |a| (a.mask, a.window) = (Mask::Full, Some(8)))),
        "a window shows the last tokens of the past and needs the causal mask, found the full one in \
         layer 2"
    );
    for n in [1, 256] {
        let mut spec = Preset::Gpt2Mini.spec();
        attention(&mut spec, 0, |a| a.window = Some(n));
        assert!(spec.check(65).expect("a model").is_causal());
    }
}

#[test]
fn combinations() {
    assert_eq!(
        refusal(|s| {
            s.wiring.order = SublayerOrder::Parallel;
            s.wiring.norm = NormPlace::After;
        }),
        "parallel sublayers need the norm before them: after them there is one sum and no single \
         norm that belongs to it"
    );
    assert_eq!(
        refusal(|s| {
            s.position = Position::Sinusoidal;
            s.n_embd = 15;
        }),
        "sinusoidal positions pair a sine with a cosine and need an even n_embd, found 15"
    );
    assert_eq!(
        refusal(|s| attention(s, 3, |a| a.heads = 6)),
        "n_head must divide n_embd, found 6 heads for width 128 in layer 3; try 4"
    );
    assert_eq!(
        refusal(|s| attention(s, 3, |a| a.kv_heads = 3)),
        "n_kv_head must divide n_head, found 3 for 4 heads in layer 3"
    );
    assert_eq!(
        refusal(|s| {
            s.position = Position::Rotary;
            s.n_embd = 20;
        }),
        "rotary positions turn pairs and need an even head width, found 5 (20 / 4 heads) in layer 0"
    );
}

/// These specs are unusual and valid.
#[test]
fn what_is_not_refused() {
    let accepted = |change: fn(&mut ModelSpec)| {
        let mut spec = Preset::Gpt2Mini.spec();
        change(&mut spec);
        spec.check(1).map(drop)
    };
    assert_eq!(accepted(|s| s.layers.clear()), Ok(()));
    assert_eq!(accepted(|s| s.layers = vec![vec![]; 3]), Ok(()));
    assert_eq!(accepted(|s| s.init.std = 0.0), Ok(()));
    assert_eq!(accepted(|s| s.dropout = 0.999), Ok(()));
    assert_eq!(accepted(|s| s.block_size = 1), Ok(()));
    // Without attention there are no heads that have to divide the width.
    assert_eq!(
        accepted(|s| {
            s.n_embd = 7;
            s.position = Position::Rotary;
            s.layers.iter_mut().for_each(|l| l.truncate(0));
        }),
        Ok(())
    );
}

#[test]
fn batches() {
    let model = Preset::Microgpt.spec().check(27).expect("microgpt");
    let refusal = |sequences: &[(&[u32], &[u32])]| {
        let refused = Batch::new(&model, sequences.iter().copied());
        refused.expect_err("no batch").to_string()
    };
    let empty = "a batch needs at least one token in every sequence";
    assert_eq!(refusal(&[]), empty);
    assert_eq!(refusal(&[(&[1], &[2]), (&[], &[])]), empty);
    assert_eq!(
        refusal(&[(&[1, 2], &[2])]),
        "a sequence has 2 inputs and 1 targets; their numbers must be equal"
    );
    assert_eq!(
        refusal(&[(&[1; 17], &[2; 17])]),
        "a sequence of 17 tokens does not fit a context of 16"
    );
    let unknown = "token 27 is not in the vocabulary of 27 (0 to 26)";
    assert_eq!(refusal(&[(&[27], &[0])]), unknown);
    assert_eq!(refusal(&[(&[0], &[27])]), unknown);
}

#[test]
fn a_batch_packs_sequences_in_order() {
    let model = Preset::Microgpt.spec().check(27).expect("microgpt");
    let sequences: [(&[u32], &[u32]); 2] = [(&[1, 2, 3], &[2, 3, 4]), (&[9], &[8])];
    let batch = Batch::new(&model, sequences).expect("two sequences");
    assert_eq!((batch.sequences(), batch.tokens()), (2, 4));
    assert_eq!((batch.rows(0), batch.rows(1)), (0..3, 3..4));
    assert_eq!(batch.inputs(), [1, 2, 3, 9]);
    assert_eq!(batch.targets(), [2, 3, 4, 8]);
}

#[test]
fn every_token_of_a_window_predicts_the_next_in_whatever_memory() {
    let model = Preset::Microgpt.spec().check(27).expect("microgpt");
    let of = |spent, windows: &[&[u32]]| {
        let windows = windows.iter().map(|window| window.iter().copied());
        Batch::of_windows(spent, &model, windows)
    };
    let pairs: [(&[u32], &[u32]); 2] = [(&[1, 2, 3], &[2, 3, 4]), (&[9], &[8])];
    let expected = Batch::new(&model, pairs).expect("two sequences");
    let windows: [&[u32]; 2] = [&[1, 2, 3, 4], &[9, 8]];
    assert_eq!(of(None, &windows).as_ref(), Ok(&expected));
    let spent = of(None, &[[5; 17].as_slice(); 3]).expect("three sequences");
    assert_eq!(of(Some(spent), &windows), Ok(expected));
    let refused: [(&[&[u32]], BatchError); 4] = [
        (&[], BatchError::Empty),
        (&[&[1, 2], &[3]], BatchError::Empty),
        (&[&[0; 18]], BatchError::TooLong(17, 16)),
        (&[&[0, 27]], BatchError::Unknown(27, 27)),
    ];
    for (windows, why) in refused {
        assert_eq!(of(None, windows), Err(why));
    }
}

#[test]
fn only_full_attention_is_not_causal() {
    let causal = |change: fn(&mut ModelSpec)| {
        let mut spec = Preset::Gpt2Mini.spec();
        change(&mut spec);
        spec.check(65).expect("a model").is_causal()
    };
    assert!(causal(|_| {}));
    assert!(causal(|s| s.layers.clear()));
    assert!(!causal(
        |s| attention(s, 3, |a| a.mask = gptlab_model::Mask::Full)
    ));
}
