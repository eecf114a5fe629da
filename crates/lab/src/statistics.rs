//! Means, deviations, and paired differences.
//!
//! Runs of two variants with the same seed start from the same weights and use the same batches.
//! They are compared in pairs, so that the variation they share cancels in the difference.

use gptlab_record::{CorrectedDifference, PairedDifference, SIGNIFICANT, holm, holm_divisors};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Returns the arithmetic mean; `None` for no values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns the sample standard deviation, with the divisor n - 1; `None` for fewer than two values.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Returns the 95 % prediction interval of one more value like `values`, if they are normal: their
/// mean ± t · s · √(1 + 1/n), where s is their standard deviation and t is Student's with n - 1
/// degrees of freedom (Whitmore 1986, "Prediction limits for a univariate normal observation").
/// `None` for fewer than two values.
pub fn prediction_interval(values: &[f64]) -> Option<(f64, f64)> {
    let (mean, deviation) = (mean(values)?, deviation(values)?);
    let n = values.len() as f64;
    let margin = if deviation == 0.0 {
        0.0
    } else {
        deviation * (1.0 + 1.0 / n).sqrt() * t_quantile(1.0 - SIGNIFICANT / 2.0, n - 1.0)
    };
    Some((mean - margin, mean + margin))
}

/// Returns the mean of `b - a` over the pairs `(a, b)`, its 95 % confidence interval, and the
/// two-sided p of the paired t test (Student 1908).
///
/// One pair has a mean, but no interval and no p, and neither have pairs whose deviation is not
/// finite. If all differences are equal, the interval is that number and p is 0, or 1 if the number
/// is 0. The result is `None` for no pairs, or if the mean is not finite.
///
/// The t test assumes normal differences, which a handful of seeds cannot verify.
pub fn paired(pairs: &[(f64, f64)]) -> Option<PairedDifference> {
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    let mean = mean(&differences).filter(|mean| mean.is_finite())?;
    let spread = deviation(&differences).filter(|s| s.is_finite());
    let test = spread.map(|s| t_test(mean, s, differences.len()));
    Some(PairedDifference {
        mean,
        deviation: spread,
        low: test.map(|t| mean - t.margin),
        high: test.map(|t| mean + t.margin),
        p: test.map(|t| t.p),
        pairs: pairs.len(),
        corrected: None,
    })
}

/// Corrects the differences that have a p for their number (Holm 1979).
///
/// The interval of a difference is Student's at the level at which Holm's procedure tests it, so
/// that it excludes 0 exactly where the corrected p is below [`SIGNIFICANT`].
pub fn correct(differences: &mut [&mut PairedDifference]) {
    let ps: Vec<f64> = differences.iter().filter_map(|d| d.p).collect();
    let corrected = holm(&ps).into_iter().zip(holm_divisors(&ps, SIGNIFICANT));
    let tested = differences.iter_mut().filter(|d| d.p.is_some());
    for (difference, (p, divisor)) in tested.zip(corrected) {
        let margin = difference
            .deviation
            .map(|deviation| half_width(deviation, difference.pairs, SIGNIFICANT / divisor as f64));
        difference.corrected = Some(CorrectedDifference {
            low: margin.map(|margin| difference.mean - margin),
            high: margin.map(|margin| difference.mean + margin),
            p: Some(p),
            comparisons: ps.len(),
        });
    }
}

/// The least mean difference that can be significant as the first of `differences`, all of which
/// are tested: their standard deviations are pooled, each weighed by its degrees of freedom, and
/// the pairs are the fewest of any.
pub fn least_difference(differences: &[PairedDifference]) -> Option<f64> {
    let tested = || differences.iter().filter(|d| d.p.is_some());
    let freedom: f64 = tested().map(|d| d.pairs as f64 - 1.0).sum();
    let squares = tested().filter_map(|d| Some((d.pairs as f64 - 1.0) * d.deviation?.powi(2)));
    let pooled = (squares.sum::<f64>() / freedom).sqrt();
    let pairs = tested().map(|d| d.pairs).min()?;
    let least = half_width(pooled, pairs, SIGNIFICANT / tested().count() as f64);
    least.is_finite().then_some(least)
}

