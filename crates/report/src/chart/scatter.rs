//! The charts of a sweep: loss by size, and loss by learning rate.

use super::{
    Caption, Chart,
    axis::Axis,
    canvas::{self, Frame, GridLines, Label},
    style::{MOST_LOOKS, look_of},
};
use crate::{
    Study, Table, number,
    table::{Column, TableCell},
    words::display_width,
};

/// A scaling law that the caller has fitted: `loss = floor + scale * x^-exponent`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingFit {
    /// The name of the setting that varies, such as `parameters`.
    pub setting: String,
    pub floor: f64,
    pub scale: f64,
    pub exponent: f64,
    /// The ends of the exponent's 95 % confidence interval.
    pub interval: [f64; 2],
    /// The degrees of freedom of that interval: points less parameters.
    pub freedom: usize,
}

impl ScalingFit {
    /// Returns the predicted loss at `x`, in nats.
    pub fn at(&self, x: f64) -> f64 {
        self.floor + self.scale * x.powf(-self.exponent)
    }

    /// Returns the formula, with its numbers and the interval of the exponent.
    pub fn formula(&self) -> String {
        let exponent = |x: f64| crate::table::typeset(&number::short(-x));
        let floor = if self.floor == 0.0 {
            String::new()
        } else {
            format!("{} + ", number::short(self.floor))
        };
        let [low, high] = self.interval;
        format!(
            "loss = {floor}{} × {}^({}), the exponent between {} and {} (95 %, {} of freedom)",
            number::short(self.scale),
            self.setting,
            exponent(self.exponent),
            exponent(high),
            exponent(low),
            crate::words::plural(self.freedom, "degree")
        )
    }
}

/// A point of a sweep.
#[derive(Clone, Debug, PartialEq)]
struct SweepPoint {
    x: f64,
    loss: f64,
    /// The other settings, as text.
    group: String,
}

/// Draws the best loss of each value of a setting on logarithmic axes, and the fit if there is one.
/// Returns `None` if there are fewer than two values.
pub fn scaling_law(study: &Study, setting: &str, law: Option<&ScalingFit>) -> Option<Chart> {
    let mut best = best_by_x(&points(study, setting, |_| String::new()));
    // Losses that are not positive have no logarithm.
    best.retain(|point| point.loss > 0.0);
    let x = Axis::log(best.iter().map(|p| p.x), setting)?;
    let lawful: Vec<(f64, f64)> = law.map_or_else(Vec::new, |law| curve_of(law, &x));
    let heights = best
        .iter()
        .map(|p| p.loss)
        .chain(lawful.iter().map(|p| 10f64.powf(p.1)));
    let y = Axis::log(heights, "validation loss, nats per token")?;
    let frame = Frame {
        title: format!("The best loss by {setting}"),
        caption: Caption::new(law.map_or_else(
            || "The best of each size, on logarithmic axes.".to_owned(),
            |law| {
                format!(
                    "The best of each size, on logarithmic axes. Dashed: {}.",
                    law.formula()
                )
            },
        )),
        size: (560, 340),
        x,
        y,
        left: 48,
        right: 20,
        beneath: 0,
        grid: GridLines::Both,
        numbers: Some(listed(setting, &best)),
        hover: None,
    };
    (best.len() > 1).then_some(())?;
    Some(canvas::draw(frame, |canvas| {
        canvas.coloured_line(&lawful, look_of(1), 1.5);
        for point in &best {
            canvas.coloured_mark((point.x.log10(), point.loss.log10()), look_of(0), 5.0);
        }
    }))
}

/// Lists the points of a chart.
fn listed(setting: &str, points: &[SweepPoint]) -> Table {
    let columns = vec![
        Column::words("settings"),
        Column::numbers(setting),
        Column::numbers("validation loss"),
    ];
    let mut table = Table::new(&format!("Losses by {setting}"), columns);
    for point in points {
        table.push(vec![
            TableCell::text(&point.group),
            TableCell::number(number::short(point.x), point.x),
            TableCell::number(number::loss(point.loss), point.loss),
        ]);
    }
    table.without_empty_columns()
}

fn curve_of(law: &ScalingFit, x: &Axis) -> Vec<(f64, f64)> {
    let at = |i: i32| x.low + (x.high - x.low) * f64::from(i) / 60.0;
    let point = |x: f64| (x, law.at(10f64.powf(x)).log10());
    (0..=60)
        .map(at)
        .map(point)
        .filter(|(_, y)| y.is_finite())
        .collect()
}

