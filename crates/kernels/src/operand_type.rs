//! What the operands of a matrix product are rounded to: its precision.

use core::fmt;

/// The type of the operands of matrix products. Sums, and everything that is not a matrix
/// product, are f32 in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OperandType {
    /// Operands are used as they are.
    #[default]
    F32,
    /// Operands are rounded to the nearest bf16 (8 bits of precision, the exponents of f32); sums
    /// are f32.
    Bf16,
}

impl OperandType {
    /// Both types, the exact one first.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// Returns the name that people and records use.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Returns the type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

impl fmt::Display for OperandType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
