//! Linear maps: both precisions, W in panels and plain, operands in the second-level cache ("hot")
//! and cycling through more than it holds, as in an engine ("cold"); shapes of the presets, and
//! small ones.

use crate::{best, numbers};
use gptlab_kernels::linear::{Direction, Linear, Operand, SCRATCH_LEN, WeightGrads};
use gptlab_kernels::{Isa, OperandType};

/// Rows, inputs, outputs.
const SIZES: [(usize, usize, usize); 14] = [
    (256, 128, 384),
    (256, 128, 128),
    (256, 128, 512),
    (256, 512, 128),
    (256, 128, 65),
    (1024, 128, 384),
    (256, 384, 1152),
    (256, 1536, 384),
    (1024, 768, 3072),
    (114, 16, 48),
    (114, 16, 16),
    (114, 64, 16),
    (114, 16, 27),
    (114, 64, 256),
];

/// Bytes that the cold operands cycle through.
const COLD: usize = 12 << 20;

/// One set of operands.
struct Operands {
    x: Vec<f32>,
    w: Vec<f32>,
    y: Vec<f32>,
    panels: [Panels; 2],
}

/// Panels that begin on a cache line.
struct Panels {
    words: Vec<u32>,
    first: usize,
}

impl Panels {
    fn new(map: &Linear, direction: Direction, w: &[f32]) -> Self {
        let len = map.panels_len(direction);
        let mut words = vec![0; len + 16];
        let first = words.as_ptr().align_offset(64).min(16);
        map.pack(direction, &mut words[first..][..len], 0, w);
        words.truncate(first + len);
        Self { words, first }
    }

    fn weight(&self) -> Operand<'_> {
        Operand::Panels(&self.words[self.first..])
    }
}

impl Operands {
    fn new(map: &Linear, n: usize) -> Self {
        let w = numbers(map.inp * map.out);
        Self {
            panels: Direction::ALL.map(|direction| Panels::new(map, direction, &w)),
            x: numbers(n * map.inp),
            y: numbers(n * map.out),
            w,
        }
    }
}

/// GFLOP/s of forward (panels, plain), dx (panels, plain) and dW.
fn rates(map: &Linear, n: usize, sets: usize) -> [f64; 5] {
    let mut sets: Vec<Operands> = (0..sets).map(|_| Operands::new(map, n)).collect();
    let (mut scratch, bias) = (vec![0.0; SCRATCH_LEN], numbers(map.out));
    let (scratch, bias) = (&mut scratch, Some(bias.as_slice()));
    let work = 2e-9 * (n * map.inp * map.out * sets.len()) as f64;
    let mut rate = |work_on: &mut dyn FnMut(&mut Operands)| {
        work / best(|| sets.iter_mut().for_each(&mut *work_on))
    };
    // dW first: it reads x and y, and the others overwrite them with what they grow to.
    let weight = rate(&mut |s| {
        let grads = WeightGrads {
            outs: 0..map.out,
            dw: &mut s.w,
            accumulate_dw: true,
            dbias: None,
        };
        map.backward_weight(grads, scratch, &s.y, Operand::Plain(&s.x), n);
    });
    let forward = rate(&mut |s| {
        let w = s.panels[0].weight();
        map.forward(&mut s.y, scratch, &s.x, w, bias, n);
    });
    let forward_plain = rate(&mut |s| {
        map.forward(&mut s.y, scratch, &s.x, Operand::Plain(&s.w), bias, n);
    });
    let input = rate(&mut |s| {
        let w = s.panels[1].weight();
        map.backward_input(&mut s.x, scratch, &s.y, w, false, n);
    });
    let input_plain = rate(&mut |s| {
        map.backward_input(&mut s.x, scratch, &s.y, Operand::Plain(&s.w), false, n);
    });
    [forward, forward_plain, input, input_plain, weight]
}

pub(crate) fn show(isa: Isa) {
    println!("linear, GFLOP/s: forward with panels, plain; dx with panels, plain; dW");
    // The best has the whole table, the others its beginning.
    let count = if isa == Isa::detect() { SIZES.len() } else { 4 };
    for &(n, inp, out) in &SIZES[..count] {
        for precision in OperandType::ALL {
            let map = Linear {
                isa,
                precision,
                inp,
                out,
            };
            let bytes = 4 * (n * inp + n * out + 3 * inp * out);
            for (name, sets) in [("hot", 1), ("cold", COLD.div_ceil(bytes).max(2))] {
                let [y, y_plain, x, x_plain, w] = rates(&map, n, sets);
                println!(
                    "{n:>5} x {inp:>4} x {out:>4} {precision:<4} {name:<4} {y:5.0} {y_plain:5.0}   {x:5.0} {x_plain:5.0}   {w:5.0}"
                );
            }
        }
    }
}
