//! The plan of a grid: every variant with every seed.

use std::path::Path;

use gptlab_data::{CorpusCache, Text};
use gptlab_model::{Model, lower};
use gptlab_record::{
    Cell, Experiment, FileError, Grid, GridKind, TunedSetting, Variant, read_grid,
};
use gptlab_report::words::slug;
use gptlab_train::{Error, Resolved, Settings};

use super::{GridError, same_plan::check_same_plan};
use crate::{
    published::PublishedResult,
    switches::{BASELINE, POINT, Switch},
};

/// The settings at one point of a grid. An ablation applies every switch at every point.
#[derive(Clone, Debug)]
pub struct Point {
    /// The point's name, such as `lr=0.001`; empty if there is only one point.
    pub name: String,
    /// The settings of the baseline at this point.
    pub settings: Settings,
    /// The numeric settings that define the point, by name.
    pub values: Vec<(String, f64)>,
}

/// A grid, and the settings of its cells in the same order.
#[derive(Clone, Debug)]
pub struct Planned {
    pub grid: Grid,
    pub cells: Vec<Settings>,
}

impl Planned {
    /// Checks that every run has a validation loss, which is what a grid compares.
    ///
    /// # Errors
    /// Returns an error if a variant keeps nothing of its text for validation.
    pub fn check_validation(&self) -> Result<(), GridError> {
        let cells = self.grid.cells.iter().zip(&self.cells);
        for (cell, settings) in cells {
            let named = |variant: &&Variant| variant.name == cell.variant;
            let variant = self.grid.variants.iter().find(named);
            let experiment = variant.and_then(|variant| variant.experiment.as_ref());
            if experiment.is_some_and(|e| e.data.val_tokens == 0) {
                return Err(GridError::NoValidation {
                    val_fraction: settings.val_fraction,
                });
            }
        }
        Ok(())
    }

    /// Checks that `folder` holds no other grid than this one, or this one with fewer seeds.
    ///
    /// # Errors
    /// Returns an error that says what differs, or that the folder's grid cannot be read.
    pub fn check_folder(&self, folder: &Path) -> Result<(), FileError> {
        match read_grid(folder)? {
            Some(found) => check_same_plan(folder, &found, &self.grid),
            None => Ok(()),
        }
    }

    /// Returns the same grid, whose points are the values of a setting that is `tuned`: each
    /// variant is also compared at its best value.
    #[must_use]
    pub fn tuned(mut self, tuned: TunedSetting) -> Self {
        self.grid.tuned = Some(tuned);
        self
    }
}

/// A switch that has no row in the table, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub name: String,
    pub why: String,
}

/// Plans the baseline and each of `switches`, at each of `points`, with each of `seeds`. The cells
/// of one seed precede those of the next, so that an interrupted grid has complete rows. Switches
/// that cannot be applied are returned beside the plan.
///
/// # Errors
/// Returns an error if the baseline itself cannot be trained on `text`.
pub fn ablation(
    points: &[Point],
    switches: &[Switch],
    seeds: &[u64],
    text: &Text,
    command: &[String],
) -> Result<(Planned, Vec<Skipped>), Error> {
    let (mut arms, mut skipped) = (Vec::new(), Vec::new());
    let text = &CorpusCache::new(text);
    for point in points {
        let resolved = Resolved::fresh(&point.settings, text)?;
        let vocab_size = resolved.model.vocab_size();
        let mut add = |switch: &Switch, settings: &Settings, model: &Model| {
            let first = with_seed(settings, seeds);
            let experiment = resolved.experiment_of(&first, text)?;
            arms.push(arm(switch, point, settings, model, experiment));
            Ok::<(), Error>(())
        };
        add(&BASELINE, &point.settings, &resolved.model)?;
        for switch in switches {
            match applied(switch, &point.settings, vocab_size) {
                Ok((settings, model)) => add(switch, &settings, &model)?,
                Err(why) => skipped.push(Skipped {
                    name: switch.slug(),
                    why,
                }),
            }
        }
    }
    skipped.dedup();
    let planned = cross(GridKind::Ablation, arms, seeds, text, command)?;
    Ok((planned, skipped))
}

/// Plans each of `points` with each of `seeds`. The first point is the baseline of the comparisons.
///
/// # Errors
/// Returns an error if a point cannot be trained on `text`.
pub fn sweep(
    points: &[Point],
    seeds: &[u64],
    text: &Text,
    command: &[String],
) -> Result<Planned, Error> {
    let text = &CorpusCache::new(text);
    let arms = points.iter().map(|point| {
        let resolved = Resolved::fresh(&with_seed(&point.settings, seeds), text)?;
        let (settings, model) = (&point.settings, &resolved.model);
        let (variant, settings) = arm(&POINT, point, settings, model, resolved.experiment);
        let name = point.name.clone();
        let mut settings_of_point = variant.settings.clone();
        settings_of_point.push(("parameters".into(), variant.parameters as f64));
        Ok((
            Variant {
                title: name.clone(),
                name,
                settings: settings_of_point,
                ..variant
            },
            settings,
        ))
    });
    let arms = arms.collect::<Result<Vec<_>, Error>>()?;
    cross(GridKind::Sweep, arms, seeds, text, command)
}

