//! Reading a checkpoint. Nothing is believed: every length is held against the file's own before
//! anything is allocated for it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use gptlab_model::{Param, lower};
use gptlab_record::FileError;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use super::{Checkpoint, Header, Stored, write::KEY};

/// What a file has to be, in its sentences.
const WHAT: &str = "a checkpoint of gptlab";

/// The format's own limit on its JSON.
const MOST_HEAD: u64 = 100_000_000;

/// Bytes of the length before the JSON.
const LENGTH: u64 = 8;

impl Checkpoint {
    /// Opens `path` and validates all of it but the tensors' numbers.
    ///
    /// # Errors
    /// When it cannot be read, is no checkpoint of gptlab, or does not fit its own spec.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::with_file(path).map(|(checkpoint, _)| checkpoint)
    }

    fn with_file(path: &Path) -> Result<(Self, File), FileError> {
        let mut file = File::open(path).map_err(FileError::io("read", path))?;
        let about = file.metadata().map_err(FileError::io("read", path))?;
        if !about.is_file() {
            return Err(FileError::wrong(path, WHAT, "something that is no file"));
        }
        let head = read_head(path, &mut file, about.len())?;
        let metadata: Metadata = serde_json::from_slice(&head).map_err(|e| {
            FileError::wrong(
                path,
                WHAT,
                format!("a header that is not safetensors': {e}"),
            )
        })?;
        let data = LENGTH + head.len() as u64;
        check_length(path, &metadata, data, about.len())?;
        let header = read_header(path, &metadata)?;
        let model = header
            .spec
            .check(header.tokenizer.vocab_size())
            .map_err(|e| wrong_inside(path, "a model that makes sense", &e))?;
        let graph = lower(&model);
        let params: Vec<&Param> = graph.params().iter().collect();
        let places = places(path, &metadata, &params, data)?;
        let checkpoint = Self {
            path: path.to_owned(),
            header,
            model,
            graph,
            places,
        };
        Ok((checkpoint, file))
    }

    /// All numbers of one kind, in the parameter table's order.
    ///
    /// # Errors
    /// When the file cannot be read, or was replaced since it was opened.
    pub fn read(&self, stored: Stored) -> Result<Vec<f32>, FileError> {
        let (now, file) = Self::with_file(&self.path)?;
        if now != *self {
            return Err(FileError::wrong(
                &self.path,
                format!(
                    "the checkpoint after {} steps that was there",
                    self.header.step
                ),
                format!("another, after {}; begin again", now.header.step),
            ));
        }
        let [weights, exp_avg, exp_avg_sq] = &self.places;
        let places = match stored {
            Stored::Weights => weights,
            Stored::ExpAvg => exp_avg,
            Stored::ExpAvgSq => exp_avg_sq,
        };
        let table = self.graph.params();
        let mut numbers = Vec::with_capacity(table.total());
        for (param, place) in table.iter().zip(places) {
            read_numbers(&file, *place, param.len(), &mut numbers)
                .map_err(FileError::io("read", &self.path))?;
        }
        Ok(numbers)
    }
}

/// The JSON before the data, of a file of `length` bytes.
fn read_head(path: &Path, file: &mut File, length: u64) -> Result<Vec<u8>, FileError> {
    let mut first = Vec::new();
    file.by_ref()
        .take(LENGTH)
        .read_to_end(&mut first)
        .map_err(FileError::io("read", path))?;
    if let Some(found) = foreign(&first) {
        return Err(FileError::wrong(path, WHAT, found));
    }
    let Ok(first) = <[u8; LENGTH as usize]>::try_from(first) else {
        return Err(FileError::wrong(
            path,
            WHAT,
            format!("a file of {length} bytes"),
        ));
    };
    let claimed = u64::from_le_bytes(first);
    let most = MOST_HEAD.min(length.saturating_sub(LENGTH));
    if claimed > most {
        let found = format!("a file of {length} bytes that claims a header of {claimed}");
        return Err(FileError::wrong(path, WHAT, found));
    }
    let mut head = vec![0; claimed as usize];
    file.read_exact(&mut head)
        .map_err(FileError::io("read", path))?;
    Ok(head)
}

