use super::naive::LinearShape;
use super::*;
use crate::isa::Kind;
use crate::testing::{SUMS, check_gradient, close, dot, maps, nearest_bf16, to_f64, values};

/// Rows, inputs, outputs: around every height of tile, width of panel and depth of block, and rows
/// that share sets of a cache.
const SIZES: [(usize, usize, usize); 16] = [
    (1, 33, 17),
    (2, 130, 7),
    (3, 1, 1),
    (7, 16, 48),
    (13, 5, 32),
    (16, 32, 16),
    (29, 65, 31),
    (114, 16, 27),
    (33, 17, 130),
    (130, 33, 65),
    (280, 40, 33),
    (540, 20, 18),
    (11, 40, 540),
    (21, 600, 30),
    (13, 1024, 513),
    (5, 513, 1024),
];

fn packed(map: &Linear, direction: Direction, w: &[f32]) -> Vec<u32> {
    let mut panels = vec![u32::MAX; map.panels_len(direction)];
    map.pack(direction, &mut panels, 0, w);
    panels
}

fn scratch() -> Vec<f32> {
    vec![f32::NAN; SCRATCH_LEN]
}

/// What a product in this precision multiplies, exactly.
fn operand(precision: OperandType, x: &[f32]) -> Vec<f64> {
    match precision {
        OperandType::F32 => to_f64(x),
        OperandType::Bf16 => x.iter().map(|&x| nearest_bf16(x)).collect(),
    }
}

/// c + a b in f64: `a(row, step)`, `b(step, column)`.
fn witness(
    c: &[f32],
    a: impl Fn(usize, usize) -> f64,
    b: impl Fn(usize, usize) -> f64,
    sizes: Sizes,
) -> Vec<f32> {
    let (m, n, k) = (sizes.rows, sizes.columns, sizes.steps);
    let sum = |row, column| {
        (0..k)
            .map(|step| a(row, step) * b(step, column))
            .sum::<f64>()
    };
    (0..m * n)
        .map(|i| (f64::from(c[i]) + sum(i / n, i % n)) as f32)
        .collect()
}

#[test]
fn products_are_those_of_the_rounded_operands() {
    for size in SIZES {
        let (n, inp, out) = size;
        let (x, w) = (values(n * inp, 1), values(out * inp, 2));
        let (dy, bias) = (values(n * out, 3), values(out, 4));
        let (dx, dw) = (values(n * inp, 5), values(out * inp, 6));
        for map in maps(inp, out) {
            let [x64, w64, dy64] = [&x, &w, &dy].map(|v| operand(map.precision, v));
            let what = |name| format!("{name} {size:?} {}", map.precision);
            let mut y = vec![f32::NAN; n * out];
            map.forward(
                &mut y,
                &mut scratch(),
                &x,
                Operand::Plain(&w),
                Some(&bias),
                n,
            );
            let start: Vec<f32> = (0..n * out).map(|i| bias[i % out]).collect();
            let expect = witness(
                &start,
                |row, i| x64[row * inp + i],
                |i, o| w64[o * inp + i],
                Sizes {
                    rows: n,
                    columns: out,
                    steps: inp,
                },
            );
            close(map.isa, &what("y"), &y, &expect, SUMS);

            let mut fast = dx.clone();
            map.backward_input(&mut fast, &mut scratch(), &dy, Operand::Plain(&w), true, n);
            let expect = witness(
                &dx,
                |row, o| dy64[row * out + o],
                |o, i| w64[o * inp + i],
                Sizes {
                    rows: n,
                    columns: inp,
                    steps: out,
                },
            );
            close(map.isa, &what("dx"), &fast, &expect, SUMS);

            let mut fast = dw.clone();
            let grads = all_outs(&map, &mut fast, None);
            map.backward_weight(grads, &mut scratch(), &dy, Operand::Plain(&x), n);
            let expect = witness(
                &dw,
                |o, row| dy64[row * out + o],
                |row, i| x64[row * inp + i],
                Sizes {
                    rows: out,
                    columns: inp,
                    steps: n,
                },
            );
            close(map.isa, &what("dw"), &fast, &expect, SUMS);
        }
    }
}

