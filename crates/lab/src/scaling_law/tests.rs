//! Tests against laws that generated the points, and against closed forms.

use super::*;

const SIZES: [f64; 6] = [1e3, 1e4, 3e4, 1e5, 1e6, 4e7];

fn made(floor: f64, scale: f64, exponent: f64) -> Vec<(f64, f64)> {
    let point = |n: f64| (n, floor + scale * n.powf(-exponent));
    SIZES.map(point).to_vec()
}

fn close(a: f64, b: f64, within: f64) {
    assert!((a - b).abs() <= within * b.abs(), "{a} is not {b}");
}

#[test]
fn a_law_is_found_from_its_points() {
    // The constants are those of Kaplan et al.: N_c = 8.8e13 and alpha = 0.076, so that A =
    // N_c^alpha.
    let kaplan = 8.8e13f64.powf(0.076);
    for (scale, exponent) in [(kaplan, 0.076), (3.0, 0.5), (2.0, 0.0), (1.5, -0.1)] {
        let law = fit(&made(0.0, scale, exponent)).unwrap();
        close(law.scale, scale, 1e-10);
        assert!((law.exponent - exponent).abs() < 1e-12, "{law:?}");
        assert!(law.exponent_error < 1e-12);
        assert!((law.r_squared - 1.0).abs() < 1e-9 || exponent == 0.0);
        assert_eq!(law.floor, 0.0);
        close(law.loss_at(1e5), scale * 1e5f64.powf(-exponent), 1e-10);
    }
}

#[test]
fn a_law_with_a_floor_is_found_from_its_points() {
    // The first law is that of Hoffmann et al.: E = 1.69, A = 406.4, alpha = 0.34.
    for (floor, scale, exponent) in [
        (1.69, 406.4, 0.34),
        (0.1, 2.0, 0.05),
        (3.0, 50.0, 0.9),
        (1.0, 5.0, 0.2),
    ] {
        let law = fit_with_floor(&made(floor, scale, exponent)).unwrap();
        close(law.floor, floor, 1e-6);
        close(law.scale, scale, 1e-6);
        close(law.exponent, exponent, 1e-6);
        close(law.r_squared, 1.0, 1e-9);
        assert!(law.exponent_error < 1e-6);
    }
}

#[test]
fn without_a_floor_none_is_found() {
    let law = fit_with_floor(&made(0.0, 10.0, 0.3)).unwrap();
    assert!(law.floor < 1e-6, "{law:?}");
    close(law.exponent, 0.3, 1e-6);
}

/// The points bend downwards in log-log: a floor below 0 would fit better, but is not allowed.
#[test]
fn a_floor_is_never_below_zero() {
    let points: Vec<(f64, f64)> = made(1.0, 20.0, 0.3)
        .iter()
        .map(|(n, l)| (*n, l.ln()))
        .collect();
    let law = fit_with_floor(&points).unwrap();
    let straight = fit(&points).unwrap();
    assert!(law.floor >= 0.0);
    assert!(law.r_squared >= straight.r_squared);
}

/// The points have log-sizes -1, 0, 1 and log-losses 1, 0.4, 0. Thus the slope is -0.5, the
/// intercept 1.4 / 3, and the residuals 1/30, -2/30, 1/30; s² = (6 / 900) / 1, and the error is the
/// root of s² / 2.
#[test]
fn errors_are_those_of_a_regression() {
    let points: Vec<(f64, f64)> = [(-1.0f64, 1.0f64), (0.0, 0.4), (1.0, 0.0)]
        .iter()
        .map(|(x, y)| (x.exp(), y.exp()))
        .collect();
    let law = fit(&points).unwrap();
    close(law.exponent, 0.5, 1e-12);
    close(law.scale, (1.4f64 / 3.0).exp(), 1e-12);
    let left = 6.0 / 900.0;
    close(law.exponent_error, (left / 2.0f64).sqrt(), 1e-9);
    let total = 1.0 + 0.16 - 3.0 * (1.4f64 / 3.0).powi(2);
    close(law.r_squared, 1.0 - left / total, 1e-12);
}

/// At the minimum, the derivative of the sum of squares is 0 along every parameter, which finite
/// differences check.
#[test]
fn noisy_points_are_fitted_at_a_minimum() {
    let noise = [0.01, -0.02, 0.015, 0.005, -0.01, 0.012];
    let points: Vec<(f64, f64)> = made(1.2, 30.0, 0.4)
        .iter()
        .zip(noise)
        .map(|((n, l), e)| (*n, l * (1.0 + e)))
        .collect();
    let law = fit_with_floor(&points).unwrap();
    let squares = |floor: f64, scale: f64, exponent: f64| -> f64 {
        let law = ScalingLaw {
            floor,
            scale,
            exponent,
            ..law
        };
        points
            .iter()
            .map(|(n, l)| (l.ln() - law.loss_at(*n).ln()).powi(2))
            .sum()
    };
    let least = squares(law.floor, law.scale, law.exponent);
    for by in [1e-4, -1e-4] {
        let near = 1.0 + by;
        assert!(squares(law.floor * near, law.scale, law.exponent) > least);
        assert!(squares(law.floor, law.scale * near, law.exponent) > least);
        assert!(squares(law.floor, law.scale, law.exponent * near) > least);
    }
    assert!(law.floor > 0.0);
    let off = (law.exponent - 0.4).abs();
    assert!(off < 4.0 * law.exponent_error, "{law:?}");
}

