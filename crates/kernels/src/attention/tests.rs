use super::*;
use crate::isa::Isa;
use crate::parallel::{Parallel, Sequential, Threads};
use crate::testing::{SUMS, check_gradient, close, dot, narrow, to_f64, values};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

mod bf16;

const SLOPES: [f32; 4] = [0.5, 0.25, 0.125, 0.0625];

fn options(
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    visible: VisibleKeys,
) -> Options<'static> {
    Options {
        heads,
        kv_heads,
        head_dim,
        visible,
        scale: 1.0 / (head_dim as f32).sqrt(),
        softcap: None,
        alibi: None,
        dropout: None,
        precision: OperandType::F32,
    }
}

fn dropout() -> WeightDropout {
    WeightDropout {
        dropout: Dropout::new(0.2, [7, 9], 3, 11),
        first_row: 1000,
    }
}

/// Shapes and options, each option alone and all together.
fn grid() -> Vec<(Options<'static>, usize)> {
    let mut grid = Vec::new();
    for t in [
        1, 2, 5, 7, 8, 9, 12, 15, 16, 17, 31, 33, 64, 65, 97, 130, 161,
    ] {
        for visible in [VisibleKeys::Causal, VisibleKeys::Full] {
            let plain = options(2, 1, 20, visible);
            grid.push((options(4, 4, 32, visible), t));
            grid.push((options(4, 2, 4, visible), t));
            grid.push((options(3, 1, 7, visible), t));
            grid.push((options(1, 1, 16, visible), t));
            grid.push((options(2, 2, 80, visible), t));
            grid.push((plain, t));
            grid.push((
                Options {
                    softcap: Some(1.5),
                    ..plain
                },
                t,
            ));
            grid.push((
                Options {
                    alibi: Some(&SLOPES[..2]),
                    ..plain
                },
                t,
            ));
            grid.push((
                Options {
                    dropout: Some(dropout()),
                    ..plain
                },
                t,
            ));
            let all = options(4, 2, 48, visible);
            let all = Options {
                softcap: Some(2.0),
                alibi: Some(&SLOPES),
                dropout: Some(dropout()),
                ..all
            };
            grid.push((all, t));
        }
    }
    grid.extend(windows());
    grid
}

/// Windows of one key, of all keys and more, and of sizes that no tile has; short sequences and
/// sequences of several blocks of keys.
fn windows() -> Vec<(Options<'static>, usize)> {
    let mut grid = Vec::new();
    for (t, window) in [
        (5, 1),
        (9, 4),
        (16, 3),
        (16, 40),
        (17, 1),
        (33, 8),
        (33, 16),
        (64, 17),
        (65, 64),
        (97, 1),
        (130, 31),
        (130, 64),
        (161, 5),
        (161, 100),
        (161, 1000),
        (257, 40),
        (257, 130),
    ] {
        let plain = |heads, kv_heads, head_dim| {
            let visible = VisibleKeys::Window(window);
            options(heads, kv_heads, head_dim, visible)
        };
        let all = Options {
            softcap: Some(2.0),
            alibi: Some(&SLOPES),
            dropout: Some(dropout()),
            ..plain(4, 2, 48)
        };
        grid.extend([plain(2, 1, 20), plain(4, 2, 4), all].map(|o| (o, t)));
    }
    grid
}

#[test]
fn fast_agrees_with_naive() {
    for (o, t) in grid() {
        let qkv: Vec<f32> = values(t * o.qkv_width(), 1)
            .iter()
            .map(|x| 2.0 * x)
            .collect();
        agrees_with_naive(&o, t, &qkv, SUMS);
    }
}

/// Scores rise far with the key: a row's largest weight comes last, and far above the first.
#[test]
fn late_scores_may_be_far_above_early_ones() {
    for (t, visible) in [
        (16, VisibleKeys::Causal),
        (130, VisibleKeys::Causal),
        (200, VisibleKeys::Full),
        (257, VisibleKeys::Causal),
        (257, VisibleKeys::Window(40)),
    ] {
        let o = options(2, 1, 32, visible);
        let mut qkv = values(t * o.qkv_width(), 1);
        for (row, line) in qkv.chunks_exact_mut(o.qkv_width()).enumerate() {
            let key = &mut line[o.key_column(0)..][..o.head_dim];
            for k in key {
                *k *= row as f32 / 4.0;
            }
        }
        // A score of a hundred is rounded by 4e-6, which is the relative error of its weight; the
        // largest gradients here are sums of dozens of such weights times keys of up to 64.
        agrees_with_naive(&o, t, &qkv, 10.0 * SUMS);
    }
}

