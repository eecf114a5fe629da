//! Several engines that train one model, each on its share of a batch.
//!
//! Floating-point sums depend on their order, and the order is that of the batch's rows: each
//! engine adds its partial sums to what the engines before it have added up. Gradients go along
//! this chain in blocks, so that a block is at the next engine while the one after it is still
//! added here: the chain moves as many bytes as a ring all-reduce does (Patarasuk & Yuan 2009), and
//! its result is the one that a single engine computes, to the bit.

use std::fmt;

/// An engine's place in the chain.
///
/// For every block of the gradients, in order, [`Engine::reduce`](crate::Engine::reduce) calls
/// [`Reduce::receive`], adds what it has accumulated, and calls [`Reduce::send`]; after the last
/// block, it calls [`Reduce::total`] once.
pub trait Reduce {
    /// Whether there is no other engine; nothing else is called then.
    fn is_alone(&self) -> bool {
        false
    }

    /// Sets `block` to the sum over the engines before this one; leaves it as it is (the gradients
    /// that this engine held before, zeros in the first step) for the first engine. `at` is the
    /// index of its first number in the table.
    ///
    /// # Errors
    /// When the engine before this one cannot be reached.
    fn receive(&mut self, at: usize, block: &mut [f32]) -> Result<(), ReduceError>;

    /// Hands `block`, which now holds this engine's gradients too, to the next engine; does nothing
    /// for the last.
    ///
    /// # Errors
    /// When the next engine cannot be reached.
    fn send(&mut self, at: usize, block: &[f32]) -> Result<(), ReduceError>;

    /// Sets `gradients`, a number for each parameter, to those of the last engine, which are
    /// everybody's sum.
    ///
    /// # Errors
    /// When the last engine cannot be reached.
    fn total(&mut self, gradients: &mut [f32]) -> Result<(), ReduceError>;
}

/// The only engine.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Reduce for Alone {
    fn is_alone(&self) -> bool {
        true
    }

    fn receive(&mut self, _: usize, _: &mut [f32]) -> Result<(), ReduceError> {
        Ok(())
    }

    fn send(&mut self, _: usize, _: &[f32]) -> Result<(), ReduceError> {
        Ok(())
    }

    fn total(&mut self, _: &mut [f32]) -> Result<(), ReduceError> {
        Ok(())
    }
}

/// Why gradients were not added up, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReduceError(pub String);

impl fmt::Display for ReduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReduceError {}
