//! Memory that starts on a cache line, so that no vector of a matrix lies across two.

use std::{
    collections::TryReserveError,
    ops::{Deref, DerefMut},
};

/// The bytes of a cache line.
const LINE: usize = 64;

/// Numbers that start on a cache line.
#[derive(Debug, Default)]
pub(super) struct Aligned<T> {
    numbers: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// Returns `len` zeros. The system provides the memory only when it is touched.
    pub(super) fn zeroed(len: usize) -> Self {
        let spare = LINE / size_of::<T>();
        let numbers = vec![T::default(); len + spare];
        let start = numbers.as_ptr().align_offset(LINE).min(spare);
        Self {
            numbers,
            start,
            len,
        }
    }

    /// Returns `len` zeros, or the reason why the system has no memory for them. Zeroed memory can
    /// only be allocated by a call that cannot fail, so the same memory is first reserved and
    /// released.
    pub(super) fn try_zeroed(len: usize) -> Result<Self, TryReserveError> {
        let most = len.saturating_add(LINE / size_of::<T>());
        Vec::<T>::new().try_reserve_exact(most)?;
        Ok(Self::zeroed(len))
    }

    /// Returns a copy of `numbers`, or the reason why the system has no memory for it.
    pub(super) fn try_of(numbers: &[T]) -> Result<Self, TryReserveError> {
        let mut aligned = Self::try_zeroed(numbers.len())?;
        aligned.copy_from_slice(numbers);
        Ok(aligned)
    }

    /// Grows to at least `len` numbers. Growing drops the old numbers before it allocates new ones.
    pub(super) fn grow(&mut self, len: usize) {
        if self.len < len {
            (self.numbers, self.start, self.len) = (Vec::new(), 0, 0);
            *self = Self::zeroed(len);
        }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.numbers[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.numbers[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_starts_on_a_line_and_has_the_requested_length() {
        for len in [0, 1, 15, 16, 1000] {
            let mut memory: Aligned<f32> = Aligned::zeroed(len);
            assert_eq!(memory.as_ptr().align_offset(LINE), 0);
            assert_eq!(memory.len(), len);
            memory.grow(len + 1);
            assert_eq!(&*memory, vec![0.0; len + 1]);
        }
        assert_eq!(&*Aligned::try_of(&[1, 2, 3]).expect("room"), [1, 2, 3]);
    }

    #[test]
    fn more_memory_than_any_machine_has_is_refused() {
        assert!(Aligned::<f32>::try_zeroed(usize::MAX).is_err());
        assert!(Aligned::<f32>::try_zeroed(1 << 60).is_err());
    }
}
