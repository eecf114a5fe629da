// exp, ln, tanh and erf. The functions built into WGSL have errors of many units in the last place,
// which differ from driver to driver; these have about one everywhere.

// e^x: zero below -87, at most e^88. x = n ln 2 + r, and e^r is its Taylor series, whose first
// term left out is 5e-9.
fn exp_of(x: f32) -> f32 {
    if (is_nan(x)) {
        return x;
    }
    if (x < -87.0) {
        return 0.0;
    }
    let y = min(x, 88.0);
    let n = round(y * 1.4426950408889634);
    // ln 2 in two parts, the first exact in few bits, so that the remainder is exact.
    let r = fma(n, 2.12194440e-4, fma(n, -0.693359375, y));
    var p = fma(r, 1.0 / 5040.0, 1.0 / 720.0);
    p = fma(p, r, 1.0 / 120.0);
    p = fma(p, r, 1.0 / 24.0);
    p = fma(p, r, 1.0 / 6.0);
    p = fma(p, r, 0.5);
    p = fma(p * r, r, r) + 1.0;
    return p * bitcast<f32>(u32(i32(n) + 127) << 23u);
}

// ln x for positive normal x. x = 2^e m, and ln m = 2 artanh((m - 1) / (m + 1)).
fn ln_of(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    if (bits >= 0x7f800000u) {
        return x;
    }
    var e = f32(i32(bits >> 23u) - 127);
    var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
    if (m > 1.4142135) {
        m *= 0.5;
        e += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    var p = fma(z, 1.0 / 9.0, 1.0 / 7.0);
    p = fma(p, z, 0.2);
    p = fma(p, z, 1.0 / 3.0);
    p = fma(p * z, 2.0 * s, 2.0 * s);
    return fma(e, 0.693359375, fma(e, -2.12194440e-4, p));
}

fn tanh_of(x: f32) -> f32 {
    let size = abs(x);
    if (size < 0.3) {
        let z = x * x;
        var p = fma(z, 62.0 / 2835.0, -17.0 / 315.0);
        p = fma(p, z, 2.0 / 15.0);
        p = fma(p, z, -1.0 / 3.0);
        return fma(p * z, x, x);
    }
    let t = exp_of(-2.0 * size);
    let value = (1.0 - t) / (1.0 + t);
    return select(value, -value, x < 0.0);
}

// 1 - erf t for t >= 0: the exponential of t times a polynomial, fitted to the absolute error as in
// `gptlab_kernels::math`.
fn erfc_of(t: f32) -> f32 {
    var p = fma(t, -4.5358414e-5, 4.4550322e-4);
    p = fma(p, t, -1.489419e-3);
    p = fma(p, t, -7.746782e-4);
    p = fma(p, t, 2.8253732e-2);
    p = fma(p, t, -1.4848164e-1);
    p = fma(p, t, -9.184163e-1);
    p = fma(p, t, -1.6279087);
    // The polynomial gives log2(erfc t) / t.
    return exp_of(max(-120.0, t * p) * 0.6931471805599453);
}

// The normal distribution function.
fn normal_cdf(x: f32) -> f32 {
    let tail = 0.5 * erfc_of(abs(x) * 0.7071067811865476);
    return select(1.0 - tail, tail, x < 0.0);
}

// 1 / (1 + e^-x).
fn logistic(x: f32) -> f32 {
    return 1.0 / (1.0 + exp_of(-x));
}
