//! Reading events line by line.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use crate::{Event, FileError};

/// The most bytes of an event. A sample takes most of them.
const MOST_LINE: u64 = 1 << 24;

/// An event, with the start and end of its line in bytes from the start of the file.
pub(super) struct Line {
    pub(super) event: Event,
    pub(super) begin: u64,
    pub(super) end: u64,
}

/// Reads all complete lines. A last line that a kill or a power cut tore is left out.
pub(super) fn read(file: &File, path: &Path) -> Result<Vec<Line>, FileError> {
    let mut from = BufReader::new(file);
    let mut lines = Vec::new();
    let mut end = 0;
    loop {
        let mut text = Vec::new();
        let length = from
            .by_ref()
            .take(MOST_LINE)
            .read_until(b'\n', &mut text)
            .map_err(FileError::io("read", path))? as u64;
        let begin = end;
        end += length;
        if !text.ends_with(b"\n") {
            return match length {
                MOST_LINE => Err(no_event(path, lines.len(), "a line without an end")),
                _ => Ok(lines),
            };
        }
        match serde_json::from_slice(&text) {
            Ok(event) => lines.push(Line { event, begin, end }),
            // A disk may keep the length of a torn line but not its bytes.
            Err(error) => {
                let last = from.fill_buf().map_err(FileError::io("read", path))?;
                return match last {
                    [] => Ok(lines),
                    [..] => Err(no_event(path, lines.len(), &error.to_string())),
                };
            }
        }
    }
}

fn no_event(path: &Path, before: usize, found: &str) -> FileError {
    let line = before + 1;
    FileError::wrong(path, format!("an event of gptlab in line {line}"), found)
}