/// With 1 degree of freedom, as many as four points leave three parameters, the interval is 12.7
/// errors wide on either side: tan(0.475 pi), the closed form.
#[test]
fn intervals_have_the_degrees_of_freedom_that_are_left() {
    let three = [(1e3, 3.0), (1e4, 2.4), (1e5, 2.0)];
    let law = fit(&three).unwrap();
    assert_eq!(law.freedom, 1);
    let [low, high] = law.exponent_interval();
    let t = (std::f64::consts::PI * 0.475).tan();
    close((high - low) / 2.0, t * law.exponent_error, 1e-9);
    close(f64::midpoint(low, high), law.exponent, 1e-12);
    let law = fit_with_floor(&made(1.69, 406.4, 0.34)[..4]).unwrap();
    assert_eq!(law.freedom, 1);
}

/// Three sizes, of which the largest two lose nearly the same: a floor between makes any exponent.
#[test]
fn no_law_goes_through_as_many_points_as_it_has_parameters() {
    let steep = [(10_000, 2.62), (12_000, 2.5001), (14_000, 2.5)];
    match fit_best(steep) {
        Ok(law) => assert!(law.exponent < 2.0 && law.floor == 0.0, "{law:?}"),
        Err(error) => assert!(error.to_string().contains("exponent"), "{error}"),
    }
    let four = [(10_000, 2.9), (10_500, 2.6), (11_000, 2.502), (12_000, 2.5)];
    let error = fit_best(four).unwrap_err().to_string();
    assert!(error.starts_with("the losses are compatible "), "{error}");
    let noise = [(1_000, 2.5), (2_000, 2.6), (4_000, 2.45), (8_000, 2.55)];
    let error = fit_best(noise).unwrap_err();
    assert!(
        matches!(error, ScalingLawError::Flat { low, high } if low < 0.0 && high > 0.0),
        "{error}"
    );
}

#[test]
fn sentences() {
    let message = |r: Result<ScalingLaw, ScalingLawError>| r.unwrap_err().to_string();
    assert_eq!(
        message(fit(&[(1e3, 2.0), (1e3, 2.1)])),
        "a scaling law with 2 parameters needs at least 3 different sizes, found 1; train more sizes"
    );
    // These two sizes have the same logarithm.
    assert_eq!(
        message(fit(&[(1e300, 1.0), (1e300_f64.next_up(), 2.0)])),
        "a scaling law with 2 parameters needs at least 3 different sizes, found 1; train more sizes"
    );
    assert_eq!(
        message(fit(&made(1.0, 1.0, 0.1)[..2])),
        "a scaling law with 2 parameters needs at least 3 different sizes, found 2; train more sizes"
    );
    assert_eq!(
        message(fit_with_floor(&made(1.0, 1.0, 0.1)[..3])),
        "a scaling law with 3 parameters needs at least 4 different sizes, found 3; train more sizes"
    );
    for (size, loss) in [
        (1e3, f64::NAN),
        (1e3, 0.0),
        (-1.0, 2.0),
        (f64::INFINITY, 2.0),
    ] {
        assert_eq!(
            message(fit(&[(10.0, 3.0), (size, loss)])),
            format!(
                "a scaling law takes sizes and losses that are finite and above 0, found a loss of {loss} at \
                 size {size}; leave out runs that diverged"
            )
        );
    }
}

/// The witness takes the best of each size by hand.
#[test]
fn the_best_run_of_each_size_counts() {
    let runs = [
        (1_000, 4.0),
        (2_000, 3.0),
        (1_000, 3.5),
        (2_000, 9.0),
        (4_000, 2.6),
    ];
    let best = [(1_000.0, 3.5), (2_000.0, 3.0), (4_000.0, 2.6)];
    assert_eq!(fit_best(runs), fit(&best));
    let with_floor = made(1.69, 406.4, 0.34);
    let worse = with_floor.iter().map(|(n, loss)| (*n as u64, loss + 1.0));
    let runs = with_floor.iter().map(|(n, loss)| (*n as u64, *loss));
    assert_eq!(fit_best(worse.chain(runs)), fit_with_floor(&with_floor));
    let few = fit_best([(1_000, 4.0), (1_000, 3.0)]);
    let (parameters, found) = (2, 1);
    assert_eq!(few, Err(ScalingLawError::TooFew { parameters, found }));
}
