//! Scaling laws: the losses of language models as a power law of their size.
//!
//! [`fit`] fits `L(N) = A · N^-alpha` (Kaplan et al. 2020, "Scaling laws for neural language
//! models") and [`fit_with_floor`] fits `L(N) = E + A · N^-alpha` (Hoffmann et al. 2022, "Training
//! compute-optimal large language models"). Both use least squares of `ln L`, so that equal
//! relative errors have equal weight at every size.

use std::fmt;

use crate::statistics::t_quantile;

#[cfg(test)]
mod tests;

/// A scaling law and its goodness of fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScalingLaw {
    /// E, the loss in the limit of infinite size, in nats; 0 for the law without a floor.
    pub floor: f64,
    /// A, the loss above the floor at size 1, in nats.
    pub scale: f64,
    /// alpha: doubling the size multiplies the loss above the floor by `2^-alpha`.
    pub exponent: f64,
    /// The standard error of alpha. Of the law with a floor it is that of the linear approximation
    /// at the minimum.
    pub exponent_error: f64,
    /// The degrees of freedom of that error: points less parameters, at least 1.
    pub freedom: usize,
    /// The share of the variance of `ln L` that the law explains.
    pub r_squared: f64,
}

impl ScalingLaw {
    /// Returns the ends of the 95 % confidence interval of alpha, by Student's t with
    /// [`ScalingLaw::freedom`] degrees.
    pub fn exponent_interval(&self) -> [f64; 2] {
        let margin = self.exponent_error * t_quantile(0.975, self.freedom as f64);
        [self.exponent - margin, self.exponent + margin]
    }

    /// Returns the loss at a size, in nats.
    pub fn loss_at(&self, size: f64) -> f64 {
        self.floor + self.scale * size.powf(-self.exponent)
    }
}

/// Fits the law without a floor to `points`, which are pairs of size and loss.
///
/// # Errors
/// Returns an error if there are fewer than three distinct sizes, if a size or loss is not a finite
/// number above 0, or if the exponent is not one that sizes have.
pub fn fit(points: &[(f64, f64)]) -> Result<ScalingLaw, ScalingLawError> {
    let points = Logs::of(points, 2)?;
    points.law(points.line(0.0), 2)
}

/// Fits the law with a floor to `points`, which are pairs of size and loss. The floor is 0 if no
/// positive floor fits better.
///
/// # Errors
/// Returns an error if there are fewer than four distinct sizes, if a size or loss is not a finite
/// number above 0, or if the exponent is not one that sizes have.
pub fn fit_with_floor(points: &[(f64, f64)]) -> Result<ScalingLaw, ScalingLawError> {
    let points = Logs::of(points, 3)?;
    let flat = points.line(0.0);
    let found = points.refine(points.starting_point());
    if points.is_significantly_better(found, flat) {
        points.law(found, 3)
    } else {
        points.law(flat, 2)
    }
}

/// Fits the law to the best loss of each size among `runs`, which are sizes and losses. The law has
/// a floor if there are enough sizes for one.
///
/// # Errors
/// Returns an error if there are too few sizes for any law, if a size or loss is not a finite
/// number above 0, or if the losses determine no law.
pub fn fit_best(runs: impl IntoIterator<Item = (u64, f64)>) -> Result<ScalingLaw, ScalingLawError> {
    let mut best: Vec<(f64, f64)> = Vec::new();
    for (size, loss) in runs {
        let size = size as f64;
        match best.iter_mut().find(|(n, _)| *n == size) {
            Some((_, least)) => *least = least.min(loss),
            None => best.push((size, loss)),
        }
    }
    let law = fit_with_floor(&best).or_else(|error| match error {
        ScalingLawError::TooFew { .. } => fit(&best),
        ScalingLawError::Point { .. }
        | ScalingLawError::Steep { .. }
        | ScalingLawError::Flat { .. } => Err(error),
    })?;
    let [low, high] = law.exponent_interval();
    if low <= 0.0 && high >= 0.0 {
        return Err(ScalingLawError::Flat { low, high });
    }
    Ok(law)
}

/// The parameters: E, ln A at the mean of `ln N`, and alpha.
type Theta = [f64; 3];

