//! What a sweep found: the best learning rate of each size, and whether the grid held it.

use crate::{Arm, Study, number};

const RATE: &str = "lr";

/// The points of a sweep that differ in their learning rate alone.
struct RateSeries<'a> {
    /// The size, and the other settings, as words.
    label: String,
    arms: Vec<(f64, &'a Arm)>,
}

/// Says, for each size, the lowest loss and the rate that it came from, and whether that rate is at
/// the edge of the grid, where a better one may lie beyond.
pub fn answer(study: &Study) -> Vec<String> {
    let mut all: Vec<RateSeries> = Vec::new();
    for arm in &study.arms {
        let Some(rate) = rate(arm) else { continue };
        let label = label(arm);
        match all.iter_mut().find(|series| series.label == label) {
            Some(series) => series.arms.push((rate, arm)),
            None => all.push(RateSeries {
                label,
                arms: vec![(rate, arm)],
            }),
        }
    }
    all.iter().map(RateSeries::best).collect()
}

fn rate(arm: &Arm) -> Option<f64> {
    let mut settings = arm.variant.settings.iter();
    settings
        .find(|(name, _)| name == RATE)
        .map(|(_, rate)| *rate)
}

fn label(arm: &Arm) -> String {
    let words = arm.variant.name.split(' ');
    let words: Vec<&str> = words.filter(|word| !word.starts_with("lr=")).collect();
    words.join(" ")
}

impl RateSeries<'_> {
    fn best(&self) -> String {
        let losses = || {
            let arms = self.arms.iter();
            arms.filter_map(|(rate, arm)| Some((*rate, arm.loss()?)))
                .filter(|(_, loss)| loss.is_finite())
        };
        let Some((best, loss)) = losses().min_by(|a, b| a.1.total_cmp(&b.1)) else {
            return format!("{}: no run has ended with a finite loss.", self.label);
        };
        let found = format!(
            "{}: the lowest loss is {}, at a learning rate of {}",
            self.label,
            number::loss(loss),
            number::short(best)
        );
        let rates = || self.arms.iter().map(|(rate, _)| *rate);
        let (lowest, highest) = (
            rates().fold(f64::INFINITY, f64::min),
            rates().fold(f64::NEG_INFINITY, f64::max),
        );
        let beyond = |factor: f64, edge: &str| {
            format!(
                "{found}, the {edge} of the grid: a better one may lie beyond; try `--grid lr={},{}`.",
                number::short(best),
                number::short(best * factor)
            )
        };
        if lowest == highest {
            format!("{found}, the only one that was tried.")
        } else if best == highest {
            beyond(3.0, "highest")
        } else if best == lowest {
            beyond(1.0 / 3.0, "lowest")
        } else {
            format!("{found}, inside the grid.")
        }
    }
}

#[cfg(test)]
mod tests {
    use gptlab_record::GridKind;

    use super::*;
    use crate::study::tests::grid_folder;

    fn study(points: &[(&str, f64, Option<f64>)]) -> Study {
        let (_root, folder) = grid_folder(GridKind::Sweep);
        let mut study = Study::read(&folder).unwrap();
        let pattern = study.arms[0].clone();
        study.arms = points
            .iter()
            .map(|(size, rate, loss)| {
                let mut arm = pattern.clone();
                arm.variant.name = format!("{size} lr={rate:e}");
                arm.variant.settings = vec![("lr".into(), *rate), ("parameters".into(), 4e3)];
                if let Some(row) = &mut arm.row {
                    row.mean = *loss;
                }
                arm
            })
            .collect();
        study
    }

    #[test]
    fn a_best_rate_at_the_edge_is_said_to_be_there() {
        let found = answer(&study(&[
            ("tiny", 1e-3, Some(2.5)),
            ("tiny", 3e-3, Some(2.4)),
            ("tiny", 1e-2, Some(2.45)),
            ("mini", 1e-3, Some(2.3)),
            ("mini", 3e-3, Some(2.2)),
            ("small", 1e-3, Some(2.2)),
            ("small", 3e-3, None),
            ("large", 1e-3, Some(2.0)),
            ("lost", 1e-3, None),
        ]));
        assert_eq!(
            found,
            [
                "tiny: the lowest loss is 2.4000, at a learning rate of 0.003, inside the grid.",
                "mini: the lowest loss is 2.2000, at a learning rate of 0.003, the highest of the grid: a better \
                 one may lie beyond; try `--grid lr=0.003,0.009`.",
                "small: the lowest loss is 2.2000, at a learning rate of 0.001, the lowest of the grid: a better \
                 one may lie beyond; try `--grid lr=0.001,3.33e-4`.",
                "large: the lowest loss is 2.0000, at a learning rate of 0.001, the only one that was tried.",
                "lost: no run has ended with a finite loss.",
            ]
        );
    }

    /// The first point of a sweep is like any other, also in files of older versions.
    #[test]
    fn nothing_is_compared_with_the_first_point() {
        let (_root, folder) = grid_folder(GridKind::Sweep);
        let study = Study::read(&folder).unwrap();
        assert!(study.baseline().is_none());
        let rows = study.arms.iter().filter_map(|arm| arm.row.as_ref());
        assert!(rows.into_iter().all(|row| row.difference.is_none()));
        let all = [answer(&study), crate::ablation::answer(&study)].concat();
        assert!(
            all.iter().all(|line| !line.contains("the baseline")),
            "{all:?}"
        );
    }
}
