//! Several engines that train one model, each on its share of a batch.
//!
//! Floating-point sums depend on their order, and the order is that of the batch's rows: each
//! engine adds its partial sums to the sum of the engines before it. Gradients pass along this
//! chain in blocks, so that an engine sends one block while it adds the next: the chain moves as
//! many bytes as a ring all-reduce (Patarasuk & Yuan 2009), and its result has the bits that a
//! single engine computes.

use std::fmt;

/// An engine's place in the chain.
///
/// For every block of the gradients, in order, [`Engine::reduce`](crate::Engine::reduce) calls
/// [`Reduce::receive`], adds what it has accumulated, and calls [`Reduce::send`]; after the last
/// block, it calls [`Reduce::total`] once.
pub trait Reduce {
    /// Returns true if there is no other engine; then no other method is called.
    fn is_alone(&self) -> bool {
        false
    }

    /// Sets `block` to the sum over the engines before this one. For the first engine it leaves
    /// `block` unchanged: the gradients that this engine already holds, zeros in the first step.
    /// `at` is the index of the block's first number in the table.
    ///
    /// # Errors
    /// Returns an error when the engine before this one cannot be reached.
    fn receive(&mut self, at: usize, block: &mut [f32]) -> Result<(), ReduceError>;

    /// Sends `block`, which now includes this engine's gradients, to the next engine; does nothing
    /// for the last engine.
    ///
    /// # Errors
    /// Returns an error when the next engine cannot be reached.
    fn send(&mut self, at: usize, block: &[f32]) -> Result<(), ReduceError>;

    /// Sets `gradients`, one number per parameter, to those of the last engine, which are the sum
    /// over all engines.
    ///
    /// # Errors
    /// Returns an error when the last engine cannot be reached.
    fn total(&mut self, gradients: &mut [f32]) -> Result<(), ReduceError>;
}

/// The chain of a single engine.
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

/// The reason why gradients were not added up, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReduceError(pub String);

impl fmt::Display for ReduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReduceError {}
