//! Real texts: long documents, baselines on the same predictions, and files that are not texts.

use std::fs;

use serde_json::Value;

use crate::{Lab, TINY, unwrapped};

fn json(lab: &Lab, line: &str) -> Value {
    serde_json::from_str(&lab.ok(line).out).expect("JSON")
}

/// A document has 12 a and 12 b. With a context of 12 it has 25 predictions, and its first piece
/// has no b.
fn long_documents(lab: &Lab) {
    let document = "a".repeat(12) + &"b".repeat(12) + "\n";
    lab.file("long.txt", document.repeat(20));
}

const SMALL: &str = "--n-layer 1 --n-embd 16 --n-head 2 --block-size 12 --batch-size 4 --sample-interval 0 \
                     --tokenizer lines";

/// The counts are made by hand: 20 documents of 24 characters and a BOS.
#[test]
fn all_of_a_long_document_is_trained_and_evaluated() {
    let lab = Lab::new();
    long_documents(&lab);
    let ran = lab.ok(&format!(
        "train --data long.txt {SMALL} --steps 150 --warmup 5 --lr 1e-2 --save model.safetensors --out run"
    ));
    let notice = "20 of 20 documents are longer than the context of 12 tokens: they are cut into 60 pieces, and \
                  all of them are trained or validated on";
    assert!(
        ran.err.contains(&format!("warning: {notice}\n")),
        "{}",
        ran.err
    );
    let events = String::from_utf8(lab.read("run/events.jsonl")).expect("UTF-8");
    assert!(events.contains(notice), "{events}");
    let all = json(
        &lab,
        "eval model.safetensors --data long.txt --val-fraction 0 --json",
    );
    assert_eq!(all["predictions"], 20 * 25);
    // A model that was trained on the first pieces alone never saw a b.
    let loss = all["loss"].as_f64().expect("a loss");
    assert!(loss < 0.1, "{loss}");
    let kept = json(&lab, "eval model.safetensors --data long.txt --json");
    assert_eq!(kept["predictions"], 2 * 25);
    let output = lab
        .ok("eval model.safetensors --data long.txt --val-fraction 0")
        .out;
    assert!(
        output.contains(
            "text         long.txt (all of it)\npredictions  500 of 500 with a context of 12\n\
             windows      side by side (--stride N overlaps them and lowers the loss)\n\
             trained on   90 % of them: the loss says little about new text\n"
        ),
        "{output}"
    );
    // A resumed run reports it too, and one with a long enough context does not.
    let resumed = lab.ok("train --resume run");
    assert!(resumed.err.contains(notice), "{}", resumed.err);
    let fits = lab.ok(&format!(
        "train --data long.txt {SMALL} --block-size 25 --steps 1"
    ));
    assert!(!fits.err.contains("pieces"), "{}", fits.err);
}

#[test]
fn the_one_file_program_s_model_says_where_it_differs() {
    let lab = Lab::new();
    long_documents(&lab);
    let ran = lab.ok("micro --data long.txt --steps 2");
    assert!(
        ran.err.starts_with(
            "warning: 20 of 20 documents are longer than the context of 16 tokens: they are cut into 40 pieces"
        ),
        "{}",
        ran.err
    );
}

/// A text whose validation windows of 16 tokens predict only a and only b alternately.
fn in_turn(lab: &Lab) {
    let window = |k: usize| if k.is_multiple_of(2) { "a" } else { "b" }.repeat(16);
    let validation: String = (0..10).map(window).collect();
    // The first token is not predicted, and the last window is one token shorter.
    let text = "aaab".repeat(360) + "b" + &validation[..159];
    lab.file("turns.txt", text);
}

/// Returns the 1-gram baseline of a report.
fn one_gram(lab: &Lab) -> f64 {
    let guides = String::from_utf8(lab.read("run/report/guides.csv")).expect("UTF-8");
    let row = guides
        .lines()
        .find_map(|line| line.strip_prefix("the 1-gram baseline,"));
    let loss = row.and_then(|row| row.split(',').next());
    loss.and_then(|loss| loss.parse().ok()).expect("a loss")
}

/// Witten-Bell smoothing is computed by hand: 1,439 predictions to count, of which 1,079 are a.
#[test]
fn a_run_s_baselines_are_on_its_own_predictions() {
    let lab = Lab::new();
    in_turn(&lab);
    let (a, b) = (1080.0_f64 / 1441.0, 361.0_f64 / 1441.0);
    let of_all = -(80.0 * a.ln() + 79.0 * b.ln()) / 159.0;
    // 80 predictions are every second window: those of a.
    for (most, expected) in [(80, -a.ln()), (1000, of_all)] {
        let flags = TINY.replace("--steps 5", "--steps 12 --sample-interval 0");
        lab.ok(&format!(
            "train --data turns.txt {flags} --val-tokens {most} --out run"
        ));
        lab.ok("report run");
        let found = one_gram(&lab);
        assert!(
            (found - expected).abs() < 1e-9,
            "{most}: {found}, {expected}"
        );
        let diagnosis = json(&lab, "doctor run --json");
        let seen = diagnosis[0]["seen"].as_str().expect("a sentence");
        assert!(
            seen.contains("n-gram baselines up to 6 over the loss's "),
            "{seen}"
        );
        assert_eq!(seen.contains("'s 80 predictions"), most == 80, "{seen}");
        fs::remove_dir_all(lab.path("run")).expect("the run's folder");
    }
}

