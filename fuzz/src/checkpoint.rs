//! Checkpoints: a file is refused, or its numbers are read and written again as the same file.

use std::path::Path;

use arbitrary::{Result, Unstructured};
use gptlab_engine::StateSlot;
use gptlab_train::{Checkpoint, NonFinite, Stored};
use serde_json::{Value, json};

use super::{
    edit::edited,
    folder::{put, within},
    made::MADE,
};

/// A file of any bytes, or one that the program made with something changed.
pub fn checkpoint(data: &[u8]) {
    within("checkpoint", |folder| {
        let path = folder.join("model.safetensors");
        let (way, rest) = data.split_first().unwrap_or((&0, &[]));
        let file = match way % 4 {
            0 => rest.to_vec(),
            1 => framed(rest, &[]),
            2 => patched(rest),
            _ => other_header(rest).unwrap_or_default(),
        };
        put(&path, &file);
        open(&path);
    });
}

/// The format's frame: the length of the JSON, the JSON, the numbers.
fn framed(json: &[u8], numbers: &[u8]) -> Vec<u8> {
    let length = (json.len() as u64).to_le_bytes();
    [length.as_slice(), json, numbers].concat()
}

/// A checkpoint of the program with a few bytes changed: places and what they become, three bytes
/// each.
fn patched(changes: &[u8]) -> Vec<u8> {
    let mut file = MADE.checkpoint.clone();
    for change in changes.as_chunks::<3>().0 {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % file.len();
        file[at] = change[2];
    }
    file
}

/// A checkpoint of the program with another header, in the safetensors' sense, in ours, or in both.
fn other_header(data: &[u8]) -> Result<Vec<u8>> {
    let mut u = Unstructured::new(data);
    let (json, numbers) = split(&MADE.checkpoint);
    let mut outer: Value = serde_json::from_slice(json).unwrap_or_default();
    let mut inner = MADE.header.clone();
    if u.arbitrary()? {
        // The first format had no digests, which nearly every change would make wrong.
        inner["format"] = json!(1);
        inner.as_object_mut().map(|header| header.remove("sha256"));
    }
    let inner = edited(&inner, &mut u)?;
    if let Some(metadata) = outer.get_mut("__metadata__") {
        *metadata = json!({ "gptlab": inner.to_string() });
    }
    let outer = edited(&outer, &mut u)?;
    Ok(framed(outer.to_string().as_bytes(), numbers))
}

/// The JSON and the numbers of a checkpoint of the program.
fn split(file: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = file.split_at(8);
    let length = length.try_into().map_or(0, u64::from_le_bytes);
    rest.split_at(length as usize)
}

fn open(path: &Path) {
    let Ok(checkpoint) = Checkpoint::open(path) else {
        return;
    };
    let _ = checkpoint.verify();
    let _ = checkpoint.read_with(Stored::Weights, NonFinite::Allowed);
    let numbers = Stored::ALL.map(|stored| checkpoint.read(stored));
    let [Ok(weights), Ok(exp_avg), Ok(exp_avg_sq)] = numbers else {
        return;
    };
    let table = checkpoint.graph().params();
    assert_eq!(weights.len(), table.total());
    let again = path.with_extension("again");
    Checkpoint::save(&again, checkpoint.header(), table, |stored| match stored {
        Stored::Weights => weights.clone(),
        Stored::State(StateSlot::First) => exp_avg.clone(),
        Stored::State(StateSlot::Second) => exp_avg_sq.clone(),
    })
    .expect("what was read is written");
    let again = Checkpoint::open(&again).expect("what was written is read");
    assert_eq!(again.verify().map_err(|e| e.to_string()), Ok(()));
    let (read, written) = (checkpoint.header(), again.header());
    assert_eq!(
        (&read.spec, &read.tokenizer, &read.hyper),
        (&written.spec, &written.tokenizer, &written.hyper)
    );
    assert_eq!(
        (read.step, read.seed, read.data),
        (written.step, written.seed, written.data)
    );
    let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    let back = again.read(Stored::Weights).expect("weights are read");
    assert_eq!(bits(&back), bits(&weights));
}
