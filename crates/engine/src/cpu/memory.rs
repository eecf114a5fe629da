//! Memory that begins on a cache line, so that no vector of a matrix lies across two.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Numbers that begin on a cache line.
#[derive(Debug, Default)]
pub(super) struct Aligned<T> {
    numbers: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` zeros. Memory that nobody touches takes no room.
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

    /// Room for at least `len` numbers; what was there is lost when it grows.
    pub(super) fn grow(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeroed(len);
        }
    }
}

impl<T: Copy + Default> From<&[T]> for Aligned<T> {
    fn from(numbers: &[T]) -> Self {
        let mut aligned = Self::zeroed(numbers.len());
        aligned.copy_from_slice(numbers);
        aligned
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
    fn memory_begins_on_a_line_and_holds_what_was_asked() {
        for len in [0, 1, 15, 16, 1000] {
            let mut memory: Aligned<f32> = Aligned::zeroed(len);
            assert_eq!(memory.as_ptr().align_offset(LINE), 0);
            assert_eq!(memory.len(), len);
            memory.grow(len + 1);
            assert_eq!(&*memory, vec![0.0; len + 1]);
        }
        assert_eq!(&*Aligned::from([1, 2, 3].as_slice()), [1, 2, 3]);
    }
}