/// A grid's outcomes, its n-gram baselines and those of its runs cover the whole validation split,
/// whatever its logs evaluate.
#[test]
fn a_grid_s_baselines_are_on_all_predictions() {
    let lab = Lab::new();
    in_turn(&lab);
    let flags = TINY.replace("--max-tokens 8", "");
    lab.ok(&format!(
        "ablate --data turns.txt {flags} --switches no-mlp --seeds 1 --val-tokens 80 --out grid"
    ));
    let expected = -(80.0 * (1080.0_f64 / 1441.0).ln() + 79.0 * (361.0_f64 / 1441.0).ln()) / 159.0;
    let found = lab.json("grid/results.json")["floors"]["ngrams"][0]
        .as_f64()
        .expect("a loss");
    assert!((found - expected).abs() < 1e-9, "{found}, {expected}");
    lab.ok("report grid/runs/baseline-s0 --out run/report");
    let of_run = one_gram(&lab);
    assert!((of_run - expected).abs() < 1e-9, "{of_run}, {expected}");
}

#[test]
fn a_grid_of_a_text_that_is_too_short_for_validation_is_refused() {
    let lab = Lab::new();
    lab.file("short.txt", "a short t");
    let flags = TINY.replace("--max-tokens 8", "");
    let ran = lab.run(&format!(
        "ablate --data short.txt {flags} --switches no-mlp --seeds 1 --out grid"
    ));
    let why = "nothing is kept for validation: the text is too short for a validation fraction of 0.1; give a \
               longer one";
    assert_eq!(ran.code, 2);
    assert!(unwrapped(&ran.err).contains(why), "{}", ran.err);
}

/// A record can come from somebody else: a file that it names is read only if it is a regular file
/// of the recorded size.
#[cfg(unix)]
#[test]
fn what_a_record_names_is_not_opened_blindly() {
    let lab = Lab::new();
    lab.ok(&format!("train --data data.txt {TINY} --out run"));
    let made = std::process::Command::new("mkfifo")
        .arg(lab.path("fifo"))
        .status();
    assert!(made.expect("mkfifo").success());
    let record = lab.json("run/experiment.json");
    assert_eq!(record["data"]["bytes"], 408);
    let name = |origin: Value, bytes: Value| {
        let mut record = record.clone();
        record["data"]["origin"] = origin;
        record["data"]["bytes"] = bytes;
        record["data"]["source"] = "the text".into();
        lab.file("run/experiment.json", record.to_string());
    };
    let file = |path: &str| serde_json::json!({ "file": path });
    for (path, sentence) in [
        (
            "fifo",
            "fifo is not a regular file but a pipe, a device or a socket",
        ),
        ("/dev/zero", "/dev/zero is not a regular file but"),
    ] {
        name(file(path), Value::Null);
        lab.ok("report run");
        lab.ok("doctor run");
        let ran = lab.run("train --resume run");
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.first_line().contains(sentence), "{}", ran.err);
        assert!(ran.err.contains("hint: give the run's text with --data"));
    }
    name(file("data.txt"), 7.into());
    lab.ok("report run");
    let ran = lab.run("train --resume run");
    assert_eq!(
        (ran.code, ran.first_line()),
        (
            3,
            "error: data.txt holds 408 bytes, and the text of the record 7; give the text that it was, unchanged"
        )
    );
    let large = serde_json::json!({ "builtin": "copy:size=100000000" });
    for bytes in [Value::Null, 100_000_010_u64.into()] {
        name(large.clone(), bytes);
        for verb in ["report", "doctor"] {
            let ran = lab.ok(&format!("{verb} run"));
            assert_eq!(
                ran.first_line(),
                "warning: the text is larger than 64 MiB, and is not read for n-gram baselines and pictures"
            );
        }
    }
    name(large, 408.into());
    lab.ok("report run");
    let ran = lab.run("train --resume run");
    assert_eq!(
        (ran.code, ran.first_line()),
        (2, "error: --resume needs the run's text: --data FILE")
    );
}

#[test]
fn a_checkpoint_of_a_built_in_text_is_loaded_with_it() {
    let lab = Lab::new();
    lab.ok(&format!("train --data copy {TINY} --save copy.safetensors"));
    let ran = lab.ok("train --load copy.safetensors --steps 1 --max-tokens 4");
    assert!(
        ran.err.contains("the built-in text `copy`: "),
        "{}",
        ran.err
    );
}