/// What forward and backward write for one sequence.
#[derive(PartialEq, Debug)]
struct ForwardAndBackward {
    mix: Vec<f32>,
    lse: Vec<f32>,
    dqkv: Vec<f32>,
}

fn run(
    isa: Isa,
    parallel: &dyn Parallel,
    o: &Options<'_>,
    t: usize,
    qkv: &[f32],
    dmix: &[f32],
) -> ForwardAndBackward {
    let mut scratch = vec![f32::NAN; scratch_len_by(parallel.threads(), t, o)];
    let mut mix = vec![f32::NAN; t * o.mix_width()];
    let mut lse = vec![f32::NAN; t * o.heads];
    let mut dqkv = vec![f32::NAN; t * o.qkv_width()];
    let threads = Threads {
        parallel,
        scratch: &mut scratch,
    };
    let out = Outputs {
        mix: &mut mix,
        lse: &mut lse,
    };
    forward_by(isa, threads, out, qkv, o, t);
    scratch.fill(f32::NAN);
    let threads = Threads {
        parallel,
        scratch: &mut scratch,
    };
    let saved = Saved {
        qkv,
        mix: &mix,
        lse: &lse,
    };
    backward_by(isa, threads, &mut dqkv, dmix, &saved, o, t);
    ForwardAndBackward { mix, lse, dqkv }
}

#[track_caller]
fn agrees_with_naive(o: &Options<'_>, t: usize, qkv: &[f32], tolerance: f32) {
    let dmix = values(t * o.mix_width(), 2);
    let mut mix = vec![0.0; t * o.mix_width()];
    let mut lse = vec![0.0; t * o.heads];
    let mut dqkv = vec![0.0; t * o.qkv_width()];
    let out = Outputs {
        mix: &mut mix,
        lse: &mut lse,
    };
    naive::forward(out, &to_f64(qkv), o, t);
    naive::backward(&mut dqkv, &to_f64(&dmix), &to_f64(qkv), o, t);
    for isa in Isa::available() {
        let fast = run(isa, &Sequential, o, t, qkv, &dmix);
        for (name, fast, naive) in [
            ("mix", fast.mix, &mix),
            ("lse", fast.lse, &lse),
            ("dqkv", fast.dqkv, &dqkv),
        ] {
            let what = format!("{name}, T {t}, {o:?}");
            close(isa, &what, &fast, &narrow(naive), tolerance);
        }
    }
}

/// Threads that take the next task when they are free, the last task first.
struct ScopedThreads(usize);

impl Parallel for ScopedThreads {
    fn threads(&self) -> usize {
        self.0
    }

    fn for_each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        let left = AtomicUsize::new(tasks);
        let next = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        std::thread::scope(|scope| {
            for _ in 0..self.0 {
                scope.spawn(|| {
                    while let Ok(left) = next() {
                        work(left - 1);
                    }
                });
            }
        });
    }
}

#[test]
fn several_threads_give_the_bits_of_one() {
    let of_both = |(o, t)| OperandType::ALL.map(|precision| (Options { precision, ..o }, t));
    let long = grid().into_iter().filter(|&(_, t)| t > 60 || t == 16);
    for (o, t) in long.flat_map(of_both) {
        let (qkv, dmix) = (values(t * o.qkv_width(), 1), values(t * o.mix_width(), 2));
        let isa = Isa::detect();
        let alone = run(isa, &Sequential, &o, t, &qkv, &dmix);
        for size in [2, 3, 7] {
            let together = run(isa, &ScopedThreads(size), &o, t, &qkv, &dmix);
            assert_eq!(together, alone, "{size} threads, T {t}, {o:?}");
        }
    }
}

/// Runs the first task again in place of the second.
struct RepeatsATask;

impl Parallel for RepeatsATask {
    fn threads(&self) -> usize {
        2
    }

    fn for_each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(|_| work(0));
    }
}

#[test]
#[should_panic(expected = "task 0 twice")]
fn a_parallel_that_repeats_a_task_is_caught() {
    let (o, t) = (options(2, 2, 16, VisibleKeys::Causal), 40);
    let (qkv, dmix) = (values(t * o.qkv_width(), 1), values(t * o.mix_width(), 2));
    run(Isa::detect(), &RepeatsATask, &o, t, &qkv, &dmix);
}

#[test]
fn scratch_for_a_sequence_is_enough_for_a_shorter_one() {
    for (o, _) in grid() {
        assert!((0..200).all(|t| scratch_len(t, &o) <= scratch_len(t + 1, &o)));
    }
}

