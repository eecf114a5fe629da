//! Errors are sentences, and the exit code gives the kind of error.

use crate::{Lab, TINY};

/// A command line, its exit code and its first line of standard error: `..` stands for anything.
type Case = (&'static str, i32, &'static str);

fn check(lab: &Lab, cases: &[Case]) {
    for (line, code, sentence) in cases {
        let ran = lab.run(line);
        assert_eq!(ran.code, *code, "{line}\n{}", ran.err);
        assert!(
            like(&ran.err, sentence),
            "{line}\nfound    {}\nexpected {sentence}",
            ran.err
        );
        assert_eq!(ran.out, "", "{line}: what goes wrong is not data");
    }
}

/// Returns true if `text` starts with the parts of `pattern` in order; `..` stands for anything.
fn like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split("..");
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn flags_that_make_no_sense() {
    check(
        &Lab::new(),
        &[
            ("", 2, "A GPT laboratory"),
            (
                "trian",
                2,
                "error: unrecognized subcommand 'trian'..'train'",
            ),
            (
                "train --stepps 5",
                2,
                "error: unexpected argument '--stepps' found..'--steps'",
            ),
            (
                "train --n-layr 5",
                2,
                "error: unexpected argument '--n-layr' found..'--n-layer'",
            ),
            (
                "train --steps many",
                2,
                "error: invalid value 'many' for '--steps <N>'",
            ),
            (
                "train --disable-residual 2",
                2,
                "error: invalid value '2' for '--disable-residual..a switch is 0 or 1",
            ),
            (
                "train --preset gpt2-minni",
                2,
                "error: invalid value 'gpt2-minni'..'gpt2-mini'",
            ),
            (
                "train --position rotery",
                2,
                "error: invalid value 'rotery'..'rotary'",
            ),
            (
                "train --data data.txt --n-head 3 --n-embd 16 --block-size 8",
                2,
                "error: n_head must divide n_embd, found 3 heads for width 16 in layer 0; try ",
            ),
            (
                "train --data data.txt --steps 0",
                2,
                "error: steps must be from 1 to 4294967295, found 0",
            ),
            (
                "train --data data.txt --lr -1",
                2,
                "error: lr must be from 0 to 1000, found -1",
            ),
            (
                "train --data data.txt --dropout 1",
                2,
                "error: dropout must be at least 0 and at most 0.9999, found 1",
            ),
            (
                "train --log-interval 0",
                2,
                "error: log-interval must be at least 1, found 0",
            ),
            (
                "train --threads 0",
                2,
                "error: --threads must be at least 1, found 0",
            ),
            (
                "train --val-fraction 1.5 --data data.txt",
                2,
                "error: the validation fraction must be at least 0 and below 1, found 1.5",
            ),
        ],
    );
}

#[test]
fn flags_that_do_not_go_together() {
    check(
        &Lab::new(),
        &[
            (
                "train --mlp plain --gated",
                2,
                "error: mlp plain and gated contradict each other",
            ),
            (
                "train --order parallel --ln-style post --data data.txt",
                2,
                "error: parallel sublayers need the norm before them",
            ),
            (
                "train --generate",
                2,
                "error: --generate needs a checkpoint: --load FILE\nhint: ",
            ),
            (
                "train --interactive",
                2,
                "error: --interactive needs a checkpoint: --load FILE\nhint: ",
            ),
            (
                "train --resume",
                2,
                "error: --resume needs to know which run: a checkpoint, --out DIR or --save FILE\nhint: ",
            ),
            (
                "train --generate --interactive",
                2,
                "error: --generate and --interactive contradict each other",
            ),
            (
                "generate",
                2,
                "error: generate needs a checkpoint\nhint: `gptlab generate model.safetensors`\nhint: ",
            ),
            ("inspect --n-head 5", 2, "error: n_head must divide n_embd"),
            (
                "inspect --softcap 1e-40",
                2,
                "error: softcap must be from 1e-30 to 1e30, found 0.000",
            ),
            (
                "inspect --softcap 1e-320",
                2,
                "error: invalid value '1e-320' for '--softcap <CAP>': it is 0 in the 32 bits that are kept of it; \
                 for none, give 0",
            ),
            ("micro --steps 0", 2, "error: steps must be"),
            (
                "bench --only mini,maxi",
                2,
                "error: there is no workload `maxi`; there are mini, ..generate",
            ),
            (
                "bench --scaling --peer",
                2,
                "error: the argument '--scaling' cannot be used with '--peer'",
            ),
            (
                "bench --time-to-loss 1.9",
                2,
                "error: the following required arguments were not provided:",
            ),
            (
                "bench --time-to-loss -1 --data text.txt",
                2,
                "error: --time-to-loss: the loss to reach must be a number of nats above 0, found -1",
            ),
            ("bench --rounds 0", 2, "error: --rounds must be from 1 to "),
            (
                "bench --seconds -1",
                2,
                "error: --seconds must be from 0 to 3600, found -1",
            ),
            (
                "bench --threads 0",
                2,
                "error: --threads must be at least 1",
            ),
        ],
    );
}