#[test]
fn files_that_hold_something_else() {
    let lab = Lab::trained();
    let utf16 = "t\0h\0e\0 \0c\0a\0t\0\n\0";
    lab.file("utf16.txt", utf16);
    lab.file("nul.txt", "one two three four five\0six");
    lab.file(
        "pointer.txt",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    );
    lab.file("text.txt.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03abc");
    lab.file("text.pdf", "%PDF-1.7\n");
    for (name, code, sentence) in [
        (
            "utf16.txt",
            3,
            "utf16.txt begins as UTF-16 does; text must be UTF-8: save it again",
        ),
        (
            "nul.txt",
            3,
            "nul.txt holds a NUL (byte 23, counted from 0), and no text does",
        ),
        (
            "pointer.txt",
            3,
            "pointer.txt is a Git LFS pointer and not the text that it stands for; fetch that with `git lfs pull`",
        ),
        (
            "text.txt.gz",
            3,
            "text.txt.gz is packed by gzip and not text; unpack it with `gunzip`, and give the text inside",
        ),
        (
            "text.pdf",
            3,
            "text.pdf is a PDF and not text; take the text out of it",
        ),
        (
            "-",
            2,
            "a text is read from a file, and not from standard input (`-`); write it to a file first, for example with `cat > text.txt`",
        ),
        (
            ".",
            1,
            ". is a directory; give the path of one text file in it, or make one of several, for example with `cat ./*.txt > all.txt`",
        ),
    ] {
        for verb in [
            "train",
            "ablate",
            "baselines",
            "micro",
            "eval model.safetensors",
            "probe model.safetensors",
        ] {
            let line = format!("{verb} --data {name}");
            let ran = lab.run(&line);
            assert_eq!(ran.code, code, "{line}\n{}", ran.err);
            let output = ran.first_line();
            assert!(
                output.starts_with(&format!("error: {sentence}")),
                "{line}\n{output}"
            );
        }
    }
}

#[test]
fn one_text_is_given_once() {
    let lab = Lab::trained();
    for verb in [
        "train",
        "ablate",
        "sweep",
        "baselines",
        "micro",
        "eval model.safetensors",
        "probe model.safetensors",
    ] {
        let ran = lab.run(&format!("{verb} --data a.txt --data b.txt"));
        assert_eq!(ran.code, 2, "{verb}\n{}", ran.err);
        assert_eq!(
            ran.err,
            "error: --data was given two texts, a.txt and b.txt, and takes one\n\
             hint: `cat a.txt b.txt > all.txt` makes one of several files\n"
        );
    }
    let ran = lab.run("probe model.safetensors --train-text=a --train-text=b --train_text=c");
    assert_eq!(
        ran.first_line(),
        "error: --train-text was given 3 texts, a and b and c, and takes one"
    );
    // A typed text overrides a settings file, as always; other flags can be given twice.
    lab.file("settings.toml", "data = \"nowhere.txt\"\n");
    lab.ok(&format!(
        "train --config settings.toml --data data.txt {TINY} --steps 1 --steps 2"
    ));
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf_8_is_a_sentence() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let lab = Lab::new();
    let name = OsStr::from_bytes(b"caf\xe9.txt");
    fs::copy(lab.path("data.txt"), lab.folder.path().join(name)).expect("a copy");
    for words in [
        vec![OsStr::new("--data"), name],
        vec![OsStr::from_bytes(b"--data=caf\xe9.txt")],
    ] {
        let output = lab.command(&["train"]).args(words).output();
        let ran = crate::Ran::of(output.expect("the program starts"));
        assert_eq!(
            (ran.code, ran.err.as_str()),
            (
                2,
                "error: the name of the text caf\u{fffd}.txt is not UTF-8, and a record could not hold it\n\
                 hint: give the file another name, or a link to it\n"
            )
        );
    }
}

#[test]
fn a_fraction_that_leaves_nothing_to_train_on_is_refused() {
    let lab = Lab::new();
    let ran = lab.run(&format!(
        "train --data data.txt {TINY} --val-fraction 0.9999"
    ));
    assert_eq!(
        (ran.code, ran.first_line()),
        (
            3,
            "error: data.txt is too short: with a validation fraction of 0.9999 the training split would hold \
             0 tokens and needs at least 2; give more text, or another validation fraction"
        )
    );
}

/// A file with a hole takes no space on the disk, and its size is known without reading it.
#[cfg(unix)]
#[test]
fn a_text_larger_than_memory_is_refused_before_it_is_read() {
    let lab = Lab::new();
    let file = fs::File::create(lab.path("large.txt")).expect("a file");
    file.set_len(1 << 43).expect("a file with a hole");
    for line in ["train --data large.txt", "baselines --data large.txt"] {
        let ran = lab.run(line);
        assert_eq!(ran.code, 2, "{line}: {}", ran.err);
        let expected = "error: large.txt needs about 24.0 TiB and ";
        assert!(ran.err.starts_with(expected), "{line}: {}", ran.err);
        assert!(
            ran.err.contains("M large.txt > part.txt` fits"),
            "{}",
            ran.err
        );
    }
    assert!(!lab.path("runs").exists());
}

#[cfg(unix)]
#[test]
fn a_file_of_settings_has_an_end() {
    let lab = Lab::new();
    let ran = lab.run("train --config /dev/zero");
    assert_eq!(
        (ran.code, ran.first_line()),
        (
            2,
            "error: /dev/zero is larger than 1 MiB, and no file of settings is"
        )
    );
}
