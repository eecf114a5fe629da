//! Sums of two numbers, which all have the same number of digits, the least significant first. The
//! carry out of the last digit is dropped, so addition is modulo a power of the base.
//!
//! With the least significant digit first, a digit of the sum depends on one place of the operands
//! and one carry (Lee et al. 2023, "Teaching arithmetic to small transformers").

use gptlab_model::random::Cursor;

use super::{IdealLoss, Predicted, TextGenerator, letter, plain, skilled};

pub(super) struct Addition {
    /// The base, at most ten, whose digits are `0`, `1`, …
    pub(super) base: usize,
    pub(super) places: usize,
}

impl Addition {
    /// A million sums of 11 characters each.
    pub(super) const USUAL: Self = Self {
        base: 10,
        places: 3,
    };

    /// Returns a number's digits as text.
    fn text(digits: &[usize]) -> String {
        digits.iter().map(|d| letter(b'0', *d)).collect()
    }

    fn sum(&self, a: &[usize], b: &[usize]) -> Vec<usize> {
        let mut carry = 0;
        let add = |(x, y): (&usize, &usize)| {
            let sum = x + y + carry;
            carry = sum / self.base;
            sum % self.base
        };
        a.iter().zip(b).map(add).collect()
    }

    fn equation(&self, a: &[usize], b: &[usize]) -> String {
        let [x, y, z] = [a, b, &self.sum(a, b)].map(Self::text);
        format!("{x}+{y}={z}")
    }

    fn number(&self, text: &str) -> Option<Vec<usize>> {
        let digit = |c: char| (0..self.base).find(|d| letter(b'0', *d) == c);
        let digits: Vec<usize> = text.chars().map(digit).collect::<Option<_>>()?;
        (digits.len() == self.places).then_some(digits)
    }

    /// Returns whether `document` is a correct sum; `None` if it is not a sum.
    fn is_right(&self, document: &str) -> Option<bool> {
        let (a, rest) = document.split_once('+')?;
        let (b, _) = rest.split_once('=')?;
        let (a, b) = (self.number(a)?, self.number(b)?);
        Some(self.equation(&a, &b) == document)
    }

    /// Returns the information of an operand, in nats.
    fn operand(&self) -> f64 {
        self.places as f64 * (self.base as f64).ln()
    }
}

impl TextGenerator for Addition {
    fn draw(&self, cursor: &mut Cursor) -> String {
        let mut number =
            || -> Vec<usize> { (0..self.places).map(|_| cursor.below(self.base)).collect() };
        let (a, b) = (number(), number());
        self.equation(&a, &b)
    }

    fn ideal(&self, document: &str) -> Option<Vec<Predicted>> {
        if !self.is_right(document)? {
            return None;
        }
        let digits = || vec![plain((self.base as f64).ln()); self.places];
        let sign = || vec![plain(0.0)];
        let answer = vec![skilled(0.0); self.places];
        let end = vec![plain(0.0)];
        Some([digits(), sign(), digits(), sign(), answer, end].concat())
    }

    fn ideal_loss(&self) -> IdealLoss {
        IdealLoss {
            nats_per_document: 2.0 * self.operand(),
            tokens_per_document: (3 * self.places + 3) as f64,
            skill_nats_per_document: 0.0,
            skill_tokens_per_document: self.places as f64,
            error: 0.0,
        }
    }
}
