//! Messages are written for people: no numbers of errors, no words of the parser, no digits that
//! nobody typed, and `1 step` in place of `1 steps`.

use crate::{Lab, Ran, TINY};

#[test]
fn a_missing_file_has_no_number() {
    let lab = Lab::trained();
    lab.file("a-file", "x");
    for line in [
        "train --data none.txt",
        "train --config none.toml",
        "train --config .",
        "train --config a-file/x.toml",
        "train --load none.safetensors",
        "train --resume none",
        "train --data data.txt --steps 1 --out a-file/run",
        "train --data data.txt --steps 1 --save none/m.safetensors",
        "generate none.safetensors",
        "generate .",
        "interactive none.safetensors",
        "eval model.safetensors --data none.txt",
        "eval model.safetensors --data a-file/x",
        "probe none.safetensors",
        "probe model.safetensors --written none.txt",
        "inspect none.safetensors",
        "runs none",
        "runs a-file",
        "report none",
        "diff none none",
        "doctor none",
        "data batches none",
    ] {
        let ran = lab.run(line);
        assert_ne!(ran.code, 0, "{line}");
        assert!(ran.err.contains("error: "), "{line}: {}", ran.err);
        assert!(!ran.err.contains("os error"), "{line}: {}", ran.err);
    }
}

/// Returns the flags of a command that take a value, without hyphens.
fn valued_flags(lab: &Lab, command: &str) -> Vec<String> {
    let help = lab.ok(&format!("{command} --help")).out;
    let flags = help.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| word.starts_with("--"))?;
        let value = words.get(at + 1)?;
        let number = ["<N>", "<X>", "<P>", "<K>", "<FRACTION>", "<STD>", "<CAP>"].contains(value);
        (at < 2 && number).then(|| words[at].trim_start_matches('-').to_owned())
    });
    flags.collect()
}

fn has_no_parser_words(line: &str, ran: &Ran) {
    assert_eq!(ran.code, 2, "{line}: {}", ran.err);
    for words in [
        "invalid digit",
        "invalid float",
        "literal",
        "found in string",
    ] {
        assert!(!ran.err.contains(words), "{line}: {}", ran.err);
    }
    assert!(ran.err.contains("expected "), "{line}: {}", ran.err);
}

#[test]
fn a_bad_number_in_a_flag_or_a_file_says_what_was_expected() {
    let lab = Lab::new();
    let mut tried = 0;
    for command in [
        "train",
        "generate",
        "eval",
        "baselines",
        "probe",
        "inspect",
        "micro",
        "sweep",
        "bench",
    ] {
        let has_config = lab
            .ok(&format!("{command} --help"))
            .out
            .contains("--config");
        for flag in valued_flags(&lab, command) {
            let line = format!("{command} --{flag} 1x");
            has_no_parser_words(&line, &lab.run(&line));
            if has_config && command != "inspect" {
                lab.file("bad.toml", format!("{flag} = \"1x\"\n"));
                let line = format!("{command} --config bad.toml");
                let ran = lab.run(&line);
                assert!(
                    ran.err.starts_with("error: bad.toml: "),
                    "{flag}: {}",
                    ran.err
                );
                has_no_parser_words(&format!("{line}: {flag}"), &ran);
            }
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried} flags");
    let ran = lab.run("data batches x --step 1x");
    has_no_parser_words("data batches", &ran);
    let ran = lab.run("generate m --samples 18446744073709551616");
    let sentence = "expected a number of at most 18446744073709551615";
    assert!(ran.err.contains(sentence), "{}", ran.err);
}

/// Returns the nouns that stand in the plural after a 1.
fn wrong_plurals(text: &str) -> Vec<String> {
    const NOUNS: &[&str] = &[
        "blocks",
        "characters",
        "checkpoints",
        "comparisons",
        "cores",
        "documents",
        "events",
        "heads",
        "layers",
        "lines",
        "pairs",
        "parameters",
        "passes",
        "predictions",
        "runs",
        "samples",
        "seeds",
        "sequences",
        "sizes",
        "steps",
        "switches",
        "tables",
        "threads",
        "times",
        "tokens",
        "units",
        "variants",
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    let noun = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    words
        .windows(2)
        .filter(|pair| pair[0].trim_start_matches(['(', '"']) == "1")
        .filter(|pair| NOUNS.contains(&noun(pair[1]).as_str()))
        .map(|pair| pair.join(" "))
        .collect()
}

#[test]
fn one_of_a_thing_is_singular() {
    let lab = Lab::new();
    let one = TINY
        .replace("--steps 5", "--steps 1")
        .replace("--n-head 2", "--n-head 1");
    lab.file("one.txt", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    for line in [
        format!("train --data one.txt {one} --batch-size 1 --warmup 1 --threads 1 --out run --save m"),
        "train --resume run".to_owned(),
        "train --resume run --save-init x --steps 2".to_owned(),
        "train --resume run --steps 2".to_owned(),
        "inspect m".to_owned(),
        "inspect --n-head 1 --n-kv-head 2".to_owned(),
        "baselines --data one.txt --block-size 1".to_owned(),
        "eval m --data one.txt".to_owned(),
        "probe m --prompt aa --threads 1".to_owned(),
        "doctor run".to_owned(),
        "report run".to_owned(),
        format!("train --data one.txt {one} --batch-size 1 --warmup 1 --seed 1 --out other"),
        "report run other".to_owned(),
        "runs .".to_owned(),
        "data batches run --step 9".to_owned(),
        "sweep --data one.txt --sizes tiny --grid lr=0.001 --steps 1 --batch-size 1 --block-size 4 --out grid".to_owned(),
        "report grid".to_owned(),
    ] {
        let ran = lab.run(&line);
        let said = format!("{}\n{}", ran.out, ran.err);
        assert_eq!(wrong_plurals(&said), [""; 0], "{line}\n{said}");
    }
    for page in [
        "run/report/report.md",
        "run/report/report.html",
        "comparison/report.md",
        "comparison/report.html",
        "grid/report/report.md",
    ] {
        let text = String::from_utf8(lab.read(page)).expect("UTF-8");
        assert_eq!(wrong_plurals(&text), [""; 0], "{page}");
    }
    assert_eq!(
        wrong_plurals("after 1 steps, (1 runs) of 11 steps"),
        ["1 steps,", "(1 runs)"]
    );
}

/// 0.1 in 32 bits is 0.10000000149011612 in 64.
#[test]
fn numbers_have_the_digits_that_were_typed() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --steps 1 --dropout 0.1 --out a"
    ));
    lab.ok(&format!("train --data data.txt {TINY} --steps 1 --dropout 0.3 --softcap 30.1 --init-std 0.03 --out b"));
    let ran = lab.run("diff a b");
    for expected in [
        "dropout: 0.1 -> 0.3\n",
        "cap of attention scores of layer 0: none -> 30.1\n",
        "standard deviation of first weights: 0.02 -> 0.03\n",
    ] {
        assert!(ran.out.contains(expected), "no {expected} in {}", ran.out);
    }
    for line in [
        "inspect --dropout 0.1",
        "presets gpt2-mini",
        "presets gpt2-mini --json",
    ] {
        let said = lab.ok(line).out;
        assert!(!said.contains("0.1000000"), "{line}: {said}");
    }
}
