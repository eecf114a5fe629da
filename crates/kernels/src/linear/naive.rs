//! Plain loops.

/// The sizes of x[n, inp] and y[n, out].
#[derive(Clone, Copy, Debug)]
pub struct LinearShape {
    pub n: usize,
    pub inp: usize,
    pub out: usize,
}

/// y[n, out] = x[n, inp] Wᵀ + b.
pub fn forward(y: &mut [f32], x: &[f32], w: &[f32], bias: Option<&[f32]>, shape: LinearShape) {
    let LinearShape { n, inp, out } = shape;
    for row in 0..n {
        for o in 0..out {
            let mut sum = bias.map_or(0.0, |bias| bias[o]);
            for i in 0..inp {
                sum += x[row * inp + i] * w[o * inp + i];
            }
            y[row * out + o] = sum;
        }
    }
}

/// dx[n, inp] = dy[n, out] W.
pub fn backward_input(dx: &mut [f32], dy: &[f32], w: &[f32], accumulate: bool, shape: LinearShape) {
    let LinearShape { n, inp, out } = shape;
    for row in 0..n {
        for i in 0..inp {
            let dx = &mut dx[row * inp + i];
            *dx = if accumulate { *dx } else { 0.0 };
            for o in 0..out {
                *dx += dy[row * out + o] * w[o * inp + i];
            }
        }
    }
}

/// dW[out, inp] += dyᵀ x.
pub fn backward_weight(dw: &mut [f32], dy: &[f32], x: &[f32], shape: LinearShape) {
    let LinearShape { n, inp, out } = shape;
    for o in 0..out {
        for i in 0..inp {
            for row in 0..n {
                dw[o * inp + i] += dy[row * out + o] * x[row * inp + i];
            }
        }
    }
}

/// db[out] += the column sums of dy.
pub fn backward_bias(dbias: &mut [f32], dy: &[f32], n: usize, out: usize) {
    for row in 0..n {
        for o in 0..out {
            dbias[o] += dy[row * out + o];
        }
    }
}
