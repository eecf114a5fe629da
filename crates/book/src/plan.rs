//! `outputs.toml`: the commands whose outputs the book shows.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;

/// The commands of the whole book, in the order of its chapters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    #[serde(default, rename = "chapter")]
    pub chapters: Vec<Chapter>,
}

/// The commands of a chapter. They run in order in one folder that is empty before, so that a
/// command may use the files of an earlier one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chapter {
    /// The name of the chapter's pages without `.md`.
    pub name: String,
    /// Whether the gate reruns the chapter's commands.
    #[serde(default)]
    pub cheap: bool,
    /// Numbers with a decimal point that stand in the text as other people have published them.
    #[serde(default)]
    pub published: Vec<String>,
    /// Files of `book/inputs/` that are copied to the folder before the first command.
    #[serde(default)]
    pub inputs: Vec<String>,
    #[serde(default, rename = "output")]
    pub outputs: Vec<Output>,
}

/// A command and what is kept of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub name: String,
    /// The command as a reader types it; see [`words_of`].
    pub command: String,
    /// The files that the command leaves and that are kept, relative to the chapter's folder.
    #[serde(default)]
    pub files: Vec<String>,
    /// The file whose values references read: JSON, JSON lines or CSV. Without it stdout is read.
    #[serde(default)]
    pub values: Option<String>,
    /// Whether stdout is kept. What contains times is not kept.
    #[serde(default = "yes")]
    pub stdout: bool,
    /// The exit code of the command.
    #[serde(default)]
    pub exit: i32,
    /// The seconds that the command took on two cores.
    pub seconds: f64,
}

fn yes() -> bool {
    true
}

/// The name of the file that keeps stdout.
pub const STDOUT: &str = "stdout";
/// The programs that a command may begin with.
pub const PROGRAMS: [&str; 2] = ["gptlab", "microgpt"];

/// Words of a command whose output would not be the same on every machine.
const UNREPEATABLE: [(&str, &str); 4] = [
    (
        "bf16",
        "bf16 is computed differently with and without bf16 instructions",
    ),
    (
        "--for",
        "a run of a given time has another number of steps on another machine; use --steps",
    ),
    ("bench", "times are different every time"),
    (
        "doctor",
        "without a run it describes the machine; read the findings in the report of the run",
    ),
];

/// The commands that train, and choose what no flag says by the machine.
const TRAINING: [&str; 3] = ["train", "ablate", "sweep"];
/// The flags with which nothing is chosen by the machine.
const FIXED: [&str; 5] = ["--preset", "--against", "--resume", "--config", "--list"];

/// Names of files that hold times, or the instructions of the machine.
const TIMED: [&str; 9] = [
    "events.jsonl",
    "experiment.json",
    "grid.json",
    "report.html",
    "report.md",
    "comparison.html",
    "comparison.md",
    "runs.csv",
    "lock",
];

impl Plan {
    /// Parses and checks the plan.
    ///
    /// # Errors
    /// Returns a sentence for everything that makes no sense.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let plan: Self = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        let mut complaints = repeated(plan.chapters.iter().map(|chapter| &chapter.name), "chapter");
        complaints.extend(plan.chapters.iter().flat_map(Chapter::complaints));
        if complaints.is_empty() {
            Ok(plan)
        } else {
            Err(complaints)
        }
    }

    /// Returns the chapter of this name.
    pub fn chapter(&self, name: &str) -> Option<&Chapter> {
        self.chapters.iter().find(|chapter| chapter.name == name)
    }
}

impl Chapter {
    fn complaints(&self) -> Vec<String> {
        let mut found = repeated(self.outputs.iter().map(|output| &output.name), "output");
        found.extend(name_complaint(&self.name));
        found.extend(self.inputs.iter().filter_map(|file| file_complaint(file)));
        found.extend(self.outputs.iter().flat_map(Output::complaints));
        found
            .into_iter()
            .map(|complaint| format!("chapter `{}`: {complaint}", self.name))
            .collect()
    }
}

