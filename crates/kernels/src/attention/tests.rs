use super::*;
use crate::isa::Isa;
use crate::testing::{SUMS, check_gradient, close, dot, narrow, to_f64, values};

const SLOPES: [f32; 4] = [0.5, 0.25, 0.125, 0.0625];

fn options(heads: usize, kv_heads: usize, head_dim: usize, causal: bool) -> Options<'static> {
    Options {
        heads,
        kv_heads,
        head_dim,
        causal,
        scale: 1.0 / (head_dim as f32).sqrt(),
        softcap: None,
        alibi: None,
        dropout: None,
    }
}

fn dropout() -> WeightDropout {
    WeightDropout {
        dropout: Dropout::new(0.2, [7, 9], 3, 11),
        first_row: 1000,
    }
}

/// Shapes and switches, each alone and together.
fn grid() -> Vec<(Options<'static>, usize)> {
    let mut grid = Vec::new();
    for t in [1, 7, 17, 33, 64, 130, 161] {
        for causal in [true, false] {
            let plain = options(2, 1, 20, causal);
            grid.push((options(4, 4, 32, causal), t));
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
            let all = options(4, 2, 48, causal);
            let all = Options {
                softcap: Some(2.0),
                alibi: Some(&SLOPES),
                dropout: Some(dropout()),
                ..all
            };
            grid.push((all, t));
        }
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
        let dmix = values(t * o.mix_width(), 2);
        let mut mix = vec![0.0; t * o.mix_width()];
        let mut lse = vec![0.0; t * o.heads];
        let mut dqkv = vec![0.0; t * o.qkv_width()];
        naive::forward(&mut mix, &mut lse, &to_f64(&qkv), &o, t);
        naive::backward(&mut dqkv, &to_f64(&dmix), &to_f64(&qkv), &o, t);
        for isa in Isa::available() {
            let mut scratch = vec![f32::NAN; scratch_len(t, &o)];
            let mut fast_mix = vec![f32::NAN; mix.len()];
            let mut fast_lse = vec![f32::NAN; lse.len()];
            forward(isa, &mut fast_mix, &mut fast_lse, &mut scratch, &qkv, &o, t);
            close(
                isa,
                &format!("mix, T {t}, {o:?}"),
                &fast_mix,
                &narrow(&mix),
                SUMS,
            );
            close(
                isa,
                &format!("lse, T {t}, {o:?}"),
                &fast_lse,
                &narrow(&lse),
                SUMS,
            );
            let mut fast = vec![f32::NAN; dqkv.len()];
            scratch.fill(f32::NAN);
            backward(
                isa,
                &mut fast,
                &mut scratch,
                &dmix,
                &fast_mix,
                &fast_lse,
                &qkv,
                &o,
                t,
            );
            close(
                isa,
                &format!("dqkv, T {t}, {o:?}"),
                &fast,
                &narrow(&dqkv),
                SUMS,
            );
        }
    }
}

#[test]
fn naive_backward_is_the_derivative() {
    let t = 5;
    for causal in [true, false] {
        let o = options(2, 1, 3, causal);
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
            naive::forward(&mut mix, &mut lse, qkv, &o, t);
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
        naive::forward(&mut mix, &mut lse, &to_f64(&qkv), &o, t);
        let columns = |first: usize, count: usize| -> Vec<f32> {
            let rows = qkv.chunks_exact(o.qkv_width());
            rows.flat_map(|row| row[first..first + count].to_vec())
                .collect()
        };
        let keys = columns(o.key_column(0), o.kv_heads * o.head_dim);
        let cache = columns(o.value_column(0), o.kv_heads * o.head_dim);
        let q = &qkv[(t - 1) * o.qkv_width()..][..o.mix_width()];
        for isa in Isa::available() {
            let (mut row, mut scratch) = (vec![0.0; o.mix_width()], vec![f32::NAN; t]);
            decode_one(isa, &mut row, &mut scratch, q, &keys, &cache, &o, t);
            let expected = narrow(&mix[(t - 1) * o.mix_width()..]);
            close(isa, &format!("decode, T {t}, {o:?}"), &row, &expected, SUMS);
        }
    }
}

#[test]
fn a_causal_row_does_not_see_the_future() {
    let (o, t) = (options(1, 1, 16, true), 70);
    let mut qkv = values(t * o.qkv_width(), 6);
    let run = |qkv: &[f32]| {
        let (mut mix, mut lse) = (vec![0.0; t * 16], vec![0.0; t]);
        let mut scratch = vec![f32::NAN; scratch_len(t, &o)];
        forward(Isa::detect(), &mut mix, &mut lse, &mut scratch, qkv, &o, t);
        mix
    };
    let before = run(&qkv);
    qkv[41 * o.qkv_width()..].fill(9.0);
    let after = run(&qkv);
    assert_eq!(before[..41 * 16], after[..41 * 16]);
    assert_ne!(before[41 * 16..], after[41 * 16..]);
}
