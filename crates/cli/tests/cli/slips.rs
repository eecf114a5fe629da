//! Command lines that are wrong in a way whose meaning is known: each answer has the right command.

use crate::Lab;

/// A command line, and the hint below its error.
fn check(lab: &Lab, cases: &[(&str, &str)]) {
    for (line, hint) in cases {
        let ran = lab.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line}\n{}", ran.err);
        let expected = format!("\nhint: {hint}\n");
        assert!(ran.err.ends_with(&expected), "{line}\n{}", ran.err);
        assert!(
            ran.first_line().starts_with("error: "),
            "{line}\n{}",
            ran.err
        );
    }
}

#[test]
fn a_word_without_its_flag_gets_the_flag() {
    let lab = Lab::trained();
    check(
        &lab,
        &[
            ("train data.txt", "`gptlab train --data data.txt`"),
            (
                "train no.txt --steps 5",
                "`gptlab train --data no.txt --steps 5`",
            ),
            ("train copy", "`gptlab train --data copy`"),
            ("train nano", "`gptlab train --preset nano`"),
            (
                "train model.safetensors",
                "`gptlab train --resume model.safetensors`",
            ),
            ("data.txt", "`gptlab train --data data.txt`"),
            ("model.safetensors", "`gptlab generate model.safetensors`"),
            ("baselines data.txt", "`gptlab baselines --data data.txt`"),
            ("ablate residual", "`gptlab ablate --switches no-residual`"),
            (
                "ablate residual no-mlp --steps 3",
                "`gptlab ablate --switches no-residual,no-mlp --steps 3`",
            ),
            ("ablate main", "`gptlab ablate --switches main`"),
            ("ablate data.txt", "`gptlab ablate --data data.txt`"),
            ("sweep tiny,mini", "`gptlab sweep --sizes tiny,mini`"),
            (
                "eval model.safetensors data.txt",
                "`gptlab eval model.safetensors --data data.txt`",
            ),
            (
                "generate model.safetensors The",
                "`gptlab generate model.safetensors --prompt The`",
            ),
            (
                "probe model.safetensors the",
                "`gptlab probe model.safetensors --prompt the`",
            ),
        ],
    );
    let ran = lab.words(&["generate", "model.safetensors", "the cat", "--seed", "1"]);
    assert_eq!(
        ran.err,
        "error: generate takes its prompt with --prompt, found `the cat` without it\n\
         hint: `gptlab generate model.safetensors --prompt 'the cat' --seed 1`\n"
    );
    // What cannot be known stays clap's.
    let ran = lab.run("train 500");
    assert!(
        ran.err.starts_with("error: unexpected argument '500'"),
        "{}",
        ran.err
    );
}

#[test]
fn a_part_that_is_taken_out_gets_the_flag_that_does_it() {
    let lab = Lab::new();
    check(
        &lab,
        &[
            ("train --no-residual", "`gptlab train --disable-residual`"),
            (
                "train --no_residual=1 --steps 5",
                "`gptlab train --disable-residual --steps 5`",
            ),
            ("train --no-attention", "`gptlab train --disable-attention`"),
            ("train --no-mlp", "`gptlab train --mlp none`"),
            ("train --disable-mlp", "`gptlab train --mlp none`"),
            (
                "train --no-norm",
                "`gptlab train --norm none --final-norm none`",
            ),
            ("train --no-positions", "`gptlab train --position none`"),
            ("train --no-position", "`gptlab train --position none`"),
            (
                "train --no-causal-mask",
                "`gptlab train --mask full --window 0`",
            ),
            ("train --no-bias", "`gptlab train --bias 0`"),
            ("train --no-dropout", "`gptlab train --dropout 0`"),
            ("train --no-warm-up", "`gptlab train --warmup 0`"),
            ("train --no-clipping", "`gptlab train --grad-clip 0`"),
            ("train --no-qk-norm", "`gptlab train --qk-norm 0`"),
            ("train --no-window", "`gptlab train --window 0`"),
            ("train --post-ln", "`gptlab train --ln-style post`"),
            (
                "train --swiglu",
                "`gptlab train --mlp gated --activation silu`",
            ),
            ("train --sgd", "`gptlab train --optimizer sgd`"),
            ("inspect --no-mlp", "`gptlab inspect --mlp none`"),
            (
                "ablate --no-residual",
                "`gptlab ablate --switches no-residual`",
            ),
        ],
    );
    let ran = lab.run("generate m.safetensors --no-attention");
    assert!(
        ran.err.starts_with("error: unexpected argument"),
        "{}",
        ran.err
    );
}