/// Half the width of Student's interval of the mean of `n` numbers at the level 1 − `alpha`.
fn half_width(deviation: f64, n: usize, alpha: f64) -> f64 {
    let error = deviation / (n as f64).sqrt();
    // Of equal numbers the interval is the number, however far the quantile is.
    if error == 0.0 {
        return 0.0;
    }
    error * t_quantile(1.0 - alpha / 2.0, (n - 1) as f64)
}

#[derive(Clone, Copy)]
struct Tested {
    /// Half the width of the interval.
    margin: f64,
    p: f64,
}

fn t_test(mean: f64, deviation: f64, n: usize) -> Tested {
    let error = deviation / (n as f64).sqrt();
    if error == 0.0 {
        let p = if mean == 0.0 { 1.0 } else { 0.0 };
        return Tested { margin: 0.0, p };
    }
    Tested {
        margin: half_width(deviation, n, SIGNIFICANT),
        p: 2.0 * t_below(-(mean / error).abs(), (n - 1) as f64),
    }
}

/// Returns the probability that Student's t with `freedom` degrees, at least 1, is below `t`.
fn t_below(t: f64, freedom: f64) -> f64 {
    students_t(freedom).map_or(f64::NAN, |d| d.cdf(t))
}

/// Returns the t at which [`t_below`] is `p`.
pub(crate) fn t_quantile(p: f64, freedom: f64) -> f64 {
    students_t(freedom).map_or(f64::NAN, |d| d.inverse_cdf(p))
}

