//! What Python has built in and microgpt.py uses: operators between objects, `**`, `sum`, `print`,
//! `open`, and the module `random`. Each gives what `CPython` gives, to the bit.

use std::array;
use std::f64::consts::TAU;
use std::fmt::Arguments;
use std::hint::black_box;
use std::io::{self, ErrorKind, Write};
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::{env, fs, process};

use crate::Value;

/// Converts a plain number into a value without children.
///
/// Python's operators do this where they find a number; the ones below do it by `other.into()`.
impl From<f64> for Value {
    fn from(data: f64) -> Value {
        Value::new(data, &[], &[])
    }
}

/// Defines `value + other`.
impl<T: Into<Value>> Add<T> for Value {
    type Output = Value;

    fn add(self, other: T) -> Value {
        Value::add(self, other.into())
    }
}

/// Defines `value * other`.
impl<T: Into<Value>> Mul<T> for Value {
    type Output = Value;

    fn mul(self, other: T) -> Value {
        Value::mul(self, other.into())
    }
}

/// Defines `-value` as `value * -1`.
impl Neg for Value {
    type Output = Value;

    fn neg(self) -> Value {
        self * -1.0
    }
}

/// Defines `value - other` as `value + (-other)`.
impl<T: Into<Value>> Sub<T> for Value {
    type Output = Value;

    fn sub(self, other: T) -> Value {
        self + -other.into()
    }
}

/// Defines `value / other` as `value * other ** -1`.
impl<T: Into<Value>> Div<T> for Value {
    type Output = Value;

    fn div(self, other: T) -> Value {
        self * other.into().pow(-1.0)
    }
}

/// Returns `x ** y`, by the same function of the C library as Python.
///
/// `black_box` hides `x` and `y` from the compiler, because it computes some powers otherwise, such
/// as a square root for 0.5, and the last bit can then differ.
pub(crate) fn pow(x: f64, y: f64) -> f64 {
    black_box(x).powf(black_box(y))
}

/// Returns the sum, which starts from 0 as Python's does.
pub(crate) fn sum(values: impl IntoIterator<Item = Value>) -> Value {
    let zero = Value::from(0.0);
    values.into_iter().fold(zero, Value::add)
}

/// Prints a line, as Rust's own `println!` does, and without a panic where nobody reads it.
macro_rules! println {
    ($($line:tt)*) => { $crate::python::print(format_args!($($line)*)) }
}
pub(crate) use println;

/// Prints a line, and ends the program if that fails: quietly if the reader, such as `head`, has
/// gone.
pub(crate) fn print(line: Arguments) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        if error.kind() == ErrorKind::BrokenPipe {
            process::exit(0);
        }
        fail(&format!("expected to write the output; found: {error}"));
    }
}

/// Reads the documents, which are the lines of a text without the white space around them.
///
/// The text is the file that the command line names, or `input.txt` if there is one in the current
/// folder, or the built-in names. Without any document the program ends with a message.
pub(crate) fn read_docs() -> Vec<String> {
    let input = || fs::exists("input.txt").ok()?.then(|| "input.txt".into());
    let Some(path) = env::args_os().nth(1).or_else(input) else {
        return split_docs(include_str!("names.txt"));
    };
    let text = fs::read_to_string(&path);
    let docs = split_docs(text.as_deref().unwrap_or_default());
    if docs.is_empty() {
        let found = text.map_or_else(|error| error.to_string(), |_| "no text".into());
        let path = path.display();
        fail(&format!(
            "{path}: expected UTF-8 text, a document a line; found: {found}"
        ));
    }
    docs
}

/// Returns the lines of a text that are not empty, stripped as by Python's `strip`.
fn split_docs(text: &str) -> Vec<String> {
    // Python counts four control characters, the separators, as white space. Rust does not.
    let is_space = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    text.split(['\n', '\r'])
        .map(|line| line.trim_matches(is_space))
        .filter(|line| !line.is_empty())
        .map(String::from)
        .collect()
}

/// Ends the program with a message and exit code 1.
fn fail(message: &str) -> ! {
    eprintln!("microgpt: {message}");
    process::exit(1)
}

/// The number of words in the state of the generator.
const N: usize = 624;
/// The distance between two words of the state that make a new one.
const M: usize = 397;

