//! The law that kernels never allocate, held by an allocator that counts. (The naive attention, a
//! reference, may.)

use gptlab_kernels::activation::{self, Nonlinearity};
use gptlab_kernels::attention::{self, Options, WeightDropout};
use gptlab_kernels::dropout::{self, Dropout};
use gptlab_kernels::linear::{self, Direction, Linear, Operand, WeightGrads};
use gptlab_kernels::{
    Isa, OperandType, adamw, cross_entropy, decode_linear, layer_norm, reduction, softmax,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting does not allocate.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![0; 10]))) > 0);
}

/// How often layer norm allocates.
fn of_layer_norm(isa: Isa, x: &[f32], n: usize, c: usize) -> usize {
    let (mut y, mut dx) = (x.to_vec(), x.to_vec());
    let (mut mean, mut rstd) = (vec![0.0; n], vec![0.0; n]);
    let (gain, mut dgain) = (vec![1.0; c], vec![0.0; c]);
    allocations(|| {
        let outputs = layer_norm::Outputs {
            y: &mut y,
            mean: &mut mean,
            rstd: &mut rstd,
        };
        let inputs = layer_norm::Inputs {
            x,
            gain: &gain,
            bias: None,
            eps: 0.1,
        };
        layer_norm::forward(isa, outputs, &inputs, n, c);
        let grads = layer_norm::Grads {
            dx: &mut dx,
            accumulate_dx: false,
            dgain: &mut dgain,
            dbias: None,
        };
        let saved = layer_norm::Saved {
            x,
            gain: &gain,
            mean: &mean,
            rstd: &rstd,
        };
        layer_norm::backward(isa, grads, &y, &saved, n, c);
    })
}

/// How often attention over `t` tokens allocates.
fn of_attention(isa: Isa, qkv: &[f32], options: &Options<'_>, t: usize) -> usize {
    let (mut mix, mut lse) = (vec![0.0; t * 24], vec![0.0; t * 2]);
    let (dmix, mut dqkv) = (mix.clone(), qkv.to_vec());
    let mut scratch = vec![0.0; attention::scratch_len(t, options)];
    allocations(|| {
        let outputs = attention::Outputs {
            mix: &mut mix,
            lse: &mut lse,
        };
        attention::forward(isa, outputs, &mut scratch, qkv, options, t);
        let saved = attention::Saved {
            qkv,
            mix: &mix,
            lse: &lse,
        };
        attention::backward(isa, &mut dqkv, &mut scratch, &dmix, &saved, options, t);
    })
}

#[test]
fn kernels_do_not_allocate() {
    let (n, c, out) = (65, 48, 100);
    let drop = Dropout::new(0.1, [1, 2], 3, 4);
    let options = Options {
        heads: 2,
        kv_heads: 1,
        head_dim: 12,
        visible: attention::VisibleKeys::Causal,
        scale: 0.3,
        softcap: Some(5.0),
        alibi: Some(&[0.5, 0.25]),
        dropout: Some(WeightDropout {
            dropout: drop,
            first_row: 0,
        }),
        precision: OperandType::F32,
    };
    let (x, w, dy) = (vec![0.5; n * c], vec![0.1; out * c], vec![0.2; n * out]);
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    let mut scratch = vec![0.0; linear::SCRATCH_LEN];
    let targets = vec![1; n];
    let mut panels = vec![0; out.next_multiple_of(32) * c];
    let (mut m, mut v, g) = (w.clone(), w.clone(), w.clone());
    let hyper = adamw::AdamWHyper {
        lr: 0.1,
        beta1: 0.9,
        beta2: 0.9,
        eps: 1e-8,
        weight_decay: 0.1,
        bias_correction1: 0.1,
        bias_correction2: 0.1,
        grad_scale: 1.0,
    };
    let layout = attention::CacheLayout::new(&options, n);
    let (mut cache, mut row) = (vec![0.0; layout.len()], vec![0.0; 24]);
    let (mut kept, mut words) = (vec![0; c * (out + 16)], vec![0; n * (c + 16)]);
    for isa in Isa::available() {
        let count = allocations(|| {
            layout.append(&mut cache, &x, &options, 0);
            let kv = attention::KeysAndValues {
                layout: &layout,
                cache: &cache,
            };
            attention::decode_one(isa, &mut row, &mut scratch, &x[..24], kv, &options, n);
            for precision in OperandType::ALL {
                let map = Linear {
                    isa,
                    precision,
                    inp: c,
                    out,
                };
                let kept = &mut kept[..decode_linear::len(&map)];
                decode_linear::pack(&map, kept, &w);
                let rows = decode_linear::rows(&map, &mut words, &x, n);
                let outputs = decode_linear::Outputs {
                    y: &mut y,
                    outs: 0..out,
                };
                decode_linear::forward(&map, outputs, rows, kept, None);
                let panels = &mut panels[..map.panels_len(Direction::Forward)];
                map.pack(Direction::Forward, panels, 0, &w);
                let (packed, plain) = (Operand::Panels(panels), Operand::Plain(&w));
                map.forward(&mut y, &mut scratch, &x, packed, None, n);
                map.backward_input(&mut dx, &mut scratch, &dy, plain, true, n);
                let grads = WeightGrads {
                    outs: 0..out,
                    dw: &mut dw,
                    accumulate_dw: true,
                    dbias: None,
                };
                map.backward_weight(grads, &mut scratch, &dy, Operand::Plain(&x), n);
            }
            activation::forward(isa, Nonlinearity::GeluErf, &mut dx, &x);
            dropout::in_place(isa, &mut dx, &drop, 0, n, c);
            cross_entropy::forward_backward(isa, None, &mut y, &targets, 1.0, out);
            softmax::in_place(isa, &mut y, out);
            adamw::step(isa, &mut dw, &mut m, &mut v, &g, &hyper);
            reduction::sum_of_squares(isa, &dw);
        });
        assert_eq!(count, 0, "{isa:?}");
        assert_eq!(of_layer_norm(isa, &x, n, c), 0, "{isa:?}");
        for precision in OperandType::ALL {
            let options = Options {
                precision,
                ..options
            };
            assert_eq!(of_attention(isa, &x, &options, n), 0, "{isa:?}");
        }
    }
}
