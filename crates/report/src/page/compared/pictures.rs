//! The charts of several runs.

use gptlab_record::Floors;

use crate::{
    Comparison,
    chart::{self, Caption, Chart, Curve, CurveText, Legend},
    comparison::{LabelledRun, LossGroup, LossUnit, shortened},
    page::Figure,
};

/// The most characters of a name in a legend.
const MOST_CHARACTERS: usize = 44;
/// The size of a chart as wide as the page, in pixels.
const SIZE: (u32, u32) = (1100, 400);
/// Bits per character above this multiple of the lowest first loss are drawn at the upper edge.
const CEILING: f64 = 1.25;

/// Draws the losses of each group by step and, where its runs have steps of different numbers of
/// tokens, by tokens.
pub(super) fn figures(comparison: &Comparison) -> Vec<Figure> {
    let several = comparison.groups.len() > 1;
    let mut found = Vec::new();
    for (i, group) in (1..).zip(&comparison.groups) {
        let runs = comparison.runs_of(group);
        let (on, number) = if several {
            (format!(", on {}", group.name), format!("-{i}"))
        } else {
            (String::new(), String::new())
        };
        let by_step = draw(group, runs, &Over::step(&on));
        let by_tokens = Over::tokens(runs, &on).and_then(|over| draw(group, runs, &over));
        let figure = |name: String, chart: Option<Chart>| chart.map(|c| Figure::whole(name, c));
        found.extend(figure(format!("curves{number}"), by_step));
        found.extend(figure(format!("curves-by-tokens{number}"), by_tokens));
    }
    found
}

/// What curves are drawn over.
struct Over {
    name: &'static str,
    title: String,
    /// The factor from steps to places on the axis, for each run.
    factors: Vec<f64>,
}

impl Over {
    fn step(on: &str) -> Self {
        Self {
            name: "step",
            title: format!("loss by step{on}"),
            factors: Vec::new(),
        }
    }

    /// Returns `None` where all runs have equal steps, or where the steps of a run differ.
    fn tokens(runs: &[LabelledRun], on: &str) -> Option<Self> {
        let factors = runs.iter().map(|run| run.run.tokens_per_step());
        let factors = factors.collect::<Option<Vec<f64>>>()?;
        let differ = factors.windows(2).any(|pair| pair[0] != pair[1]);
        differ.then(|| Self {
            name: "tokens",
            title: format!("loss by trained tokens{on}"),
            factors,
        })
    }

    fn curve(&self, i: usize, run: &LabelledRun, losses: Vec<(u64, f64)>) -> Curve {
        let factor = self.factors.get(i).copied().unwrap_or(1.0);
        let at = |(step, loss): (u64, f64)| ((step as f64 * factor) as u64, loss);
        Curve {
            label: shortened(&run.label, MOST_CHARACTERS),
            runs: vec![losses.into_iter().map(at).collect()],
        }
    }
}

/// Draws validation losses, or those of the batches where no run has any.
fn draw(group: &LossGroup, runs: &[LabelledRun], over: &Over) -> Option<Chart> {
    let validated = runs.iter().any(|run| !run.curve(group.unit).is_empty());
    let losses = |run: &LabelledRun| {
        if validated {
            run.curve(group.unit)
        } else {
            run.run.training()
        }
    };
    let curves = runs.iter().enumerate();
    let curves = curves.map(|(i, run)| over.curve(i, run, losses(run)));
    let mut curves: Vec<Curve> = curves.filter(|curve| !curve.runs[0].is_empty()).collect();
    let (floors, drawn) = match group.unit {
        LossUnit::NatsPerToken => shared_floors(runs),
        LossUnit::BitsPerCharacter => {
            lower(&mut curves);
            (None, String::new())
        }
    };
    let what = if validated { "validation" } else { "training" };
    let text = CurveText {
        caption: Caption::new(drawn),
        over: over.name.to_owned(),
        size: SIZE,
        legend: Legend::Listed,
        ..CurveText::new(
            format!("The {what} {}", over.title),
            format!("loss, {}", group.unit.title()),
        )
    };
    chart::curves(&text, &curves, floors.as_ref())
}

/// Returns the n-gram baselines of the first run that has some, and what to say if those of others
/// are over other windows.
fn shared_floors(runs: &[LabelledRun]) -> (Option<Floors>, String) {
    let known = || runs.iter().filter_map(|run| run.run.floors.as_ref());
    let uniform = runs.first().map(|run| Floors {
        uniform: (run.run.experiment.vocab_size as f64).ln(),
        ..Floors::default()
    });
    let Some(first) = known().next() else {
        return (uniform, String::new());
    };
    let said = match first.block_size {
        Some(windows) if known().any(|floors| floors != first) => {
            format!("The n-gram baselines are those in windows of {windows} tokens.")
        }
        Some(_) | None => String::new(),
    };
    (Some(first.clone()), said)
}

/// Lowers the losses of runs that diverged to just above where the others begin.
fn lower(curves: &mut [Curve]) {
    let firsts = curves.iter().flat_map(|curve| curve.runs.iter());
    let firsts = firsts.filter_map(|run| run.first().map(|(_, loss)| *loss));
    let finite = firsts.filter(|loss| loss.is_finite());
    let Some(lowest) = finite.min_by(f64::total_cmp) else {
        return;
    };
    let points = curves.iter_mut().flat_map(|curve| curve.runs.iter_mut());
    for (_, loss) in points.flatten() {
        if *loss > CEILING * lowest {
            *loss = CEILING * lowest;
        }
    }
}
