//! The outputs of a chapter as they are kept in the repository.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Number, Value};

use crate::{
    plan::{Chapter, Output, STDOUT},
    problem::Problem,
    words::listed,
};

/// The kept outputs of a chapter, by name.
#[derive(Clone, Debug, Default)]
pub struct Outputs(BTreeMap<String, KeptOutput>);

/// What is kept of a command.
#[derive(Clone, Debug)]
pub struct KeptOutput {
    pub command: String,
    /// The texts of the kept files by name; stdout is [`STDOUT`].
    files: BTreeMap<String, String>,
    values: Result<Value, String>,
}

/// Returns the folder in which an output is kept.
pub fn folder(book: &Path, chapter: &str, output: &str) -> PathBuf {
    book.join("outputs").join(chapter).join(output)
}

impl Outputs {
    /// Reads the outputs of `chapter` of the book in `book`, and what is wrong with them.
    pub fn read(book: &Path, chapter: &Chapter) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut outputs = BTreeMap::new();
        for output in &chapter.outputs {
            let folder = folder(book, &chapter.name, &output.name);
            let files = output.kept().filter_map(|name| {
                let path = folder.join(name);
                match fs::read_to_string(&path) {
                    Ok(text) => Some((name.to_owned(), text)),
                    Err(error) => {
                        problems.push(missing(&path, &chapter.name, &error));
                        None
                    }
                }
            });
            let files = files.collect();
            let kept = KeptOutput {
                command: output.command.clone(),
                values: values(output, &files),
                files,
            };
            outputs.insert(output.name.clone(), kept);
        }
        (Self(outputs), problems)
    }

    /// Returns the output of this name.
    ///
    /// # Errors
    /// Returns a sentence with the names that there are.
    pub fn get(&self, name: &str) -> Result<&KeptOutput, String> {
        self.0.get(name).ok_or_else(|| {
            let names = listed(self.0.keys().map(String::as_str));
            format!("this chapter has no output `{name}` in outputs.toml; it has {names}")
        })
    }

    /// Returns the values of the output of this name.
    ///
    /// # Errors
    /// Returns a sentence if there is no such output, or it has no values.
    pub fn values(&self, name: &str) -> Result<&Value, String> {
        self.get(name)?.values.as_ref().map_err(Clone::clone)
    }
}

impl KeptOutput {
    /// Returns the text of a kept file.
    ///
    /// # Errors
    /// Returns a sentence with the files that are kept.
    pub fn file(&self, name: &str) -> Result<&str, String> {
        self.files.get(name).map(String::as_str).ok_or_else(|| {
            let names = listed(self.files.keys().map(String::as_str));
            format!("the output keeps no file `{name}`; it keeps {names}")
        })
    }
}

fn missing(path: &Path, chapter: &str, error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::NotFound {
        Problem::of(
            path.display(),
            format_args!(
                "outputs.toml keeps this file and it is not there; run `gptlab-book outputs {chapter} --write --program PATH`"
            ),
        )
    } else {
        Problem::io(path, "read", error)
    }
}

/// Returns the values that references to an output read.
fn values(output: &Output, files: &BTreeMap<String, String>) -> Result<Value, String> {
    let name = output.values.as_deref().unwrap_or(STDOUT);
    let Some(text) = files.get(name) else {
        return Err(format!(
            "the output `{}` keeps no {name}, and so it has no values; name a kept file with `values`",
            output.name
        ));
    };
    parsed(name, text).ok_or_else(|| {
        format!(
            "the {name} of the output `{}` is neither JSON nor lines of JSON; name a file with `values`",
            output.name
        )
    })
}

/// Reads JSON, JSON lines or, in a file of that name, CSV.
fn parsed(name: &str, text: &str) -> Option<Value> {
    if Path::new(name).extension().is_some_and(|e| e == "csv") {
        return Some(table(text));
    }
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let values: Result<Vec<Value>, _> = lines.map(serde_json::from_str).collect();
    values.ok().filter(|all| !all.is_empty()).map(Value::Array)
}

/// Returns the rows of a CSV table as objects with the names of the columns.
fn table(text: &str) -> Value {
    let mut rows = text.lines().map(cells);
    let names = rows.next().unwrap_or_default();
    let object = |row: Vec<String>| {
        let cells = names
            .iter()
            .cloned()
            .zip(row.iter().map(|cell| value(cell)));
        Value::Object(cells.collect::<Map<_, _>>())
    };
    Value::Array(rows.map(object).collect())
}

/// Returns the cells of a row. A cell in quotation marks may hold commas, and doubled quotation
/// marks for one.
fn cells(row: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

fn value(cell: &str) -> Value {
    if let Ok(whole) = cell.parse::<i64>() {
        return whole.into();
    }
    let number = cell.parse::<f64>().ok().and_then(Number::from_f64);
    number.map_or_else(|| cell.into(), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_json_lines_of_json_or_a_table() {
        assert_eq!(parsed("stdout", "{\"a\":1}\n"), Some(json!({"a": 1})));
        assert_eq!(
            parsed("stdout", "{\"a\":1}\n{\"a\":2}\n"),
            Some(json!([{"a": 1}, {"a": 2}]))
        );
        assert_eq!(parsed("stdout", "step 1\n"), None);
        assert_eq!(parsed("stdout", ""), None);
        let csv = "variant,loss,note\n\"a, \"\"b\"\"\",0.5,\nc,2,x\n";
        let expected = json!([
            {"variant": "a, \"b\"", "loss": 0.5, "note": ""},
            {"variant": "c", "loss": 2, "note": "x"},
        ]);
        assert_eq!(parsed("x/table.csv", csv), Some(expected));
    }

    #[test]
    fn a_missing_file_is_a_problem_with_a_remedy() {
        let book = tempfile::tempdir().unwrap();
        let text = "[[chapter]]\nname = \"01-a\"\n[[chapter.output]]\nname = \"b\"\n\
                    command = \"gptlab runs\"\nseconds = 1\n";
        let plan = crate::plan::Plan::parse(text).unwrap();
        let (outputs, problems) = Outputs::read(book.path(), &plan.chapters[0]);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].message.contains("outputs 01-a --write"),
            "{}",
            problems[0]
        );
        assert!(outputs.values("b").unwrap_err().contains("keeps no stdout"));
        assert!(outputs.get("c").unwrap_err().contains("it has `b`"));
    }
}
