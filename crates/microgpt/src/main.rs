//! A whole GPT, Karpathy's microgpt.py to the bit: `microgpt [FILE]` learns a text and writes more.
use std::{cell::RefCell, f64::consts::TAU, fs, io, io::ErrorKind, io::Write, iter, iter::zip};
const N_LAYER: usize = 1; // depth of the network
const N_EMBD: usize = 16; // width of the network
const BLOCK_SIZE: usize = 16; // longest context, in tokens
const N_HEAD: usize = 4; // attention heads in a layer
const HEAD_DIM: usize = N_EMBD / N_HEAD; // width of a head
const LEARNING_RATE: f64 = 0.01; // of the first step; it falls linearly to 0
const BETA1: f64 = 0.85; // Adam's memory of the gradient
const BETA2: f64 = 0.99; // Adam's memory of its square
const EPS_ADAM: f64 = 1e-8; // keeps Adam from dividing by 0
const NUM_STEPS: usize = 1000; // training steps, a document each
const TEMPERATURE: f64 = 0.5; // of sampling: low is safe, high is bold
const SEED: u64 = 42; // of every draw

// Randomness: CPython's `random`, draw for draw, from the words of a Mersenne Twister.
fn mersenne_twister(seed: u64) -> impl Iterator<Item = u32> {
    let key = [seed as u32, ((seed >> 32) as u32).wrapping_add(1)]; // each half plus its place
    let mix = |x: u32, by: u32| (x ^ (x >> 30)).wrapping_mul(by);
    let mut s = [19_650_218; 624];
    (1..624).for_each(|i| s[i] = mix(s[i - 1], 1_812_433_253).wrapping_add(i as u32));
    for (n, i) in zip(0..624 + 623, (1..624).cycle()) {
        let plus = [key[n & usize::from(seed >> 32 > 0)], -(i as i32) as u32][n / 624];
        s[i] = (s[i] ^ mix(s[i - 1], [1_664_525, 1_566_083_941][n / 624])).wrapping_add(plus);
        s[0] = s[623];
    }
    s[0] = 1 << 31;
    (0..624).cycle().map(move |i| {
        let y = (s[i] & (1 << 31)) | (s[(i + 1) % 624] & !(1 << 31));
        s[i] = s[(i + 397) % 624] ^ (y >> 1) ^ ((y & 1) * 0x9908_b0df);
        let y = s[i] ^ (s[i] >> 11);
        let y = y ^ ((y << 7) & 0x9d2c_5680);
        let y = y ^ ((y << 15) & 0xefc6_0000);
        y ^ (y >> 18)
    })
}
fn random(words: &mut impl Iterator<Item = u32>) -> f64 {
    zip([5, 6], words).fold(0.0, |x, (n, w)| x * 67_108_864.0 + f64::from(w >> n)) / 2f64.powi(53)
}

