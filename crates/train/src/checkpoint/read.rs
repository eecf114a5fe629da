//! Reading a checkpoint. The file is not trusted: every length is checked against the file's size
//! before memory is allocated for it, and every byte is checked against the digests in the header.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use gptlab_data::Fingerprinter;
use gptlab_engine::StateSlot;
use gptlab_model::{Param, lower};
use gptlab_recipe::words::plural_s;
use gptlab_record::{FileError, regular};
use safetensors::Dtype;

use super::{
    Checkpoint, Header, NonFinite, Stored,
    json_header::{self, Entry, Shape},
    write::KEY,
};

/// The expected kind of file, in error messages.
const WHAT: &str = "a checkpoint of gptlab";

/// The most bytes of a safetensors header, by its own specification.
const MOST_HEAD: u64 = 100_000_000;

/// The most bytes of our metadata. An alphabet of all characters and thousands of layers fit.
const MOST_ABOUT: usize = 16 << 20;

/// The first format whose files hold digests of themselves.
const FIRST_WITH_DIGESTS: u32 = 2;

/// The number of bytes before the JSON, which hold its length.
const LENGTH: u64 = 8;

/// The number of bytes of a stored number.
const NUMBER: u64 = size_of::<f32>() as u64;

/// The explanation in error messages about wrong contents.
const DAMAGED: &str = "the file is damaged, or another program changed it";

impl Checkpoint {
    /// Opens `path` and validates everything except the tensors' numbers.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a checkpoint of gptlab, or does not fit
    /// its own spec.
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
            .map_err(|e| wrong_inside(path, "a valid model", &e))?;
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

    /// Reads all numbers of one kind, in the order of the parameter table.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, was replaced since it was opened, is damaged,
    /// or holds a number that is not finite.
    pub fn read(&self, stored: Stored) -> Result<Vec<f32>, FileError> {
        self.read_with(stored, NonFinite::Refused)
    }

    /// Reads all numbers of one kind, as [`Checkpoint::read`] does, and accepts numbers that are
    /// not finite if `non_finite` allows them.
    ///
    /// # Errors
    /// Returns the errors of [`Checkpoint::read`], except that `non_finite` may allow numbers that
    /// are not finite.
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

    /// Reads all numbers and checks them against their digests.
    ///
    /// # Errors
    /// Returns the errors of [`Checkpoint::read`]. Numbers that are not finite are allowed.
    pub fn verify(&self) -> Result<(), FileError> {
        Stored::ALL
            .into_iter()
            .try_for_each(|stored| self.pass_over(stored, |_, _| Ok(())))
    }

    /// Passes all numbers of one kind to `each`, chunk by chunk, and checks their digest.
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
                "the checkpoint after {} step{} that was opened",
                self.header.step,
                plural_s(self.header.step)
            ),
            format!(
                "one after {} step{}; open it again",
                now.header.step,
                plural_s(now.header.step)
            ),
        )
    }
}

/// Checks that a checkpoint may replace the file `path`: it must be a checkpoint of gptlab, of any
/// version. Damage after the header does not matter.
///
/// # Errors
/// Returns an error if the file is something else, or cannot be read.
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

/// Reads the JSON before the data of a file of `length` bytes.
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

/// Returns the name of a well-known file format that begins with these bytes.
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

/// Returns the metadata that gptlab wrote.
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
    let found = format!("a header that is not valid safetensors: {error}");
    FileError::wrong(path, WHAT, found)
}

fn read_header(path: &Path, about: &str) -> Result<Header, FileError> {
    check_format(path, about)?;
    let header: Header =
        serde_json::from_str(about).map_err(|e| wrong_inside(path, "gptlab's metadata", &e))?;
    header
        .hyper
        .check()
        .map_err(|e| wrong_inside(path, "valid hyper-parameters", &e))?;
    if header.step > header.hyper.steps {
        let most = header.hyper.steps;
        let expected = format!("at most {most} step{}", plural_s(most));
        return Err(FileError::wrong(path, expected, header.step.to_string()));
    }
    let fraction = header.data.val_fraction;
    if !(0.0..1.0).contains(&fraction) {
        let expected = "a validation fraction of at least 0 and below 1";
        return Err(FileError::wrong(path, expected, fraction.to_string()));
    }
    Ok(header)
}

/// Checks the format number. It is parsed first and alone, because a newer format may hold fields
/// that this version does not know.
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
    /// The offset of the data, in bytes.
    data: u64,
    /// The file's length, in bytes.
    length: u64,
}

impl FileLayout<'_> {
    /// Returns the offsets of the tensors of `params` in the file, after checking their shapes. The
    /// tensors must cover the file to its end without gaps: safetensors requires it, and a
    /// truncated file violates it.
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

/// Returns whether `entry` has the type, shape and size of `param`. Sizes of a model stay below
/// 2^63 bytes.
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

/// Passes the `n` numbers at the offset `place` to `each` in chunks, until it returns an error.
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

/// The number of bytes read at a time: a multiple of the four bytes of a number.
const CHUNK: usize = 1 << 16;
