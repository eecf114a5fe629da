//! A whole GPT in one file, after Karpathy's microgpt.py: the same draws and the same arithmetic in
//! the same order, hence the same bits. `microgpt [FILE]` learns from a text, a document a line.

use std::{array, env, f64::consts::TAU, fs, hint::black_box, iter, path::PathBuf, process};

const N_LAYER: usize = 1; // depth of the network
const N_EMBD: usize = 16; // width of the network
const BLOCK_SIZE: usize = 16; // longest context, in tokens
const N_HEAD: usize = 4; // attention heads in a layer
const HEAD_DIM: usize = N_EMBD / N_HEAD; // width of a head
const NUM_STEPS: usize = 1000; // training steps, a document each
const LEARNING_RATE: f64 = 0.01; // of the first step; it falls linearly to 0
const BETA1: f64 = 0.85; // Adam's memory of the gradient
const BETA2: f64 = 0.99; // Adam's memory of its square
const EPS_ADAM: f64 = 1e-8; // keeps Adam from dividing by 0
const TEMPERATURE: f64 = 0.5; // of sampling: low is safe, high is bold
const SEED: u64 = 42; // of every draw

// Randomness: CPython's `random`, draw for draw. A generator (MT19937) is a closure over its state.
fn generator(seed: u64) -> impl FnMut() -> u32 {
    let key = [seed as u32, (seed >> 32) as u32];
    let key = if key[1] == 0 { &key[..1] } else { &key };
    let mix = |x: u32, by: u32| (x ^ (x >> 30)).wrapping_mul(by);
    let mut s = [19_650_218; 624];
    for i in 1..624 {
        s[i] = mix(s[i - 1], 1_812_433_253).wrapping_add(i as u32);
    }
    for n in 0..624 + 623 {
        let (i, j) = (n % 623 + 1, n % key.len());
        s[i] = match n {
            ..624 => (s[i] ^ mix(s[i - 1], 1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32),
            _ => (s[i] ^ mix(s[i - 1], 1_566_083_941)).wrapping_sub(i as u32),
        };
        s[0] = s[623];
    }
    s[0] = 1 << 31;
    let mut places = (0..624).cycle();
    move || {
        let i = places.next().unwrap_or(0);
        let y = (s[i] & 1 << 31) | (s[(i + 1) % 624] & !(1 << 31));
        s[i] = s[(i + 397) % 624] ^ (y >> 1) ^ ((y & 1) * 0x9908_b0df);
        let y = s[i] ^ (s[i] >> 11);
        let y = y ^ ((y << 7) & 0x9d2c_5680);
        let y = y ^ ((y << 15) & 0xefc6_0000);
        y ^ (y >> 18)
    }
}
fn random(word: &mut impl FnMut() -> u32) -> f64 {
    let (high, low) = (word() >> 5, word() >> 6);
    (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
}
fn gauss(word: &mut impl FnMut() -> u32) -> impl Iterator<Item = f64> {
    let pair = || {
        let angle = random(word) * TAU;
        let radius = (-2.0 * (1.0 - random(word)).ln()).sqrt();
        [angle.cos() * radius, angle.sin() * radius]
    };
    iter::repeat_with(pair).flatten()
}
fn shuffle<T>(items: &mut [T], word: &mut impl FnMut() -> u32) {
    for i in (1..items.len()).rev() {
        let bits = (i + 1).ilog2() + 1;
        let draw = iter::repeat_with(|| (word() >> (32 - bits)) as usize).find(|&j| j <= i);
        items.swap(i, draw.unwrap_or(i));
    }
}
fn choice(weights: &[f64], word: &mut impl FnMut() -> u32) -> usize {
    let add = |sum: &mut f64, w: &f64| Some(mem::replace(sum, *sum + w));
    let sums: Vec<f64> = weights.iter().scan(0.0, add).collect();
    let x = random(word) * sums[sums.len() - 1];
    sums[..sums.len() - 1].partition_point(|&sum| sum <= x)
}

// Autograd: a tape of numbers, each with its children and the local derivatives; it only grows.
#[derive(Clone, Copy)]
struct Vector(usize, usize); // where on the tape it begins, and its length

enum Node {
    Scalar([(usize, f64); 2]), // children with local derivatives
    Dot(usize, usize, usize),  // the fused one: two vectors and their length
}

struct Tape {
    data: Vec<f64>, // the parameters, then a number for each node
    nodes: Vec<Node>,
}

impl Tape {
    fn zip(&mut self, x: Vector, y: Vector, f: impl Fn(f64, f64) -> (f64, [f64; 2])) -> Vector {
        for i in 0..x.1 {
            let (a, b) = (x.0 + i, y.0 + i.min(y.1 - 1));
            let (value, [da, db]) = f(self.data[a], self.data[b]);
            self.data.push(value);
            self.nodes.push(Node::Scalar([(a, da), (b, db)]));
        }
        Vector(self.data.len() - x.1, x.1)
    }
    fn map(&mut self, x: Vector, f: impl Fn(f64) -> (f64, f64)) -> Vector {
        self.zip(x, x, |x, _| (f(x).0, [f(x).1, 0.0]))
    }
    fn add(&mut self, x: Vector, y: Vector) -> Vector {
        self.zip(x, y, |x, y| (x + y, [1.0, 1.0]))
    }
    fn mul(&mut self, x: Vector, y: Vector) -> Vector {
        self.zip(x, y, |x, y| (x * y, [y, x]))
    }
    fn linear(&mut self, x: Vector, w: &[Vector]) -> Vector {
        for row in w {
            let (a, b) = (&self.data[x.0..][..x.1], &self.data[row.0..][..row.1]);
            self.data
                .push(a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b));
            self.nodes.push(Node::Dot(row.0, x.0, x.1.min(row.1)));
        }
        Vector(self.data.len() - w.len(), w.len())
    }
    fn backward(&self, loss: Vector) -> Vec<f64> {
        let mut grads = vec![0.0; self.data.len()];
        grads[loss.0] = 1.0;
        for (i, node) in (0..grads.len()).rev().zip(self.nodes.iter().rev()) {
            let g = grads[i];
            match *node {
                Node::Scalar(children) => children.map(|(x, local)| grads[x] += local * g),
                Node::Dot(x, y, len) => [(x, y), (y, x)].map(|(x, y)| {
                    let locals = &self.data[y..y + len];
                    grads[x..x + len]
                        .iter_mut()
                        .zip(locals)
                        .for_each(|(d, y)| *d += y * g);
                }),
            };
        }
        grads
    }
}