#[test]
fn f32_agrees_with_plain_loops() {
    for (n, inp, out) in SIZES {
        let shape = LinearShape { n, inp, out };
        let (x, w) = (values(n * inp, 1), values(out * inp, 2));
        let (dy, bias) = (values(n * out, 3), values(out, 4));
        for map in maps(inp, out).filter(|map| map.precision == OperandType::F32) {
            for bias in [None, Some(bias.as_slice())] {
                let (mut fast, mut slow) = (vec![f32::NAN; n * out], vec![0.0; n * out]);
                naive::forward(&mut slow, &x, &w, bias, shape);
                map.forward(&mut fast, &mut scratch(), &x, Operand::Plain(&w), bias, n);
                close(map.isa, "forward", &fast, &slow, SUMS);
            }
            for accumulate in [false, true] {
                let (mut fast, mut slow) = (values(n * inp, 5), values(n * inp, 5));
                let w_plain = Operand::Plain(&w);
                map.backward_input(&mut fast, &mut scratch(), &dy, w_plain, accumulate, n);
                naive::backward_input(&mut slow, &dy, &w, accumulate, shape);
                close(map.isa, "dx", &fast, &slow, SUMS);
            }
            let (mut fast, mut slow) = (values(out * inp, 6), values(out * inp, 6));
            let (mut db, mut slow_db) = (values(out, 7), values(out, 7));
            let grads = all_outs(&map, &mut fast, Some(&mut db));
            map.backward_weight(grads, &mut scratch(), &dy, Operand::Plain(&x), n);
            naive::backward_weight(&mut slow, &dy, &x, shape);
            naive::backward_bias(&mut slow_db, &dy, n, out);
            close(map.isa, "dw", &fast, &slow, SUMS);
            assert_eq!(db, slow_db, "{:?}: rows in order", map.isa);
            let mut alone = values(out, 7);
            backward_bias(map.isa, &mut alone, &dy, n, out);
            assert_eq!(db, alone, "{:?}", map.isa);
        }
    }
}

/// The law of one order: panels or not, all at once or split by rows and outputs at will, the same
/// bits.
#[test]
fn bits_do_not_depend_on_panels_or_on_how_a_product_is_split() {
    for (n, inp, out) in SIZES {
        let (x, w) = (values(n * inp, 1), values(out * inp, 2));
        let (dy, bias) = (values(n * out, 3), values(out, 4));
        for map in maps(inp, out) {
            let (mut y, mut dx) = (vec![0.0; n * out], values(n * inp, 5));
            let bias = Some(bias.as_slice());
            map.forward(&mut y, &mut scratch(), &x, Operand::Plain(&w), bias, n);
            map.backward_input(&mut dx, &mut scratch(), &dy, Operand::Plain(&w), true, n);
            let panels = Direction::ALL.map(|direction| packed(&map, direction, &w));
            for rows in [1, 3, 5, 12, 17, n] {
                let (mut y2, mut dx2) = (vec![f32::NAN; n * out], values(n * inp, 5));
                for first in (0..n).step_by(rows) {
                    let (rows, count) = (first..n.min(first + rows), rows.min(n - first));
                    let of = |width: usize| rows.start * width..rows.end * width;
                    let weight = Operand::Panels(&panels[0]);
                    let y = &mut y2[of(out)];
                    map.forward(y, &mut scratch(), &x[of(inp)], weight, bias, count);
                    let weight = Operand::Panels(&panels[1]);
                    let dx = &mut dx2[of(inp)];
                    map.backward_input(dx, &mut scratch(), &dy[of(out)], weight, true, count);
                }
                assert_eq!(y, y2, "{map:?}, {rows} of {n} rows");
                assert_eq!(dx, dx2, "{map:?}, {rows} of {n} rows");
            }
            split_gradient(&map, &dy, &x, n);
        }
    }
}

/// x as dW's right operand, in panels that are made in two parts.
fn packed_inputs(map: &Linear, x: &[f32], n: usize) -> Vec<f32> {
    let len = map.inputs_panel_len(n);
    let mut panels = vec![f32::NAN; map.inp.div_ceil(PANEL) * len];
    let (low, high) = panels.split_at_mut(len);
    map.pack_inputs(low, 0, x, n);
    map.pack_inputs(high, 1, x, n);
    panels
}

