// The nonlinearities, by the numbers that `choices.rs` gives them, with their derivatives.
const GELU_ERF: u32 = 0u;
const GELU_TANH: u32 = 1u;
const RELU: u32 = 2u;
const RELU_SQUARED: u32 = 3u;
const SILU: u32 = 4u;

// 2 sqrt(2 / pi), and the same times 0.044715.
const TWICE_ROOT: f32 = 1.5957691216057308;
const TWICE_ROOT_CUBIC: f32 = 0.07135481627260025;

// f(x) and f'(x).
fn nonlinearity(f: u32, x: f32) -> vec2<f32> {
    switch f {
        case GELU_ERF: {
            let cdf = normal_cdf(x);
            let density = 0.3989422804014327 * exp_of(max(-0.5 * x * x, -87.5));
            return vec2<f32>(x * cdf, fma(x, density, cdf));
        }
        case GELU_TANH: {
            // (1 + tanh u) / 2 is the logistic function of 2 u.
            let p = logistic(x * fma(TWICE_ROOT_CUBIC * x, x, TWICE_ROOT));
            let slope = fma(3.0 * TWICE_ROOT_CUBIC * x, x, TWICE_ROOT);
            return vec2<f32>(x * p, fma(x * p * (1.0 - p), slope, p));
        }
        case RELU: {
            return vec2<f32>(select(0.0, x, x > 0.0 || is_nan(x)), select(0.0, 1.0, x > 0.0));
        }
        case RELU_SQUARED: {
            let positive = select(0.0, x, x > 0.0 || is_nan(x));
            return vec2<f32>(positive * positive, 2.0 * positive);
        }
        default: {
            let p = logistic(x);
            return vec2<f32>(x * p, fma(x * p, 1.0 - p, p));
        }
    }
}
