//! Writing a checkpoint kind by kind, without a copy of the whole file in memory.
//!
//! The header comes first and holds the digests of what follows, so it is written twice: first with
//! zeros as digests, and again when all numbers are written.

use std::{
    collections::HashMap,
    io::{self, SeekFrom},
    path::Path,
};

use gptlab_data::{Fingerprint, Fingerprinter};
use gptlab_model::ParamTable;
use gptlab_record::{
    atomic::{self, Output},
    canonical,
};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use super::{Checkpoint, Digests, Header, SaveError, Stored};

/// The only metadata key. The order of several keys would be random.
pub(super) const KEY: &str = "gptlab";

/// The data begins at a multiple of this many bytes.
const ALIGNMENT: usize = 8;

impl Checkpoint {
    /// Writes a checkpoint to `path`, completely or not at all. `numbers` is called once for each
    /// kind and returns its numbers in the order of `table`, so that only one kind has to be in
    /// memory.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written, the count of numbers differs from `table`'s,
    /// or one of them is not finite.
    pub fn save(
        path: &Path,
        header: &Header,
        table: &ParamTable,
        numbers: impl Fn(Stored) -> Vec<f32>,
    ) -> Result<(), SaveError> {
        let mut not_finite = None;
        let written = atomic::write(path, |out| {
            let mut found = [Fingerprint::default(); 3];
            out.write_all(&head(header, &Digests::default(), table)?)?;
            for (stored, found) in Stored::ALL.into_iter().zip(&mut found) {
                let numbers = numbers(stored);
                check_count(table.total(), numbers.len())?;
                if let Some(tensor) = first_not_finite(stored, table, &numbers) {
                    not_finite = Some(tensor);
                    return Err(io::ErrorKind::InvalidData.into());
                }
                *found = write_numbers(out, &numbers)?;
            }
            out.seek(SeekFrom::Start(0))?;
            out.write_all(&head(header, &digests(header, found)?, table)?)
        });
        match (written, not_finite) {
            (Err(_), Some(tensor)) => Err(SaveError::NotFinite(tensor)),
            (written, _) => written.map_err(SaveError::File),
        }
    }
}

/// Returns the digests of `header` and of the numbers with the given digests.
fn digests(
    header: &Header,
    [weights, exp_avg, exp_avg_sq]: [Fingerprint; 3],
) -> io::Result<Digests> {
    Ok(Digests {
        header: Fingerprint::of(about(header, &Digests::default())?.as_bytes()),
        weights,
        exp_avg,
        exp_avg_sq,
    })
}

/// Returns the metadata's JSON: `header` with `digests`. Its length does not depend on the digests.
fn about(header: &Header, digests: &Digests) -> io::Result<String> {
    let header = Header {
        sha256: Some(*digests),
        ..header.clone()
    };
    Ok(canonical(&header)?)
}

/// Returns the tensors in the order of the file: the weights, then each moment, in the table's
/// order.
fn tensors(table: &ParamTable) -> impl Iterator<Item = (Stored, &gptlab_model::Param)> {
    Stored::ALL
        .into_iter()
        .flat_map(|stored| table.iter().map(move |param| (stored, param)))
}

/// Returns the file's bytes before its data: the length of the JSON, and the JSON.
fn head(header: &Header, digests: &Digests, table: &ParamTable) -> io::Result<Vec<u8>> {
    let mut begin = 0;
    let infos = tensors(table)
        .map(|(stored, param)| {
            let end = begin + param.len() * size_of::<f32>();
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape: param.shape.clone(),
                data_offsets: (begin, end),
            };
            begin = end;
            (stored.name(param), info)
        })
        .collect();
    let about = HashMap::from([(KEY.to_owned(), about(header, digests)?)]);
    let metadata = Metadata::new(Some(about), infos).map_err(io::Error::other)?;
    let mut json = serde_json::to_vec(&metadata)?;
    json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
    Ok([&(json.len() as u64).to_le_bytes()[..], &json].concat())
}

fn check_count(expected: usize, found: usize) -> io::Result<()> {
    if expected == found {
        return Ok(());
    }
    let message = format!("the model has {expected} parameters and the engine {found}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Returns the name of the first tensor that holds a number that is not finite.
fn first_not_finite(stored: Stored, table: &ParamTable, numbers: &[f32]) -> Option<String> {
    let at = numbers.iter().position(|x| !x.is_finite())?;
    let param = table.iter().find(|param| param.range().contains(&at))?;
    Some(stored.name(param))
}

/// Writes all numbers of one kind and returns their digest. The table has no gaps, so they are its
/// tensors one after the other.
fn write_numbers(out: &mut dyn Output, numbers: &[f32]) -> io::Result<Fingerprint> {
    let mut hashing = Fingerprinter::default();
    let mut bytes = Vec::with_capacity(CHUNK * size_of::<f32>());
    for chunk in numbers.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|x| x.to_le_bytes()));
        hashing.update(&bytes);
        out.write_all(&bytes)?;
    }
    Ok(hashing.finish())
}

/// The number of values that are converted at a time.
const CHUNK: usize = 1 << 14;
