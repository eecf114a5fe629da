//! The range of an axis and its tick labels.

use crate::{number, words};

/// An axis from `low` to `high`. Positions on a logarithmic axis are base-10 logarithms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    /// The positions of the ticks and their labels.
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) title: String,
}

/// The largest magnitude that is drawn to scale. Numbers beyond it are drawn at the edge, so that
/// sums and differences on an axis stay finite.
const LARGEST: f64 = 1e300;
/// The smallest length of an axis. A smaller one has too few digits to be divided into ticks
/// (subnormal numbers start at 2e-308).
const SMALLEST: f64 = 1e-300;
/// The relative difference below which two numbers differ only by rounding.
const ROUNDING: f64 = 1e-12;

/// Returns whether two numbers are far enough apart to be distinguished along an axis.
pub(super) fn is_apart(low: f64, high: f64) -> bool {
    high - low > SMALLEST.max(ROUNDING * low.abs().max(high.abs()))
}

impl Axis {
    /// Creates an axis that holds all of `values`, with round numbers along it.
    pub(super) fn linear(
        values: impl Iterator<Item = f64>,
        title: &str,
        most_ticks: usize,
    ) -> Option<Self> {
        let (low, high) = extent(values)?;
        let (low, high) = (low.clamp(-LARGEST, LARGEST), high.clamp(-LARGEST, LARGEST));
        let space = if is_apart(low, high) {
            high - low
        } else {
            high.abs().max(1.0)
        };
        let step = round_step(space / most_ticks as f64);
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let tick = |n: i64| (n as f64 * step, format_tick(n as f64 * step, step));
        Some(Self {
            low,
            high: low + space,
            ticks: (first..=last).map(tick).collect(),
            title: title.to_owned(),
        })
    }

    /// Creates an axis that holds the logarithms of all of `values` above 0.
    pub(super) fn log(values: impl Iterator<Item = f64>, title: &str) -> Option<Self> {
        let (low, high) = extent(values.filter(|x| *x > 0.0).map(f64::log10))?;
        let margin = ((high - low) * 0.06).max(0.05);
        let (low, high) = (low - margin, high + margin);
        let tick = |x: f64| (x.log10(), magnitude(x));
        Some(Self {
            low,
            high,
            ticks: log_ticks(low, high).into_iter().map(tick).collect(),
            title: title.to_owned(),
        })
    }

    /// Extends both ends by a share of the length.
    pub(super) fn padded(self, share: f64) -> Self {
        let space = (self.high - self.low) * share;
        Self {
            low: self.low - space,
            high: self.high + space,
            ..self
        }
    }

    /// Returns where `x` lies between the ends, from 0 to 1. Values beyond the axis are at its end.
    pub(super) fn share(&self, x: f64) -> f64 {
        ((x - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|x| x.is_finite());
    finite.fold(None, |found, x| {
        let (low, high) = found.unwrap_or((x, x));
        Some((f64::min(low, x), f64::max(high, x)))
    })
}

/// The largest number of ticks of a logarithmic axis, whose labels are then apart. If there are
/// more, only every second, third, … is labelled.
const MOST_LOG_TICKS: usize = 8;

/// Returns round numbers between two logarithms: whole decades if there are enough, else the
/// coarsest steps within them that give four.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    const STEPS: [&[f64]; 4] = [
        &[1.0],
        &[1.0, 2.0, 5.0],
        &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        &[
            1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.5,
            4.0, 4.5, 5.0,
        ],
    ];
    let between = |steps: &[f64]| -> Vec<f64> {
        let decades = low.floor() as i32..=high.ceil() as i32;
        let all = decades.flat_map(|d| steps.iter().map(move |f| f * 10f64.powi(d)));
        all.filter(|x| (low..=high).contains(&x.log10())).collect()
    };
    let mut found = STEPS.iter().map(|steps| between(steps));
    let ticks = found
        .find(|ticks| ticks.len() >= 4)
        .unwrap_or_else(|| between(STEPS[STEPS.len() - 1]));
    let every = ticks.len().div_ceil(MOST_LOG_TICKS).max(1);
    ticks.into_iter().step_by(every).collect()
}

/// Formats a number on a logarithmic axis: `20k`, `1M`.
fn magnitude(x: f64) -> String {
    match x {
        x if x >= 0.999e9 => number::short(x),
        x if x >= 0.999e6 => format!("{}M", number::short(x / 1e6)),
        x if x >= 0.999e4 => format!("{}k", number::short(x / 1e3)),
        x => number::short(x),
    }
}