fn students_t(freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn the_mean_and_deviation_of_a_few() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[3.0]), Some(3.0));
        assert_eq!(deviation(&[3.0]), None);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(deviation(&[1.0, 2.0, 6.0]), Some(7f64.sqrt()));
        assert_eq!(deviation(&[2.0, 2.0]), Some(0.0));
    }

    /// R: `predict(lm(c(1.90, 1.92, 1.95) ~ 1), interval = "prediction")` has the half width
    /// `qt(0.975, 2) * sd * sqrt(4 / 3)`, and `qt(0.975, 2)` is 4.302653.
    #[test]
    fn a_single_run_lies_in_a_wider_interval_than_the_mean() {
        assert_eq!(prediction_interval(&[1.9]), None);
        let values = [1.90, 1.92, 1.95];
        let (low, high) = prediction_interval(&values).unwrap();
        let half = 4.302_653 * deviation(&values).unwrap() * (4f64 / 3.0).sqrt();
        assert!((high - low - 2.0 * half).abs() < 1e-6);
        close(low + high, 2.0 * mean(&values).unwrap());
        assert_eq!(prediction_interval(&[2.0, 2.0]), Some((2.0, 2.0)));
    }

    /// With 1, 2 and 3 degrees of freedom the distribution has a closed form.
    #[test]
    fn students_t_is_its_closed_forms() {
        use std::f64::consts::PI;
        let root = 3f64.sqrt();
        for t in [-40.0, -12.7, -3.0, -1.0, -0.1, 0.0, 0.7, 2.5] {
            let u: f64 = t;
            close(t_below(t, 1.0), 0.5 + u.atan() / PI);
            close(t_below(t, 2.0), 0.5 + u / (2.0 * (2.0 + u * u).sqrt()));
            let three = (u / root) / (1.0 + u * u / 3.0) + (u / root).atan();
            close(t_below(t, 3.0), 0.5 + three / PI);
        }
        close(t_quantile(0.975, 1.0), (PI * 0.475).tan());
        let at_two = 0.95 * (2.0 / (1.0 - 0.95f64.powi(2))).sqrt();
        close(t_quantile(0.975, 2.0), at_two);
    }

    /// The numbers are Student's own example: hours of sleep gained by ten people with two drugs
    /// ("The probable error of a mean", Biometrika 6, 1908). R's `t.test(extra ~ group, data =
    /// sleep, paired = TRUE)` gives t = -4.0621, p = 0.002833 and an interval from -2.4598858 to
    /// -0.7001142 for the first minus the second.
    #[test]
    fn the_sleep_of_ten_people() {
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let pairs: Vec<(f64, f64)> = first.into_iter().zip(second).collect();
        let found = paired(&pairs).unwrap();
        assert!((found.mean - 1.58).abs() < 1e-12);
        assert!((found.low.unwrap() - 0.700_114_2).abs() < 5e-8, "{found:?}");
        assert!(
            (found.high.unwrap() - 2.459_885_8).abs() < 5e-8,
            "{found:?}"
        );
        assert!((found.p.unwrap() - 0.002_833).abs() < 5e-7, "{found:?}");
        assert_eq!(found.pairs, 10);
    }

    #[test]
    fn two_pairs_have_a_closed_form() {
        // The differences are 1 and 3: the mean is 2, its error 1, and t = 2 with one degree of
        // freedom.
        let found = paired(&[(0.0, 1.0), (1.0, 4.0)]).unwrap();
        close(
            found.p.unwrap(),
            1.0 - 2.0 * 2f64.atan() / std::f64::consts::PI,
        );
        close(
            found.high.unwrap() - 2.0,
            (std::f64::consts::PI * 0.475).tan(),
        );
        close(found.low.unwrap(), 4.0 - found.high.unwrap());
    }

    /// R: `qt(1 - 0.05 / 6, 9)` is 2.933324 and `qt(1 - 0.05 / 4, 9)` is 2.685011. The first of
    /// three comparisons is Student's own; the others are far from significant.
    #[test]
    fn intervals_are_as_wide_as_holm_s_procedure_tests() {
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let pairs: Vec<(f64, f64)> = first.into_iter().zip(second).collect();
        let mut sleep = paired(&pairs).unwrap();
        let noise = |scale: f64| {
            let pairs = (0..10).map(|i| (0.0, scale * (f64::from(i % 2) - 0.45)));
            paired(&pairs.collect::<Vec<_>>()).unwrap()
        };
        let (mut a, mut b, mut untested) = (noise(1.0), noise(2.0), paired(&[(0.0, 1.0)]).unwrap());
        correct(&mut [&mut a, &mut sleep, &mut b, &mut untested]);
        assert_eq!(untested.corrected, None);
        let corrected = sleep.corrected.unwrap();
        close(corrected.p.unwrap(), 3.0 * sleep.p.unwrap());
        let error = sleep.deviation.unwrap() / 10f64.sqrt();
        let width = |d: &PairedDifference| d.corrected.unwrap().high.unwrap() - d.mean;
        assert!((width(&sleep) / error - 2.933_324).abs() < 1e-6);
        let error = a.deviation.unwrap() / 10f64.sqrt();
        assert!((width(&a) / error - 2.685_011).abs() < 1e-6);
        assert_eq!(a.corrected.unwrap().p, b.corrected.unwrap().p, "monotone");
        // The three deviations, pooled, at the level of the first test.
        let squares = [&a, &sleep, &b].map(|d| d.deviation.unwrap().powi(2));
        let pooled = (squares.iter().sum::<f64>() / 3.0).sqrt();
        let least = least_difference(&[a, sleep, b, untested]).unwrap();
        assert!((least - 2.933_324 * pooled / 10f64.sqrt()).abs() < 1e-6);
        assert_eq!(least_difference(&[untested]), None);
    }

    #[test]
    fn what_is_not_finite_is_not_compared() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(paired(&[(1.0, 2.0), (1.0, odd), (odd, 1.0)]), None);
        }
        let wide = paired(&[(0.0, 1e200), (0.0, -1e200)]).unwrap();
        assert_eq!((wide.mean, wide.low, wide.p), (0.0, None, None));
    }

    #[test]
    fn too_few_pairs_and_equal_ones() {
        assert_eq!(paired(&[]), None);
        let lone = paired(&[(1.0, 1.5)]).unwrap();
        assert_eq!(
            (lone.mean, lone.low, lone.p, lone.pairs),
            (0.5, None, None, 1)
        );
        let same = paired(&[(1.25, 1.25), (2.5, 2.5)]).unwrap();
        let found = (same.mean, same.low, same.high, same.p);
        assert_eq!(found, (0.0, Some(0.0), Some(0.0), Some(1.0)));
        let shifted = paired(&[(1.0, 1.5), (2.0, 2.5)]).unwrap();
        let found = (shifted.mean, shifted.low, shifted.high, shifted.p);
        assert_eq!(found, (0.5, Some(0.5), Some(0.5), Some(0.0)));
    }
}