impl Output {
    fn complaints(&self) -> Vec<String> {
        let mut found: Vec<String> = name_complaint(&self.name).into_iter().collect();
        match words_of(&self.command) {
            Ok(words) => found.extend(command_complaints(&words)),
            Err(complaint) => found.push(complaint),
        }
        found.extend(self.files.iter().filter_map(|file| kept_complaint(file)));
        if let Some(file) = self
            .values
            .as_ref()
            .filter(|file| !self.files.contains(file))
        {
            found.push(format!(
                "`values` is `{file}`, which must be one of `files`"
            ));
        }
        if self.seconds < 0.0 || !self.seconds.is_finite() {
            found.push(format!("`seconds` is {}: expected a time", self.seconds));
        }
        found
            .into_iter()
            .map(|complaint| format!("output `{}`: {complaint}", self.name))
            .collect()
    }

    /// Returns the names of all files that are kept of this output.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        let stdout = self.stdout.then_some(STDOUT);
        stdout
            .into_iter()
            .chain(self.files.iter().map(String::as_str))
    }
}

/// Splits a command into words. A part of a word in single or double quotes may hold spaces; there
/// are no escapes, variables or redirections.
///
/// # Errors
/// Returns a sentence if a quotation mark is not closed.
pub fn words_of(command: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match quote {
            Some(open) if open == c => quote = None,
            None if c.is_whitespace() => words.extend(word.take()),
            None if "'\"".contains(c) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            Some(_) | None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(open) => Err(format!(
            "the quotation mark {open} in `{command}` is not closed"
        )),
        None => Ok(words),
    }
}

fn command_complaints(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    if !words
        .first()
        .is_some_and(|first| PROGRAMS.contains(&first.as_str()))
    {
        let programs = PROGRAMS.join("` or `");
        found.push(format!("a command begins with `{programs}`"));
    }
    for (word, reason) in UNREPEATABLE {
        let is_it =
            |w: &String| w == word || w.strip_prefix(word).is_some_and(|r| r.starts_with('='));
        // Of a run, `doctor` says what the run's record says.
        let of_run = word == "doctor" && words.len() > 2;
        if words.iter().any(is_it) && !of_run {
            found.push(format!("`{word}` cannot be repeated: {reason}"));
        }
    }
    found.extend(unfixed(words));
    let shell = words
        .iter()
        .find(|w| ["|", ">", ">>", "<", "&&", ";"].contains(&w.as_str()));
    if let Some(word) = shell {
        found.push(format!(
            "`{word}` needs a shell, and commands run without one"
        ));
    }
    found
}

/// Returns what a recipe of this command would choose by the machine that it runs on.
fn unfixed(words: &[String]) -> Vec<String> {
    let has = |flag: &str| {
        words
            .iter()
            .any(|word| word.split('=').next() == Some(flag))
    };
    let trains = words
        .get(1)
        .is_some_and(|word| TRAINING.contains(&word.as_str()));
    if !trains || FIXED.iter().any(|flag| has(flag)) {
        return Vec::new();
    }
    let chosen = [
        (
            "--precision f32",
            "the precision is chosen by the instructions of the machine",
        ),
        (
            "--steps N",
            "the number of steps is chosen by the speed of the machine",
        ),
    ];
    chosen
        .into_iter()
        .filter(|(flag, _)| !has(flag.split(' ').next().unwrap_or_default()))
        .map(|(flag, reason)| format!("add `{flag}`: {reason}"))
        .collect()
}

fn name_complaint(name: &str) -> Option<String> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = !name.is_empty() && name.chars().all(fine);
    (!is_name).then(|| format!("`{name}` is no name: expected a-z, 0-9 and hyphens"))
}

fn file_complaint(file: &str) -> Option<String> {
    let plain = !file.is_empty()
        && !file.contains('\\')
        && file.split('/').all(|part| !["", ".", ".."].contains(&part));
    (!plain).then(|| format!("`{file}` must be a path below the folder, with `/`"))
}

fn kept_complaint(file: &str) -> Option<String> {
    let name = file.rsplit('/').next().unwrap_or_default();
    let is_checkpoint = Path::new(file)
        .extension()
        .is_some_and(|e| e == "safetensors");
    if TIMED.contains(&name) {
        Some(format!(
            "`{file}` holds times or facts of the machine, and cannot be kept"
        ))
    } else if is_checkpoint {
        Some(format!(
            "`{file}` is a checkpoint, which is too large to be kept"
        ))
    } else if file == STDOUT {
        Some(format!(
            "`{STDOUT}` is the name of the kept standard output"
        ))
    } else {
        file_complaint(file)
    }
}

