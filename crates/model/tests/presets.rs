//! Presets compared with what their originals publish, and specs with their text form.

use gptlab_model::{Attention, Choice, Counts, MOST_LAYERS, ModelSpec, Preset, Sublayer, lower};

fn counts(preset: Preset, vocab_size: usize, tokens: usize) -> Counts {
    let model = preset.spec().check(vocab_size).expect("a preset");
    Counts::of(&lower(&model), tokens)
}

/// microgpt's own program prints 4192; the others are what `sum(p.numel())` returns for Hugging
/// Face's GPT-2 checkpoints, whose head is tied.
#[test]
fn parameters_are_as_many_as_the_originals_have() {
    for (preset, vocab_size, parameters) in [
        (Preset::Microgpt, 27, 4_192),
        (Preset::Gpt2, 50_257, 124_439_808),
        (Preset::Gpt2Medium, 50_257, 354_823_168),
        (Preset::Gpt2Large, 50_257, 774_030_080),
        (Preset::Gpt2Xl, 50_257, 1_557_611_200),
    ] {
        let found = counts(preset, vocab_size, 1).parameters;
        assert_eq!(found, parameters, "{}", preset.name());
    }
}

/// nanoGPT prints 10.65M and 0.80M for its two Shakespeare recipes, without the positions.
#[test]
fn parameters_are_as_many_as_nanogpt_prints() {
    for (preset, printed) in [(Preset::Nano, "10.65"), (Preset::NanoLaptop, "0.80")] {
        let spec = preset.spec();
        let positions = spec.block_size * spec.n_embd;
        let millions = (counts(preset, 65, 1).parameters - positions) as f64 / 1e6;
        assert_eq!(format!("{millions:.2}"), printed, "{}", preset.name());
    }
}

/// The counts are made by hand for gpt2-mini, whose matrices have 4 * 12 * 128^2 + 65 * 128
/// numbers.
#[test]
fn forward_flops_are_two_a_weight_and_four_a_pair() {
    let weights = 4 * 12 * 128 * 128 + 65 * 128;
    let pairs = 256 * 257 / 2;
    let flops = 2 * 256 * weights + 4 * (2 * 2 * pairs * 128);
    let counts = counts(Preset::Gpt2Mini, 65, 256);
    assert_eq!(counts.forward_flops, flops);
    assert_eq!(counts.training_flops(), 3 * flops);
}

/// The counts are made by hand for the longest context: a pair of tokens is four operations a
/// channel, and a causal attention sees t (t + 1) / 2 pairs. The deepest model of the least width
/// takes more than 2^64.
#[test]
fn flops_of_the_largest_models_do_not_wrap() {
    let mut spec = Preset::Gpt2Mini.spec();
    let t = 1u128 << 24;
    (spec.block_size, spec.n_embd) = (1 << 24, 16);
    spec.layers = vec![vec![Sublayer::Attention(Attention::causal(1))]; MOST_LAYERS];
    let graph = lower(&spec.check(2).expect("a model within bounds"));
    let weights = 4096 * 4 * 16 * 16 + 2 * 16;
    let expected = 2 * t * weights + 4096 * 4 * (t * (t + 1) / 2) * 16;
    let counts = Counts::of(&graph, spec.block_size);
    assert_eq!(counts.forward_flops, expected);
    assert!(counts.forward_flops > u128::from(u64::MAX));
}

/// The count is made by hand: of 256 queries the first 32 see all keys before them, the others 32.
#[test]
fn a_window_costs_the_pairs_it_shows() {
    let mut spec = Preset::Gpt2Mini.spec();
    spec.layers.truncate(1);
    spec.layers[0].truncate(1);
    let flops = |window| {
        let mut spec = spec.clone();
        let attention = Attention {
            window,
            ..Attention::causal(4)
        };
        spec.layers[0][0] = Sublayer::Attention(attention);
        let graph = lower(&spec.check(65).expect("a model"));
        Counts::of(&graph, 256).forward_flops
    };
    let fewer = (256 * 257 / 2) - (32 * 33 / 2 + 224 * 32);
    assert_eq!(flops(None) - flops(Some(32)), 2 * 2 * fewer * 128);
}