/// Returns the smallest of 1, 2 and 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let decade = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|f| f * decade >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * decade
}

/// Formats the number at a tick, with enough places to distinguish it from the next tick, which is
/// `step` away.
fn format_tick(x: f64, step: f64) -> String {
    // A negative zero is printed as zero.
    let x = if x == 0.0 { 0.0 } else { x };
    let places = (-step.log10().floor()).max(0.0);
    let text = if x.abs() >= 1e15 || places > 8.0 {
        number::short(x)
    } else if x.abs() >= 1e4 && places == 0.0 {
        let sign = if x < 0.0 { "-" } else { "" };
        sign.to_owned() + &words::count(x.abs() as u64)
    } else {
        format!("{x:.*}", places as usize)
    };
    crate::table::typeset(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let axis = Axis::linear([0.0, 1_000.0].into_iter(), "step", 5).unwrap();
        assert_eq!(labels(&axis), ["0", "200", "400", "600", "800", "1000"]);
        let axis = Axis::linear([-0.21, 0.4].into_iter(), "", 4).unwrap();
        assert_eq!(labels(&axis), ["\u{2212}0.2", "0.0", "0.2", "0.4"]);
        let axis = Axis::linear([0.0, 100_000.0].into_iter(), "", 2).unwrap();
        assert_eq!(labels(&axis), ["0", "50,000", "100,000"]);
        let axis = Axis::linear([-100_000.0, 0.0].into_iter(), "", 2).unwrap();
        assert_eq!(labels(&axis), ["\u{2212}100,000", "\u{2212}50,000", "0"]);
    }

    #[test]
    fn numbers_at_the_ends_of_f64_have_an_axis() {
        for values in [
            [0.0, 5e-324],
            [-5e-324, f64::MIN_POSITIVE],
            [f64::MIN, f64::MAX],
            [f64::MAX, f64::MAX],
            [1.0, 1.0 + f64::EPSILON],
            [1e300, 1.000_001e300],
            [u64::MAX as f64, 0.0],
            [1e-290, 3e-290],
        ] {
            let axis = Axis::linear(values.into_iter(), "", 5)
                .unwrap()
                .padded(0.05);
            assert!(axis.low.is_finite() && axis.high.is_finite(), "{axis:?}");
            assert!(axis.high > axis.low && axis.ticks.len() < 9, "{axis:?}");
            for value in values {
                assert!((0.0..=1.0).contains(&axis.share(value)), "{axis:?}");
            }
            let log = Axis::log(values.into_iter(), "").unwrap();
            assert!(log.ticks.len() <= MOST_LOG_TICKS, "{log:?}");
        }
        let axis = Axis::linear([u64::MAX as f64, 0.0].into_iter(), "", 5).unwrap();
        assert_eq!(labels(&axis), ["0", "5e18", "1e19", "1.5e19"]);
        let axis = Axis::linear([0.0, 1e-9].into_iter(), "", 2).unwrap();
        assert_eq!(labels(&axis), ["0", "5e-10", "1e-9"]);
    }

    #[test]
    fn one_value_and_no_value_are_no_trouble() {
        let axis = Axis::linear([2.0].into_iter(), "", 4).unwrap();
        assert!(axis.high > axis.low);
        assert!(Axis::linear([f64::NAN, f64::INFINITY].into_iter(), "", 4).is_none());
        assert!(Axis::log([0.0, -1.0].into_iter(), "").is_none());
    }

    #[test]
    fn a_logarithmic_axis_knows_its_numbers() {
        let axis = Axis::log([1e-4, 1e-2].into_iter(), "lr").unwrap();
        assert_eq!(
            labels(&axis),
            ["1e-4", "2e-4", "5e-4", "0.001", "0.002", "0.005", "0.01"]
        );
        let axis = Axis::log([1e4, 1e6].into_iter(), "parameters").unwrap();
        assert_eq!(
            labels(&axis),
            ["10k", "20k", "50k", "100k", "200k", "500k", "1M"]
        );
        let narrow = Axis::log([1.5, 2.1].into_iter(), "loss").unwrap();
        assert!(narrow.ticks.len() >= 3, "{:?}", narrow.ticks);
    }
}