#[test]
fn naive_backward_is_the_derivative() {
    let t = 5;
    for visible in [VisibleKeys::Causal, VisibleKeys::Full] {
        let o = options(2, 1, 3, visible);
        let o = Options {
            softcap: Some(0.8),
            alibi: Some(&SLOPES[..2]),
            dropout: Some(dropout()),
            ..o
        };
        let (qkv, dmix) = (
            to_f64(&values(t * o.qkv_width(), 3)),
            to_f64(&values(t * o.mix_width(), 4)),
        );
        let mut dqkv = vec![0.0; qkv.len()];
        naive::backward(&mut dqkv, &dmix, &qkv, &o, t);
        check_gradient("dqkv", &dqkv, &qkv, |qkv| {
            let (mut mix, mut lse) = (vec![0.0; dmix.len()], vec![0.0; t * o.heads]);
            let out = Outputs {
                mix: &mut mix,
                lse: &mut lse,
            };
            naive::forward(out, qkv, &o, t);
            dot(&mix, &dmix)
        });
    }
}

#[test]
fn decoding_is_the_last_row_of_a_forward() {
    for (o, t) in grid() {
        let o = Options { dropout: None, ..o };
        let qkv = values(t * o.qkv_width(), 5);
        let (mut mix, mut lse) = (vec![0.0; t * o.mix_width()], vec![0.0; t * o.heads]);
        let out = Outputs {
            mix: &mut mix,
            lse: &mut lse,
        };
        naive::forward(out, &to_f64(&qkv), &o, t);
        let q = &qkv[(t - 1) * o.qkv_width()..][..o.mix_width()];
        for (isa, room) in Isa::available().flat_map(|isa| [(isa, t), (isa, t + 40)]) {
            let layout = CacheLayout::new(&o, room);
            let mut cache = vec![0.0; layout.len()];
            let (early, late) = qkv.split_at(t / 2 * o.qkv_width());
            layout.append(&mut cache, early, &o, 0);
            layout.append(&mut cache, late, &o, t / 2);
            let mut row = vec![f32::NAN; o.mix_width()];
            let mut scratch = vec![f32::NAN; decode_scratch_len(t)];
            let kv = KeysAndValues {
                layout: &layout,
                cache: &cache,
            };
            decode_one(isa, &mut row, &mut scratch, q, kv, &o, t);
            let expected = narrow(&mix[(t - 1) * o.mix_width()..]);
            close(isa, &format!("decode, T {t}, {o:?}"), &row, &expected, SUMS);
        }
    }
}

#[test]
fn a_causal_row_does_not_see_the_future() {
    let (o, t) = (options(1, 1, 16, VisibleKeys::Causal), 70);
    let mut qkv = values(t * o.qkv_width(), 6);
    let run = |qkv: &[f32]| {
        let (mut mix, mut lse) = (vec![0.0; t * 16], vec![0.0; t]);
        let mut scratch = vec![f32::NAN; scratch_len(t, &o)];
        let out = Outputs {
            mix: &mut mix,
            lse: &mut lse,
        };
        forward(Isa::detect(), out, &mut scratch, qkv, &o, t);
        mix
    };
    let before = run(&qkv);
    qkv[41 * o.qkv_width()..].fill(9.0);
    let after = run(&qkv);
    assert_eq!(before[..41 * 16], after[..41 * 16]);
    assert_ne!(before[41 * 16..], after[41 * 16..]);
}

/// Numbers that are none stand before every window of the last rows, and change no bit of them:
/// the blocks of keys that only earlier rows see are left out.
#[test]
fn keys_before_the_window_are_not_read() {
    let (t, bad, window) = (300, 100, 20);
    for o in OperandType::ALL.map(|precision| Options {
        precision,
        ..options(2, 1, 32, VisibleKeys::Window(window))
    }) {
        for isa in Isa::available() {
            let (mut qkv, dmix) = (values(t * o.qkv_width(), 6), values(t * o.mix_width(), 2));
            let before = run(isa, &Sequential, &o, t, &qkv, &dmix);
            qkv[..bad * o.qkv_width()].fill(f32::NAN);
            let after = run(isa, &Sequential, &o, t, &qkv, &dmix);
            let first = bad + window + QUERIES;
            let (mix, dqkv) = (first * o.mix_width(), first * o.qkv_width());
            assert_eq!(before.mix[mix..], after.mix[mix..], "{isa:?} {o:?}");
            assert_eq!(before.dqkv[dqkv..], after.dqkv[dqkv..], "{isa:?} {o:?}");
            assert!(after.mix[(bad + window - 2) * o.mix_width()].is_nan());
        }
    }
}
