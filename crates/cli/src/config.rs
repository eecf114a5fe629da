//! `--config FILE`: a TOML file whose keys are the flags' names, read as words beneath the typed
//! ones.

use std::{
    ffi::OsString,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use crate::exit::Stop;

/// The settings of `path` as words for the subcommand `sub`.
///
/// A key that only another subcommand has is passed over, so that one file can serve a whole
/// project.
///
/// # Errors
/// When the file cannot be read, is not TOML, or has a key that is nobody's flag or a value that no
/// flag has.
pub(crate) fn words(
    path: &Path,
    sub: &str,
    program: &clap::Command,
) -> Result<Vec<OsString>, Stop> {
    let text = read(path)?;
    let table: Table = text.parse().map_err(|e: toml::de::Error| {
        Stop::usage(format_args!(
            "{} is not TOML: {}",
            path.display(),
            place(&text, &e)
        ))
    })?;
    let words = settings(&table, sub, program).map_err(|stop| Stop {
        message: format!("{}: {}", path.display(), stop.message),
        ..stop
    })?;
    refuse_bad_values(path, sub, &words, program)?;
    Ok(words)
}

/// No settings are longer, in bytes.
const MOST: u64 = 1 << 20;

fn read(path: &Path) -> Result<String, Stop> {
    let mut text = String::new();
    let file = File::open(path).map_err(|e| Stop::file("read", path, &e))?;
    file.take(MOST + 1)
        .read_to_string(&mut text)
        .map_err(|e| Stop::file("read", path, &e))?;
    if text.len() as u64 > MOST {
        return Err(Stop::usage(format_args!(
            "{} is larger than {} MiB, and no file of settings is",
            path.display(),
            MOST >> 20
        )));
    }
    Ok(text)
}

fn place(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map(|span| text[..span.start].matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

fn settings(table: &Table, sub: &str, program: &clap::Command) -> Result<Vec<OsString>, Stop> {
    let mine = keys(program.find_subcommand(sub));
    let all: Vec<String> = program
        .get_subcommands()
        .flat_map(|s| keys(Some(s)))
        .collect();
    let mut words = Vec::new();
    for (typed, value) in table {
        let key = typed.replace('_', "-");
        if mine.contains(&key) {
            words.extend(word(&key, value, takes_path(program, sub, &key))?.map(OsString::from));
        } else if !all.contains(&key) {
            return Err(unknown(typed, &key, &all));
        }
    }
    Ok(words)
}

/// The flags that can be keys: not those that only make sense where they are typed.
fn keys(command: Option<&clap::Command>) -> Vec<String> {
    command
        .into_iter()
        .flat_map(clap::Command::get_arguments)
        .filter_map(|arg| arg.get_long())
        .filter(|long| !["config", "help", "version"].contains(long))
        .map(str::to_owned)
        .collect()
}

fn unknown(typed: &str, key: &str, all: &[String]) -> Stop {
    let stop = Stop::usage(format_args!("unknown key `{typed}`"));
    match nearest(key, all) {
        Some(near) => stop.hint(format!("did you mean `{near}`?")),
        None => stop.hint("the keys are the flags of `gptlab train --help`, without their hyphens"),
    }
}

/// Whether a flag takes a path or nothing: `true` and `false` are no paths.
fn takes_path(program: &clap::Command, sub: &str, key: &str) -> bool {
    let flags = program
        .find_subcommand(sub)
        .into_iter()
        .flat_map(clap::Command::get_arguments);
    let mut flags = flags.filter(|arg| arg.get_long() == Some(key));
    flags.any(|arg| {
        arg.get_num_args().is_some_and(|n| n.min_values() == 0)
            && arg.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>()
    })
}

/// A setting as a word of the command line; `None` of a flag that is off.
fn word(key: &str, value: &Value, path: bool) -> Result<Option<String>, Stop> {
    let text = match value {
        Value::Boolean(false) if path || key == "json" => return Ok(None),
        Value::Boolean(true) if path => return Ok(Some(format!("--{key}"))),
        Value::String(s) => s.clone(),
        Value::Integer(n) => n.to_string(),
        Value::Float(x) => x.to_string(),
        Value::Boolean(true) if key == "json" => return Ok(Some("--json".into())),
        Value::Boolean(on) => u8::from(*on).to_string(),
        Value::Array(_) | Value::Table(_) | Value::Datetime(_) => {
            return Err(Stop::usage(format_args!(
                "`{key}` must be a number, a string, true or false"
            )));
        }
    };
    Ok(Some(format!("--{key}={text}")))
}

/// Lets clap judge the values alone, so that what it says can name the file.
fn refuse_bad_values(
    path: &Path,
    sub: &str,
    words: &[OsString],
    program: &clap::Command,
) -> Result<(), Stop> {
    let whole = [OsString::from("gptlab"), sub.into()];
    match program
        .clone()
        .try_get_matches_from(whole.iter().chain(words))
    {
        Err(e) => {
            let said = e.render().to_string();
            let first = said.lines().next().unwrap_or_default();
            let said = first.strip_prefix("error: ").unwrap_or(first);
            Err(Stop::usage(format_args!("{}: {said}", path.display())))
        }
        Ok(_) => Ok(()),
    }
}

/// The word of `all` that is at most a third of `typed` away.
pub(crate) fn nearest<'a>(typed: &str, all: &'a [String]) -> Option<&'a str> {
    all.iter()
        .map(|word| (distance(typed, word), word))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, _)| 3 * d <= typed.chars().count().max(3))
        .map(|(_, word)| word.as_str())
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_the_textbooks() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let all = ["n-layer".to_owned(), "n-embd".to_owned()];
        assert_eq!(nearest("n-layr", &all), Some("n-layer"));
        assert_eq!(nearest("colour", &all), None);
    }
}
