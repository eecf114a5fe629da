//! What `microgpt` prints, against an independent witness: `witness.py`, the same GPT in plain
//! Python. The goldens in `golden/` are the witness's output for the commands in its docstring;
//! where a Python is at hand, it is also asked again, for all the digits that a loss has.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

const SOURCE: &str = include_str!("../src/main.rs");
const NAMES: &str = "src/names.txt";
const SCRIPTS: &str = "tests/texts/scripts.txt";

type Changes<'a> = &'a [(&'a str, &'a str)];

fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An empty folder of this name, to compile in or to run from.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("microgpt")
        .join(name);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

fn run(folder: &Path, arguments: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_microgpt"));
    command
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("microgpt starts")
}

fn stdout(output: Output) -> String {
    let speech = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {speech}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8 output")
}

/// Compiles the program with some constants of main.rs changed, as its reader would.
fn edited(name: &str, digits: &str, changes: Changes) -> PathBuf {
    let mut source = SOURCE.replace("loss {:.4}", &format!("loss {{:.{digits}}}"));
    for (constant, value) in changes {
        let start = source.find(&format!("const {constant}: ")).expect(constant);
        let value_at = start + source[start..].find("= ").expect("a value") + 2;
        let value_end = value_at + source[value_at..].find(';').expect("its end");
        source.replace_range(value_at..value_end, value);
    }
    compiled(name, &source)
}

/// Compiles a source that replaces main.rs.
fn compiled(name: &str, source: &str) -> PathBuf {
    let folder = folder(name);
    fs::write(folder.join("main.rs"), source).expect("main.rs copied");
    for beside in ["python.rs", "names.txt"] {
        let source = in_crate("src").join(beside);
        fs::copy(source, folder.join(beside)).expect("the files beside main.rs copied");
    }
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--edition=2024", "-Copt-level=1", "-omicrogpt", "main.rs"]);
    let output = command.current_dir(&folder).output().expect("rustc starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder.join("microgpt")
}

fn assert_same(found: &str, expected: &str) {
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "in line {}", line + 1);
    }
    assert!(found == expected, "one output is a beginning of the other");
}

fn assert_golden(name: &str, text: &str, changes: Changes) {
    let program = edited(name, "4", changes);
    let found = stdout(
        Command::new(program)
            .arg(in_crate(text))
            .output()
            .expect("it starts"),
    );
    let golden = in_crate(&format!("tests/golden/{name}.txt"));
    assert_same(&found, &fs::read_to_string(golden).expect("the golden"));
}

/// Both programs print the losses with more digits than an f64 has, so equal lines are equal bits.
fn assert_bits(name: &str, text: &str, changes: Changes) {
    let settings = changes
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let mut witness = Command::new("python3");
    witness
        .arg(in_crate("tests/witness.py"))
        .arg(in_crate(text))
        .arg("DIGITS=20");
    let Ok(expected) = witness.args(settings).output() else {
        eprintln!("no python3 here: only the goldens are compared with");
        return;
    };
    let program = edited(name, "20", changes);
    let found = stdout(
        Command::new(program)
            .arg(in_crate(text))
            .output()
            .expect("it starts"),
    );
    assert_same(&found, &stdout(expected));
}

#[test]
fn a_thousand_steps_on_the_built_in_names_equal_the_golden() {
    let golden = fs::read_to_string(in_crate("tests/golden/names.txt")).expect("the golden");
    let elsewhere = folder("no-input");
    assert_same(&stdout(run(&elsewhere, &[])), &golden);
    assert_same(&stdout(run(&elsewhere, &[&in_crate(NAMES)])), &golden);
}

/// The book keeps the output of its commands, and says that this one is what Python prints.
#[test]
fn the_output_in_the_book_is_the_golden() {
    let golden = fs::read_to_string(in_crate("tests/golden/names.txt")).expect("the golden");
    let shown = in_crate("../../book/outputs/02-microgpt/run/stdout");
    assert_same(&fs::read_to_string(shown).expect("the output"), &golden);
}

/// The examples state their gradients, which were computed on paper, and stop where they differ.
#[test]
fn the_gradients_in_the_book_are_computed_by_backward() {
    let examples = include_str!("book/gradients.rs");
    let (algorithm, _) = SOURCE.split_once("fn main() {").expect("main");
    let calls = "fn main() {\n    gradients();\n    gradient_of_a_loss();\n}\n";
    let program = compiled("book", &format!("{algorithm}{examples}\n{calls}"));
    stdout(Command::new(program).output().expect("it starts"));
    let wrong = examples.replace("[16.0, -16.0", "[16.0, -15.0");
    let program = compiled("book-wrong", &format!("{algorithm}{wrong}\n{calls}"));
    let output = Command::new(program).output().expect("it starts");
    assert!(!output.status.success(), "a wrong gradient is noticed");
}

#[test]
fn depth_and_many_scripts_equal_the_golden() {
    let changes = [("N_LAYER", "2"), ("N_HEAD", "2"), ("BLOCK_SIZE", "8")];
    let changes = [&changes[..], &[("SEED", "7"), ("NUM_STEPS", "30")]].concat();
    assert_golden("scripts", SCRIPTS, &changes);
}

