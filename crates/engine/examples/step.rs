//! Prints the milliseconds and the tokens/s of a training step of a preset on random tokens:
//! `cargo run --release -p gptlab-engine --example step -- [preset] [dropout] [batch] [threads]
//! [steps] [precision]`.
#![allow(clippy::print_stdout)]

use std::{env, time::Instant};

use gptlab_engine::{
    Engine, Noise, StepHyper,
    cpu::{CpuEngine, CpuOptions, OperandType},
};
use gptlab_model::{Batch, Choice, Counts, Preset, lower, random::Stream};
use gptlab_recipe::{Decay, Optimizer};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.into());
    let number = |i: usize, default: &str| arg(i, default).parse::<usize>().expect("a number");
    let mut spec = Preset::parse(&arg(0, "gpt2-mini"))
        .expect("a preset's name")
        .spec();
    spec.dropout = arg(1, "0.1").parse().expect("a probability");
    let (sequences, threads, steps) = (number(2, "32"), number(3, "2"), number(4, "20"));
    let model = spec
        .check(arg(6, "65").parse().expect("a size"))
        .expect("a preset makes sense");
    let (graph, t) = (lower(&model), spec.block_size);
    let flops = Counts::of(&graph, t).training_flops() as f64 * sequences as f64;
    let weights = graph.params().initial(1);
    let options = CpuOptions {
        precision: OperandType::from_name(&arg(5, "f32")).expect("f32 or bf16"),
        ..CpuOptions::of_threads(threads)
    };
    let mut engine = CpuEngine::new(graph, &weights, options).expect("threads");
    let stream = Stream::new(1, "example", 0);
    let tokens: Vec<u32> = (0..=sequences * t)
        .map(|i| stream.below_at(i as u64, 65) as u32)
        .collect();
    let windows = (0..sequences).map(|i| i * t);
    let pairs = windows.map(|at| (&tokens[at..at + t], &tokens[at + 1..=at + t]));
    let batch = Batch::new(&model, pairs).expect("tokens of the vocabulary");
    let mut times: Vec<f64> = (0..steps)
        .map(|step| {
            let start = Instant::now();
            engine.forward_backward(
                &batch,
                Noise {
                    seed: 1,
                    step: step as u32,
                },
            );
            engine.update(&StepHyper {
                optimizer: Optimizer::AdamW,
                update: step as u64 + 1,
                lr: 3e-4,
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                weight_decay: 0.1,
                decay: Decay::Everything,
                grad_clip: Some(1.0),
            });
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (best, median) = (times[0], times[steps / 2]);
    println!(
        "best {:.1} ms, median {:.1} ms: {:.0} tokens/s, {:.0} GFLOP/s of matrix products",
        best * 1e3,
        median * 1e3,
        (sequences * t) as f64 / median,
        flops / median / 1e9
    );
}