/// Files of models without a window are the same as before windows were added.
#[test]
fn a_window_is_written_only_where_there_is_one() {
    let write = |window| {
        let attention = Attention {
            window,
            ..Attention::causal(4)
        };
        serde_json::to_string(&attention).expect("JSON")
    };
    assert!(!write(None).contains("window"));
    let text = write(Some(32));
    assert!(text.contains(r#""window":32"#), "{text}");
    let read: Attention = serde_json::from_str(&text).expect("an attention");
    assert_eq!(read.window, Some(32));
}

/// The names are those in the `state_dict` of the ancestor's `GPT2Mini`; `lm_head.weight` is tied.
#[test]
fn gpt2_mini_has_the_names_and_shapes_of_its_pytorch_twin() {
    let model = Preset::Gpt2Mini.spec().check(65).expect("gpt2-mini");
    let graph = lower(&model);
    let found: Vec<(String, Vec<usize>)> = graph
        .params()
        .iter()
        .map(|p| (p.name.clone(), p.shape.clone()))
        .collect();
    let mut expected = vec![
        ("tok_emb.weight".to_owned(), vec![65, 128]),
        ("pos_emb.weight".to_owned(), vec![256, 128]),
    ];
    for block in 0..4 {
        let shapes: [(&str, &[usize]); 12] = [
            ("ln1.weight", &[128]),
            ("ln1.bias", &[128]),
            ("attn.c_attn.weight", &[384, 128]),
            ("attn.c_attn.bias", &[384]),
            ("attn.c_proj.weight", &[128, 128]),
            ("attn.c_proj.bias", &[128]),
            ("ln2.weight", &[128]),
            ("ln2.bias", &[128]),
            ("mlp.c_fc.weight", &[512, 128]),
            ("mlp.c_fc.bias", &[512]),
            ("mlp.c_proj.weight", &[128, 512]),
            ("mlp.c_proj.bias", &[128]),
        ];
        expected.extend(shapes.map(|(name, shape)| {
            let name = format!("blocks.{block}.{name}");
            (name, shape.to_vec())
        }));
    }
    expected.push(("ln_f.weight".to_owned(), vec![128]));
    expected.push(("ln_f.bias".to_owned(), vec![128]));
    assert_eq!(found, expected);
}

#[test]
fn the_table_is_packed_and_names_are_unique() {
    for &preset in Preset::ALL {
        let graph = lower(&preset.spec().check(65).expect("a preset"));
        let mut offset = 0;
        for (i, param) in graph.params().iter().enumerate() {
            assert_eq!(param.range(), offset..offset + param.len());
            offset += param.len();
            let first = graph.params().iter().position(|p| p.name == param.name);
            assert_eq!(first, Some(i), "{}", param.name);
        }
        assert_eq!(offset, graph.params().total());
        for (i, node) in graph.nodes().iter().enumerate() {
            let first = graph.find(&node.name).map(gptlab_model::ValueId::index);
            assert_eq!(first, Some(i), "{}", node.name);
            assert!(node.inputs().iter().all(|input| input.index() < i));
        }
    }
}

#[test]
fn presets_are_found_by_name_and_have_one_each() {
    for &preset in Preset::ALL {
        assert_eq!(Preset::parse(preset.name()), Ok(preset));
    }
    let refused = Preset::parse("gpt-5").expect_err("no such preset");
    let sentence = refused.to_string();
    assert!(
        sentence
            .starts_with("there is no preset called \"gpt-5\"; there are microgpt, gpt2-mini, ")
    );
}

#[test]
fn a_spec_survives_its_json() {
    for &preset in Preset::ALL {
        let spec = preset.spec();
        let text = serde_json::to_string(&spec).expect("plain data");
        let back: ModelSpec = serde_json::from_str(&text).expect("what was just written");
        assert_eq!(back, spec);
    }
}

/// Checkpoints and records hold the text form: it changes only with the version of their format.
#[test]
fn the_json_of_microgpt_is_this() {
    let text = serde_json::to_string(&Preset::Microgpt.spec()).expect("plain data");
    let expected = concat!(
        r#"{"block_size":16,"n_embd":16,"position":"learned","#,
        r#""norms":{"embedding":"rms-norm-no-gain","block":"rms-norm-no-gain","last":"none"},"#,
        r#""wiring":{"norm":"before","residual":"add","order":"sequential"},"#,
        r#""layers":[[{"attention":{"heads":4,"kv_heads":4,"mask":"causal","scale":"inverse-sqrt","#,
        r#""qk_norm":"none","softcap":null}},{"mlp":{"hidden":64,"form":{"plain":"relu"}}}]],"#,
        r#""head":"untied","bias":"nowhere","dropout":0.0,"init":{"std":0.08,"residual":"same"}}"#,
    );
    assert_eq!(text, expected);
}

#[test]
fn an_unknown_field_or_word_is_refused_at_every_level() {
    let good = serde_json::to_string(&Preset::Microgpt.spec()).expect("plain data");
    for (from, to) in [
        (r#"{"block_size""#, r#"{"sparkle":1,"block_size""#),
        (r#"{"embedding""#, r#"{"sparkle":1,"embedding""#),
        (r#"{"norm""#, r#"{"sparkle":1,"norm""#),
        (r#"{"heads""#, r#"{"sparkle":1,"heads""#),
        (r#"{"hidden""#, r#"{"sparkle":1,"hidden""#),
        (r#"{"std""#, r#"{"sparkle":1,"std""#),
        (r#""learned""#, r#""sparkle""#),
        (r#""relu""#, r#""sparkle""#),
        (r#"{"attention""#, r#"{"sparkle""#),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from} is not there");
        let refused = serde_json::from_str::<ModelSpec>(&bad);
        let sentence = refused.expect_err(to).to_string();
        assert!(sentence.contains("sparkle"), "{sentence}");
    }
}

#[test]
fn a_missing_field_is_refused() {
    let good = serde_json::to_string(&Preset::Microgpt.spec()).expect("plain data");
    let bad = good.replacen(r#""head":"untied","#, "", 1);
    let sentence = serde_json::from_str::<ModelSpec>(&bad).expect_err("no head");
    assert!(sentence.to_string().contains("missing field `head`"));
}
