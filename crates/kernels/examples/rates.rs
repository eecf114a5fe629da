//! How fast the kernels are here, on every instruction set of the machine, one thread, the best of
//! several runs: `cargo run --release -p gptlab-kernels --example rates`.

// An example's output is its purpose.
#![allow(clippy::print_stdout)]

use gptlab_kernels::activation::Nonlinearity;
use gptlab_kernels::attention::{self, Options, VisibleKeys, WeightDropout};
use gptlab_kernels::dropout::Dropout;
use gptlab_kernels::{
    Isa, OperandType, activation, adamw, cross_entropy, dropout, elementwise, layer_norm, rms_norm,
};
use std::time::Instant;

#[path = "rates/linear.rs"]
mod linear_rates;

/// Seconds of the fastest of some repetitions.
fn best(mut work: impl FnMut()) -> f64 {
    work();
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let (start, mut runs) = (Instant::now(), 0.0);
        while start.elapsed().as_millis() < 20 {
            work();
            runs += 1.0;
        }
        best = best.min(start.elapsed().as_secs_f64() / runs);
    }
    best
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919) % 2003) as f32 / 1001.5 - 1.0)
        .collect()
}

fn attention_rates(isa: Isa, name: &str, options: Options<'_>, t: usize) {
    let (qkv, dmix) = (
        numbers(t * options.qkv_width()),
        numbers(t * options.mix_width()),
    );
    let (mut mix, mut lse) = (dmix.clone(), vec![0.0; t * options.heads]);
    let mut dqkv = qkv.clone();
    let mut scratch = vec![0.0; attention::scratch_len(t, &options)];
    let pairs: usize = (0..t).map(|i| options.visible.keys(i, t).len()).sum();
    let work = 4e-9 * (pairs * options.mix_width()) as f64;
    let forward = best(|| {
        let outputs = attention::Outputs {
            mix: &mut mix,
            lse: &mut lse,
        };
        attention::forward(isa, outputs, &mut scratch, &qkv, &options, t);
    });
    let saved = attention::Saved {
        qkv: &qkv,
        mix: &mix,
        lse: &lse,
    };
    let backward =
        best(|| attention::backward(isa, &mut dqkv, &mut scratch, &dmix, &saved, &options, t));
    println!(
        "attention {name} in {}, T {t}, {} x {}: forward {:.2} us ({:.0} GFLOP/s), backward {:.2} us ({:.0} GFLOP/s)",
        options.precision,
        options.heads,
        options.head_dim,
        forward * 1e6,
        work / forward,
        backward * 1e6,
        2.5 * work / backward
    );
}

fn attentions(isa: Isa, precision: OperandType) {
    let plain = Options {
        heads: 4,
        kv_heads: 4,
        head_dim: 32,
        visible: VisibleKeys::Causal,
        scale: 0.2,
        softcap: None,
        alibi: None,
        dropout: None,
        precision,
    };
    let weights = WeightDropout {
        dropout: Dropout::new(0.1, [1, 2], 3, 4),
        first_row: 0,
    };
    let dropped = Options {
        dropout: Some(weights),
        ..plain
    };
    let large = Options {
        heads: 12,
        kv_heads: 12,
        head_dim: 64,
        ..plain
    };
    attention_rates(isa, "causal", plain, 256);
    attention_rates(isa, "with dropout", dropped, 256);
    attention_rates(isa, "causal", large, 1024);
    let windowed = Options {
        visible: VisibleKeys::Window(64),
        ..large
    };
    attention_rates(isa, "in a window of 64", windowed, 1024);
    for head_dim in [4, 16] {
        let tiny = Options { head_dim, ..plain };
        attention_rates(isa, "a name", tiny, 7);
    }
}

fn elementwise_rates(isa: Isa) {
    let (n, c) = (256, 512);
    let (x, dy, bias) = (numbers(n * c), numbers(n * c), numbers(c));
    let (mut y, mut mean, mut rstd) = (x.clone(), vec![0.0; 1024], vec![1.0; 1024]);
    let (mut dgain, mut dbias) = (vec![0.0; c], vec![0.0; c]);
    let drop = Dropout::new(0.1, [1, 2], 3, 4);
    let show = |name: &str, elements: usize, seconds: f64| {
        println!("{name}: {:.2} Gelem/s", elements as f64 * 1e-9 / seconds);
    };
    for a in Nonlinearity::ALL {
        show(
            &format!("{a:?}"),
            n * c,
            best(|| activation::forward(isa, a, &mut y, &x)),
        );
        show(
            &format!("{a:?} backward"),
            n * c,
            best(|| activation::backward(isa, a, &mut y, &dy, &x)),
        );
    }
    show(
        "add",
        n * c,
        best(|| elementwise::add(isa, &mut y, &x, &dy)),
    );
    show(
        "dropout",
        n * c,
        best(|| dropout::forward(isa, &mut y, &x, &drop, 0, n, c)),
    );
    let (n, c) = (1024, 128);
    show(
        "layer norm",
        n * c,
        best(|| {
            let outputs = layer_norm::Outputs {
                y: &mut y,
                mean: &mut mean,
                rstd: &mut rstd,
            };
            let inputs = layer_norm::Inputs {
                x: &x,
                gain: &dgain[..c],
                bias: Some(&bias[..c]),
                eps: 1e-5,
            };
            layer_norm::forward(isa, outputs, &inputs, n, c);
        }),
    );
    show(
        "layer norm backward",
        n * c,
        best(|| {
            let grads = layer_norm::Grads {
                dx: &mut y,
                accumulate_dx: false,
                dgain: &mut dgain[..c],
                dbias: Some(&mut dbias[..c]),
            };
            let saved = layer_norm::Saved {
                x: &x,
                gain: &bias[..c],
                mean: &mean,
                rstd: &rstd,
            };
            layer_norm::backward(isa, grads, &dy, &saved, n, c);
        }),
    );
    show(
        "rms norm",
        n * c,
        best(|| {
            let outputs = rms_norm::Outputs {
                y: &mut y,
                rstd: &mut rstd,
            };
            let inputs = rms_norm::Inputs {
                x: &x,
                gain: Some(&bias[..c]),
                eps: 1e-5,
            };
            rms_norm::forward(isa, outputs, &inputs, n, c);
        }),
    );
}

fn loss_and_update_rates(isa: Isa) {
    let (n, v) = (256, 65);
    let (mut logits, targets) = (numbers(n * v), vec![3; n]);
    let seconds = best(|| {
        cross_entropy::forward_backward(isa, None, &mut logits, &targets, 1.0, v);
    });
    println!(
        "cross entropy, V {v}: {:.2} Gelem/s",
        (n * v) as f64 * 1e-9 / seconds
    );
    let n = 800_000;
    let (mut w, mut m, mut s, g) = (numbers(n), numbers(n), vec![0.1; n], numbers(n));
    let hyper = adamw::AdamWHyper {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay: 0.1,
        bias_correction1: 0.5,
        bias_correction2: 0.5,
        grad_scale: 1.0,
    };
    let seconds = best(|| adamw::step(isa, &mut w, &mut m, &mut s, &g, &hyper));
    println!("adamw: {:.2} Gelem/s", n as f64 * 1e-9 / seconds);
}

fn main() {
    for isa in Isa::available() {
        println!("== {}", isa.name());
        linear_rates::show(isa);
        for precision in OperandType::ALL {
            attentions(isa, precision);
        }
        elementwise_rates(isa);
        loss_and_update_rates(isa);
    }
}
