//! Writing a checkpoint, kind by kind, straight to the file.
//!
//! The header stands first and holds digests of what follows, so that it is written twice: with
//! zeros for digests, and, when all numbers have passed by, as it is to be.

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

/// The one metadata key; several would come out in random order.
pub(super) const KEY: &str = "gptlab";

/// Data begins at a multiple of this many bytes.
const ALIGNMENT: usize = 8;

impl Checkpoint {
    /// Writes a checkpoint to `path`, whole or not at all. `numbers` gives those of each kind when
    /// their turn comes, so that they need not all be in memory at once.
    ///
    /// # Errors
    /// When the file cannot be written, there are not as many numbers as `table` says, or one of
    /// them is not finite.
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

/// The digests of `header` and of numbers with these.
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

/// The metadata: `header` with `digests`, which are as long as any others.
fn about(header: &Header, digests: &Digests) -> io::Result<String> {
    let header = Header {
        sha256: Some(*digests),
        ..header.clone()
    };
    Ok(canonical(&header)?)
}

/// The order in the file: the weights, then each moment, as the table has them.
fn tensors(table: &ParamTable) -> impl Iterator<Item = (Stored, &gptlab_model::Param)> {
    Stored::ALL
        .into_iter()
        .flat_map(|stored| table.iter().map(move |param| (stored, param)))
}

/// The file up to its data: the length of the JSON, and the JSON.
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
    let said = format!("the model has {expected} parameters and the engine {found}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, said))
}

/// The name of the first tensor with a number that is not finite.
fn first_not_finite(stored: Stored, table: &ParamTable, numbers: &[f32]) -> Option<String> {
    let at = numbers.iter().position(|x| !x.is_finite())?;
    let param = table.iter().find(|param| param.range().contains(&at))?;
    Some(stored.name(param))
}

/// The table has no gaps, so that all numbers of a kind are its tensors one after the other.
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

/// Numbers converted at a time.
const CHUNK: usize = 1 << 14;
