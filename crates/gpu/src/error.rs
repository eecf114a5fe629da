//! The reasons why a GPU cannot be used, in sentences.

use std::fmt;

use gptlab_engine::ImportError;

/// The reason why a GPU does not run a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuError {
    /// The system has no adapter.
    NoAdapter,
    /// There is no adapter with this number: (number, names of those found).
    NoSuchAdapter(usize, Vec<String>),
    /// The driver refuses to open the adapter.
    Refused { adapter: String, reason: String },
    /// The model or the batch needs more than the adapter grants.
    Limit {
        /// What is too large.
        what: String,
        /// How much is needed, and how much the adapter grants, with their unit.
        needed: String,
        granted: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The device has no memory for this many bytes.
    Memory { bytes: u64, adapter: String },
    /// The driver or the compiler of WGSL rejects a kernel.
    Kernel {
        name: &'static str,
        adapter: String,
        reason: String,
    },
    /// The device has stopped computing.
    Lost { adapter: String, reason: String },
}

impl fmt::Display for GpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAdapter => f.write_str(
                "a GPU needs a driver for Vulkan, Metal or Direct3D 12; none was found; install the driver of your \
                 graphics card, or use the CPU",
            ),
            Self::NoSuchAdapter(number, names) => {
                write!(f, "there is no GPU number {number}; found ")?;
                for (i, name) in names.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{i} ({name})")?;
                }
                f.write_str("; use one of these numbers")
            }
            Self::Refused { adapter, reason } => write!(
                f,
                "the driver of {adapter} opens no device: {reason}; update the driver, or use the CPU"
            ),
            Self::Limit {
                what,
                needed,
                granted,
                remedy,
            } => write!(f, "{what} takes {needed}, and the GPU grants {granted}; {remedy}"),
            Self::Memory { bytes, adapter } => write!(
                f,
                "{adapter} gave no memory for {} MiB; use a smaller model or batch, end other programs, or use the \
                 CPU",
                bytes >> 20
            ),
            Self::Kernel {
                name,
                adapter,
                reason,
            } => write!(
                f,
                "{adapter} rejects the kernel `{name}`: {reason}; update the driver, or use the CPU"
            ),
            Self::Lost { adapter, reason } => write!(
                f,
                "{adapter} has stopped computing: {reason}"
            ),
        }
    }
}

impl std::error::Error for GpuError {}

impl From<GpuError> for ImportError {
    fn from(error: GpuError) -> Self {
        Self::Device(error.to_string())
    }
}