/// Every answer is a command line that the program takes, and that changes a model: that of one
/// preset or of another, since some switches make what a preset has.
#[test]
fn every_switch_that_flags_make_is_answered_with_flags_that_make_it() {
    let lab = Lab::new();
    let mut answered = 0;
    for switch in gptlab_lab::switches::ALL {
        let ran = lab.run(&format!("inspect --{}", switch.slug()));
        let flags = ran.err.split("hint: `gptlab inspect ").nth(1);
        let Some(flags) = flags.and_then(|rest| rest.split('`').next()) else {
            continue;
        };
        let changes = ["gpt2-mini", "modern"].iter().any(|preset| {
            let base = format!("inspect --preset {preset}");
            lab.ok(&base).out != lab.ok(&format!("{base} {flags}")).out
        });
        assert!(changes, "{flags} does nothing");
        answered += 1;
    }
    assert!(answered > 15, "{answered} switches");
}

#[test]
fn flags_of_other_programs_are_answered() {
    let lab = Lab::trained();
    for (line, sentence) in [
        (
            "ablate --for 2m",
            "ablate has no flag --for: a grid is as long as its steps",
        ),
        (
            "train --epochs 3",
            "train has no flag --epochs: training is counted in steps",
        ),
        (
            "train --cuda",
            "train has no flag --cuda: the device is chosen with --device",
        ),
        (
            "generate model.safetensors --gpu",
            "generate has no flag --gpu: the device is chosen with --device",
        ),
        (
            "train --hidden 64",
            "train has no flag --hidden: a model has two widths",
        ),
        (
            "train --text data.txt",
            "train has no flag --text: a text is given with --data",
        ),
        (
            "train --dtype bfloat16",
            "train has no flag --dtype: the type of numbers",
        ),
        (
            "train --rope",
            "train has no flag --rope: positions are one choice",
        ),
        (
            "train --residual 0",
            "train has no flag --residual: residual connections are there unless",
        ),
        (
            "train --model gpt2",
            "train has no flag --model: a model has a name or a file",
        ),
    ] {
        let ran = lab.run(line);
        assert_eq!(ran.code, 2, "{line}");
        assert!(
            ran.err.starts_with(&format!("error: {sentence}")),
            "{}",
            ran.err
        );
        assert!(ran.err.contains("\nhint: "), "{line}: {}", ran.err);
    }
}

/// The witness is the flag's own name.
#[test]
fn names_that_the_field_uses_work() {
    let lab = Lab::new();
    let inspect = |flags: &str| lab.ok(&format!("inspect {flags}")).out;
    assert_eq!(
        inspect("--layers 2 --heads 2 --width 32 --context 16"),
        inspect("--n-layer 2 --n-head 2 --n-embd 32 --block-size 16")
    );
    assert_eq!(
        inspect("--depth 2 --n_heads 2 --d-model 32 --seq_len 16"),
        inspect("--n-layer 2 --n-head 2 --n-embd 32 --block-size 16")
    );
    for position in ["rope", "RoPE", "rotary"] {
        let named = inspect(&format!("--position {position}"));
        assert_eq!(named, inspect("--position rotary"));
    }
    assert_eq!(inspect("--position ALiBi"), inspect("--position alibi"));
    assert_eq!(
        inspect("--position absolute"),
        inspect("--position learned")
    );
    lab.file("s.toml", "learning_rate = 0.5\nheads = 2\nlayers = 2\n");
    assert_eq!(
        inspect("--config s.toml"),
        inspect("--n-layer 2 --n-head 2")
    );
    let run = "--n-layer 1 --n-embd 8 --n-head 1 --block-size 8 --data data.txt --out";
    lab.ok(&format!(
        "train {run} other --config s.toml --batch 2 --max_iters 1 --optimiser sgd"
    ));
    lab.ok(&format!(
        "train {run} own --lr 0.5 --batch-size 2 --steps 1 --optimizer sgd"
    ));
    assert_eq!(
        lab.json("other/experiment.json")["hyper"],
        lab.json("own/experiment.json")["hyper"]
    );
    let baselines = |flag: &str| lab.ok(&format!("baselines --data data.txt {flag} 8")).out;
    assert_eq!(baselines("--context"), baselines("--block-size"));
}