/// Draws losses by learning rate, with a line for each group of other settings. The lowest point of
/// a line is larger. Returns `None` if there are fewer than two rates.
pub fn learning_rates(study: &Study) -> Option<Chart> {
    let all = points(study, "lr", |settings| {
        let other = settings.iter().filter(|(name, _)| name != "lr");
        other
            .map(|(name, x)| format!("{name} {}", number::short(*x)))
            .collect::<Vec<_>>()
            .join(", ")
    });
    let groups = groups(&all);
    let shown = &groups[..groups.len().min(MOST_LOOKS)];
    let x = Axis::log(all.iter().map(|p| p.x), "learning rate")?;
    let y = Axis::linear(
        all.iter().map(|p| p.loss),
        "validation loss, nats per token",
        5,
    )?
    .padded(0.05);
    let labels: Vec<Label> = shown
        .iter()
        .enumerate()
        .filter_map(|(i, line)| label(i, line))
        .collect();
    let edge = x.high;
    let frame = Frame {
        title: "The loss by learning rate".to_owned(),
        caption: Caption::new(
            "A large dot is a line's best rate. Runs that diverged are left out.",
        ),
        size: (620, 340),
        x,
        y,
        left: 48,
        right: canvas::margin(labels.iter().map(|l| display_width(&l.text))),
        beneath: 0,
        grid: GridLines::Both,
        numbers: Some(listed("learning rate", &all)),
        hover: None,
    };
    groups.iter().any(|g| g.len() > 1).then_some(())?;
    Some(canvas::draw(frame, |canvas| {
        for (i, line) in shown.iter().enumerate() {
            let points: Vec<(f64, f64)> = line.iter().map(|p| (p.x.log10(), p.loss)).collect();
            let look = look_of(i);
            canvas.in_colour(look, Some(i), |canvas| {
                canvas.line(&points, look, 1.5);
                let best = points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
                for at in points {
                    let radius = if Some(at) == best { 6.0 } else { 3.0 };
                    canvas.mark(at, look.marker, radius);
                }
            });
        }
        canvas.labels(&labels, edge);
    }))
}

fn label(i: usize, line: &[SweepPoint]) -> Option<Label> {
    let last = line.last()?;
    Some(Label {
        text: last.group.clone(),
        height: last.loss,
        look: look_of(i),
        series: Some(i),
    })
}

/// Returns the variants that have the setting and a finite loss.
fn points(
    study: &Study,
    setting: &str,
    group: impl Fn(&[(String, f64)]) -> String,
) -> Vec<SweepPoint> {
    let point = |arm: &crate::Arm| {
        let settings = &arm.variant.settings;
        let found = settings
            .iter()
            .find(|(name, _)| name == setting)
            .map(|(_, x)| *x);
        // Every variant has a number of parameters.
        let own = (setting == "parameters").then_some(arm.variant.parameters as f64);
        Some(SweepPoint {
            x: found.or(own).filter(|x| *x > 0.0 && x.is_finite())?,
            loss: arm.loss().filter(|x| x.is_finite())?,
            group: group(settings),
        })
    };
    study.arms.iter().filter_map(point).collect()
}

fn best_by_x(points: &[SweepPoint]) -> Vec<SweepPoint> {
    let mut best: Vec<SweepPoint> = Vec::new();
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.loss.total_cmp(&b.loss)));
    for point in sorted {
        if best.last().is_none_or(|last| last.x != point.x) {
            best.push(point);
        }
    }
    best
}

/// Returns the points of each group, in increasing order of x. Groups are in the order of their
/// first appearance.
fn groups(points: &[SweepPoint]) -> Vec<Vec<SweepPoint>> {
    let mut found: Vec<Vec<SweepPoint>> = Vec::new();
    for point in points {
        match found.iter_mut().find(|g| g[0].group == point.group) {
            Some(group) => group.push(point.clone()),
            None => found.push(vec![point.clone()]),
        }
    }
    for group in &mut found {
        group.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, loss: f64, group: &str) -> SweepPoint {
        SweepPoint {
            x,
            loss,
            group: group.to_owned(),
        }
    }

    #[test]
    fn a_law_is_what_it_says() {
        let law = ScalingFit {
            setting: "parameters".into(),
            floor: 1.5,
            scale: 10.0,
            exponent: 0.5,
            interval: [0.2, 0.4],
            freedom: 2,
        };
        assert_eq!(law.at(100.0), 2.5);
        assert_eq!(
            law.formula(),
            "loss = 1.5 + 10 × parameters^(\u{2212}0.5), the exponent between \u{2212}0.4 and \u{2212}0.2 \
             (95 %, 2 degrees of freedom)"
        );
    }

    #[test]
    fn the_best_of_each_size_is_kept() {
        let all = [
            point(2.0, 3.0, ""),
            point(1.0, 4.0, ""),
            point(2.0, 2.5, ""),
        ];
        assert_eq!(best_by_x(&all), [point(1.0, 4.0, ""), point(2.0, 2.5, "")]);
    }

    #[test]
    fn groups_are_lines_from_left_to_right() {
        let all = [
            point(2.0, 3.0, "a"),
            point(1.0, 4.0, "b"),
            point(1.0, 2.5, "a"),
        ];
        let found = groups(&all);
        assert_eq!(found[0], [point(1.0, 2.5, "a"), point(2.0, 3.0, "a")]);
        assert_eq!(found.len(), 2);
    }
}