fn repeated<'a>(names: impl Iterator<Item = &'a String>, what: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names
        .filter(|name| !seen.insert(*name))
        .map(|name| format!("there are two {what}s called `{name}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let words = words_of("gptlab  train --prompt 'a b' --x=\"c 'd'\" ''").unwrap();
        assert_eq!(
            words,
            ["gptlab", "train", "--prompt", "a b", "--x=c 'd'", ""]
        );
        assert!(words_of("gptlab 'x").unwrap_err().contains("is not closed"));
    }

    fn complaints(output: &str) -> String {
        let text = format!("[[chapter]]\nname = \"01-a\"\n[[chapter.output]]\n{output}\n");
        Plan::parse(&text).unwrap_err().join("\n")
    }

    #[test]
    fn a_plan_has_defaults() {
        let text = "[[chapter]]\nname = \"01-a\"\n[[chapter.output]]\nname = \"b\"\n\
                    command = \"gptlab runs\"\nseconds = 1\nfiles = [\"c/d.csv\"]\n";
        let plan = Plan::parse(text).unwrap();
        let output = &plan.chapter("01-a").unwrap().outputs[0];
        assert!(output.stdout && !plan.chapters[0].cheap);
        assert_eq!(output.kept().collect::<Vec<_>>(), ["stdout", "c/d.csv"]);
    }

    #[test]
    fn what_cannot_be_repeated_is_refused() {
        for (command, expected) in [
            ("gptlab train --for 2m", "`--for` cannot be repeated"),
            ("gptlab train --for=2m", "`--for` cannot be repeated"),
            ("gptlab train --precision bf16", "`bf16` cannot be repeated"),
            ("gptlab train --steps 3", "add `--precision f32`"),
            ("gptlab ablate --precision=f32", "add `--steps N`"),
            ("gptlab doctor", "`doctor` cannot be repeated"),
            ("gptlab bench", "`bench` cannot be repeated"),
            ("gptlab runs | head", "needs a shell"),
            ("cargo run", "begins with `gptlab` or `microgpt`"),
            ("gptlab \\\"x", "is not closed"),
        ] {
            let found = complaints(&format!(
                "name = \"b\"\nseconds = 1\ncommand = \"{command}\""
            ));
            assert!(found.contains(expected), "{command}: {found}");
            assert!(found.starts_with("chapter `01-a`: output `b`: "), "{found}");
        }
        for fine in [
            "gptlab doctor run",
            "gptlab train --preset microgpt",
            "gptlab train --steps=9 --precision f32",
        ] {
            let text = format!(
                "[[chapter]]\nname = \"a\"\n[[chapter.output]]\nname = \"b\"\nseconds = 1\n\
                 command = \"{fine}\"\n"
            );
            assert!(Plan::parse(&text).is_ok(), "{fine}");
        }
    }

    #[test]
    fn files_with_times_and_strange_names_are_refused() {
        for (line, expected) in [
            ("files = [\"run/events.jsonl\"]", "holds times"),
            ("files = [\"run/report/report.html\"]", "holds times"),
            ("files = [\"../x\"]", "a path below the folder"),
            ("files = [\"/x\"]", "a path below the folder"),
            ("files = [\"m.safetensors\"]", "is a checkpoint"),
            ("files = [\"stdout\"]", "the kept standard output"),
            ("values = \"x.json\"", "must be one of `files`"),
            ("colour = 1", "unknown field"),
        ] {
            let output = format!("name = \"b\"\nseconds = 1\ncommand = \"gptlab runs\"\n{line}");
            let found = complaints(&output);
            assert!(found.contains(expected), "{line}: {found}");
        }
        assert!(
            complaints("name = \"B c\"\nseconds = 1\ncommand = \"gptlab runs\"")
                .contains("is no name")
        );
        let twice = "[[chapter]]\nname = \"a\"\n[[chapter]]\nname = \"a\"\n";
        assert_eq!(
            Plan::parse(twice),
            Err(vec!["there are two chapters called `a`".into()])
        );
    }
}
