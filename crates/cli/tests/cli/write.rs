//! The commands that write text: `generate`, `interactive`, `micro`, `eval`.

use std::fs;

use serde_json::Value;

use crate::{Lab, TINY};

/// Returns a text without the final line end; it can end with others of its own.
fn written(out: &str) -> &str {
    out.strip_suffix('\n').expect("a closed line")
}

#[test]
fn generate_works_from_the_checkpoint_alone() {
    let lab = Lab::trained();
    fs::remove_file(lab.path("data.txt")).expect("the text is there");
    let ran = lab.ok("generate model.safetensors --prompt the --max-tokens 10 --seed 1");
    assert!(ran.out.starts_with("the"), "the prompt leads: {}", ran.out);
    assert_eq!(written(&ran.out).chars().count(), 13, "{}", ran.out);
    let again = lab.ok("generate --load model.safetensors --prompt the --max_tokens 10 --seed 1");
    assert_eq!(again.out, ran.out, "a seed is a text");
    let other = lab.ok("generate model.safetensors --prompt the --max-tokens 10 --seed 2");
    assert_ne!(other.out, ran.out);
    let through_train =
        lab.ok("train --load model.safetensors --generate --prompt the --max-tokens 10 --seed 1");
    assert_eq!(through_train.out, ran.out);
}

#[test]
fn generate_tells_programs_what_it_wrote() {
    let lab = Lab::trained();
    let ran = lab
        .ok("generate model.safetensors --prompt the --max-tokens 10 --seed 1 --samples 3 --json");
    let samples: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(samples.len(), 3);
    for sample in &samples {
        assert_eq!(sample["prompt"], "the");
        assert_eq!(sample["tokens"], 10);
        assert_eq!(sample["end"], "length");
        assert_eq!(sample["seed"], 1);
    }
    assert_ne!(samples[0]["text"], samples[1]["text"], "samples differ");
}

/// Several texts are written at once and printed in order, and their content is the same.
#[test]
fn a_sample_is_the_same_among_any_number_on_any_number_of_threads() {
    let lab = Lab::trained();
    let line = "generate model.safetensors --prompt the --max-tokens 40 --seed 1 --stop m";
    let all = lab.ok(&format!("{line} --samples 17 --threads 1")).out;
    assert_eq!(all.matches("the").count().min(17), 17, "{all}");
    for flags in ["--samples 17 --threads 2", "--samples 17 --threads 5"] {
        assert_eq!(lab.ok(&format!("{line} {flags}")).out, all, "{flags}");
    }
    for (samples, threads) in [(1, 1), (1, 3), (2, 2), (9, 3)] {
        let some = lab.ok(&format!("{line} --samples {samples} --threads {threads}"));
        assert!(
            all.starts_with(&some.out),
            "{samples} of {all}: {}",
            some.out
        );
    }
    let none = lab.ok(&format!("{line} --samples 0"));
    assert_eq!(none.out, "");
}

#[test]
fn generation_stops_where_it_is_told_to() {
    let lab = Lab::trained();
    let line = "generate model.safetensors --prompt the --max-tokens 60 --seed 3";
    let whole = lab.ok(line).out;
    let rest: Vec<char> = written(&whole).chars().skip(3).collect();
    let stop = rest[20].to_string();
    let expected: String = rest.iter().take_while(|c| c.to_string() != stop).collect();
    let mut words: Vec<&str> = line.split(' ').collect();
    words.extend(["--stop", &stop]);
    let ran = lab.words(&words);
    assert_eq!(ran.out, format!("the{expected}\n"));
}

/// Characters are Unicode scalar values.
#[test]
fn text_of_any_script_is_learnt_and_written() {
    let lab = Lab::new();
    lab.file(
        "neko.txt",
        "吾輩は猫である。名前はまだ無い。🐈\n".repeat(10),
    );
    lab.ok("train --data neko.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 8 --steps 2 --save m.safetensors");
    let ran = lab.ok("generate m.safetensors --prompt 猫🐈 --max-tokens 5 --seed 1");
    assert!(ran.out.starts_with("猫🐈"), "{}", ran.out);
    assert_eq!(written(&ran.out).chars().count(), 7, "{}", ran.out);
    let ran = lab.run("generate m.safetensors --prompt 犬");
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("and not '犬'"), "{}", ran.err);
}