/// What a well-known stranger is called, by the bytes it begins with.
fn foreign(first: &[u8]) -> Option<&'static str> {
    match first {
        [b'P', b'K', 3, 4, ..] => Some(
            "a zip archive, as torch.save writes them; only safetensors files are read, since a \
             pickle can run any program",
        ),
        [0x80, 2..=5, ..] => Some(
            "a Python pickle; only safetensors files are read, since a pickle can run any program",
        ),
        [b'G', b'G', b'U', b'F', ..] => Some("a GGUF file"),
        _ => None,
    }
}

/// Tensors cover the file to its end: safetensors' own law, and what a truncated file breaks.
fn check_length(path: &Path, metadata: &Metadata, data: u64, length: u64) -> Result<(), FileError> {
    let expected = data + metadata.data_len() as u64;
    if expected == length {
        return Ok(());
    }
    Err(FileError::wrong(
        path,
        format!("{expected} bytes, as its header says"),
        format!("{length}; the file is damaged"),
    ))
}

fn read_header(path: &Path, metadata: &Metadata) -> Result<Header, FileError> {
    let about = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let Some(about) = about else {
        return Err(FileError::wrong(
            path,
            format!("{WHAT}, with its metadata key `{KEY}`"),
            "a safetensors file without it: some other program's weights",
        ));
    };
    check_format(path, about)?;
    let header: Header =
        serde_json::from_str(about).map_err(|e| wrong_inside(path, "gptlab's metadata", &e))?;
    header
        .hyper
        .check()
        .map_err(|e| wrong_inside(path, "hyper-parameters that can be", &e))?;
    if header.step > header.hyper.steps {
        let expected = format!("at most {} steps", header.hyper.steps);
        return Err(FileError::wrong(path, expected, header.step.to_string()));
    }
    Ok(header)
}

/// A newer format may hold what this version cannot name, so its number is read first and alone.
fn check_format(path: &Path, about: &str) -> Result<(), FileError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } =
        serde_json::from_str(about).map_err(|e| wrong_inside(path, "gptlab's metadata", &e))?;
    if format == Header::FORMAT {
        return Ok(());
    }
    Err(FileError::wrong(
        path,
        format!("{WHAT} in format {}", Header::FORMAT),
        format!("format {format}; another version of gptlab wrote it"),
    ))
}

/// Where the tensors of `params` begin in the file, each known to have the shape it needs.
fn places(
    path: &Path,
    metadata: &Metadata,
    params: &[&Param],
    data: u64,
) -> Result<[Vec<u64>; 3], FileError> {
    let found = metadata.offset_keys().len();
    let expected = Stored::ALL.len() * params.len();
    let mut places = [Vec::new(), Vec::new(), Vec::new()];
    for (stored, places) in Stored::ALL.into_iter().zip(&mut places) {
        for param in params {
            let name = stored.name(param);
            let info = metadata.info(&name);
            let info = info.filter(|i| fits(i, param)).ok_or_else(|| {
                let expected = format!("tensor `{name}` as F32 {:?}", param.shape);
                FileError::wrong(path, expected, describe(info))
            })?;
            places.push(data + info.data_offsets.0 as u64);
        }
    }
    if found != expected {
        let expected = format!("{expected} tensors, as its spec says");
        return Err(FileError::wrong(path, expected, found.to_string()));
    }
    Ok(places)
}

fn fits(info: &TensorInfo, param: &Param) -> bool {
    info.dtype == Dtype::F32 && info.shape == param.shape
}

fn describe(info: Option<&TensorInfo>) -> String {
    match info {
        Some(info) => format!("{:?} {:?}", info.dtype, info.shape),
        None => "no such tensor".to_owned(),
    }
}

fn wrong_inside(path: &Path, expected: &str, error: &dyn std::error::Error) -> FileError {
    FileError::wrong(path, expected, format!("this: {error}"))
}

fn read_numbers(mut file: &File, place: u64, n: usize, into: &mut Vec<f32>) -> io::Result<()> {
    file.seek(SeekFrom::Start(place))?;
    let mut bytes = vec![0; CHUNK.min(n * size_of::<f32>())];
    let mut left = n * size_of::<f32>();
    while left > 0 {
        let chunk = &mut bytes[..CHUNK.min(left)];
        file.read_exact(chunk)?;
        let (numbers, _) = chunk.as_chunks::<4>();
        into.extend(numbers.iter().map(|b| f32::from_le_bytes(*b)));
        left -= chunk.len();
    }
    Ok(())
}

/// Bytes read at a time: a multiple of a number's four.
const CHUNK: usize = 1 << 16;
