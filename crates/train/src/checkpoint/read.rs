//! Reading a checkpoint. Nothing is believed: every length is held against the file's own before
//! anything is allocated for it, and every byte against the digests in its header.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use gptlab_data::Fingerprinter;
use gptlab_engine::StateSlot;
use gptlab_model::{Param, lower};
use gptlab_record::{FileError, regular};
use safetensors::Dtype;

use super::{
    Checkpoint, Header, NonFinite, Stored,
    json_header::{self, Entry, Shape},
    write::KEY,
};

/// What a file has to be, in its sentences.
const WHAT: &str = "a checkpoint of gptlab";

/// The format's own limit on its JSON.
const MOST_HEAD: u64 = 100_000_000;

/// No metadata of ours is longer: an alphabet of all characters and thousands of layers.
const MOST_ABOUT: usize = 16 << 20;

/// The first format whose files hold digests of themselves.
const FIRST_WITH_DIGESTS: u32 = 2;

/// Bytes of the length before the JSON.
const LENGTH: u64 = 8;

/// Bytes of a number.
const NUMBER: u64 = size_of::<f32>() as u64;

/// What a file with the wrong contents may be.
const DAMAGED: &str = "the file is damaged, or another program changed it";

impl Checkpoint {
    /// Opens `path` and validates all of it but the tensors' numbers.
    ///
    /// # Errors
    /// When it cannot be read, is no checkpoint of gptlab, or does not fit its own spec.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::with_file(path).map(|(checkpoint, _)| checkpoint)
    }

    fn with_file(path: &Path) -> Result<(Self, File), FileError> {
        let mut file = regular::open(path)?;
        let length = file.metadata().map_err(FileError::io("read", path))?.len();
        let head = read_head(path, &mut file, length)?;
        let about = metadata(path, &head)?;
        let mut header = read_header(path, &about)?;
        let digests = header.sha256.take();
        if digests.is_none() && header.format >= FIRST_WITH_DIGESTS {
            let expected = "metadata with SHA-256 digests";
            return Err(FileError::wrong(path, expected, format!("none; {DAMAGED}")));
        }
        if digests.is_some_and(|digests| !digests.fit(&about)) {
            let expected = "metadata that fits its SHA-256";
            return Err(FileError::wrong(path, expected, DAMAGED));
        }
        let model = header
            .spec
            .check(header.tokenizer.vocab_size())
            .map_err(|e| wrong_inside(path, "a model that makes sense", &e))?;
        let graph = lower(&model);
        let params: Vec<&Param> = graph.params().iter().collect();
        let layout = FileLayout {
            path,
            head: &head,
            data: LENGTH + head.len() as u64,
            length,
        };
        let places = layout.places(&params)?;
        let checkpoint = Self {
            path: path.to_owned(),
            header,
            model,
            graph,
            places,
            digests,
        };
        Ok((checkpoint, file))
    }

    /// All numbers of one kind, in the parameter table's order.
    ///
    /// # Errors
    /// When the file cannot be read, was replaced since it was opened, is damaged, or holds a
    /// number that is not finite.
    pub fn read(&self, stored: Stored) -> Result<Vec<f32>, FileError> {
        self.read_with(stored, NonFinite::Refused)
    }

    /// [`Checkpoint::read`] for whoever wants to see numbers that are not finite.
    ///
    /// # Errors
    /// As [`Checkpoint::read`], as far as `non_finite` says.
    pub fn read_with(&self, stored: Stored, non_finite: NonFinite) -> Result<Vec<f32>, FileError> {
        let mut numbers = Vec::new();
        numbers
            .try_reserve_exact(self.graph.params().total())
            .map_err(|e| FileError::io("read", &self.path)(io::Error::other(e)))?;
        self.pass_over(stored, |param, chunk| {
            let begin = numbers.len();
            numbers.extend(chunk.iter().map(|b| f32::from_le_bytes(*b)));
            match non_finite {
                NonFinite::Allowed => Ok(()),
                NonFinite::Refused => check_finite(&self.path, stored, param, &numbers[begin..]),
            }
        })?;
        Ok(numbers)
    }

    /// Reads all numbers and holds them against their digests.
    ///
    /// # Errors
    /// As [`Checkpoint::read`], for all kinds; numbers that are not finite are none.
    pub fn verify(&self) -> Result<(), FileError> {
        Stored::ALL
            .into_iter()
            .try_for_each(|stored| self.pass_over(stored, |_, _| Ok(())))
    }

    /// Hands all numbers of one kind to `each`, chunk by chunk, and checks their digest.
    fn pass_over(
        &self,
        stored: Stored,
        mut each: impl FnMut(&Param, &[[u8; 4]]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let (now, file) = Self::with_file(&self.path)?;
        if now != *self {
            return Err(self.replaced(&now));
        }
        let [weights, exp_avg, exp_avg_sq] = &self.places;
        let places = match stored {
            Stored::Weights => weights,
            Stored::State(StateSlot::First) => exp_avg,
            Stored::State(StateSlot::Second) => exp_avg_sq,
        };
        let mut hashing = Fingerprinter::default();
        for (param, place) in self.graph.params().iter().zip(places) {
            read_chunks(&file, *place, param.len(), |chunk| {
                hashing.update(chunk.as_flattened());
                each(param, chunk)
            })
            .map_err(FileError::io("read", &self.path))??;
        }
        let found = hashing.finish();
        match self.digests.map(|digests| digests.of_stored(stored)) {
            Some(expected) if expected != found => Err(FileError::wrong(
                &self.path,
                format!("{} with SHA-256 {}", stored.words(), expected.short()),
                format!("{}; {DAMAGED}", found.short()),
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn replaced(&self, now: &Self) -> FileError {
        FileError::wrong(
            &self.path,
            format!(
                "the checkpoint after {} steps that was there",
                self.header.step
            ),
            format!("another, after {}; begin again", now.header.step),
        )
    }
}

/// Whether `path` may be replaced by a checkpoint: it is one of gptlab, of any version and however
/// damaged behind its header.
///
/// # Errors
/// When it is something else, or cannot be read.
pub fn is_checkpoint(path: &Path) -> Result<(), FileError> {
    let mut file = regular::open(path)?;
    let length = file.metadata().map_err(FileError::io("read", path))?.len();
    let about = read_head(path, &mut file, length).and_then(|head| metadata(path, &head));
    about.map(drop).map_err(|error| match error {
        FileError::Wrong { .. } => FileError::wrong(
            path,
            "a new name, or a checkpoint of gptlab to replace",
            format!("another file, of {length} bytes; give another name"),
        ),
        FileError::Io { .. } | FileError::Busy(_) | FileError::Taken(_) => error,
    })
}

fn check_finite(
    path: &Path,
    stored: Stored,
    param: &Param,
    numbers: &[f32],
) -> Result<(), FileError> {
    match numbers.iter().find(|x| !x.is_finite()) {
        None => Ok(()),
        Some(x) => Err(FileError::wrong(
            path,
            "a model of finite numbers",
            format!(
                "{x} in `{}`; it was saved by a run that had diverged",
                stored.name(param)
            ),
        )),
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

/// The metadata that gptlab wrote.
fn metadata(path: &Path, head: &[u8]) -> Result<String, FileError> {
    let about = json_header::metadata(head).map_err(|e| not_safetensors(path, &e))?;
    let about = about.ok_or_else(|| {
        FileError::wrong(
            path,
            format!("{WHAT}, with its metadata key `{KEY}`"),
            "a safetensors file without it: some other program's weights",
        )
    })?;
    if about.len() > MOST_ABOUT {
        let expected = format!("metadata of at most {MOST_ABOUT} bytes");
        return Err(FileError::wrong(path, expected, about.len().to_string()));
    }
    Ok(about)
}

fn not_safetensors(path: &Path, error: &serde_json::Error) -> FileError {
    let found = format!("a header that is not safetensors': {error}");
    FileError::wrong(path, WHAT, found)
}

fn read_header(path: &Path, about: &str) -> Result<Header, FileError> {
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
    let fraction = header.data.val_fraction;
    if !(0.0..1.0).contains(&fraction) {
        let expected = "a validation fraction of at least 0 and below 1";
        return Err(FileError::wrong(path, expected, fraction.to_string()));
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
    if (1..=Header::FORMAT).contains(&format) {
        return Ok(());
    }
    Err(FileError::wrong(
        path,
        format!("{WHAT} in format 1 to {}", Header::FORMAT),
        format!("format {format}; another version of gptlab wrote it"),
    ))
}

/// A file's header and where its data lies.
struct FileLayout<'a> {
    path: &'a Path,
    head: &'a [u8],
    /// Where the data begins.
    data: u64,
    /// Of the file, in bytes.
    length: u64,
}

impl FileLayout<'_> {
    /// Where the tensors of `params` begin in the file, each known to have the shape it needs. They
    /// cover the file to its end, one after the other: safetensors' own law, and what a truncated
    /// file breaks.
    fn places(&self, params: &[&Param]) -> Result<[Vec<u64>; 3], FileError> {
        let wanted: Vec<(Stored, &Param)> = Stored::ALL
            .into_iter()
            .flat_map(|stored| params.iter().map(move |param| (stored, *param)))
            .collect();
        let names: Vec<String> = wanted.iter().map(|(s, param)| s.name(param)).collect();
        let entries =
            json_header::entries(self.head, &names).map_err(|e| not_safetensors(self.path, &e))?;
        let mut places = [Vec::new(), Vec::new(), Vec::new()];
        let mut spans = Vec::with_capacity(names.len());
        for (i, entry) in entries.found.iter().enumerate() {
            let entry = entry
                .as_ref()
                .filter(|e| fits(e, wanted[i].1))
                .ok_or_else(|| {
                    let expected = format!("tensor `{}` as F32 {:?}", names[i], wanted[i].1.shape);
                    FileError::wrong(self.path, expected, describe(entry.as_ref()))
                })?;
            places[i / params.len().max(1)].push(self.data + entry.data_offsets.0);
            spans.push(entry.data_offsets);
        }
        if entries.count != names.len() {
            let expected = format!("{} tensors, as its spec says", names.len());
            return Err(FileError::wrong(
                self.path,
                expected,
                entries.count.to_string(),
            ));
        }
        self.check_spans(spans)?;
        Ok(places)
    }

    fn check_spans(&self, mut spans: Vec<(u64, u64)>) -> Result<(), FileError> {
        spans.sort_unstable();
        let mut end = 0;
        for (begin, next) in spans {
            if begin != end {
                let found = format!("one at byte {begin} after one that ends at {end}");
                let expected = "tensors that lie one after the other";
                return Err(FileError::wrong(self.path, expected, found));
            }
            end = next;
        }
        let expected = self.data + end;
        if expected == self.length {
            return Ok(());
        }
        Err(FileError::wrong(
            self.path,
            format!("{expected} bytes, as its header says"),
            format!("{}; the file is damaged", self.length),
        ))
    }
}

/// Whether `entry` is what `param` needs. A model's own sizes are below 2^63 bytes.
fn fits(entry: &Entry, param: &Param) -> bool {
    let (begin, end) = entry.data_offsets;
    entry.dtype == Dtype::F32
        && entry.shape.0 == param.shape
        && end.checked_sub(begin) == Some(param.len() as u64 * NUMBER)
}

fn describe(entry: Option<&Entry>) -> String {
    match entry {
        Some(Entry {
            dtype,
            shape: Shape(shape),
            data_offsets: (begin, end),
        }) => format!("{dtype:?} {shape:?} in bytes {begin} to {end}"),
        None => "no such tensor".to_owned(),
    }
}

fn wrong_inside(path: &Path, expected: &str, error: &dyn std::error::Error) -> FileError {
    FileError::wrong(path, expected, format!("this: {error}"))
}

/// Hands the `n` numbers at `place` to `each` until it has an error.
fn read_chunks<E>(
    mut file: &File,
    place: u64,
    n: usize,
    mut each: impl FnMut(&[[u8; 4]]) -> Result<(), E>,
) -> io::Result<Result<(), E>> {
    file.seek(SeekFrom::Start(place))?;
    let mut bytes = vec![0; CHUNK.min(n * size_of::<f32>())];
    let mut left = n * size_of::<f32>();
    while left > 0 {
        let chunk = &mut bytes[..CHUNK.min(left)];
        file.read_exact(chunk)?;
        if let Err(e) = each(chunk.as_chunks::<4>().0) {
            return Ok(Err(e));
        }
        left -= chunk.len();
    }
    Ok(Ok(()))
}

/// Bytes read at a time: a multiple of a number's four.
const CHUNK: usize = 1 << 16;
