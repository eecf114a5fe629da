use std::fs;

use safetensors::SafeTensors;

use super::*;
use crate::{
    Resolved,
    testing::{settings, story},
};

fn resolved() -> Resolved {
    Resolved::fresh(&settings(6), &story()).unwrap()
}

struct State([Vec<f32>; 3]);

impl State {
    fn get(&self, stored: Stored) -> &[f32] {
        let [weights, exp_avg, exp_avg_sq] = &self.0;
        match stored {
            Stored::Weights => weights,
            Stored::State(StateSlot::First) => exp_avg,
            Stored::State(StateSlot::Second) => exp_avg_sq,
        }
    }

    fn save(&self, path: &Path, resolved: &Resolved) -> Result<(), SaveError> {
        let table = resolved.graph.params();
        Checkpoint::save(path, &resolved.header(4), table, |s| self.get(s).to_vec())
    }
}

/// Returns numbers that are all different, among them the smallest and the largest.
fn state(resolved: &Resolved) -> State {
    let weights = resolved.weights().unwrap();
    let mut exp_avg: Vec<f32> = (0..weights.len()).map(|i| i as f32 * -0.37).collect();
    exp_avg[3] = f32::MAX;
    exp_avg[4] = -f32::MIN_POSITIVE / 2.0;
    let exp_avg_sq = (0..weights.len()).map(|i| 1e-40 * i as f32).collect();
    State([weights, exp_avg, exp_avg_sq])
}

/// Saves a checkpoint; returns its folder, its path and its bytes.
fn saved() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let resolved = resolved();
    state(&resolved).save(&path, &resolved).unwrap();
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

/// Returns the offset of the data.
fn data_of(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// Replaces `from` in the header by `to` and corrects the header's length.
fn edited(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (head, data) = bytes.split_at(data_of(bytes));
    let text = str::from_utf8(&head[8..]).unwrap();
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, to);
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), data].concat()
}