#[test]
fn interactive_works_in_a_pipe() {
    let lab = Lab::trained();
    let line = "interactive model.safetensors --max-tokens 4 --seed 1";
    let ran = lab.piped(line, "the cat\n\nZEBRA\nthe dog\nquit\nthe mat\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answers: Vec<&str> = ran.out.lines().filter(|l| l.starts_with("the ")).collect();
    assert_eq!(answers.len(), 2, "{}", ran.out);
    assert!(answers[0].starts_with("the cat") && answers[1].starts_with("the dog"));
    assert!(
        ran.err.contains("error: the tokenizer knows"),
        "and continues: {}",
        ran.err
    );
    for end in ["exit\n", "q\n", "", "the end"] {
        let ran = lab.piped("train --load model.safetensors --interactive", end);
        assert_eq!(ran.code, 0, "{end}: {}", ran.err);
    }
}

#[test]
fn eval_measures_the_text_it_is_given() {
    let lab = Lab::trained();
    lab.file("other.txt", "tac eht tas no eht tam\n".repeat(20));
    let measure = |flags: &str| -> Value {
        let line = format!("eval model.safetensors --json {flags}");
        serde_json::from_str(&lab.ok(&line).out).expect("JSON")
    };
    let own = measure("--data data.txt");
    assert_eq!(
        own["fraction"], 0.1,
        "of its own text, the part it has not seen"
    );
    let (loss, perplexity) = (own["loss"].as_f64(), own["perplexity"].as_f64());
    assert_eq!(loss.map(f64::exp), perplexity);
    let bits = own["bits_per_char"].as_f64().expect("bits");
    assert!((bits - loss.expect("a loss") / std::f64::consts::LN_2).abs() < 1e-12);
    let all = measure("--data data.txt --val-fraction 0");
    assert_eq!(
        (&all["fraction"], &all["predictions"]),
        (&1.0.into(), &407.into())
    );
    assert_eq!(own["of_predictions"], own["predictions"]);
    // What was trained on is said, and only that.
    assert_eq!(
        (&own["trained_on"], &all["trained_on"]),
        (&0.0.into(), &0.9.into())
    );
    let other = measure("--data other.txt --threads 1");
    assert_eq!(other["trained_on"], Value::Null);
    assert_ne!(other["loss"], all["loss"]);
    // Training says over how many of them it validates.
    let all_of = own["predictions"].as_u64().expect("a count");
    for (most, over) in [(16, 16), (65_536, all_of)] {
        let ran = lab.ok(&format!(
            "train --data data.txt {TINY} --val-tokens {most} --out validated{most}"
        ));
        let line = format!("validated over {over} of {all_of} predictions (--val-tokens)\n");
        assert!(ran.err.contains(&line), "{}", ran.err);
    }
    // A stride of the whole context is windows side by side.
    let same = measure("--data data.txt --stride 16");
    assert_eq!(
        (&same["stride"], &own["stride"]),
        (&16.into(), &Value::Null)
    );
    assert_eq!(same["predictions"], own["predictions"]);
    let near =
        |a: &Value, b: &Value| (a.as_f64().expect("a loss") - b.as_f64().expect("a loss")).abs();
    assert!(near(&same["loss"], &own["loss"]) < 0.1);
    let finer = measure("--data data.txt --stride 1");
    assert_eq!(finer["predictions"], own["predictions"]);
    assert!(near(&finer["loss"], &own["loss"]) > 0.0);
    let refused = lab.run("eval model.safetensors --data data.txt --stride 17");
    let sentence = "error: --stride must be from 1 to the context, which is 16, found 17";
    assert_eq!((refused.code, refused.first_line()), (2, sentence));
    let stdout = lab.ok("eval model.safetensors --data data.txt").out;
    assert!(
        stdout.contains("nats per token") && stdout.contains("bits per character"),
        "{stdout}"
    );
    assert!(!stdout.contains("trained on"), "{stdout}");
    let said = lab
        .ok("eval model.safetensors --data data.txt --val-fraction 0.2")
        .out;
    let line = "trained on   50 % of them: the loss says little about new text\n";
    assert!(said.contains(line), "{said}");
}

/// Without `--data`, a run is measured on the text that its record names, and on the part of it
/// that was kept from training. A text that is gone, or is another one, is refused in a sentence.
#[test]
fn a_run_is_measured_on_the_text_of_its_record() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --val-fraction 0.2 --out run"
    ));
    let checkpoint = "run/checkpoints/step-00000005.safetensors";
    let expected = lab.ok("eval run --data data.txt").out;
    assert!(expected.starts_with("text         data.txt (its last 0.200)\n"));
    for model in ["run", checkpoint, "--load run"] {
        let ran = lab.ok(&format!("eval {model}"));
        assert_eq!(ran.out, expected, "{model}");
        let said = "measuring on the text of the run's record: data.txt\n";
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    // A file elsewhere belongs to no run.
    fs::copy(lab.path(checkpoint), lab.path("alone.safetensors")).expect("a copy");
    let alone = lab.run("eval alone.safetensors");
    let sentence = "error: eval needs --data: the checkpoint is in no run's folder";
    assert_eq!(alone.code, 2);
    assert!(alone.err.starts_with(sentence), "{}", alone.err);
    // The built-in texts can always be made again.
    lab.ok(&format!("train {TINY} --data copy:size=4000 --out copy"));
    let copied = lab.ok("eval copy");
    assert!(
        copied.err.contains("the built-in text `copy:"),
        "{}",
        copied.err
    );
    let text = String::from_utf8(lab.read("data.txt")).expect("UTF-8");
    let refused = |sentence: &str| {
        let ran = lab.run("eval run");
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{}", ran.err);
        assert!(ran.err.contains(sentence), "{}", ran.err);
        let hint = "hint: give the run's text with --data";
        assert!(ran.err.contains(hint), "{}", ran.err);
    };
    lab.file("data.txt", text.replace("dog", "cow"));
    refused("error: data.txt has changed since the run was trained on it: expected the SHA-256 ");
    lab.file("data.txt", format!("{text}that"));
    refused("error: data.txt holds 412 bytes, and the text of the record 408; ");
    lab.ok("eval run --data data.txt");
}

