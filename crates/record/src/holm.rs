//! The correction of p-values for their number.

/// Corrects p-values for their number (Holm, "A simple sequentially rejective multiple test
/// procedure", Scandinavian Journal of Statistics 6, 1979): in the order of `p`.
///
/// ```
/// let corrected = gptlab_record::holm(&[0.01, 0.04, 0.03]);
/// assert_eq!(corrected, [0.03, 0.06, 0.06]);
/// ```
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut corrected = vec![1.0; p.len()];
    let mut highest: f64 = 0.0;
    for (rank, i) in by_size(p).into_iter().enumerate() {
        let factor = (p.len() - rank) as f64;
        highest = highest.max((factor * p[i]).min(1.0));
        corrected[i] = highest;
    }
    corrected
}

/// Returns for each p-value the number that Holm's procedure divides the level by where it tests
/// that comparison; after the first comparison that is not significant the number stays. An
/// interval at 1 − α by that number excludes 0 exactly where the corrected p is below α.
///
/// ```
/// let divisors = gptlab_record::holm_divisors(&[0.001, 0.4, 0.03], 0.05);
/// assert_eq!(divisors, [3, 2, 2]);
/// ```
pub fn holm_divisors(p: &[f64], alpha: f64) -> Vec<usize> {
    let mut divisors = vec![p.len().max(1); p.len()];
    let mut stopped = None;
    for (rank, i) in by_size(p).into_iter().enumerate() {
        let divisor = p.len() - rank;
        divisors[i] = stopped.unwrap_or(divisor);
        // NaN is not significant either.
        let significant = divisor as f64 * p[i] < alpha;
        if stopped.is_none() && !significant {
            stopped = Some(divisor);
        }
    }
    divisors
}

/// The places of `p`, from the least p-value on.
fn by_size(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R: `p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")` is 0.05 0.08 0.09 0.09 0.09.
    #[test]
    fn holm_is_r_s() {
        let expected = [0.05, 0.08, 0.09, 0.09, 0.09];
        let found = holm(&[0.01, 0.02, 0.03, 0.04, 0.05]);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(holm(&[]), [] as [f64; 0]);
        assert_eq!(holm(&[0.7, 0.9]), [1.0, 1.0]);
    }

    #[test]
    fn the_corrected_p_and_the_divided_level_agree() {
        for ps in [
            vec![0.001, 0.02, 0.03, 0.04],
            vec![0.012, 0.5, 0.012, 0.012],
            vec![0.2],
            vec![0.04, 0.01, 0.017, 0.9, 0.3],
        ] {
            let divisors = holm_divisors(&ps, 0.05);
            for ((p, corrected), divisor) in ps.iter().zip(holm(&ps)).zip(divisors) {
                let excludes_zero = p * (divisor as f64) < 0.05;
                assert_eq!(excludes_zero, corrected < 0.05, "{ps:?}");
            }
        }
    }
}
