//! Writing a checkpoint, kind by kind, straight to the file.

use std::{
    collections::HashMap,
    io::{self, Write},
    path::Path,
};

use gptlab_model::ParamTable;
use gptlab_record::{FileError, atomic, canonical};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use super::{Checkpoint, Header, Stored};

/// The one metadata key; several would come out in random order.
pub(super) const KEY: &str = "gptlab";

/// Data begins at a multiple of this many bytes.
const ALIGNMENT: usize = 8;

impl Checkpoint {
    /// Writes a checkpoint to `path`, whole or not at all. `numbers` gives those of each kind when
    /// their turn comes, so that they need not all be in memory at once.
    ///
    /// # Errors
    /// When the file cannot be written, or there are not as many numbers as `table` says.
    pub fn save(
        path: &Path,
        header: &Header,
        table: &ParamTable,
        numbers: impl Fn(Stored) -> Vec<f32>,
    ) -> Result<(), FileError> {
        let head = head(header, table).map_err(FileError::io("write", path))?;
        atomic::write(path, |out| {
            out.write_all(&(head.len() as u64).to_le_bytes())?;
            out.write_all(&head)?;
            Stored::ALL.into_iter().try_for_each(|stored| {
                let numbers = numbers(stored);
                check_count(table.total(), numbers.len())?;
                write_numbers(out, &numbers)
            })
        })
    }
}

/// The order in the file: the weights, then each moment, as the table has them.
fn tensors(table: &ParamTable) -> impl Iterator<Item = (Stored, &gptlab_model::Param)> {
    Stored::ALL
        .into_iter()
        .flat_map(|stored| table.iter().map(move |param| (stored, param)))
}

fn head(header: &Header, table: &ParamTable) -> io::Result<Vec<u8>> {
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
    let about = HashMap::from([(KEY.to_owned(), canonical(header)?)]);
    let metadata = Metadata::new(Some(about), infos).map_err(io::Error::other)?;
    let mut head = serde_json::to_vec(&metadata)?;
    head.resize(head.len().next_multiple_of(ALIGNMENT), b' ');
    Ok(head)
}

fn check_count(expected: usize, found: usize) -> io::Result<()> {
    if expected == found {
        return Ok(());
    }
    let said = format!("the model has {expected} parameters and the engine {found}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, said))
}

/// The table has no gaps, so that all numbers of a kind are its tensors one after the other.
fn write_numbers(out: &mut dyn Write, numbers: &[f32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK * size_of::<f32>());
    for chunk in numbers.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|x| x.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// Numbers converted at a time.
const CHUNK: usize = 1 << 14;