#[test]
fn files_that_are_missing_or_no_text() {
    let lab = Lab::new();
    lab.file("empty.txt", "");
    lab.file("one.txt", "x");
    lab.file("latin.txt", b"caf\xe9 au lait");
    check(
        &lab,
        &[
            (
                "train --data nope.txt",
                1,
                "error: there is no file nope.txt; give the path of a text file",
            ),
            ("train --data .", 1, "error: . is a directory"),
            (
                "train --data empty.txt",
                3,
                "error: empty.txt holds 0 characters; a text needs at least 2",
            ),
            (
                "train --data one.txt",
                3,
                "error: one.txt holds 1 character; a text needs at least 2",
            ),
            (
                "train --data latin.txt",
                3,
                "error: latin.txt is not UTF-8: byte 3",
            ),
            (
                "train --load nope.safetensors",
                1,
                "error: cannot read nope.safetensors: there is no such file or folder\nhint: ",
            ),
            (
                "generate nope.safetensors",
                1,
                "error: cannot read nope.safetensors: there is no such file or folder\nhint: ",
            ),
            (
                "train --config nope.toml",
                1,
                "error: cannot read nope.toml: ",
            ),
            (
                "train --data data.txt --save no/such/folder/m.safetensors --steps 1",
                1,
                "..error: cannot write no/such/folder/m",
            ),
        ],
    );
}

#[test]
fn checkpoints_that_are_none() {
    let lab = Lab::trained();
    let whole = lab.read("model.safetensors");
    lab.file("cut.safetensors", &whole[..whole.len() - 7]);
    lab.file("cut-in-head.safetensors", &whole[..100]);
    lab.file("torch.pt", b"PK\x03\x04 and the rest of a zip");
    lab.file("poem.safetensors", "roses are red, violets are blue");
    for verb in [
        "generate",
        "eval --data data.txt",
        "inspect",
        "interactive",
        "train --generate --load",
    ] {
        let line = |file: &str| format!("{verb} {file}");
        for (file, sentence) in [
            (
                "cut.safetensors",
                "error: cut.safetensors: expected .. bytes, as its header says, found .. damaged",
            ),
            (
                "cut-in-head.safetensors",
                "error: cut-in-head.safetensors: expected a checkpoint of gptlab, found ",
            ),
            (
                "torch.pt",
                "error: torch.pt: expected a checkpoint of gptlab, found a zip archive, as torch.save writes them",
            ),
            (
                "poem.safetensors",
                "error: poem.safetensors: expected a checkpoint of gptlab, found ",
            ),
        ] {
            let ran = lab.run(&line(file));
            assert_eq!(ran.code, 3, "{}\n{}", line(file), ran.err);
            assert!(like(&ran.err, sentence), "{}\n{}", line(file), ran.err);
        }
    }
}

