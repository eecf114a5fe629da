//! A GPT, the whole algorithm: Karpathy's microgpt.py in Rust, with the same output to the digit.
mod python;
use python::{Random, pow, println, read_docs, sum};
use std::{cell::RefCell, collections::BTreeSet, iter::chain, iter::repeat_with, iter::zip};

const N_LAYER: usize = 1; // depth of the network, in layers
const N_EMBD: usize = 16; // width of the network
const BLOCK_SIZE: usize = 16; // longest context, in tokens
const N_HEAD: usize = 4; // attention heads in a layer
const HEAD_DIM: usize = N_EMBD / N_HEAD; // width of a head
const LEARNING_RATE: f64 = 0.01; // of the first step; it falls linearly to 0
const BETA1: f64 = 0.85; // decay of Adam's mean of the gradient
const BETA2: f64 = 0.99; // decay of Adam's mean of its square
const EPS_ADAM: f64 = 1e-8; // keeps Adam from dividing by 0
const NUM_STEPS: usize = 1000; // training steps, one document each
const TEMPERATURE: f64 = 0.5; // of sampling: the lower, the likelier are likely tokens
const SEED: u64 = 42; // of all random numbers

type Children = [Option<(usize, f64)>; 2]; // up to two, each with its index and local gradient
thread_local!(static TAPE: RefCell<Vec<Children>> = RefCell::default()); // of all values so far
#[derive(Clone, Copy)]
struct Value {
    data: f64,
    index: usize, // on the tape
}
impl Value {
    fn new(data: f64, children: &[Value], local_grads: &[f64]) -> Value {
        let child = |i: usize| Some((children.get(i)?.index, local_grads[i]));
        TAPE.with_borrow_mut(|tape| tape.push([child(0), child(1)]));
        let index = TAPE.with_borrow(Vec::len) - 1;
        Value { data, index }
    }
    fn add(self, other: Value) -> Value {
        Value::new(self.data + other.data, &[self, other], &[1.0, 1.0])
    }
    fn mul(self, other: Value) -> Value {
        let local_grads = [other.data, self.data];
        Value::new(self.data * other.data, &[self, other], &local_grads)
    }
    fn pow(self, n: f64) -> Value {
        Value::new(pow(self.data, n), &[self], &[n * pow(self.data, n - 1.0)])
    }
    fn log(self) -> Value {
        Value::new(self.data.ln(), &[self], &[1.0 / self.data])
    }
    fn exp(self) -> Value {
        Value::new(self.data.exp(), &[self], &[self.data.exp()])
    }
    fn relu(self) -> Value {
        Value::new(self.data.max(0.0), &[self], &[f64::from(self.data > 0.0)])
    }
    /// Returns the derivative of this value by each value on the tape, and takes the tape away.
    fn backward(self) -> Vec<f64> {
        let tape = TAPE.take();
        let children = |v: usize| tape[v].iter().flatten().copied();
        let (mut topo, mut stack) = (vec![], vec![self.index]);
        let mut visited = vec![false; tape.len()];
        while let Some(&v) = stack.last() {
            if let Some((child, _)) = children(v).find(|&(child, _)| !visited[child]) {
                visited[child] = true;
                stack.push(child);
            } else {
                topo.extend(stack.pop());
            }
        }
        let mut grads = vec![0.0; tape.len()];
        grads[self.index] = 1.0;
        for v in topo.into_iter().rev() {
            for (child, local_grad) in children(v) {
                grads[child] += local_grad * grads[v];
            }
        }
        grads
    }
}

// The model: GPT-2 with RMSNorm for LayerNorm, ReLU for GELU, and no biases.
type Vector = Vec<Value>;
type Matrix = Vec<Vector>;
struct Layer {
    attn: [Matrix; 4],  // wq, wk, wv, wo
    mlp: [Matrix; 2],   // fc1, fc2
    cache: [Matrix; 2], // keys and values of the tokens so far
}
type Model = ([Matrix; 3], Vec<Layer>); // wte, wpe and lm_head, and the layers