/// A generator of random numbers, equal to the module `random`.
///
/// All of them are made of words of 32 bits, which a Mersenne Twister generates (MT19937, Matsumoto
/// and Nishimura 1998). Arithmetic on words is modulo 2 to the 32: `wrapping_add` and the like.
pub(crate) struct Random {
    /// The last 624 words, before tempering.
    state: [u32; N],
    /// Where in `state` the oldest word is, which the next one replaces.
    index: usize,
    /// The second number of the pair that `gauss` drew last, until it is used.
    gauss_next: Option<f64>,
}

impl Random {
    /// Returns the generator after Python's `random.seed(seed)`.
    pub(crate) fn seed(seed: u64) -> Self {
        let [low, high] = [seed as u32, (seed >> 32) as u32];
        let state = match high {
            0 => init_by_array(&[low]),
            _ => init_by_array(&[low, high]),
        };
        Self {
            state,
            index: 0,
            gauss_next: None,
        }
    }

    /// Shuffles a list of fewer than 2 to the 32 items, as `random.shuffle(items)` does.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u32 + 1);
            items.swap(i, j as usize);
        }
    }

    /// Draws from a normal distribution, as `random.gauss(mu, sigma)` does.
    ///
    /// Two uniform numbers give two normal ones (Box and Muller 1958). The second is kept for the
    /// next call.
    pub(crate) fn gauss(&mut self, mu: f64, sigma: f64) -> f64 {
        let z = self.gauss_next.take().unwrap_or_else(|| {
            let angle = self.random() * TAU;
            let radius = (-2.0 * (1.0 - self.random()).ln()).sqrt();
            self.gauss_next = Some(angle.sin() * radius);
            angle.cos() * radius
        });
        mu + z * sigma
    }

    /// Draws an index with probability proportional to its weight, as
    /// `random.choices(range(len(weights)), weights)[0]` does.
    pub(crate) fn choices(&mut self, weights: impl Iterator<Item = f64>) -> usize {
        let mut total = 0.0;
        let mut cum_weights = Vec::new();
        for weight in weights {
            total += weight;
            cum_weights.push(total);
        }
        let draw = self.random() * total;
        cum_weights.pop(); // all that is not below another index belongs to the last
        cum_weights.partition_point(|&cum_weight| cum_weight <= draw)
    }

    /// Draws uniformly from 0 to 1, without 1, as `random.random()` does: a fraction of 2 to the
    /// 53, made of the upper 27 bits of a word and the upper 26 bits of the next.
    fn random(&mut self) -> f64 {
        let a = self.word() >> 5;
        let b = self.word() >> 6;
        (f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0
    }

    /// Draws uniformly from the integers below `n`: draws as many bits as `n` has, and repeats this
    /// until they are a number below `n`.
    fn below(&mut self, n: u32) -> u32 {
        loop {
            let bits = self.word() >> n.leading_zeros();
            if bits < n {
                return bits;
            }
        }
    }

    /// Generates a word: replaces the oldest word of the state, and tempers the new one.
    fn word(&mut self) -> u32 {
        let i = self.index;
        self.index = (i + 1) % N;
        let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
        let odd = if y % 2 == 1 { 0x9908_b0df } else { 0 };
        self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;

        let mut y = self.state[i];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

/// Returns the state for a seed of one or two words.
///
/// The state is filled from a constant, mixed with the seed 624 times, and mixed 623 times more.
fn init_by_array(key: &[u32]) -> [u32; N] {
    let mut state = init_genrand(19_650_218);
    // Word 0 is never mixed itself: the places are 1, 2, ..., 623, 1, 2, and so on.
    let mut places = (1..N).cycle();
    for (j, i) in (0..key.len()).cycle().zip(places.by_ref()).take(N) {
        let mixed = state[i] ^ scramble(state[i - 1], 1_664_525);
        state[i] = mixed.wrapping_add(key[j]).wrapping_add(j as u32);
        state[0] = state[N - 1];
    }
    for i in places.take(N - 1) {
        let mixed = state[i] ^ scramble(state[i - 1], 1_566_083_941);
        state[i] = mixed.wrapping_sub(i as u32);
        state[0] = state[N - 1];
    }
    state[0] = 0x8000_0000;
    state
}

/// Returns a state whose first word is `word`, and each other one is made of the word before.
fn init_genrand(mut word: u32) -> [u32; N] {
    array::from_fn(|i| {
        if i > 0 {
            word = scramble(word, 1_812_433_253).wrapping_add(i as u32);
        }
        word
    })
}

/// Returns a word mixed with its own two highest bits, times a factor.
fn scramble(word: u32, factor: u32) -> u32 {
    (word ^ (word >> 30)).wrapping_mul(factor)
}
