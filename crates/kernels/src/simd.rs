//! Vectors of sixteen lanes of f32, on every processor: the operations that kernels are written in.
//!
//! A kernel is an `#[inline(always)]` function generic over [`Simd`]; `dispatch!` compiles it once
//! for each instruction set. Sixteen lanes are one AVX-512 register, two AVX2 registers, four NEON
//! or SSE registers: the lane a value falls into, and so the order of every sum, is the same
//! everywhere.
//!
//! A crate made for this (`pulp`) gives each instruction set its own lane count, and with it its
//! own order of sums. One count for all costs the forty operations below.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod lanes;

/// How many lanes a vector has.
pub(crate) const LANES: usize = 16;

/// Operations on vectors of sixteen lanes. A value of the implementing type proves that the
/// processor has the instructions.
pub(crate) trait Simd: Copy {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen u32.
    type U: Copy;
    /// Sixteen booleans.
    type M: Copy;
    /// Whether there are 32 registers of 16 lanes. The sizes of matrix tiles follow from it.
    const WIDE: bool;

    fn splat(self, x: f32) -> Self::F;
    fn load(self, x: &[f32; LANES]) -> Self::F;
    fn store(self, v: Self::F, y: &mut [f32; LANES]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once where the processor can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Returns the larger; `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns the smaller; `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    /// Rounds to the nearest integer, for |a| < 2^22.
    fn round(self, a: Self::F) -> Self::F;
    /// 2^n for an integer-valued n in -126 ..= 127.
    fn exp2i(self, n: Self::F) -> Self::F;
    /// Returns `p * 2^n` for p near one and an integer-valued n up to 127. The result may be zero
    /// where n is below -126, and is zero where n is below -151.
    #[inline(always)]
    fn scale_by_power(self, p: Self::F, n: Self::F) -> Self::F {
        let low = self.splat(-126.0);
        let value = self.mul(p, self.exp2i(self.max(low, n)));
        self.select(self.lt(n, low), self.zero(), value)
    }
    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a` where the mask is set, else `b`.
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// Returns the sum of the lanes, by a tree: lanes eight apart, then four, two, one.
    fn sum(self, a: Self::F) -> f32;
    /// Returns the largest lane, by the same tree.
    fn max_lane(self, a: Self::F) -> f32;
    /// Rows become columns.
    fn transpose(self, m: &mut [Self::F; LANES]);

    fn splat_u(self, x: u32) -> Self::U;
    fn load_u(self, x: &[u32; LANES]) -> Self::U;
    fn store_u(self, v: Self::U, y: &mut [u32; LANES]);
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn xor_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn and_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn shr_u<const BITS: u32>(self, a: Self::U) -> Self::U;
    /// Multiplies the even lanes by one number. The low word of a product is in the even lane, the
    /// high word in the next.
    fn mul_even_u(self, a: Self::U, b: u32) -> Self::U;
    /// Moves each odd lane into the even one before it; the odd lanes become zero.
    fn odd_u(self, a: Self::U) -> Self::U;
    /// Returns the even lanes of `even`, each followed by the same even lane of `odd`.
    fn interleave_u(self, even: Self::U, odd: Self::U) -> Self::U;
    /// `a < b` as signed numbers.
    fn lt_i(self, a: Self::U, b: Self::U) -> Self::M;
    fn bits(self, a: Self::F) -> Self::U;
    fn bits_to_float(self, a: Self::U) -> Self::F;
    /// The signed number as a float.
    fn float_i(self, a: Self::U) -> Self::F;
    /// Lane i as bit i.
    fn mask_bits(self, m: Self::M) -> u16;
    fn mask_from_bits(self, bits: u16) -> Self::M;

    /// Loads the first `x.len() <= 16` lanes; the others become `fill`.
    #[inline(always)]
    fn load_partial(self, x: &[f32], fill: f32) -> Self::F {
        let mut lanes = [fill; LANES];
        for (lane, &value) in lanes.iter_mut().zip(x) {
            *lane = value;
        }
        self.load(&lanes)
    }

    /// Stores the first `y.len() <= 16` lanes.
    #[inline(always)]
    fn store_partial(self, v: Self::F, y: &mut [f32]) {
        let mut lanes = [0.0; LANES];
        self.store(v, &mut lanes);
        for (value, &lane) in y.iter_mut().zip(&lanes) {
            *value = lane;
        }
    }

    #[inline(always)]
    fn zero(self) -> Self::F {
        self.splat(0.0)
    }

    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        self.bits_to_float(self.and_u(self.bits(a), self.splat_u(0x7fff_ffff)))
    }

    /// Returns the numbers 0 to 15.
    #[inline(always)]
    fn iota(self) -> Self::F {
        self.load(&core::array::from_fn(|i| i as f32))
    }
}

/// Fetches the cache line of an address into the caches. Every address is allowed, because nothing
/// is read.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the instruction, and it has no effect on anything but the caches.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Loads sixteen lanes from index `i` on; lanes beyond the end are zero.
#[inline(always)]
pub(crate) fn at<S: Simd>(s: S, x: &[f32], i: usize) -> S::F {
    let rest = &x[i..];
    match rest.first_chunk() {
        Some(lanes) => s.load(lanes),
        None => s.load_partial(rest, 0.0),
    }
}

/// Stores sixteen lanes from index `i` on; lanes beyond the end are left out.
#[inline(always)]
pub(crate) fn put<S: Simd>(s: S, y: &mut [f32], i: usize, v: S::F) {
    let rest = &mut y[i..];
    match rest.first_chunk_mut() {
        Some(lanes) => s.store(v, lanes),
        None => s.store_partial(v, rest),
    }
}

/// `y[i] = f(x[i])`.
#[inline(always)]
pub(crate) fn map<S: Simd>(s: S, y: &mut [f32], x: &[f32], f: impl Fn(S::F) -> S::F) {
    assert_eq!(y.len(), x.len(), "output and input differ in length");
    let (y, y_tail) = y.as_chunks_mut::<LANES>();
    let (x, x_tail) = x.as_chunks::<LANES>();
    for (y, x) in y.iter_mut().zip(x) {
        s.store(f(s.load(x)), y);
    }
    if !x_tail.is_empty() {
        s.store_partial(f(s.load_partial(x_tail, 0.0)), y_tail);
    }
}

/// `y[i] = f(a[i], b[i])`.
#[inline(always)]
pub(crate) fn map2<S: Simd>(
    s: S,
    y: &mut [f32],
    a: &[f32],
    b: &[f32],
    f: impl Fn(S::F, S::F) -> S::F,
) {
    assert!(
        y.len() == a.len() && y.len() == b.len(),
        "output and inputs differ in length"
    );
    let (y, y_tail) = y.as_chunks_mut::<LANES>();
    let (a, a_tail) = a.as_chunks::<LANES>();
    let (b, b_tail) = b.as_chunks::<LANES>();
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        s.store(f(s.load(a), s.load(b)), y);
    }
    if !y_tail.is_empty() {
        let v = f(s.load_partial(a_tail, 0.0), s.load_partial(b_tail, 0.0));
        s.store_partial(v, y_tail);
    }
}

/// `y[i] = f(y[i])`.
#[inline(always)]
pub(crate) fn update<S: Simd>(s: S, y: &mut [f32], f: impl Fn(S::F) -> S::F) {
    let (y, tail) = y.as_chunks_mut::<LANES>();
    for y in y {
        s.store(f(s.load(y)), y);
    }
    if !tail.is_empty() {
        let v = f(s.load_partial(tail, 0.0));
        s.store_partial(v, tail);
    }
}

/// `y[i] = f(y[i], x[i])`.
#[inline(always)]
pub(crate) fn update1<S: Simd>(s: S, y: &mut [f32], x: &[f32], f: impl Fn(S::F, S::F) -> S::F) {
    assert_eq!(y.len(), x.len(), "output and input differ in length");
    let (y, y_tail) = y.as_chunks_mut::<LANES>();
    let (x, x_tail) = x.as_chunks::<LANES>();
    for (y, x) in y.iter_mut().zip(x) {
        s.store(f(s.load(y), s.load(x)), y);
    }
    if !x_tail.is_empty() {
        let v = f(s.load_partial(y_tail, 0.0), s.load_partial(x_tail, 0.0));
        s.store_partial(v, y_tail);
    }
}

/// Folds `x` into sixteen lanes: `acc = f(acc, x[i ..])`. Lanes beyond the end hold `fill`.
#[inline(always)]
pub(crate) fn fold<S: Simd>(
    s: S,
    start: S::F,
    x: &[f32],
    fill: f32,
    f: impl Fn(S::F, S::F) -> S::F,
) -> S::F {
    let (x, tail) = x.as_chunks::<LANES>();
    let mut acc = start;
    for x in x {
        acc = f(acc, s.load(x));
    }
    if !tail.is_empty() {
        acc = f(acc, s.load_partial(tail, fill));
    }
    acc
}

#[cfg(test)]
mod tests;
