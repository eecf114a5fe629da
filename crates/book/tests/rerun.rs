//! Rerunning commands, with a program of the test in place of gptlab.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use gptlab_book::{
    plan::Plan,
    rerun::{Options, Outcome, Rerun, rerun},
};
use tempfile::TempDir;

/// Two commands, of which the second uses a file of the first, and an input.
const PLAN: &str = r#"
[[chapter]]
name = "01-a"
inputs = ["text.txt"]
[[chapter.output]]
name = "first"
command = "gptlab make 'a file'"
files = ["out/a file"]
seconds = 1
[[chapter.output]]
name = "second"
command = "gptlab read"
exit = 3
seconds = 1
"#;

const PROGRAM: &str = "#!/bin/sh\n\
    case \"$1\" in\n\
    make) mkdir out; echo made >\"out/$2\"; echo \"done in $COLUMNS columns\" ;;\n\
    read) cat \"out/a file\" text.txt; exit 3 ;;\n\
    esac\n";

struct Fixture(TempDir);

impl Fixture {
    fn new(program: &str) -> Self {
        let fixture = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(fixture.book().join("inputs")).unwrap();
        fs::write(fixture.book().join("inputs/text.txt"), "input\n").unwrap();
        fixture.program(program);
        fixture
    }

    fn book(&self) -> PathBuf {
        self.0.path().join("book")
    }

    fn program(&self, text: &str) -> PathBuf {
        let path = self.0.path().join("gptlab");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn rerun(&self, write: bool) -> Vec<Outcome> {
        let plan = Plan::parse(PLAN).unwrap();
        let program = self.0.path().join("gptlab");
        let options = Options {
            book: &self.book(),
            program: &program,
            write,
        };
        let mut reported: Vec<Rerun> = Vec::new();
        let all = rerun(&plan.chapters[0], options, &mut |rerun| {
            reported.push(rerun.clone());
        });
        assert_eq!(all.as_ref(), Ok(&reported));
        all.unwrap()
            .into_iter()
            .map(|rerun| rerun.outcome)
            .collect()
    }

    fn kept(&self, file: &str) -> PathBuf {
        self.book().join("outputs/01-a").join(file)
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn outputs_are_kept_and_equal_the_next_time() {
    let fixture = Fixture::new(PROGRAM);
    assert_eq!(
        fixture.rerun(true),
        [Outcome::Written(true), Outcome::Written(true)]
    );
    assert_eq!(read(&fixture.kept("first/out/a file")), "made\n");
    assert_eq!(read(&fixture.kept("first/stdout")), "done in  columns\n");
    assert_eq!(read(&fixture.kept("second/stdout")), "made\ninput\n");
    assert_eq!(fixture.rerun(false), [Outcome::Equal, Outcome::Equal]);
    assert_eq!(
        fixture.rerun(true),
        [Outcome::Written(false), Outcome::Written(false)]
    );
}

#[test]
fn a_kept_file_that_was_changed_or_removed_is_reported() {
    let fixture = Fixture::new(PROGRAM);
    fixture.rerun(true);
    fs::write(fixture.kept("second/stdout"), "made\nchanged\n").unwrap();
    fs::remove_file(fixture.kept("first/out/a file")).unwrap();
    let [Outcome::Different(first), Outcome::Different(second)] = &fixture.rerun(false)[..] else {
        panic!("both differ");
    };
    assert!(first.starts_with("out/a file is not kept: "), "{first}");
    assert_eq!(second, "stdout, line 2: kept `changed`, now `input`");
    assert_eq!(
        read(&fixture.kept("second/stdout")),
        "made\nchanged\n",
        "nothing is written"
    );
}

#[test]
fn files_that_are_no_longer_kept_are_removed() {
    let fixture = Fixture::new(PROGRAM);
    fixture.rerun(true);
    fs::write(fixture.kept("first/old.csv"), "x").unwrap();
    fixture.rerun(true);
    assert!(!fixture.kept("first/old.csv").exists());
}

#[test]
fn a_command_that_fails_stops_the_chapter_and_keeps_nothing() {
    let fixture = Fixture::new(PROGRAM);
    fixture.rerun(true);
    fixture.program("#!/bin/sh\necho broken >&2\nexit 1\n");
    let outcomes = fixture.rerun(true);
    let [Outcome::Failed(message), Outcome::NotRun] = &outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert!(
        message.contains("expected exit code 0") && message.contains("broken"),
        "{message}"
    );
    assert_eq!(read(&fixture.kept("first/out/a file")), "made\n");
    fixture.program("#!/bin/sh\nexit 0\n");
    let outcomes = fixture.rerun(false);
    assert!(
        matches!(&outcomes[0], Outcome::Failed(m) if m.contains("left no `out/a file`")),
        "{outcomes:?}"
    );
}
