//! Every command line of the ancestor gpt2-mini, with `python train_gpt2_mini.py` replaced by
//! `gptlab train` and `gptlab mini`.

use crate::{Lab, TINY};

/// The lines of the ancestor's plan, with every flag it had; `{}` shortens a line's run for the
/// test.
const LINES: &[&str] = &[
    "--steps 5 {}",
    "--data data.txt --steps 5 {}",
    "--disable_residual 1 --steps 5 {}",
    "--ln_style post --steps 5 {}",
    "--ln_style pre --steps 5 {}",
    "--disable_attention 1 --steps 5 {}",
    "--disable_residual 0 --disable_attention 0 --steps 5 {}",
    "--disable_residual --disable_attention --steps 5 {}",
    "--data data.txt --steps 5 --batch_size 2 --lr 1e-3 --weight_decay 0.1 --grad_clip 1.0 --n_layer 1 \
     --n_head 2 --n_embd 16 --block_size 16 --dropout 0.1 --log_interval 1 --sample_interval 2 \
     --save m.safetensors --prompt the --max_tokens 5 --temperature 0.9",
    "--load m.safetensors --data data.txt --steps 5 {}",
    "--load m.safetensors --generate --prompt the --max_tokens 5 --temperature 0.9",
    "--load m.safetensors --generate 1",
    "--load m.safetensors --interactive",
    "--load m.safetensors --generate 0 --interactive 0 --data data.txt --steps 2",
];

#[test]
fn the_seed_s_lines_work_in_both_spellings() {
    for (hyphens, command) in [(false, "train"), (true, "train"), (false, "mini")] {
        let lab = Lab::new();
        for line in LINES {
            let spelled = |line: &str| {
                if hyphens {
                    line.replace('_', "-")
                } else {
                    line.to_owned()
                }
            };
            let tiny = spelled(
                &TINY
                    .replace("--preset gpt2-mini", "")
                    .replace('-', "_")
                    .replace("__", "--")
                    .replace(" _", " -"),
            );
            let line = spelled(line).replace("{}", &tiny);
            let ran = lab.ok(&format!("{command} {line}"));
            let talks = line.contains("--generate") || line.contains("--interactive");
            let trains = !talks || line.contains("generate 0");
            assert_eq!(
                ran.out.starts_with("step     0 | loss "),
                trains,
                "{line}\n{}",
                ran.out
            );
        }
    }
}

/// The format is exactly `step     0 | loss 4.1718 | grad_norm 3.4104 | lr 0.00e+00 | time 3.6s`.
#[test]
fn step_lines_keep_the_seed_s_form() {
    let lab = Lab::new();
    let ran = lab.ok(&format!("mini --data data.txt {TINY} --val-fraction 0"));
    let line = ran.out.lines().next().expect("a line");
    let fields: Vec<&str> = line.split(" | ").collect();
    assert_eq!(fields[0], "step     0");
    let number = |field: &str, name: &str, decimals: usize| {
        let number = field.strip_prefix(name).unwrap_or_else(|| panic!("{line}"));
        let (_, fraction) = number.split_once('.').unwrap_or_else(|| panic!("{line}"));
        assert_eq!(fraction.len(), decimals, "{line}");
        number
            .parse::<f64>()
            .unwrap_or_else(|e| panic!("{line}: {e}"));
    };
    number(fields[1], "loss ", 4);
    number(fields[2], "grad_norm ", 4);
    assert!(fields[3].starts_with("lr 3.00e-04"), "{line}");
    number(fields[4].strip_suffix('s').expect("seconds"), "time ", 1);
    assert!(fields[5].ends_with(" tok/s"), "{line}");
}

#[test]
fn without_data_the_built_in_stories_are_learnt() {
    let lab = Lab::new();
    let ran = lab.ok(&format!("train {TINY} --steps 1"));
    assert!(
        ran.err.contains("the built-in text `stories`"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("the best any model can do"), "{}", ran.err);
    assert!(ran.err.contains("record   runs"), "{}", ran.err);
    assert!(
        ran.err.contains(" generate "),
        "what to try next: {}",
        ran.err
    );
    let ran = lab.ok(&format!(
        "train --data names --tokenizer lines {TINY} --steps 1"
    ));
    assert!(ran.err.contains("documents to train on"), "{}", ran.err);
}

#[test]
fn val_fraction_0_is_the_seed_s_behaviour() {
    let lab = Lab::new();
    let with = lab.ok(&format!("train --data data.txt {TINY}"));
    assert!(
        with.out
            .lines()
            .next()
            .is_some_and(|l| l.contains(" | val ")),
        "{}",
        with.out
    );
    assert!(with.err.contains(" bits per character"), "{}", with.err);
    let without = lab.ok(&format!("train --data data.txt {TINY} --val_fraction 0"));
    assert!(!without.out.contains("val "), "{}", without.out);
}
