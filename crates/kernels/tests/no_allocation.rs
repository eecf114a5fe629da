//! The law that kernels never allocate, held by an allocator that counts. (The naive attention, a
//! reference, may.)

use gptlab_kernels::activation::{self, Activation};
use gptlab_kernels::attention::{self, Options, WeightDropout};
use gptlab_kernels::dropout::{self, Dropout};
use gptlab_kernels::linear::{self, Direction, Linear, Operand};
use gptlab_kernels::{
    Isa, Precision, adamw, cross_entropy, decode_linear, elementwise, layer_norm, softmax,
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

#[test]
fn kernels_do_not_allocate() {
    let (n, c, out) = (65, 48, 100);
    let drop = Dropout::new(0.1, [1, 2], 3, 4);
    let options = Options {
        heads: 2,
        kv_heads: 1,
        head_dim: 12,
        mask: attention::Mask::Causal,
        scale: 0.3,
        softcap: Some(5.0),
        alibi: Some(&[0.5, 0.25]),
        dropout: Some(WeightDropout {
            dropout: drop,
            first_row: 0,
        }),
        precision: Precision::F32,
    };
    let (x, w, dy) = (vec![0.5; n * c], vec![0.1; out * c], vec![0.2; n * out]);
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    let (mut mean, mut rstd) = (vec![0.0; n], vec![0.0; n]);
    let (gain, mut dgain) = (vec![1.0; c], vec![0.0; c]);
    let (mut mix, mut lse, mut dqkv) = (vec![0.0; n * 24], vec![0.0; n * 2], vec![0.0; n * c]);
    let size = linear::SCRATCH_LEN.max(attention::scratch_len(n, &options));
    let mut scratch = vec![0.0; size];
    let targets = vec![1; n];
    let mut panels = vec![0; out.next_multiple_of(32) * c];
    let (mut m, mut v, g) = (w.clone(), w.clone(), w.clone());
    let hyper = adamw::Hyper {
        lr: 0.1,
        beta1: 0.9,
        beta2: 0.9,
        eps: 1e-8,
        weight_decay: 0.1,
        bias_correction1: 0.1,
        bias_correction2: 0.1,
        grad_scale: 1.0,
    };
    let cache = attention::Cache::new(&options, n);
    let (mut memory, mut row) = (vec![0.0; cache.len()], vec![0.0; 24]);
    let (mut kept, mut words) = (vec![0; c * (out + 16)], vec![0; n * (c + 16)]);
    for isa in Isa::available() {
        let count = allocations(|| {
            cache.append(&mut memory, &x, &options, 0);
            let memory = (&cache, memory.as_slice());
            attention::decode_one(isa, &mut row, &mut scratch, &x[..24], memory, &options, n);
            for precision in Precision::ALL {
                let map = Linear {
                    isa,
                    precision,
                    inp: c,
                    out,
                };
                let kept = &mut kept[..decode_linear::len(&map)];
                decode_linear::pack(&map, kept, &w);
                let rows = decode_linear::rows(&map, &mut words, &x, n);
                decode_linear::forward(&map, (&mut y, 0..out), rows, kept, None);
                let panels = &mut panels[..map.panels_len(Direction::Forward)];
                map.pack(Direction::Forward, panels, 0, &w);
                let (packed, plain) = (Operand::Panels(panels), Operand::Plain(&w));
                map.forward(&mut y, &mut scratch, &x, packed, None, n);
                map.backward_input(&mut dx, &mut scratch, &dy, plain, true, n);
                map.backward_weight(
                    &mut dw,
                    None,
                    &mut scratch,
                    &dy,
                    Operand::Plain(&x),
                    true,
                    0..out,
                    n,
                );
            }
            layer_norm::forward(
                isa, &mut dx, &mut mean, &mut rstd, &x, &gain, None, 0.1, n, c,
            );
            layer_norm::backward(
                isa, &mut dx, &mut dgain, None, &x, &x, &gain, &mean, &rstd, false, n, c,
            );
            activation::forward(isa, Activation::GeluErf, &mut dx, &x);
            dropout::in_place(isa, &mut dx, &drop, 0, n, c);
            for precision in Precision::ALL {
                let o = Options {
                    precision,
                    ..options
                };
                attention::forward(isa, &mut mix, &mut lse, &mut scratch, &x, &o, n);
                let (dqkv, scratch) = (&mut dqkv, &mut scratch);
                attention::backward(isa, dqkv, scratch, &mix, &mix, &lse, &x, &o, n);
            }
            cross_entropy::forward_backward(isa, None, &mut y, &targets, 1.0, out);
            softmax::in_place(isa, &mut y, out);
            adamw::step(isa, &mut dw, &mut m, &mut v, &g, &hyper);
            elementwise::sum_of_squares(isa, &dw);
        });
        assert_eq!(count, 0, "{isa:?}");
    }
}
