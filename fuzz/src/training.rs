//! Whole short trainings of models that nobody would write down: the same bits on one and on two
//! threads.

use arbitrary::{Result, Unstructured};
use gptlab_engine::{
    Engine, Noise, Slot, StepHyper,
    cpu::{CpuEngine, CpuOptions, Isa, OperandType},
};
use gptlab_model::{
    Activation, Attention, Batch, Bias, Choice, Graph, Init, Layer, Mask, Mlp, MlpForm, Model,
    ModelSpec, Norm, NormPlace, Norms, OutputHead, Position, QkNorm, Residual, ResidualInit, Scale,
    Sublayer, SublayerOrder, Wiring, lower,
};
use gptlab_recipe::{Decay, Optimizer};

/// A spec, hyper-parameters and tokens, each of them small.
pub fn training(data: &[u8]) {
    // Too few bytes make no input.
    let _ = train(&mut Unstructured::new(data));
}

fn train(u: &mut Unstructured) -> Result<()> {
    let (spec, vocab_size) = (spec(u)?, u.int_in_range(1..=40)?);
    let Ok(model) = spec.check(vocab_size) else {
        return Ok(());
    };
    let isas: Vec<Isa> = Isa::available().collect();
    let options = CpuOptions {
        threads: 1,
        isa: *u.choose(&isas)?,
        precision: *u.choose(&OperandType::ALL)?,
    };
    let hyper = hyper(u)?;
    let seed = u.arbitrary::<u8>()?;
    let mut batches = Vec::new();
    for _ in 0..u.int_in_range(1..=4)? {
        batches.push(batch(&model, u)?);
    }
    let graph = lower(&model);
    let weights = graph.params().initial(u64::from(seed));
    let two = CpuOptions {
        threads: 2,
        ..options
    };
    let trained = |options| trained(&graph, &weights, options, (&hyper, &batches));
    let (alone, together) = (trained(options), trained(two));
    assert!(alone == together, "bits depend on threads: {spec:?}");
    // Gentle weights and one forward pass make finite numbers, whatever the spec.
    if spec.init.std <= 0.1 {
        assert!(f64::from_bits(alone[0]).is_finite(), "{spec:?}");
    }
    Ok(())
}

/// The bits of everything a training makes: losses and norms, and the numbers it ends with. NaNs
/// are alike.
fn trained(
    graph: &Graph,
    weights: &[f32],
    options: CpuOptions,
    (hyper, batches): (&StepHyper, &[Batch]),
) -> Vec<u64> {
    let mut engine = CpuEngine::new(graph.clone(), weights, options).expect("an engine");
    let mut bits = Vec::new();
    for (step, batch) in (0..).zip(batches) {
        let noise = Noise { seed: 5, step };
        bits.push(of(engine.forward_backward(batch, noise)));
        let hyper = StepHyper {
            update: u64::from(step) + 1,
            ..*hyper
        };
        bits.push(of(engine.update(&hyper).grad_norm));
        bits.push(of(engine.evaluate(batch)));
    }
    for slot in Slot::ALL
        .into_iter()
        .filter(|slot| *slot != Slot::Gradients)
    {
        bits.extend(engine.export(slot).into_iter().map(|x| of(f64::from(x))));
    }
    bits
}

fn of(x: f64) -> u64 {
    if x.is_nan() {
        f64::NAN.to_bits()
    } else {
        x.to_bits()
    }
}

fn batch(model: &Model, u: &mut Unstructured) -> Result<Batch> {
    let most = model.spec().block_size;
    let mut windows = Vec::new();
    for _ in 0..u.int_in_range(1..=6)? {
        let tokens = u.int_in_range(1..=most)? + 1;
        let vocab_size = model.vocab_size() as u32;
        let token = |_| u.int_in_range(0..=vocab_size - 1);
        windows.push((0..tokens).map(token).collect::<Result<Vec<u32>>>()?);
    }
    let windows = windows.iter().map(|window| window.iter().copied());
    Ok(Batch::of_windows(None, model, windows).expect("tokens of the vocabulary"))
}

fn hyper(u: &mut Unstructured) -> Result<StepHyper> {
    Ok(StepHyper {
        optimizer: *u.choose(Optimizer::ALL)?,
        update: 1,
        lr: *u.choose(&[1e-3, 0.0, 0.1, 1_000.0])?,
        beta1: *u.choose(&[0.9, 0.0, 0.999_999])?,
        beta2: *u.choose(&[0.99, 0.0, 0.999_999])?,
        eps: *u.choose(&[1e-8, 5e-324, 1.0])?,
        weight_decay: *u.choose(&[0.1, 0.0, 1e300])?,
        decay: *u.choose(Decay::ALL)?,
        grad_clip: *u.choose(&[Some(1.0), None, Some(5e-324), Some(1e300)])?,
    })
}

fn spec(u: &mut Unstructured) -> Result<ModelSpec> {
    let n_embd = *u.choose(&[8, 1, 2, 3, 6, 12, 16, 17, 24, 32])?;
    Ok(ModelSpec {
        block_size: u.int_in_range(1..=24)?,
        n_embd,
        position: *u.choose(Position::ALL)?,
        norms: Norms {
            embedding: *u.choose(Norm::ALL)?,
            block: *u.choose(Norm::ALL)?,
            last: *u.choose(Norm::ALL)?,
        },
        wiring: Wiring {
            norm: *u.choose(NormPlace::ALL)?,
            residual: *u.choose(Residual::ALL)?,
            order: *u.choose(SublayerOrder::ALL)?,
        },
        layers: (0..u.int_in_range(0..=3)?)
            .map(|_| layer(n_embd, u))
            .collect::<Result<_>>()?,
        head: *u.choose(OutputHead::ALL)?,
        bias: *u.choose(Bias::ALL)?,
        dropout: *u.choose(&[0.0, 0.1, 0.5, 0.9999])?,
        init: Init {
            std: *u.choose(&[0.02, 0.0, 0.1, 1.0, 1e-30, 1e10, 1e38])?,
            residual: *u.choose(ResidualInit::ALL)?,
        },
    })
}

fn layer(n_embd: usize, u: &mut Unstructured) -> Result<Layer> {
    (0..u.int_in_range(0..=3)?)
        .map(|_| {
            Ok(if u.arbitrary()? {
                Sublayer::Attention(attention(n_embd, u)?)
            } else {
                Sublayer::Mlp(mlp(u)?)
            })
        })
        .collect()
}

fn attention(n_embd: usize, u: &mut Unstructured) -> Result<Attention> {
    let divisors = |n: usize| (1..=n).filter(|d| n.is_multiple_of(*d)).collect::<Vec<_>>();
    let heads = *u.choose(&divisors(n_embd))?;
    Ok(Attention {
        heads,
        kv_heads: *u.choose(&divisors(heads))?,
        mask: *u.choose(Mask::ALL)?,
        scale: *u.choose(Scale::ALL)?,
        qk_norm: *u.choose(QkNorm::ALL)?,
        softcap: *u.choose(&[None, Some(1.5), Some(50.0), Some(1e-30), Some(1e30)])?,
        window: *u.choose(&[None, Some(1), Some(3), Some(usize::MAX)])?,
    })
}

fn mlp(u: &mut Unstructured) -> Result<Mlp> {
    let activation = *u.choose(Activation::ALL)?;
    Ok(Mlp {
        hidden: u.int_in_range(1..=40)?,
        form: if u.arbitrary()? {
            MlpForm::Plain(activation)
        } else {
            MlpForm::Gated(activation)
        },
    })
}
