//! Where a model runs, as it is typed.

use std::str::FromStr;

/// The value of `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    #[default]
    Cpu,
    /// Whichever trains this model faster.
    Auto,
    /// The GPU with this number, or the first.
    Gpu(Option<usize>),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let number = typed.strip_prefix("gpu:").map(str::parse);
        match (typed, number) {
            ("cpu", _) => Ok(Self::Cpu),
            ("auto", _) => Ok(Self::Auto),
            ("gpu", _) => Ok(Self::Gpu(None)),
            (_, Some(Ok(number))) => Ok(Self::Gpu(Some(number))),
            (_, Some(Err(_)) | None) => {
                Err("expected cpu, gpu, gpu:N with the number of a GPU, or auto".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_everything_else_is_refused() {
        let devices = [
            ("cpu", DeviceChoice::Cpu),
            ("auto", DeviceChoice::Auto),
            ("gpu", DeviceChoice::Gpu(None)),
            ("gpu:0", DeviceChoice::Gpu(Some(0))),
            ("gpu:12", DeviceChoice::Gpu(Some(12))),
        ];
        for (typed, device) in devices {
            assert_eq!(typed.parse(), Ok(device));
        }
        for typed in ["", "GPU", "gpu:", "gpu:x", "gpu:-1", "cuda", "cpu:0"] {
            let refusal = typed.parse::<DeviceChoice>().expect_err(typed);
            assert!(refusal.contains("gpu:N"), "{refusal}");
        }
    }
}