/// A file that is not there any more is a sentence, with the flag that helps.
#[test]
fn a_run_whose_text_is_gone_says_what_to_do() {
    let lab = Lab::new();
    lab.file("gone.txt", lab.read("data.txt"));
    lab.ok(&format!("train --data gone.txt {TINY} --out run"));
    fs::remove_file(lab.path("gone.txt")).expect("the text");
    let ran = lab.run("eval run");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with("error: there is no file gone.txt; ")
            && ran.err.ends_with("hint: give the run's text with --data\n"),
        "{}",
        ran.err
    );
    lab.ok("eval run --data data.txt");
}

/// The output equals the one-file program's, line for line.
#[test]
fn micro_prints_what_the_one_file_program_prints() {
    let lab = Lab::new();
    lab.file("names.txt", "emma\nolivia\nava\nisabella\nsophia\nmia");
    let ran = lab.ok("micro --data names.txt --steps 3");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(&lines[..2], ["num docs: 6", "vocab size: 12"]);
    assert_eq!(lines[2], "num params: 3712");
    for (i, line) in lines[3..6].iter().enumerate() {
        let loss = line.strip_prefix(&format!("step {:4} /    3 | loss ", i + 1));
        let loss = loss.unwrap_or_else(|| panic!("{line}"));
        assert!(loss.len() == 6 && loss.parse::<f64>().is_ok(), "{line}");
    }
    assert_eq!(
        &lines[6..8],
        ["", "--- inference (new, hallucinated names) ---"]
    );
    assert_eq!(lines.len(), 8 + 20);
    for (i, line) in lines[8..].iter().enumerate() {
        assert!(line.starts_with(&format!("sample {:2}: ", i + 1)), "{line}");
    }
    assert_eq!(
        lab.ok("micro --data names.txt --steps 3").out,
        ran.out,
        "the same every time"
    );
    for flags in ["--seed 1", "--temperature 2", "--steps 4"] {
        assert_ne!(
            lab.ok(&format!("micro --data names.txt --steps 3 {flags}"))
                .out,
            ran.out
        );
    }
    assert!(
        lab.ok("micro --steps 1 --threads 1")
            .out
            .starts_with("num docs: 8000\n")
    );
    assert!(!lab.path("runs").exists(), "nothing is left on disk");
}

/// A model writes in the precision of its training unless another is typed. The logits of an
/// untrained model differ enough only if its initial weights are large.
#[test]
fn a_text_is_written_in_the_precision_of_the_model_or_the_one_that_is_typed() {
    let lab = Lab::new();
    let line = "--n-layer 2 --n-embd 32 --n-head 2 --block-size 16 --steps 2 --data data.txt --seed 1 --init-std 1";
    for precision in ["f32", "bf16"] {
        lab.ok(&format!(
            "train {line} --precision {precision} --save {precision}.safetensors"
        ));
    }
    let write = |command: &str, flags: &str| {
        let line = format!("{command} --prompt the --max-tokens 200 --seed 1 {flags}");
        lab.ok(&line).out
    };
    let own = write("generate bf16.safetensors", "");
    let bf16 = write("generate bf16.safetensors", "--precision bf16");
    let f32 = write("generate bf16.safetensors", "--precision f32");
    assert!(own == bf16 && own != f32, "{own}\n{f32}");
    let own = write("generate f32.safetensors", "");
    let bf16 = write("generate f32.safetensors", "--precision bf16");
    let f32 = write("generate f32.safetensors", "--precision f32");
    assert!(own == f32 && own != bf16, "{own}\n{bf16}");
    let seed = "train --load f32.safetensors --generate";
    assert_eq!(write(seed, "--precision bf16"), bf16);
    assert_eq!(write(seed, ""), f32);
    let talk = |flags: &str| {
        let line = format!("interactive f32.safetensors --max-tokens 200 --seed 1 {flags}");
        lab.piped(&line, "the\n").out
    };
    assert_eq!(talk(""), f32);
    assert_eq!(talk("--precision bf16"), bf16);
}
