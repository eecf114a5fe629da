//! Python's `random`: the draws with which the ancestor starts, without its code.

/// A Mersenne Twister (Matsumoto & Nishimura 1998) as `random.seed(int)` starts it.
pub(crate) struct Random {
    state: [u32; WORDS],
    /// The index in `state` of the next word.
    next: usize,
    /// The second of the two numbers that `gauss` makes at a time.
    spare: Option<f64>,
}

const WORDS: usize = 624;
const UPPER: u32 = 1 << 31;

impl Random {
    /// Starts as `random.seed(seed)` does: mt19937ar's `init_by_array` with a key of one word.
    pub(crate) fn new(seed: u32) -> Self {
        let mut state = init_genrand(19_650_218);
        let mut i = 1;
        for _ in 0..WORDS {
            let mixed = state[i] ^ twirl(state[i - 1]).wrapping_mul(1_664_525);
            state[i] = mixed.wrapping_add(seed);
            i = advance(&mut state, i);
        }
        for _ in 1..WORDS {
            let mixed = state[i] ^ twirl(state[i - 1]).wrapping_mul(1_566_083_941);
            state[i] = mixed.wrapping_sub(i as u32);
            i = advance(&mut state, i);
        }
        state[0] = UPPER;
        Self {
            state,
            next: WORDS,
            spare: None,
        }
    }

    /// Draws what `genrand_uint32` returns.
    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let low = self.state[(i + 1) % WORDS];
            let y = (self.state[i] & UPPER) | (low & !UPPER);
            let odd = if y % 2 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + 397) % WORDS] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// Draws what `random()` returns: 53 bits.
    fn random(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        let bits = (u64::from(high) << 26) | u64::from(low);
        bits as f64 / (1u64 << 53) as f64
    }

    /// Draws what `_randbelow(n)` returns: as many bits as `n` has, until they are below it.
    fn below(&mut self, n: u32) -> u32 {
        loop {
            let bits = self.word() >> n.leading_zeros();
            if bits < n {
                return bits;
            }
        }
    }

    /// Shuffles as `shuffle` does, from the last index down.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u32 + 1);
            items.swap(i, j as usize);
        }
    }

    /// Draws what `gauss(0, sigma)` returns: Box & Muller (1958), using both numbers.
    pub(crate) fn gauss(&mut self, sigma: f64) -> f64 {
        if let Some(z) = self.spare.take() {
            return z * sigma;
        }
        let angle = self.random() * std::f64::consts::TAU;
        let radius = (-2.0 * (1.0 - self.random()).ln()).sqrt();
        self.spare = Some(angle.sin() * radius);
        angle.cos() * radius * sigma
    }
}

fn init_genrand(seed: u32) -> [u32; WORDS] {
    let mut state = [seed; WORDS];
    for i in 1..WORDS {
        let spread = twirl(state[i - 1]).wrapping_mul(1_812_433_253);
        state[i] = spread.wrapping_add(i as u32);
    }
    state
}

fn twirl(word: u32) -> u32 {
    word ^ (word >> 30)
}

/// Returns the index after `i`; at the end, the last word is copied to the first and 1 is next.
fn advance(state: &mut [u32; WORDS], i: usize) -> usize {
    if i + 1 < WORDS {
        return i + 1;
    }
    state[0] = state[WORDS - 1];
    1
}

/// The numbers are those of
/// `python3 -c 'from random import *; seed(42); print(random(), random())'`.
#[test]
fn uniform_draws_match_python() {
    let mut draws = Random::new(42);
    let found = [draws.random(), draws.random()];
    assert_eq!(found, [0.639_426_798_457_883_7, 0.025_010_755_222_666_936]);
}

/// The numbers are those of
/// `seed(42); x = list(range(10)); shuffle(x); print(x, [gauss(0, 0.08) for _ in range(3)])`.
#[test]
fn shuffles_and_normal_draws_match_python() {
    let mut draws = Random::new(42);
    let mut order: Vec<u32> = (0..10).collect();
    draws.shuffle(&mut order);
    assert_eq!(order, [7, 3, 2, 8, 5, 6, 9, 4, 0, 1]);
    let expected = [
        -0.017_133_769_808_763_893,
        -0.010_947_942_672_173_177,
        0.048_420_788_389_692_73,
    ];
    for expected in expected {
        // The last bits depend on the C library's sine, cosine and logarithm.
        assert!((draws.gauss(0.08) - expected).abs() < 1e-16);
    }
}

/// The numbers are those of `seed(42); x = list(range(700)); shuffle(x); print(x[:4], random())`,
/// which draws more than the first 624 words.
#[test]
fn draws_continue_past_the_first_twist() {
    let mut draws = Random::new(42);
    let mut order: Vec<u32> = (0..700).collect();
    draws.shuffle(&mut order);
    assert_eq!(order[..4], [415, 508, 243, 185]);
    assert_eq!(draws.random(), 0.470_306_836_213_046_9);
}
