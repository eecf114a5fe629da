//! Reading events, line by line.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use crate::{Event, FileError};

/// No event is larger; a sample is most of it.
const MOST_LINE: u64 = 1 << 24;

/// An event and where its line begins and ends, in bytes from the file's beginning.
pub(super) struct Line {
    pub(super) event: Event,
    pub(super) begin: u64,
    pub(super) end: u64,
}

/// Reads whole lines. A last line that is torn, by a kill or a power cut, is left out.
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
            // Disks may keep the length of a torn line and not its bytes.
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