/// The gradients of all outputs, added to what is there.
fn all_outs<'a>(map: &Linear, dw: &'a mut [f32], dbias: Option<&'a mut [f32]>) -> WeightGrads<'a> {
    WeightGrads {
        outs: 0..map.out,
        dw,
        accumulate_dw: true,
        dbias,
    }
}

/// dW by ranges of outputs and, one after the other, of rows.
fn split_gradient(map: &Linear, dy: &[f32], x: &[f32], n: usize) {
    let (inp, out) = (map.inp, map.out);
    let (start, start_bias) = (values(out * inp, 6), values(out, 7));
    let (mut dw, mut db) = (start.clone(), start_bias.clone());
    let grads = all_outs(map, &mut dw, Some(&mut db));
    map.backward_weight(grads, &mut scratch(), dy, Operand::Plain(x), n);
    let inputs = packed_inputs(map, x, n);
    let (mut dw2, mut db2) = (start.clone(), start_bias.clone());
    let grads = all_outs(map, &mut dw2, Some(&mut db2));
    map.backward_weight(grads, &mut scratch(), dy, made(&inputs), n);
    assert_eq!((&dw, &db), (&dw2, &db2), "{map:?}, inputs in panels");
    let (mut added, mut set) = (vec![0.0; out * inp], vec![f32::NAN; out * inp]);
    for (dw, accumulate_dw) in [(&mut added, true), (&mut set, false)] {
        let grads = WeightGrads {
            accumulate_dw,
            ..all_outs(map, dw, None)
        };
        map.backward_weight(grads, &mut scratch(), dy, Operand::Plain(x), n);
    }
    assert_eq!(added, set, "{map:?}, set instead of added to zero");
    for outs in [1, 7, 12, 40, out] {
        for rows in [1, 6, 31, n] {
            let (mut dw2, mut db2) = (start.clone(), start_bias.clone());
            for first in (0..out).step_by(outs) {
                let outs = first..out.min(first + outs);
                for row in (0..n).step_by(rows) {
                    let rows = row..n.min(row + rows);
                    let (x, dy) = (
                        &x[rows.start * inp..rows.end * inp],
                        &dy[rows.start * out..rows.end * out],
                    );
                    let grads = WeightGrads {
                        outs: outs.clone(),
                        dw: &mut dw2[outs.start * inp..outs.end * inp],
                        accumulate_dw: true,
                        dbias: Some(&mut db2[outs.clone()]),
                    };
                    map.backward_weight(grads, &mut scratch(), dy, Operand::Plain(x), rows.len());
                }
            }
            assert_eq!(dw, dw2, "{map:?}, {outs} outputs, {rows} of {n} rows");
            assert_eq!(db, db2, "{map:?}, {outs} outputs, {rows} of {n} rows");
        }
    }
}

#[test]
fn panels_may_be_packed_in_parts() {
    let (inp, out) = (50, 131);
    let w = values(out * inp, 1);
    for map in maps(inp, out) {
        for direction in Direction::ALL {
            let whole = packed(&map, direction, &w);
            let mut parts = vec![u32::MAX; whole.len()];
            let len = map.panel_len(direction);
            for (part, first) in parts.chunks_mut(2 * len).zip((0..).step_by(2)) {
                map.pack(direction, part, first, &w);
            }
            assert_eq!(whole, parts, "{map:?} {direction:?}");
        }
    }
}

fn pack_by_rows(rows: PanelRows, w: &[f32], band: usize) {
    let width = rows.width();
    let (w, more_w) = w.split_at(w.len().min(band * width));
    let (rows, more_rows) = rows.split(w.len() / width);
    if !more_w.is_empty() {
        pack_by_rows(more_rows, more_w, band);
    }
    rows.pack(w);
}

#[test]
#[should_panic(expected = "panels of 70 rows cannot be cut after 33")]
fn panels_are_not_cut_inside_a_band() {
    let map = maps(3, 70).next().expect("portable is always there");
    let [mut forward, mut backward] = Direction::ALL.map(|d| vec![0; map.panels_len(d)]);
    let _ = map.panel_rows(&mut forward, &mut backward).split(33);
}

