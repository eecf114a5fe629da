//! Specs: refused, or lowered to a graph whose sizes agree.

use arbitrary::Unstructured;
use gptlab_model::{Counts, ModelSpec, Preset, lower};

use super::edit::edited;

/// No larger model's weights are drawn.
const MOST_DRAWN: usize = 10_000;
/// No longer list of sublayers is lowered: a graph's size is a multiple of it.
const MOST_SUBLAYERS: usize = 200;

/// A spec and a vocabulary.
pub fn spec(data: &[u8]) {
    let Some((&[a, b, c, which], rest)) = data.split_first_chunk() else {
        return;
    };
    let vocab_size = u32::from_le_bytes([a, b, c, 0]) as usize;
    let read = match rest.first() {
        Some(b'{') => serde_json::from_slice(rest),
        _ => serde_json::from_value(changed(which, rest)),
    };
    let Ok(spec): Result<ModelSpec, _> = read else {
        return;
    };
    let model = match spec.check(vocab_size) {
        Ok(model) => model,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let json = serde_json::to_string(&spec).expect("a spec is JSON");
    let again: ModelSpec = serde_json::from_str(&json).expect("what was written is read");
    assert_eq!(again, spec);
    if spec.layers.iter().flatten().count() <= MOST_SUBLAYERS {
        check_graph(&spec, &lower(&model));
    }
}

/// A small preset with a few values changed.
fn changed(which: u8, changes: &[u8]) -> serde_json::Value {
    let presets = [Preset::Microgpt, Preset::Gpt2Mini, Preset::Modern];
    let spec = presets[usize::from(which) % presets.len()].spec();
    let made = serde_json::to_value(spec).unwrap_or_default();
    edited(&made, &mut Unstructured::new(changes)).unwrap_or(made)
}

fn check_graph(spec: &ModelSpec, graph: &gptlab_model::Graph) {
    let table = graph.params();
    let counts = Counts::of(graph, spec.block_size);
    let sum: usize = table
        .iter()
        .map(|p| p.shape.iter().product::<usize>())
        .sum();
    assert_eq!((counts.parameters, table.total()), (sum, sum));
    let _ = counts.training_flops();
    assert!(!graph.to_string().is_empty());
    if table.total() <= MOST_DRAWN {
        let drawn = table.initial(7);
        assert_eq!(drawn.len(), table.total());
        assert!(drawn.iter().all(|x| x.is_finite()));
    }
}
