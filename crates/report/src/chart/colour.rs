//! How numbers become colours.

use maud::{Markup, html};

use super::axis::extent;
use crate::{number, table::typeset};

/// Viridis (Smith & van der Walt 2015, CC0), at sixteen even steps.
const VIRIDIS: [Rgb; 16] = [
    Rgb(0x44, 0x01, 0x54),
    Rgb(0x48, 0x1a, 0x6c),
    Rgb(0x47, 0x2f, 0x7d),
    Rgb(0x41, 0x44, 0x87),
    Rgb(0x39, 0x56, 0x8c),
    Rgb(0x31, 0x68, 0x8e),
    Rgb(0x2a, 0x78, 0x8e),
    Rgb(0x23, 0x88, 0x8e),
    Rgb(0x1f, 0x98, 0x8b),
    Rgb(0x22, 0xa8, 0x84),
    Rgb(0x35, 0xb7, 0x79),
    Rgb(0x54, 0xc5, 0x68),
    Rgb(0x7a, 0xd1, 0x51),
    Rgb(0xa5, 0xdb, 0x36),
    Rgb(0xd2, 0xe2, 0x1b),
    Rgb(0xfd, 0xe7, 0x25),
];
/// Blue below zero, vermilion above, and a neutral zero.
const SIGNED: [Rgb; 5] = [
    Rgb(0x00, 0x4c, 0x83),
    Rgb(0x6c, 0xad, 0xd6),
    Rgb(0xf3, 0xf1, 0xec),
    Rgb(0xef, 0x9a, 0x62),
    Rgb(0xb0, 0x3a, 0x00),
];
/// How many shades there are. Cells of one shade are one path.
pub(super) const SHADES: usize = 64;
/// Shades are logarithmic if the largest number is more than this many times the smallest.
const WIDE: f64 = 50.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rgb(u8, u8, u8);

impl Rgb {
    pub(super) fn hex(self) -> String {
        let Self(r, g, b) = self;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// Returns whether white text has more contrast on this colour than black text, by the relative
    /// luminance of WCAG 2.2.
    pub(super) fn is_dark(self) -> bool {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.040_45 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        let luminance = 0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2);
        luminance < 0.179
    }

    fn mixed(self, other: Self, share: f64) -> Self {
        let mix =
            |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
        Self(
            mix(self.0, other.0),
            mix(self.1, other.1),
            mix(self.2, other.2),
        )
    }
}

/// What kind of numbers are shaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShadeScale {
    /// Numbers of one sign: from the smallest to the largest, by their logarithms if these are far
    /// apart.
    Size,
    /// Shares and probabilities: from 0 to 1.
    Share,
    /// Differences: zero is neutral, and both sides reach equally far.
    Difference,
}

/// How numbers become shades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shading {
    low: f64,
    high: f64,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Linear,
    Log,
    /// By square roots on both sides of zero, so that small differences can be seen beside large
    /// ones.
    Signed,
}

impl Shading {
    /// Returns the shading that suits all of `numbers`, or `None` if none is finite.
    pub fn of(scale: ShadeScale, numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = extent(numbers)?;
        Some(match scale {
            ShadeScale::Share => Self {
                low: 0.0,
                high: 1.0,
                form: Form::Linear,
            },
            ShadeScale::Size => Self {
                low,
                high,
                form: if low > 0.0 && high > WIDE * low {
                    Form::Log
                } else {
                    Form::Linear
                },
            },
            ShadeScale::Difference => {
                let most = high.abs().max(low.abs());
                Self {
                    low: -most,
                    high: most,
                    form: Form::Signed,
                }
            }
        })
    }

    /// Returns where a number lies in the range, from 0 to 1.
    fn share(self, x: f64) -> f64 {
        // Halves, since the difference of two large numbers may overflow.
        let at = |x: f64| match self.form {
            Form::Linear => x / 2.0,
            Form::Log => x.ln(),
            Form::Signed => x.signum() * x.abs().sqrt(),
        };
        let space = at(self.high) - at(self.low);
        if space > 0.0 {
            ((at(x) - at(self.low)) / space).clamp(0.0, 1.0)
        } else {
            0.5
        }
    }

