//! Traces against what the engine computes without one, and against the oracle.

mod common;

use common::{
    batches,
    engines::oracle,
    specs::{self, Case, Grid},
    tolerance::{Gate, Tolerance},
};
use gptlab_engine::{
    AttentionWeights, Engine, Matrix,
    cpu::{CpuEngine, CpuOptions, Isa, OperandType},
    untouched,
};
use gptlab_model::{Batch, Node, ValueId};

fn engine(case: &Case, precision: OperandType) -> CpuEngine {
    let options = CpuOptions {
        threads: 1,
        isa: Isa::detect(),
        precision,
    };
    let weights = batches::weights(&case.graph, 2);
    CpuEngine::new(case.graph.clone(), &weights, options).expect("as many weights as the table has")
}

fn cases() -> Vec<(Case, Batch)> {
    let small = [Grid::alone(), Grid::random(100)];
    let small = small.into_iter().flat_map(|grid| grid.cases);
    let small = small.map(|case| {
        let batch = batches::ragged(&case.model, 1);
        (case, batch)
    });
    let larger = specs::larger().into_iter().map(|(case, lengths)| {
        let batch = batches::of_lengths(&case.model, &lengths, 1);
        (case, batch)
    });
    small.chain(larger).collect()
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|x| f64::from(*x)).collect()
}

#[test]
fn without_a_change_the_losses_are_the_engines_own_to_the_bit() {
    for (case, batch) in cases() {
        for precision in OperandType::ALL {
            let mut engine = engine(&case, precision);
            let losses = engine.losses(&batch);
            let trace = engine.trace(&batch, &mut untouched);
            assert_eq!(trace.losses(), losses, "{} {precision:?}", case.name);
            let alone = engine.losses_with(&batch, &mut untouched);
            assert_eq!(alone, losses, "{} {precision:?}", case.name);
            assert_eq!(engine.losses(&batch), losses, "{} afterwards", case.name);
        }
    }
}

#[test]
fn every_value_is_the_oracles() {
    let mut gate = Gate::new(Tolerance::F32);
    for (case, batch) in cases() {
        let weights = batches::weights(&case.graph, 2);
        let mut oracle = oracle(case.graph.clone(), &weights);
        let trace = engine(&case, OperandType::F32).trace(&batch, &mut untouched);
        let witness = oracle.trace(&batch, &mut untouched);
        for id in case.graph.ids() {
            let (node, found, expected) = (case.graph.node(id), trace.of(id), witness.of(id));
            assert_eq!((found.rows, found.cols), (expected.rows, expected.cols));
            let what = || format!("{} of {}", node.name, case.name);
            gate.compare(what, &wide(&found.values), &wide(&expected.values));
        }
        assert_eq!(trace.logits(), trace.of(case.graph.logits()));
        gate.compare(|| case.name.clone(), trace.losses(), witness.losses());
    }
    gate.finish("values of traces");
}

/// Every node's value put in where another batch runs: what comes after is the first batch's.
#[test]
fn what_a_hook_writes_is_what_later_nodes_read() {
    for case in Grid::alone().cases {
        let lengths = [case.model.spec().block_size, 1, 2];
        let batches = [1, 4].map(|seed| batches::of_lengths(&case.model, &lengths, seed));
        let targets_of_a = |tokens: &Batch| {
            let rows = (0..tokens.sequences()).map(|i| tokens.rows(i));
            let pairs = rows.map(|r| (&tokens.inputs()[r.clone()], &batches[0].targets()[r]));
            Batch::new(&case.model, pairs).expect("the same lengths")
        };
        let [a, b] = [&batches[0], &targets_of_a(&batches[1])];
        let mut engine = engine(&case, OperandType::F32);
        let [of_a, of_b] = [a, b].map(|batch| engine.trace(batch, &mut untouched));
        assert_ne!(of_a.losses(), of_b.losses(), "{}", case.name);
        let mut seen = Vec::new();
        let patched = engine.trace(b, &mut |id: ValueId, _: &Node, value: &mut [f32]| {
            seen.push(id);
            value.copy_from_slice(&of_a.of(id).values);
        });
        assert_eq!(patched, of_a, "{}", case.name);
        assert!(seen.into_iter().eq(case.graph.ids()), "{}", case.name);
        let tokens = case.graph.find("tok_emb").expect("every model has it");
        let embedded = engine.trace(b, &mut |id: ValueId, _: &Node, value: &mut [f32]| {
            if id == tokens {
                value.copy_from_slice(&of_a.of(id).values);
            }
        });
        assert_eq!(embedded.losses(), of_a.losses(), "{}", case.name);
    }
}

/// Weights times values are the mix, whatever the attention.
#[test]
fn attention_weights_give_the_mix_of_every_variant() {
    let (mut gate, mut attentions) = (Gate::new(Tolerance::F32), 0);
    for (case, batch) in cases() {
        let trace = engine(&case, OperandType::F32).trace(&batch, &mut untouched);
        for id in case.graph.ids() {
            let node = case.graph.node(id);
            let Some((x, op)) = node.attention() else {
                continue;
            };
            attentions += 1;
            let (qkv, mix) = (trace.of(x), trace.of(id));
            for i in 0..batch.sequences() {
                let rows = batch.rows(i);
                let part = |m: &Matrix| m.values[rows.start * m.cols..rows.end * m.cols].to_vec();
                let (qkv, mix) = (part(qkv), part(mix));
                let weights = AttentionWeights::new(op, &qkv);
                let width = qkv.len() / rows.len();
                let first_value = (op.heads + op.kv_heads) * op.head_dim;
                let mut mixed = vec![0.0; mix.len()];
                for (q, row) in mixed.chunks_mut(op.heads * op.head_dim).enumerate() {
                    for (head, out) in row.chunks_mut(op.head_dim).enumerate() {
                        let kv_head = head * op.kv_heads / op.heads;
                        for k in 0..rows.len() {
                            let at = k * width + first_value + kv_head * op.head_dim;
                            let w = weights.at(head, q, k);
                            assert!(op.mask.keys(q, rows.len()).contains(&k) || w == 0.0);
                            let value = &qkv[at..][..op.head_dim];
                            out.iter_mut()
                                .zip(value)
                                .for_each(|(o, v)| *o += w * f64::from(*v));
                        }
                    }
                }
                let what = || format!("{} of {}", node.name, case.name);
                gate.compare(what, &wide(&mix), &mixed);
            }
        }
    }
    assert!(attentions > 100, "{attentions}");
    gate.finish("weights times values");
}
