//! The points of a grid: every combination of the values of its axes.

use gptlab_recipe::{Overrides, Settings, SettingsError};
use gptlab_record::TunedSetting;

use super::{GridError, Point};

/// A tuned rate is one of these multiples of the shared one: taking a part out makes a model need
/// lower rates more often than higher ones.
const TUNING_FACTORS: [f64; 4] = [0.25, 0.5, 1.0, 2.0];

/// A setting, and the values that it takes in a grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridAxis {
    /// The setting's name as the user typed it; it becomes part of the points' names.
    name: String,
    values: Vec<String>,
}

impl GridAxis {
    /// Makes an axis of the setting called `name`, which may contain hyphens or underscores.
    /// `values` have the syntax of the setting's flag.
    ///
    /// # Errors
    /// Returns an error if there is no such setting, or if it rejects one of the values.
    pub fn new(name: &str, values: &[&str]) -> Result<Self, GridError> {
        let axis = Self {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        for value in &axis.values {
            axis.overrides(value).map_err(|e| axis.refused(e))?;
        }
        Ok(axis)
    }

    /// Parses a setting and its values, as in `lr=1e-4,3e-4`.
    ///
    /// # Errors
    /// Returns an error if `typed` does not have this form, or for the reasons of
    /// [`GridAxis::new`].
    pub fn parse(typed: &str) -> Result<Self, GridError> {
        let none = || GridError::Axis(typed.to_owned());
        let (name, values) = typed.split_once('=').ok_or_else(none)?;
        let values: Vec<&str> = values.split(',').map(str::trim).collect();
        let name = name.trim().trim_start_matches('-');
        if name.is_empty() || values.iter().any(|value| value.is_empty()) {
            return Err(none());
        }
        if name == "seed" {
            return Err(GridError::SeedAxis);
        }
        Self::new(name, &values)
    }

    /// Returns the default axis of a sweep: three learning rates.
    pub fn learning_rates() -> Self {
        Self {
            name: "lr".to_owned(),
            values: ["3e-4", "1e-3", "3e-3"].map(str::to_owned).to_vec(),
        }
    }

    /// Returns the values of the setting called `name` that an ablation tunes over, and which of
    /// them is `base`'s own. The only such setting is `lr`: a quarter, a half, the same and twice
    /// the rate.
    ///
    /// # Errors
    /// When another setting is named.
    pub fn tuning(name: &str, base: &Settings) -> Result<(Self, TunedSetting), GridError> {
        if name != "lr" {
            return Err(GridError::NotTuned(name.to_owned()));
        }
        let lr = base.hyper.lr;
        let value = |factor: f64| {
            if factor == 1.0 {
                return lr.to_string();
            }
            // Three digits, as a person would write them.
            let short: f64 = format!("{:.2e}", factor * lr)
                .parse()
                .unwrap_or(factor * lr);
            short.to_string()
        };
        let axis = Self {
            name: name.to_owned(),
            values: TUNING_FACTORS.map(value).to_vec(),
        };
        let tuned = TunedSetting {
            setting: name.to_owned(),
            shared: format!("{name}={lr}"),
        };
        Ok((axis, tuned))
    }

    fn overrides(&self, value: &str) -> Result<Overrides, SettingsError> {
        let mut overrides = Overrides::default();
        overrides.set(&self.name, value)?;
        Ok(overrides)
    }

    fn refused(&self, error: SettingsError) -> GridError {
        let axis = self.to_string();
        GridError::Setting { axis, error }
    }

    /// Returns `point` with this axis's setting at `value`.
    fn at(&self, point: &Point, value: &str) -> Result<Point, SettingsError> {
        let mut settings = point.settings.clone();
        self.overrides(value)?.apply(&mut settings)?;
        let name = format!("{} {}={value}", point.name, self.name);
        let mut values = point.values.clone();
        values.extend(value.parse().ok().map(|x: f64| (self.name.clone(), x)));
        Ok(Point {
            name: name.trim_start().to_owned(),
            settings,
            values,
        })
    }
}

/// Writes the axis as a user types it: `lr=1e-4,3e-4`.
impl std::fmt::Display for GridAxis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.name, self.values.join(","))
    }
}

/// Returns `base` at every combination of the values of `axes`. The last axis changes fastest.
///
/// # Errors
/// Returns an error if `base` rejects one of the values, or if two combinations are the same run.
///
/// ```
/// use gptlab_lab::grid::{GridAxis, points};
/// use gptlab_model::Preset;
/// use gptlab_recipe::Settings;
///
/// let base = Settings::of(Preset::Gpt2Mini, Some(100));
/// let axes = [GridAxis::parse("lr=1e-3,3e-3")?, GridAxis::new("n-layer", &["1", "2"])?];
/// let points = points(&base, &axes)?;
/// assert_eq!(points[1].name, "lr=1e-3 n-layer=2");
/// assert_eq!(points[3].settings.hyper.lr, 3e-3);
/// # Ok::<(), gptlab_lab::grid::GridError>(())
/// ```
pub fn points(base: &Settings, axes: &[GridAxis]) -> Result<Vec<Point>, GridError> {
    let mut points = vec![Point {
        name: String::new(),
        settings: base.clone(),
        values: Vec::new(),
    }];
    for axis in axes {
        let pairs = points
            .iter()
            .flat_map(|point| axis.values.iter().map(move |value| (point, value)));
        let crossed = pairs.map(|(point, value)| axis.at(point, value));
        let crossed = crossed.collect::<Result<Vec<_>, _>>();
        points = crossed.map_err(|e| axis.refused(e))?;
        refuse_twins(axis, &points)?;
    }
    Ok(points)
}

/// Returns an error if two points have the same settings, because their runs would be identical.
fn refuse_twins(axis: &GridAxis, points: &[Point]) -> Result<(), GridError> {
    for (i, point) in points.iter().enumerate() {
        if let Some(twin) = points[..i].iter().find(|p| p.settings == point.settings) {
            return Err(GridError::SameRun {
                axis: axis.to_string(),
                first: twin.name.clone(),
                second: point.name.clone(),
            });
        }
    }
    Ok(())
}