/// The points in the coordinates of the fit.
struct Logs {
    /// `ln N` minus its mean, so that A and alpha are nearly independent.
    x: Vec<f64>,
    x_mean: f64,
    losses: Vec<f64>,
}

impl Logs {
    fn of(points: &[(f64, f64)], parameters: usize) -> Result<Self, ScalingLawError> {
        let is_fine = |v: f64| v.is_finite() && v > 0.0;
        if let Some(&(size, loss)) = points.iter().find(|(n, l)| !is_fine(*n) || !is_fine(*l)) {
            return Err(ScalingLawError::Point { size, loss });
        }
        let logs: Vec<f64> = points.iter().map(|p| p.0.ln()).collect();
        // Sizes that differ only in their last digits have the same logarithm, which determines no
        // line.
        let mut sizes = logs.clone();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        if sizes.len() <= parameters {
            let found = sizes.len();
            return Err(ScalingLawError::TooFew { parameters, found });
        }
        let x_mean = logs.iter().sum::<f64>() / logs.len() as f64;
        Ok(Self {
            x: logs.iter().map(|x| x - x_mean).collect(),
            x_mean,
            losses: points.iter().map(|p| p.1).collect(),
        })
    }

    fn lowest(&self) -> f64 {
        self.losses.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Returns the least-squares line through `ln (L - floor)`.
    fn line(&self, floor: f64) -> Theta {
        let y: Vec<f64> = self.losses.iter().map(|l| (l - floor).ln()).collect();
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let xy: f64 = self.x.iter().zip(&y).map(|(x, y)| x * (y - mean)).sum();
        let xx: f64 = self.x.iter().map(|x| x * x).sum();
        [floor, mean, -xy / xx]
    }

    /// Returns the residuals of `ln L`, and their derivatives with respect to the parameters.
    fn residuals(&self, [floor, scale, exponent]: Theta) -> impl Iterator<Item = (f64, Theta)> {
        self.x.iter().zip(&self.losses).map(move |(x, loss)| {
            let above = (scale - exponent * x).exp();
            let fitted = floor + above;
            let share = above / fitted;
            (loss.ln() - fitted.ln(), [1.0 / fitted, share, -x * share])
        })
    }

    fn squares(&self, theta: Theta) -> f64 {
        self.residuals(theta).map(|(r, _)| r * r).sum()
    }

    /// Returns the best of [`Logs::line`] over evenly spaced floors below the lowest loss.
    fn starting_point(&self) -> Theta {
        let candidate = |k: u32| self.line(self.lowest() * f64::from(k) / f64::from(FLOORS));
        (1..FLOORS)
            .map(candidate)
            .min_by(|a, b| self.squares(*a).total_cmp(&self.squares(*b)))
            .unwrap_or_else(|| self.line(0.0))
    }

    /// Minimises the squares from `theta` by the Levenberg–Marquardt method (Marquardt 1963), until
    /// no step improves them.
    fn refine(&self, mut theta: Theta) -> Theta {
        let mut damping = 1e-3;
        for _ in 0..MOST_STEPS {
            let next = self.step(theta, damping);
            if self.squares(next) < self.squares(theta) {
                theta = next;
                damping /= 10.0;
            } else if damping < MOST_DAMPING {
                damping *= 10.0;
            } else {
                break;
            }
        }
        theta
    }

    /// Returns a damped Gauss–Newton step, with the floor kept at 0 or above.
    fn step(&self, theta: Theta, damping: f64) -> Theta {
        let (mut normal, gradient) = self.normal(theta);
        for (i, row) in normal.iter_mut().enumerate() {
            row[i] *= 1.0 + damping;
        }
        let by = solve(normal, gradient).unwrap_or([0.0; 3]);
        [
            (theta[0] + by[0]).max(0.0),
            theta[1] + by[1],
            theta[2] + by[2],
        ]
    }

    /// Returns `JᵀJ` and `Jᵀr`.
    fn normal(&self, theta: Theta) -> ([Theta; 3], Theta) {
        let (mut normal, mut gradient) = ([[0.0; 3]; 3], [0.0; 3]);
        for (residual, d) in self.residuals(theta) {
            for i in 0..3 {
                gradient[i] += d[i] * residual;
                for j in 0..3 {
                    normal[i][j] += d[i] * d[j];
                }
            }
        }
        (normal, gradient)
    }

    /// Returns whether the floor of `with` pays for its parameter, by the F test with 1 and n - 3
    /// degrees of freedom, which is the t test of the square root.
    fn is_significantly_better(&self, with: Theta, without: Theta) -> bool {
        let freedom = (self.x.len() - 3) as f64;
        let (left, before) = (self.squares(with), self.squares(without));
        let critical = t_quantile(0.975, freedom).powi(2);
        left < before && (before - left) * freedom > critical * left
    }

    fn law(&self, theta: Theta, parameters: usize) -> Result<ScalingLaw, ScalingLawError> {
        let [floor, scale, exponent] = theta;
        if exponent.abs() > STEEPEST {
            return Err(ScalingLawError::Steep { exponent });
        }
        let y: Vec<f64> = self.losses.iter().map(|l| l.ln()).collect();
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
        let left = self.squares(theta);
        let error = self.exponent_error(theta, parameters);
        let exponent_error = error.ok_or(ScalingLawError::Steep { exponent })?;
        Ok(ScalingLaw {
            floor,
            scale: (scale + exponent * self.x_mean).exp(),
            exponent,
            exponent_error,
            freedom: self.x.len() - parameters,
            r_squared: if total == 0.0 {
                1.0
            } else {
                1.0 - left / total
            },
        })
    }

    /// Returns the square root of alpha's entry of `s² (JᵀJ)⁻¹`, over the parameters that were
    /// fitted.
    fn exponent_error(&self, theta: Theta, parameters: usize) -> Option<f64> {
        let freedom = self.x.len().checked_sub(parameters).filter(|n| *n > 0)?;
        let (mut normal, _) = self.normal(theta);
        if parameters == 2 {
            // The floor was not fitted, so its row and column are removed.
            normal[0] = [1.0, 0.0, 0.0];
            normal.iter_mut().skip(1).for_each(|row| row[0] = 0.0);
        }
        let variance = self.squares(theta) / freedom as f64;
        let column = solve(normal, [0.0, 0.0, 1.0])?;
        Some((variance * column[2].max(0.0)).sqrt())
    }
}

/// Published exponents of size lie between 0.05 and 0.5 (Kaplan et al. 2020; Hoffmann et al. 2022);
/// one that is steeper than this is an artefact of a floor just below the lowest loss.
const STEEPEST: f64 = 2.0;

const FLOORS: u32 = 64;
const MOST_STEPS: u32 = 500;
const MOST_DAMPING: f64 = 1e12;

/// Solves three linear equations by Cramer's rule; `None` if the matrix is singular.
fn solve(m: [Theta; 3], b: Theta) -> Option<Theta> {
    let whole = determinant(m);
    let with = |column: usize| {
        let mut m = m;
        for (row, b) in m.iter_mut().zip(b) {
            row[column] = b;
        }
        determinant(m) / whole
    };
    let found = [with(0), with(1), with(2)];
    found.iter().all(|x| x.is_finite()).then_some(found)
}

fn determinant([a, b, c]: [Theta; 3]) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// The reason that no scaling law can be fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalingLawError {
    Point {
        size: f64,
        loss: f64,
    },
    /// There are only `found` distinct sizes.
    TooFew {
        parameters: usize,
        found: usize,
    },
    /// The exponent is none that sizes have.
    Steep {
        exponent: f64,
    },
    /// The interval of the exponent holds 0.
    Flat {
        low: f64,
        high: f64,
    },
}

impl fmt::Display for ScalingLawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point { size, loss } => write!(
                f,
                "a scaling law takes sizes and losses that are finite and above 0, found a loss of {loss} at \
                 size {size}; leave out runs that diverged"
            ),
            Self::TooFew { parameters, found } => write!(
                f,
                "a scaling law with {parameters} parameters needs at least {} different sizes, found {found}; \
                 train more sizes",
                parameters + 1
            ),
            Self::Steep { exponent } => write!(
                f,
                "an exponent of {:.3} would be needed, and those of language models are between -1 and 0; \
                 train sizes that differ more, or longer",
                -exponent
            ),
            Self::Flat { low, high } => write!(
                f,
                "the losses are compatible with exponents from {:.3} to {:.3}, 0 among \
                 them; train more sizes, sizes that differ more, or longer",
                -high, -low
            ),
        }
    }
}

impl std::error::Error for ScalingLawError {}
