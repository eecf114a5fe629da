//! Prints the tokens/s of decoding with a preset's initial weights, for one text and for many at
//! once:
//! `cargo run --release -p gptlab-engine --example generate -- [preset] [vocabulary] [tokens]
//! [texts] [threads] [rounds] [precision]`.
#![allow(clippy::print_stdout)]

use std::{env, time::Instant};

use gptlab_engine::{
    GenerationRequest,
    cpu::{CpuGenerator, CpuOptions, OperandType},
    generate_each,
    sample::{Ranking, Sampling},
};
use gptlab_model::{Choice, Preset, lower, random::Stream};

/// A text with `left` more tokens to generate.
struct Text {
    left: usize,
    sampling: Sampling,
    ranking: Ranking,
    draws: Stream,
}

impl GenerationRequest for Text {
    fn prompt(&self) -> &[u32] {
        &[1]
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let uniform = self.draws.uniform_at(self.left as u64);
        self.sampling.choose(&mut self.ranking, logits, uniform)
    }
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.into());
    let number = |i: usize, default: &str| arg(i, default).parse::<usize>().expect("a number");
    let preset = Preset::parse(&arg(0, "gpt2-mini")).expect("a preset's name");
    let model = preset.spec().check(number(1, "65"));
    let graph = lower(&model.expect("a preset makes sense"));
    let weights = graph.params().initial(1);
    let (tokens, texts) = (number(2, "255"), number(3, "64"));
    let (mut options, rounds) = (CpuOptions::of_threads(number(4, "2")), number(5, "9"));
    options.precision = OperandType::from_name(&arg(6, "f32")).expect("f32 or bf16");
    let mut generator = CpuGenerator::with_options(graph, &weights, options).expect("weights");
    let best = |work: &mut dyn FnMut()| {
        let times = (0..rounds).map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        });
        times.fold(f64::INFINITY, f64::min)
    };
    for (name, temperature, top_k) in [("greedy", 0.0, None), ("top-k 40", 0.8, Some(40))] {
        let sampling = Sampling::new(temperature, top_k, None).expect("settings in range");
        let draws = Stream::new(1, "sample", 0);
        let seconds = best(&mut || {
            generator.begin(&[1]).expect("a prompt");
            for i in 0..tokens as u64 {
                generator.next_token(&sampling, draws.uniform_at(i));
            }
        });
        let rate = tokens as f64 / seconds;
        println!("one text, {name}: {rate:.0} tokens/s");
    }
    if texts > 0 {
        let sampling = Sampling::new(0.8, Some(40), None).expect("settings in range");
        let seconds = best(&mut || {
            let mut all: Vec<Text> = (0..texts as u32)
                .map(|i| Text {
                    left: tokens,
                    sampling,
                    ranking: Ranking::default(),
                    draws: Stream::new(1, "sample", i),
                })
                .collect();
            generate_each(&generator, &mut all).expect("prompts");
        });
        let rate = (texts * tokens) as f64 / seconds;
        println!("{texts} texts: {rate:.0} tokens/s");
    }
}