    /// Returns the shade of a number, or `None` if it is not finite.
    pub(super) fn shade(self, x: f64) -> Option<usize> {
        x.is_finite()
            .then(|| ((self.share(x) * SHADES as f64) as usize).min(SHADES - 1))
    }

    pub(super) fn colour(self, shade: usize) -> Rgb {
        let stops: &[Rgb] = match self.form {
            Form::Linear | Form::Log => &VIRIDIS,
            Form::Signed => &SIGNED,
        };
        let place = shade as f64 / (SHADES - 1) as f64 * (stops.len() - 1) as f64;
        let before = (place as usize).min(stops.len() - 2);
        stops[before].mixed(stops[before + 1], place - before as f64)
    }

    /// Says how numbers become shades if they do so unevenly.
    pub(super) fn describe(self) -> &'static str {
        match self.form {
            Form::Linear => "",
            Form::Log => "Shades are logarithmic.",
            Form::Signed => "Shades go by the square root, from a neutral zero.",
        }
    }

    /// Returns the numbers at the ends of the scale.
    pub(super) fn ends(self) -> [String; 2] {
        [self.low, self.high].map(|x| typeset(&number::short(x)))
    }

    /// Returns the scale for a page: its ends, and all shades between them.
    pub(super) fn key(self) -> Markup {
        let stops: Vec<String> = (0..=8)
            .map(|i| self.colour(i * (SHADES - 1) / 8).hex())
            .collect();
        let style = format!("background:linear-gradient(90deg,{})", stops.join(","));
        let [low, high] = self.ends();
        let log = self.describe();
        html! {
            p class="key" {
                (low) " " span class="bar" style=(style) {} " " (high)
                @if !log.is_empty() { span class="how" { (log) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scale: ShadeScale, numbers: &[f64]) -> Option<Shading> {
        Shading::of(scale, numbers.iter().copied())
    }

    #[test]
    fn shades_rise_with_numbers() {
        let shading = of(ShadeScale::Size, &[1e-4, 1e-2, f64::NAN, 1.0, 0.5, 0.1]).unwrap();
        assert_eq!(shading.form, Form::Log, "four decades");
        assert_eq!(shading.shade(1e-4), Some(0));
        assert_eq!(shading.shade(1e-2), Some(SHADES / 2));
        assert_eq!(shading.shade(1.0), Some(SHADES - 1));
        assert_eq!(shading.shade(f64::NAN), None);
        assert!(of(ShadeScale::Size, &[f64::NAN]).is_none());
        let wide = of(ShadeScale::Size, &[f64::MIN, 0.0, f64::MAX]).unwrap();
        assert_eq!(wide.shade(0.0), Some(SHADES / 2));
        assert_eq!(wide.shade(f64::MAX), Some(SHADES - 1));
    }

    #[test]
    fn zero_is_neutral_among_differences() {
        let shading = of(ShadeScale::Difference, &[-0.01, 2.0]).unwrap();
        assert_eq!(shading.ends(), ["\u{2212}2", "2"]);
        let neutral = shading.colour(shading.shade(0.0).unwrap());
        assert!(!neutral.is_dark() && neutral.0.abs_diff(neutral.2) < 16);
        assert_eq!(shading.shade(2.0), Some(SHADES - 1));
        let shares = of(ShadeScale::Share, &[0.2, 0.3]).unwrap();
        assert_eq!(shares.ends(), ["0", "1"]);
    }

    /// The contrast of the text in a cell is at least that of WCAG's level AA.
    #[test]
    fn text_can_be_read_on_every_shade() {
        for scale in [ShadeScale::Share, ShadeScale::Difference] {
            let shading = of(scale, &[-1.0, 1.0]).unwrap();
            let dark: Vec<bool> = (0..SHADES).map(|s| shading.colour(s).is_dark()).collect();
            assert!(dark[0] && !dark[SHADES / 2 + 8], "{dark:?}");
        }
    }
}