/// Plans the recipe of each of `results`, whose settings are `recipes` in the same order, with as
/// many of `seeds` as the result has of them.
///
/// # Errors
/// Returns an error if a recipe cannot be trained on `text`.
pub fn published(
    results: &[PublishedResult],
    recipes: &[Settings],
    seeds: &[u64],
    text: &Text,
    command: &[String],
) -> Result<Planned, Error> {
    let text = &CorpusCache::new(text);
    let arms = results.iter().zip(recipes).map(|(result, settings)| {
        let resolved = Resolved::fresh(&with_seed(settings, seeds), text)?;
        let graph = lower(&resolved.model);
        let variant = Variant {
            name: result.name.clone(),
            title: "a published recipe".into(),
            purpose: result.remark.clone(),
            prediction: String::new(),
            source: result.source.sentence(),
            parameters: graph.params().total() as u64,
            listing: graph.to_string(),
            settings: Vec::new(),
            experiment: Some(resolved.experiment),
            expected: None,
            published: Some(result.claim()),
        };
        Ok((variant, settings.clone()))
    });
    let arms = arms.collect::<Result<Vec<_>, Error>>()?;
    cross(GridKind::Published, arms, seeds, text, command)
}

/// Returns `base` with `switch` applied, and its model, or the reason that there is nothing to run.
fn applied(
    switch: &Switch,
    base: &Settings,
    vocab_size: usize,
) -> Result<(Settings, Model), String> {
    let settings = switch.applied(base).map_err(|e| e.to_string())?;
    if settings == *base {
        return Err("the baseline is like that already".into());
    }
    let model = settings.spec.check(vocab_size).map_err(|e| e.to_string())?;
    Ok((settings, model))
}

type VariantSettings = (Variant, Settings);

/// Returns `settings` with the first of `seeds`.
fn with_seed(settings: &Settings, seeds: &[u64]) -> Settings {
    Settings {
        seed: seeds.first().copied().unwrap_or(settings.seed),
        ..settings.clone()
    }
}

fn arm(
    switch: &Switch,
    point: &Point,
    settings: &Settings,
    model: &Model,
    experiment: Experiment,
) -> VariantSettings {
    let graph = lower(model);
    let label = switch.label(&point.settings);
    let (expected, prediction) = switch.expectation(&point.settings);
    let variant = Variant {
        name: format!("{label} {}", point.name).trim_end().to_owned(),
        title: switch.title.into(),
        purpose: switch.purpose.into(),
        prediction: prediction.into(),
        source: switch.source.into(),
        parameters: graph.params().total() as u64,
        listing: graph.to_string(),
        settings: point.values.clone(),
        experiment: Some(experiment),
        expected: expected.is_bounded().then_some(expected),
        published: None,
    };
    (variant, settings.clone())
}

fn cross(
    kind: GridKind,
    arms: Vec<VariantSettings>,
    seeds: &[u64],
    text: &CorpusCache<'_>,
    command: &[String],
) -> Result<Planned, Error> {
    let cells = seeds.iter().enumerate().flat_map(|(at, seed)| {
        // A published result has its own number of seeds.
        let has = move |(variant, _): &&VariantSettings| {
            let claim = variant.published.as_ref();
            claim.is_none_or(|claim| (at as u64) < claim.seeds)
        };
        arms.iter().filter(has).map(move |(variant, settings)| {
            let (variant, seed) = (variant.name.clone(), *seed);
            let folder = format!("runs/{}-s{seed}", folder_name(&variant));
            let cell = Cell {
                variant,
                seed,
                folder,
            };
            (
                cell,
                Settings {
                    seed,
                    ..settings.clone()
                },
            )
        })
    });
    let (cells, settings): (Vec<Cell>, Vec<Settings>) = cells.unzip();
    let first = Resolved::fresh(&arms[0].1, text)?;
    let grid = Grid {
        format: Grid::FORMAT,
        program: first.experiment.program,
        command: command.to_vec(),
        kind,
        data: first.experiment.data,
        steps: arms.iter().map(|arm| arm.1.hyper.steps).max().unwrap_or(0),
        seeds: seeds.to_vec(),
        variants: arms.into_iter().map(|(variant, _)| variant).collect(),
        cells,
        tuned: None,
    };
    Ok(Planned {
        grid,
        cells: settings,
    })
}

/// Returns the name of a variant in characters that every file system accepts: `no-residual`, or
/// `no-residual_lr=0.1`, where the point of a grid begins with the first setting.
fn folder_name(variant: &str) -> String {
    let words: Vec<&str> = variant.split(' ').collect();
    let named = words.iter().take_while(|word| !word.contains('=')).count();
    let (name, point) = words.split_at(named);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.=".contains(c);
    let in_file = |word: &&str| -> String {
        word.chars()
            .map(|c| if plain(c) { c } else { '_' })
            .collect()
    };
    let parts = (!name.is_empty()).then(|| slug(&name.join(" ")));
    let parts = parts.into_iter().chain(point.iter().map(in_file));
    parts.collect::<Vec<_>>().join("_")
}