/// Replaces `from` by `to` as [`edited`] does, and removes the digests, as in a file of format 1.
fn forged(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (head, data) = bytes.split_at(data_of(bytes));
    let text = str::from_utf8(&head[8..]).unwrap();
    let begin = text.find(r#"\"sha256\":{"#).unwrap();
    let end = begin + text[begin..].find("},").unwrap() + 2;
    let text = [&text[..begin], &text[end..]].concat();
    let text = text.replace(r#"\"format\":2"#, r#"\"format\":1"#);
    let whole = [&(text.len() as u64).to_le_bytes(), text.as_bytes(), data].concat();
    edited(&whole, from, to)
}

fn refusal(path: &Path, bytes: &[u8]) -> String {
    fs::write(path, bytes).unwrap();
    Checkpoint::open(path).unwrap_err().to_string()
}

#[test]
fn what_is_saved_is_read_back_to_the_bit() {
    let (_folder, path, _) = saved();
    let (resolved, checkpoint) = (resolved(), Checkpoint::open(&path).unwrap());
    assert_eq!(*checkpoint.header(), resolved.header(4));
    assert_eq!(*checkpoint.model(), resolved.model);
    assert_eq!(*checkpoint.graph(), resolved.graph);
    let state = state(&resolved);
    for stored in Stored::ALL {
        let back = checkpoint.read(stored).unwrap();
        assert_eq!(bits(&back), bits(state.get(stored)), "{stored:?}");
    }
}

#[test]
fn equal_states_are_equal_bytes() {
    let (_folder, _, bytes) = saved();
    for _ in 0..8 {
        assert!(saved().2 == bytes);
    }
}

/// The witness is the `safetensors` crate's own reader.
#[test]
fn it_is_a_safetensors_file_with_one_metadata_key_and_the_table_s_tensors() {
    let (_folder, _, bytes) = saved();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let about = metadata.metadata().as_ref().unwrap();
    assert_eq!(about.keys().collect::<Vec<_>>(), ["gptlab"]);
    assert!(about["gptlab"].starts_with(r#"{"data":{"fingerprint":""#));
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let resolved = resolved();
    let state = state(&resolved);
    assert_eq!(tensors.len(), 3 * resolved.graph.params().iter().len());
    for param in resolved.graph.params().iter() {
        for (prefix, stored) in [
            ("", Stored::Weights),
            ("adam.exp_avg.", Stored::State(StateSlot::First)),
            ("adam.exp_avg_sq.", Stored::State(StateSlot::Second)),
        ] {
            let tensor = tensors.tensor(&format!("{prefix}{}", param.name)).unwrap();
            let expected = state.get(stored)[param.range()]
                .iter()
                .flat_map(|x| x.to_le_bytes());
            assert_eq!(tensor.shape(), param.shape);
            assert!(tensor.data().iter().copied().eq(expected), "{}", param.name);
        }
    }
    assert!(tensors.tensor("lm_head.weight").is_err(), "tied");
    assert_eq!(data_of(&bytes) % 8, 0);
}

#[test]
fn a_state_of_another_model_is_not_saved() {
    let (_folder, path, bytes) = saved();
    let resolved = resolved();
    let mut state = state(&resolved);
    state.0[1].pop();
    let message = state.save(&path, &resolved).unwrap_err().to_string();
    assert!(
        message.ends_with("the model has 224 parameters and the engine 223"),
        "{message}"
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn truncated_anywhere_it_is_refused() {
    let (_folder, path, bytes) = saved();
    let head = data_of(&bytes);
    for length in (0..head + 8)
        .step_by(7)
        .chain((head..bytes.len()).step_by(64))
    {
        let message = refusal(&path, &bytes[..length]);
        assert!(
            message.contains("m.safetensors: expected "),
            "{length}: {message}"
        );
    }
    let message = refusal(&path, &[&bytes[..], &[0]].concat());
    assert!(
        message.ends_with(&format!("found {}; the file is damaged", bytes.len() + 1)),
        "{message}"
    );
}

/// Every byte but padding is covered: a flipped bit is always noticed.
#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let (_folder, path, bytes) = saved();
    let padding = |at: usize| at < data_of(&bytes) && bytes[at] == b' ';
    for at in (0..bytes.len()).step_by(5).filter(|at| !padding(*at)) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        let read = Checkpoint::open(&path).and_then(|checkpoint| checkpoint.verify());
        assert!(read.is_err(), "byte {at}");
    }
    let last = bytes.len() - 1;
    let mut flipped = bytes;
    flipped[last] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    checkpoint.read(Stored::Weights).unwrap();
    let message = checkpoint
        .read(Stored::State(StateSlot::Second))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("expected second moments with SHA-256"),
        "{message}"
    );
    assert!(
        message.ends_with("; the file is damaged, or another program changed it"),
        "{message}"
    );
}

#[test]
fn a_state_that_is_not_finite_is_neither_saved_nor_read() {
    let (_folder, path, bytes) = saved();
    let resolved = resolved();
    for (stored, x) in Stored::ALL
        .into_iter()
        .zip([f32::NAN, f32::INFINITY, f32::NEG_INFINITY])
    {
        let mut state = state(&resolved);
        let at = Stored::ALL.iter().position(|s| *s == stored).unwrap();
        state.0[at][60] = x;
        let message = state.save(&path, &resolved).unwrap_err().to_string();
        let name = "pos_emb.weight` holds a number that is not finite";
        assert!(
            message.starts_with("the model has diverged: ") && message.contains(name),
            "{message}"
        );
        assert_eq!(fs::read(&path).unwrap(), bytes, "the good file stays");
    }
    // Another program may have written a NaN.
    let mut foreign = forged(&bytes, "F32", "F32");
    let at = data_of(&foreign) + 8;
    foreign[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &foreign).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let message = checkpoint.read(Stored::Weights).unwrap_err().to_string();
    assert!(
        message.contains("expected a model of finite numbers, found NaN in `tok_emb.weight`"),
        "{message}"
    );
    let allowed = checkpoint
        .read_with(Stored::Weights, NonFinite::Allowed)
        .unwrap();
    assert!(allowed[2].is_nan());
}

/// The `safetensors` package writes tensors in an order of its own.
#[test]
fn tensors_in_another_order_are_the_same_checkpoint() {
    let (_folder, path, bytes) = saved();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut all: Vec<_> = tensors.iter().collect();
    all.sort_by(|a, b| b.0.cmp(a.0));
    let written = safetensors::serialize(all, metadata.metadata().clone()).unwrap();
    assert!(written != bytes);
    fs::write(&path, &written).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    checkpoint.verify().unwrap();
    let resolved = resolved();
    let weights = checkpoint.read(Stored::Weights).unwrap();
    assert_eq!(weights, resolved.weights().unwrap());
}

#[test]
fn files_of_other_kinds_are_named() {
    let (_folder, path, bytes) = saved();
    let lie = |n: u64| [&n.to_le_bytes()[..], &bytes[8..]].concat();
    let cases: [(Vec<u8>, &str); 9] = [
        (Vec::new(), "found a file of 0 bytes"),
        (
            b"PK\x03\x04 and so on".to_vec(),
            "found a zip archive, as torch.save writes them",
        ),
        (b"\x80\x02}q\x00.".to_vec(), "found a Python pickle"),
        (b"GGUF\x03\0\0\0".to_vec(), "found a GGUF file"),
        (
            b"once upon a time".to_vec(),
            "found a file of 16 bytes that claims a header of",
        ),
        (
            lie(u64::MAX),
            "that claims a header of 18446744073709551615",
        ),
        (lie(bytes.len() as u64 - 7), "that claims a header of"),
        (lie(5), "found a header that is not valid safetensors"),
        (lie(0), "found a header that is not valid safetensors"),
    ];
    for (wrong, sentence) in cases {
        let message = refusal(&path, &wrong);
        assert!(
            message.contains("m.safetensors: expected a checkpoint of gptlab"),
            "{message}"
        );
        assert!(message.contains(sentence), "{message}");
    }
}

#[test]
fn wrong_headers_are_refused_with_the_place() {
    let (_folder, path, bytes) = saved();
    let cases = [
        (
            r#""gptlab":"#,
            r#""other":"#,
            "found a safetensors file without it",
        ),
        (
            r#"\"format\":1"#,
            r#"\"format\":3"#,
            "expected a checkpoint of gptlab in format 1 to 2, found format 3",
        ),
        (
            r#"\"n_embd\":4"#,
            r#"\"n_embd\":6"#,
            "expected tensor `tok_emb.weight` as F32 [",
        ),
        (
            r#"\"n_embd\":4"#,
            r#"\"n_embd\":5"#,
            "n_head must divide n_embd",
        ),
        (
            r#"\"n_embd\":4"#,
            r#"\"n_embd\":16777216"#,
            "found this: the model would have about",
        ),
        (
            r#"\"n_embd\":4"#,
            r#"\"n_embd\":-4"#,
            "expected gptlab's metadata, found this: invalid value",
        ),
        (
            r#"\"step\":4"#,
            r#"\"step\":7"#,
            "expected at most 6 steps, found 7",
        ),
        (
            r#"\"beta1\":0.9"#,
            r#"\"beta1\":1.5"#,
            "beta1 must be at least 0 and below 1, found 1.5",
        ),
        (r#"\"seed\":"#, r#"\"sead\":"#, "unknown field `sead`"),
        (
            r#"\"format\":1"#,
            r#"\"format\":2"#,
            "expected metadata with SHA-256 digests, found none",
        ),
        (
            r#"\"val_fraction\":0.1"#,
            r#"\"val_fraction\":7.5"#,
            "expected a validation fraction of at least 0 and below 1, found 7.5",
        ),
        (
            r#""ln_f.bias":"#,
            r#""ln_f.weight":"#,
            "a tensor's name occurs twice",
        ),
        (
            r#"{"__metadata__""#,
            r#"{"__metadata__":{},"__metadata__""#,
            "occurs twice",
        ),
        (
            r#""tok_emb.weight":"#,
            r#""tok_emb.weights":"#,
            "as F32 [15, 4], found no such tensor",
        ),
        (
            r#""adam.exp_avg.ln_f.bias":{"dtype":"F32""#,
            r#""adam.exp_avg.ln_f.bias":{"dtype":"I32""#,
            "expected tensor `adam.exp_avg.ln_f.bias` as F32 [4], found I32 [4] in bytes ",
        ),
        (
            r#"\"chars\":\" ."#,
            r#"\"chars\":\"z ."#,
            "characters must be distinct and sorted",
        ),
    ];
    for (from, to, sentence) in cases {
        let message = refusal(&path, &forged(&bytes, from, to));
        assert!(message.contains(sentence), "{from}: {message}");
    }
}

#[test]
fn a_file_that_was_replaced_is_not_mixed_with_the_old_one() {
    let (_folder, path, bytes) = saved();
    let checkpoint = Checkpoint::open(&path).unwrap();
    fs::write(&path, forged(&bytes, r#"\"step\":4"#, r#"\"step\":5"#)).unwrap();
    let message = checkpoint
        .read(Stored::State(StateSlot::First))
        .unwrap_err()
        .to_string();
    assert!(
        message.ends_with("after 4 steps that was opened, found one after 5 steps; open it again"),
        "{message}"
    );
}

#[test]
fn a_tensor_too_many_is_refused() {
    let (_folder, path, bytes) = saved();
    let end = bytes.len() - data_of(&bytes);
    let more = format!(
        r#"{{"more":{{"dtype":"F32","shape":[0],"data_offsets":[{end},{end}]}},"__metadata__""#
    );
    let message = refusal(&path, &edited(&bytes, r#"{"__metadata__""#, &more));
    assert!(
        message.contains("tensors, as its spec says, found "),
        "{message}"
    );
}

#[test]
fn what_is_not_a_file_is_an_error() {
    let (folder, path, _) = saved();
    let message = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(
        message.ends_with("expected a regular file, found a folder"),
        "{message}"
    );
    fs::remove_file(&path).unwrap();
    let message = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(
        message.starts_with("cannot read ") && message.ends_with("no such file or folder"),
        "{message}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_is_refused(bytes: Vec<u8>, json: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let length = (bytes.len() as u64).to_le_bytes();
        let whole = if json { [&length[..], &bytes].concat() } else { bytes };
        fs::write(&path, whole).unwrap();
        proptest::prop_assert!(Checkpoint::open(&path).is_err());
    }

    #[test]
    fn a_header_cut_and_mended_is_refused_or_read(at in 0usize..4000, with: [u8; 4]) {
        let (_folder, path, mut bytes) = saved();
        let at = 8 + at % (data_of(&bytes) - 12);
        bytes[at..at + 4].copy_from_slice(&with);
        fs::write(&path, &bytes).unwrap();
        let _ = Checkpoint::open(&path);
    }
}