#[test]
fn checkpoints_that_do_not_fit() {
    let lab = Lab::trained();
    lab.file("other.txt", "THE CAT SAT ON THE MAT. ".repeat(20));
    check(
        &lab,
        &[
            (
                "train --load model.safetensors --data data.txt --n-embd 32",
                3,
                "error: model.safetensors holds a model of another shape: its n_embd is 16, and the flags ask for 32\nhint: ",
            ),
            (
                "train --load model.safetensors --generate --n-layer 3",
                3,
                "error: model.safetensors holds a model of another shape: its number of layers is 1, and the flags ask for 3",
            ),
            (
                "train --load model.safetensors --data other.txt",
                3,
                "error: other.txt: the tokenizer knows .. characters and not ",
            ),
            (
                "train --load model.safetensors --data data.txt --tokenizer lines",
                3,
                "error: model.safetensors holds a tokenizer of chars, and the flags ask for lines",
            ),
            (
                "train --resume model.safetensors --data other.txt",
                3,
                "error: model.safetensors: expected the text it was trained on",
            ),
            (
                "train --resume model.safetensors",
                2,
                "error: --resume needs the run's text: --data FILE",
            ),
            (
                "train --resume model.safetensors --data data.txt --lr 0.5",
                3,
                "error: model.safetensors: expected `hyper.lr` to be 0.5, as requested, found 0.0003",
            ),
            ("eval model.safetensors", 2, "error: eval needs --data"),
            (
                "train --load model.safetensors",
                2,
                "error: --load needs --data: the checkpoint was not trained on a built-in text",
            ),
            (
                "inspect model.safetensors --n-layer 3",
                2,
                "error: a checkpoint has its own model",
            ),
            (
                "generate model.safetensors --prompt CAT",
                3,
                "error: the tokenizer knows .. characters and not 'C'",
            ),
            (
                "generate model.safetensors --temperature -1",
                2,
                "error: temperature must be a number of at least 0, found -1",
            ),
            (
                "generate model.safetensors --stop QQ",
                2,
                "error: --stop \"QQ\" can never come: the tokenizer knows 15 characters and not 'Q'",
            ),
            (
                "generate model.safetensors --stop a\\nb",
                2,
                "error: --stop \"a\\\\nb\" can never come: ..hint: `\\n` is a backslash and an n; most shells write a line break as $'\\n'",
            ),
            (
                "train --data data.txt --stop QQ --block-size 8",
                2,
                "..error: --stop \"QQ\" can never come: ",
            ),
            (
                "generate model.safetensors --top-p 1.5",
                2,
                "error: top-p must be above 0 and at most 1, found 1.5",
            ),
            (
                "train --data data.txt --prompt ZEBRA --block-size 8",
                3,
                ".. characters and not 'Z'",
            ),
        ],
    );
}

#[test]
fn a_folder_that_holds_a_run_is_not_written_over() {
    let lab = Lab::new();
    lab.ok(&format!("train --data data.txt {TINY} --out here"));
    let ran = lab.run(&format!("train --data data.txt {TINY} --out here"));
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("error: here already holds a run"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("hint: --resume continues it"),
        "{}",
        ran.err
    );
}

#[test]
fn settings_files_that_make_no_sense() {
    let lab = Lab::new();
    lab.file("near.toml", "n-layr = 2\n");
    lab.file("far.toml", "colour = \"red\"\n");
    lab.file("broken.toml", "steps = 5\nlr = = 2\n");
    lab.file("value.toml", "steps = \"many\"\n");
    lab.file("table.toml", "[model]\nn-layer = 2\n");
    check(
        &lab,
        &[
            (
                "train --config near.toml",
                2,
                "error: near.toml: unknown key `n-layr`\nhint: did you mean `n-layer`?",
            ),
            (
                "train --config far.toml",
                2,
                "error: far.toml: unknown key `colour`\nhint: the keys are the flags",
            ),
            (
                "train --config broken.toml",
                2,
                "error: broken.toml is not TOML: line 2: ",
            ),
            (
                "train --config value.toml",
                2,
                "error: value.toml: invalid value 'many' for '--steps <N>'",
            ),
            (
                "train --config table.toml",
                2,
                "error: table.toml: unknown key `model`",
            ),
        ],
    );
}

/// A short text shrinks the context, and a warning reports it.
#[test]
fn a_text_shorter_than_the_context_shrinks_it() {
    let lab = Lab::new();
    lab.file("short.txt", "a short text");
    let ran =
        lab.ok("train --data short.txt --steps 1 --n-layer 1 --n-embd 8 --n-head 1 --batch-size 1");
    assert!(
        ran.err.contains("warning: the context shrank from 128 to "),
        "{}",
        ran.err
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_sentence() {
    let lab = Lab::new();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let output = lab
        .command(&["presets"])
        .stdout(full)
        .output()
        .expect("the program starts");
    let ran = crate::Ran::of(output);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.first_line()
            .starts_with("error: cannot write to standard output: "),
        "{}",
        ran.err
    );
}

#[test]
fn patterns_can_fail() {
    assert!(like("error: a b c", "error: ..c"));
    assert!(!like("error: a b", "error: ..c"));
    assert!(!like("warning: a", "error"));
}