/// Bands of rows, the last ones first: each word where `pack` puts it, and no other written.
#[test]
fn panels_may_be_packed_by_rows() {
    for (inp, out) in [(1, 1), (50, 131), (33, 64), (96, 32), (64, 95), (17, 203)] {
        let w = values(out * inp, 1);
        for map in maps(inp, out) {
            let expected = Direction::ALL.map(|direction| packed(&map, direction, &w));
            for band in [1, 2, 5].map(|bands| bands * Linear::BAND) {
                let [mut forward, mut backward] =
                    [&expected[0], &expected[1]].map(|panels| vec![u32::MAX; panels.len()]);
                pack_by_rows(map.panel_rows(&mut forward, &mut backward), &w, band);
                assert_eq!([forward, backward], expected, "{map:?}, bands of {band}");
            }
        }
    }
}

/// The instruction for pairs of bf16 and its stand-in add the same products in the same order.
#[test]
fn bf16_is_the_same_wherever_multiply_adds_are_fused() {
    let kinds = [Kind::Avx2, Kind::Avx512, Kind::Avx512Bf16];
    let (n, inp, out) = (37, 75, 50);
    let (x, w) = (values(n * inp, 1), values(out * inp, 2));
    let of = |isa| {
        let map = Linear {
            isa,
            precision: OperandType::Bf16,
            inp,
            out,
        };
        let mut y = vec![0.0; n * out];
        map.forward(&mut y, &mut scratch(), &x, Operand::Plain(&w), None, n);
        y
    };
    let all: Vec<Vec<f32>> = kinds.into_iter().filter_map(Isa::try_new).map(of).collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

/// A diverging run must be seen: what is not finite stays so.
#[test]
fn nan_and_infinity_survive() {
    let nans = [
        f32::NAN,
        -f32::NAN,
        f32::from_bits(0x7f80_0001),
        f32::from_bits(0xffff_ffff),
    ];
    for map in maps(19, 21) {
        for (bad, i) in nans
            .into_iter()
            .chain([f32::INFINITY, f32::MAX * 2.0])
            .zip(0..)
        {
            let (mut x, mut w) = (vec![1.0; 5 * 19], vec![1.0; 19 * 21]);
            let mut y = vec![0.0; 5 * 21];
            if i % 2 == 0 {
                x[2 * 19 + 18] = bad;
            } else {
                w[20 * 19 + 7] = bad;
            }
            map.forward(&mut y, &mut scratch(), &x, Operand::Plain(&w), None, 5);
            let seen = y[2 * 21 + 20];
            assert!(
                seen.is_nan() == bad.is_nan() && !seen.is_finite(),
                "{map:?} {bad} {seen}"
            );
            assert!(y[0] == 19.0, "{map:?}");
        }
    }
}

/// The independent witness: an f64 affine map written here, differentiated by differences.
#[test]
fn naive_backward_is_the_derivative() {
    let (n, inp, out) = (3, 4, 5);
    let shape = LinearShape { n, inp, out };
    let (x, w, bias, dy) = (values(12, 1), values(20, 2), values(5, 3), values(15, 4));
    let loss = |x: &[f64], w: &[f64], bias: &[f64]| -> f64 {
        let y = |row: usize, o: usize| bias[o] + dot(&x[row * inp..][..inp], &w[o * inp..][..inp]);
        (0..n * out)
            .map(|e| f64::from(dy[e]) * y(e / out, e % out))
            .sum()
    };
    let (x64, w64, b64) = (to_f64(&x), to_f64(&w), to_f64(&bias));
    let (mut dx, mut dw, mut dbias) = ([0.0; 12], [0.0; 20], [0.0; 5]);
    naive::backward_input(&mut dx, &dy, &w, false, shape);
    naive::backward_weight(&mut dw, &dy, &x, shape);
    naive::backward_bias(&mut dbias, &dy, n, out);
    check_gradient("dx", &to_f64(&dx), &x64, |x| loss(x, &w64, &b64));
    check_gradient("dw", &to_f64(&dw), &w64, |w| loss(&x64, w, &b64));
    check_gradient("dbias", &to_f64(&dbias), &b64, |b| loss(&x64, &w64, b));
}
