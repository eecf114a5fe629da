//! Plain loops in f64 that make a row of weights at a time, by the formula of the module's header.

use super::{Options, Outputs};

/// A query against all keys: weights, the factors of dropout, and dscore/dproduct.
struct WeightRow {
    weights: Vec<f64>,
    factors: Vec<f64>,
    derivatives: Vec<f64>,
    lse: f64,
}

struct Qkv<'a> {
    numbers: &'a [f64],
    options: &'a Options<'a>,
    t: usize,
}

impl Qkv<'_> {
    fn at(&self, t: usize, column: usize) -> f64 {
        self.numbers[t * self.options.qkv_width() + column]
    }

    fn key(&self, head: usize) -> usize {
        let o = self.options;
        (o.heads + head / (o.heads / o.kv_heads)) * o.head_dim
    }

    fn value(&self, head: usize) -> usize {
        self.key(head) + self.options.kv_heads * self.options.head_dim
    }

    fn row(&self, head: usize, i: usize) -> WeightRow {
        let (o, t) = (self.options, self.t);
        let mut derivatives = vec![1.0; t];
        let mut scores = vec![f64::NEG_INFINITY; t];
        for j in o.visible.keys(i, t) {
            let mut score = 0.0;
            for d in 0..o.head_dim {
                score += self.at(i, head * o.head_dim + d) * self.at(j, self.key(head) + d);
            }
            score *= f64::from(o.scale);
            if let Some(cap) = o.softcap.map(f64::from) {
                derivatives[j] = 1.0 - (score / cap).tanh().powi(2);
                score = cap * (score / cap).tanh();
            }
            if let Some(slopes) = o.alibi {
                score -= f64::from(slopes[head]) * (i as f64 - j as f64).abs();
            }
            scores[j] = score;
        }
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
        let lse = max + sum.ln();
        let weights = scores.iter().map(|s| (s - lse).exp()).collect();
        let factors = (0..t).map(|j| self.factor(head, i, j)).collect();
        WeightRow {
            weights,
            factors,
            derivatives,
            lse,
        }
    }

    fn factor(&self, head: usize, i: usize, j: usize) -> f64 {
        self.options.dropout.map_or(1.0, |weights| {
            let row = weights.first_row + (head * self.t + j) as u64;
            f64::from(weights.dropout.factor(row, i, self.t))
        })
    }
}

/// Makes both outputs from qkv[T, (heads + 2 `kv_heads`) `head_dim`].
pub fn forward(out: Outputs<'_, f64>, qkv: &[f64], options: &Options<'_>, t: usize) {
    let Outputs { mix, lse } = out;
    let operands = Qkv {
        numbers: qkv,
        options,
        t,
    };
    for head in 0..options.heads {
        for i in 0..t {
            let row = operands.row(head, i);
            lse[head * t + i] = row.lse;
            for d in 0..options.head_dim {
                mix[i * options.mix_width() + head * options.head_dim + d] = (0..t)
                    .map(|j| {
                        row.weights[j] * row.factors[j] * operands.at(j, operands.value(head) + d)
                    })
                    .sum();
            }
        }
    }
}

/// dqkv (written).
pub fn backward(dqkv: &mut [f64], dmix: &[f64], qkv: &[f64], options: &Options<'_>, t: usize) {
    let (operands, stride, width) = (
        Qkv {
            numbers: qkv,
            options,
            t,
        },
        options.qkv_width(),
        options.head_dim,
    );
    dqkv.fill(0.0);
    for head in 0..options.heads {
        let (query, key, value) = (head * width, operands.key(head), operands.value(head));
        for i in 0..t {
            let row = operands.row(head, i);
            let dmix = &dmix[i * options.mix_width() + query..][..width];
            let mut dweights = vec![0.0; t];
            for (j, dweight) in dweights.iter_mut().enumerate() {
                for d in 0..width {
                    dqkv[j * stride + value + d] += row.weights[j] * row.factors[j] * dmix[d];
                    *dweight += row.factors[j] * dmix[d] * operands.at(j, value + d);
                }
            }
            let delta: f64 = (0..t).map(|j| row.weights[j] * dweights[j]).sum();
            for j in 0..t {
                let dscore = row.weights[j] * (dweights[j] - delta);
                let dproduct = dscore * row.derivatives[j] * f64::from(options.scale);
                for d in 0..width {
                    dqkv[i * stride + query + d] += dproduct * operands.at(j, key + d);
                    dqkv[j * stride + key + d] += dproduct * operands.at(i, query + d);
                }
            }
        }
    }
}