// Autograd: the tape only grows: 0, 1, the parameters, then neurons, y = f(w·x + c) with k = f'.
type Tape = RefCell<(Vec<f64>, Vec<(f64, [usize; 4])>)>; // numbers; of each neuron k, [w, x, n, c]
#[derive(Clone, Copy)]
struct Vector<'t>(&'t Tape, usize, usize); // numbers on a tape: where they start, how many they are
impl Vector<'_> {
    fn values(self) -> Vec<f64> {
        self.0.borrow().0[self.1..][..self.2].to_vec()
    }
    fn part(self, i: usize, len: usize) -> Self {
        Self(self.0, self.1 + i * len, len)
    }
    fn neurons(self, w: Self, c: Self, f: impl Fn(f64) -> [f64; 2]) -> Self {
        let (data, nodes) = &mut *self.0.borrow_mut();
        for i in 0..w.2 / self.2 {
            let (w, x, n, c) = (w.1 + i * self.2, self.1, self.2, c.1 + i % c.2);
            let products = zip(&data[w..w + n], &data[x..x + n]);
            let [y, k] = f(products.fold(0.0, |sum, (w, x)| sum + w * x) + data[c]);
            data.push(y);
            nodes.push((k, [w, x, n, c]));
        }
        Self(self.0, data.len() - w.2 / self.2, w.2 / self.2)
    }
    fn map(self, f: impl Fn(f64) -> [f64; 2]) -> Self {
        Self(self.0, 1, 1).neurons(self, Self(self.0, 0, 1), f)
    }
    fn scale(self, by: f64) -> Self {
        self.map(|x| [x * by, by])
    }
    fn add(self, c: Self) -> Self {
        Self(self.0, 1, 1).neurons(self, c, |x| [x, 1.0])
    }
    fn linear(self, w: Self) -> Self {
        self.neurons(w, Self(self.0, 0, 1), |x| [x, 1.0])
    }
    fn rmsnorm(self) -> Self {
        let mean = self.linear(self).scale(pow(self.2 as f64, -1.0));
        let rsqrt = mean.map(|m| [pow(m + 1e-5, -0.5), -0.5 * pow(m + 1e-5, -1.5)]);
        rsqrt.linear(self)
    }
    fn softmax(self) -> Self {
        let max = self.values().into_iter().fold(f64::MIN, f64::max);
        let exps = self.map(|x| [(x - max).exp(); 2]);
        let total = exps.linear(self.map(|_| [1.0, 0.0]));
        let inverses = join((0..self.2).map(|_| total.map(|t| [pow(t, -1.0), -pow(t, -2.0)])));
        join((0..self.2).map(|i| exps.part(i, 1).linear(inverses.part(i, 1))))
    }
    fn backward(self) -> Vec<f64> {
        let (data, nodes) = &*self.0.borrow();
        let mut grads = [vec![0.0; self.1], vec![1.0]].concat();
        for &(k, [w, x, n, c]) in nodes.iter().rev() {
            let g = k * grads.pop().unwrap();
            grads[c] += g;
            zip(&mut grads[w..w + n], &data[x..x + n]).for_each(|(dw, x)| *dw += x * g);
            zip(&mut grads[x..x + n], &data[w..w + n]).for_each(|(dx, w)| *dx += w * g);
        }
        [&[0.0; 2][..], &grads[2..]].concat() // 0 and 1 stay what they are
    }
}
fn join<'t>(parts: impl Iterator<Item = Vector<'t>>) -> Vector<'t> {
    parts.reduce(|x, y| Vector(x.0, x.1, x.2 + y.2)).unwrap()
}
fn pow(x: f64, y: f64) -> f64 {
    x.powf(std::hint::black_box(y)) // libm's, as Python's: the compiler's root or square may differ
}

// Model: GPT-2 with RMSNorm for LayerNorm, ReLU for GELU, and no biases.
fn gpt<'t>(tape: &'t Tape, vocab: usize, heat: f64) -> impl FnMut([usize; 3]) -> Vector<'t> {
    let mut rows = (0..).map(|r| Vector(tape, 2 + r * N_EMBD, N_EMBD));
    let mut matrix = |n: usize| join(rows.by_ref().take(n));
    let [wte, wpe, lm_head] = [vocab, BLOCK_SIZE, vocab].map(&mut matrix);
    let layers = [[1, 1, 1, 1, 4, 4]; N_LAYER].map(|layer| layer.map(|n| matrix(n * N_EMBD)));
    let mut cache = vec![vec![vec![]; N_HEAD]; N_LAYER];
    move |[pos, token, next]| {
        let mut x = wte.part(token, N_EMBD).add(wpe.part(pos, N_EMBD)).rmsnorm();
        for ([wq, wk, wv, wo, fc1, fc2], cache) in zip(layers, &mut cache) {
            let y = x.rmsnorm();
            let mut heads = Vec::from_iter(zip(0.., cache).map(|(h, past)| {
                let [q, k, v] = [wq, wk, wv].map(|w| y.linear(w.part(h, HEAD_DIM * N_EMBD)));
                past.push([k, v]);
                let scores = join(past.iter().map(|&[k, _]| q.linear(k)));
                let weights = scores.scale(pow(pow(HEAD_DIM as f64, 0.5), -1.0)).softmax();
                let terms = zip(0.., past).map(|(t, [_, v])| weights.part(t, 1).linear(*v));
                terms.reduce(Vector::add).unwrap()
            }));
            heads.push(y.part(0, N_EMBD % N_HEAD).scale(0.0)); // where heads do not fill the width
            x = join(heads.iter().map(|y| y.scale(1.0))).linear(wo).add(x);
            let relu = |y: f64| [y.max(0.0), f64::from(y > 0.0)];
            x = x.rmsnorm().linear(fc1).map(relu).linear(fc2).add(x);
        }
        let late = x.scale(1.0); // the next token's gradient, by the original's order
        let logit = |v| (if v == next { late } else { x }).linear(lm_head.part(v, N_EMBD));
        join((0..vocab).map(logit)).scale(pow(heat, -1.0)).softmax()
    }
}