/// Starts a new tape with the parameters, and returns them as matrices.
fn state_dict(params: &[f64], vocab_size: usize) -> Model {
    TAPE.take();
    let mut params = params.iter().map(|&p| Value::from(p));
    let mut row = |nin| params.by_ref().take(nin).collect();
    let mut matrix = |nout, nin| Matrix::from_iter((0..nout).map(|_| row(nin)));
    let embeddings = [vocab_size, BLOCK_SIZE, vocab_size].map(|nout| matrix(nout, N_EMBD));
    let layers = (0..N_LAYER).map(|_| {
        let attn = [N_EMBD; 4].map(|nout| matrix(nout, N_EMBD));
        let mlp = [matrix(4 * N_EMBD, N_EMBD), matrix(N_EMBD, 4 * N_EMBD)];
        let cache = [vec![], vec![]];
        Layer { attn, mlp, cache }
    });
    (embeddings, layers.collect())
}
fn dot(x: &[Value], y: &[Value]) -> Value {
    sum(zip(x, y).map(|(&xi, &yi)| xi * yi))
}
fn linear(x: &[Value], w: &[Vector]) -> Vector {
    w.iter().map(|wo| dot(wo, x)).collect()
}
fn add(x: &[Value], y: &[Value]) -> Vector {
    zip(x, y).map(|(&xi, &yi)| xi + yi).collect()
}
fn softmax(logits: Vector) -> Vector {
    let max_val = logits.iter().map(|val| val.data).fold(f64::MIN, f64::max);
    let exps = Vec::from_iter(logits.into_iter().map(|val| (val - max_val).exp()));
    let total = sum(exps.iter().copied());
    exps.into_iter().map(|e| e / total).collect()
}
fn rmsnorm(x: &[Value]) -> Vector {
    let ms = dot(x, x) / x.len() as f64;
    let scale = (ms + 1e-5).pow(-0.5);
    x.iter().map(|&xi| xi * scale).collect()
}
/// Returns the logits of the token that follows, and keeps this one's keys and values.
fn gpt(model: &mut Model, token_id: usize, pos_id: usize) -> Vector {
    let ([wte, wpe, lm_head], layers) = model;
    let mut x = rmsnorm(&add(&wte[token_id], &wpe[pos_id]));
    for Layer { attn, mlp, cache } in layers {
        let [attn_wq, attn_wk, attn_wv, attn_wo] = attn; // 1) multi-head attention
        let [keys, values] = cache;
        let x_norm = rmsnorm(&x);
        let q = linear(&x_norm, attn_wq);
        keys.push(linear(&x_norm, attn_wk));
        values.push(linear(&x_norm, attn_wv));
        let mut x_attn = vec![];
        for h in 0..N_HEAD {
            let head = h * HEAD_DIM..(h + 1) * HEAD_DIM;
            let dot_qk = |k: &Vector| dot(&q[head.clone()], &k[head.clone()]);
            let attn_logits = keys.iter().map(|k| dot_qk(k) / pow(HEAD_DIM as f64, 0.5));
            let attn_weights = softmax(attn_logits.collect());
            for j in head {
                x_attn.push(sum(zip(&attn_weights, &*values).map(|(&w, v)| w * v[j])));
            }
        }
        x = add(&linear(&x_attn, attn_wo), &x);
        let [mlp_fc1, mlp_fc2] = mlp; // 2) MLP
        let hidden = linear(&rmsnorm(&x), mlp_fc1).into_iter().map(Value::relu);
        x = add(&linear(&Vec::from_iter(hidden), mlp_fc2), &x);
    }
    linear(&x, lm_head)
}

fn main() {
    let mut random = Random::seed(SEED);
    let mut docs = read_docs();
    random.shuffle(&mut docs);
    println!("num docs: {}", docs.len());
    let uchars = Vec::from_iter(BTreeSet::from_iter(docs.concat().chars()));
    let (bos, vocab_size) = (uchars.len(), uchars.len() + 1);
    println!("vocab size: {vocab_size}");
    let num_params = (2 * vocab_size + BLOCK_SIZE + 12 * N_LAYER * N_EMBD) * N_EMBD;
    let mut params = Vec::from_iter(repeat_with(|| random.gauss(0.0, 0.08)).take(num_params));
    println!("num params: {num_params}");

    let (mut m, mut v) = (vec![0.0; num_params], vec![0.0; num_params]);
    for (step, doc) in zip(1..=NUM_STEPS, docs.iter().cycle()) {
        let ids = doc.chars().map(|ch| uchars.partition_point(|&c| c < ch));
        let tokens = Vec::from_iter(chain([bos], ids).chain([bos]).take(BLOCK_SIZE + 1));
        let mut model = state_dict(&params, vocab_size);
        let mut losses = vec![];
        for (pos_id, pair) in tokens.windows(2).enumerate() {
            let probs = softmax(gpt(&mut model, pair[0], pos_id));
            losses.push(-probs[pair[1]].log());
        }
        let loss = sum(losses) * (1.0 / (tokens.len() - 1) as f64);
        let grads = loss.backward();
        let lr_t = LEARNING_RATE * (1.0 - (step - 1) as f64 / NUM_STEPS as f64);
        for i in 0..num_params {
            m[i] = BETA1 * m[i] + (1.0 - BETA1) * grads[i];
            v[i] = BETA2 * v[i] + (1.0 - BETA2) * pow(grads[i], 2.0);
            let m_hat = m[i] / (1.0 - pow(BETA1, step as f64));
            let v_hat = v[i] / (1.0 - pow(BETA2, step as f64));
            params[i] -= lr_t * m_hat / (pow(v_hat, 0.5) + EPS_ADAM);
        }
        println!("step {step:4} / {NUM_STEPS:4} | loss {:.4}", loss.data);
    }

    println!("\n--- inference (new, hallucinated names) ---");
    for sample_idx in 1..=20 {
        let mut model = state_dict(&params, vocab_size);
        let (mut token_id, mut sample) = (bos, String::new());
        for pos_id in 0..BLOCK_SIZE {
            let logits = gpt(&mut model, token_id, pos_id).into_iter();
            let probs = softmax(logits.map(|logit| logit / TEMPERATURE).collect());
            token_id = random.choices(probs.iter().map(|p| p.data));
            let Some(c) = uchars.get(token_id) else { break };
            sample.push(*c);
        }
        println!("sample {sample_idx:2}: {sample}");
    }
}