#[test]
fn heads_that_do_not_fill_the_width_equal_the_golden() {
    let changes = [
        ("N_LAYER", "2"),
        ("N_EMBD", "10"),
        ("N_HEAD", "3"),
        ("BLOCK_SIZE", "5"),
    ];
    let others = [
        ("TEMPERATURE", "0.7"),
        ("SEED", "18446744073709551615"),
        ("NUM_STEPS", "25"),
    ];
    assert_golden("uneven", NAMES, &[&changes[..], &others].concat());
}

#[test]
fn another_optimizer_and_one_head_equal_the_golden() {
    let changes = [
        ("N_EMBD", "6"),
        ("N_HEAD", "1"),
        ("BLOCK_SIZE", "3"),
        ("TEMPERATURE", "1.5"),
    ];
    let adam = [
        ("LEARNING_RATE", "0.03"),
        ("BETA1", "0.9"),
        ("BETA2", "0.95"),
    ];
    let others = [("EPS_ADAM", "1e-6"), ("SEED", "0"), ("NUM_STEPS", "40")];
    assert_golden("tuned", SCRIPTS, &[&changes[..], &adam, &others].concat());
}

#[test]
fn the_losses_equal_a_live_witness_to_the_bit() {
    assert_bits("names-bits", NAMES, &[("NUM_STEPS", "15")]);
}

#[test]
fn depth_uneven_heads_and_a_long_seed_equal_a_live_witness_to_the_bit() {
    let changes = [
        ("N_LAYER", "2"),
        ("N_EMBD", "9"),
        ("N_HEAD", "2"),
        ("BLOCK_SIZE", "6"),
    ];
    let others = [
        ("SEED", "4294967296"),
        ("NUM_STEPS", "6"),
        ("TEMPERATURE", "0.9"),
    ];
    assert_bits("scripts-bits", SCRIPTS, &[&changes[..], &others].concat());
}

#[test]
fn without_an_argument_input_txt_is_read() {
    let folder = folder("input");
    let text = in_crate(SCRIPTS);
    fs::copy(&text, folder.join("input.txt")).expect("input.txt copied");
    assert_same(&stdout(run(&folder, &[])), &stdout(run(&folder, &[&text])));
}

/// The whole of stderr for a file with this content, after exit code 1 and an empty stdout.
fn refusal(name: &str, content: Option<&[u8]>) -> String {
    let folder = folder(name);
    if let Some(content) = content {
        fs::write(folder.join("text.txt"), content).expect("text.txt written");
    }
    let output = run(&folder, &[Path::new("text.txt")]);
    assert_eq!(output.status.code(), Some(1), "the exit code");
    assert!(output.stdout.is_empty(), "nothing on stdout");
    String::from_utf8(output.stderr).expect("UTF-8 speech")
}

const EXPECTED: &str = "microgpt: text.txt: expected UTF-8 text, a document a line; found: ";

#[test]
fn an_unreadable_file_is_refused_in_a_sentence() {
    let speech = refusal("absent", None);
    assert!(speech.starts_with(EXPECTED), "{speech}");
    assert_eq!(speech.lines().count(), 1, "{speech}");
}

#[test]
fn an_unreadable_input_txt_is_refused_and_not_replaced_by_the_names() {
    let folder = folder("input-folder");
    fs::create_dir(folder.join("input.txt")).expect("a folder called input.txt");
    let output = run(&folder, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output
            .stderr
            .starts_with(b"microgpt: input.txt: expected UTF-8 text")
    );
}

#[test]
fn an_empty_file_is_refused_in_a_sentence() {
    for content in [
        &b""[..],
        b"\n",
        b" \t\r\n\x1c\x1d\x1e\x1f\n\xc2\xa0\xe3\x80\x80\r",
    ] {
        assert_eq!(
            refusal("empty", Some(content)),
            format!("{EXPECTED}no text\n")
        );
    }
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_in_a_sentence() {
    let speech = refusal("latin-1", Some(b"caf\xe9\n"));
    assert_eq!(
        speech,
        format!("{EXPECTED}stream did not contain valid UTF-8\n")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_ends_the_program_in_a_sentence() {
    let full = fs::File::create("/dev/full").expect("a device that is always full");
    let mut command = Command::new(env!("CARGO_BIN_EXE_microgpt"));
    command.current_dir(folder("full")).stdout(full);
    let output = command.output().expect("microgpt starts");
    let speech = String::from_utf8_lossy(&output.stderr);
    let expected = "microgpt: expected to write the output; found: No space left on device";
    assert!(speech.starts_with(expected), "{speech}");
    assert_eq!(output.status.code(), Some(1));
}

/// As `microgpt | head -1` does, but before the first line.
#[test]
fn a_reader_that_leaves_ends_the_program_in_peace() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_microgpt"));
    command.current_dir(folder("no-reader")).stdout(writer);
    let output = command.output().expect("microgpt starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