// Training: Adam, on triples of a parameter and the running means of its gradient and its square.
fn adam(params: &[[f64; 3]], grads: &[f64], t: usize) -> Vec<[f64; 3]> {
    let lr = LEARNING_RATE * (1.0 - (t - 1) as f64 / NUM_STEPS as f64);
    let [c1, c2] = [BETA1, BETA2].map(|beta| 1.0 - pow(beta, t as f64));
    Vec::from_iter(zip(params, grads).map(|(&[p, m, v], &g)| {
        let m = BETA1 * m + (1.0 - BETA1) * g;
        let v = BETA2 * v + (1.0 - BETA2) * pow(g, 2.0);
        [p - lr * (m / c1) / (pow(v / c2, 0.5) + EPS_ADAM), m, v]
    }))
}
fn main() -> io::Result<()> {
    let gone = |e: io::Error| (e.kind() == ErrorKind::BrokenPipe).then_some(()).ok_or(e);
    learn(io::stdout()).or_else(gone) // whoever read, as `head` does, has seen enough
}
fn learn(mut to: impl Write) -> io::Result<()> {
    let input = || fs::exists("input.txt").ok()?.then(|| "input.txt".into());
    let path = std::env::args_os().nth(1).or_else(input);
    let names = include_str!("names.txt").into();
    let read = path.as_ref().map_or(Ok(names), fs::read_to_string);
    let lines = read.as_deref().unwrap_or_default().split(['\n', '\r']);
    let gap = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    let mut docs = Vec::from_iter(lines.map(|l| l.trim_matches(gap)).filter(|l| !l.is_empty()));
    if let (true, Some(path)) = (docs.is_empty(), path.as_ref().map(|p| p.display())) {
        let found = read.err().map_or("no text".into(), |e| e.to_string());
        eprintln!("microgpt: {path}: expected UTF-8 text, a document a line; found: {found}");
        std::process::exit(1);
    }
    let mut words = mersenne_twister(SEED);
    for i in (1..docs.len() as u32).rev() {
        let j = words.find_map(|w| Some(w >> (i + 1).leading_zeros()).filter(|&j| j <= i));
        docs.swap(i as usize, j.unwrap() as usize);
    }
    let chars = Vec::from_iter(std::collections::BTreeSet::from_iter(docs.concat().chars()));
    let (n, bos, vocab) = (docs.len(), chars.len(), chars.len() + 1);
    let size = (2 * vocab + BLOCK_SIZE + 12 * N_LAYER * N_EMBD) * N_EMBD;
    writeln!(to, "num docs: {n}\nvocab size: {vocab}\nnum params: {size}")?;
    let pairs = iter::repeat_with(|| [TAU * random(&mut words), (1.0 - random(&mut words)).ln()]);
    let normals = pairs.flat_map(|[a, ln]| [a.cos(), a.sin()].map(|z| z * (-2.0 * ln).sqrt()));
    let start = iter::chain([0.0, 1.0], normals.take(size).map(|z| 0.08 * z));
    let mut params = Vec::from_iter(start.map(|p| [p, 0.0, 0.0]));
    for (t, doc) in zip(1..=NUM_STEPS, docs.iter().cycle()) {
        let ids = doc.chars().flat_map(|c| chars.binary_search(&c));
        let tokens = Vec::from_iter(iter::once(bos).chain(ids).chain([bos]).take(BLOCK_SIZE + 1));
        let tape = RefCell::new((params.iter().map(|p| p[0]).collect(), vec![]));
        let (mut gpt, n) = (gpt(&tape, vocab, 1.0), tokens.len() - 1);
        let nll = |(t, (&x, &y))| gpt([t, x, y]).part(y, 1).map(|p| [-p.ln(), -1.0 / p]);
        let losses = zip(0.., zip(&tokens, &tokens[1..])).map(nll);
        let l = losses.reduce(Vector::add).unwrap().scale(1.0 / n as f64);
        params = adam(&params, &l.backward(), t);
        writeln!(to, "step {t:4} / {NUM_STEPS:4} | loss {:.4}", l.values()[0])?;
    }
    writeln!(to, "\n--- inference (new, hallucinated names) ---")?;
    (1..=20).try_for_each(|i| {
        let tape = RefCell::new((params.iter().map(|p| p[0]).collect(), vec![]));
        let (mut gpt, mut token) = (gpt(&tape, vocab, TEMPERATURE), bos);
        let sample = (0..BLOCK_SIZE).map_while(|pos| {
            let (mut sums, draw) = (gpt([pos, token, bos]).values(), random(&mut words));
            (1..=bos).for_each(|i| sums[i] += sums[i - 1]);
            token = sums[..bos].partition_point(|&sum| sum <= draw * sums[bos]);
            chars.get(token)
        });
        writeln!(to, "sample {i:2}: {}", String::from_iter(sample))
    })
}
