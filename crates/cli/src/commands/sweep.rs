//! `gptlab sweep`: how loss falls with size, and how the best learning rate moves with it.

use gptlab_data::Builtin;
use gptlab_lab::grid::{self, Point};
use gptlab_model::Preset;

use super::grid::{Recipe, command_line, go, points};
use crate::{
    args::SweepArgs,
    exit::{Outcome, Stop},
    printer::Printer,
    text,
};

/// A model of the scaling experiment: name, blocks, heads, width.
type Size = (&'static str, usize, usize, usize);

const SIZES: [Size; 5] = [
    ("tiny", 3, 3, 96),
    ("mini", 4, 4, 128),
    ("small", 5, 6, 192),
    ("medium", 6, 8, 256),
    ("large", 9, 12, 384),
];

pub(super) fn run(args: &SweepArgs, printer: Printer) -> Outcome {
    let typed = &args.base;
    let text = text::source(typed.data.data.as_deref(), Builtin::Stories)?;
    let base = typed.settings(Preset::Gpt2Mini, Recipe::Quick)?;
    let rates = ["lr=3e-4,1e-3,3e-3".to_owned()];
    let grid: &[String] = if args.grid.is_empty() {
        &rates
    } else {
        &args.grid
    };
    let mut all: Vec<Point> = Vec::new();
    for (name, n_layer, n_head, n_embd) in choose(&args.sizes)? {
        let mut sized = typed.clone();
        let model = &mut sized.model;
        (model.n_layer, model.n_head, model.n_embd) = (Some(n_layer), Some(n_head), Some(n_embd));
        let settings = sized.over(base.clone())?;
        for point in points(&settings, grid)? {
            all.push(Point {
                name: format!("{name} {}", point.name).trim_end().to_owned(),
                ..point
            });
        }
    }
    let planned = grid::sweep(&all, &typed.seeds()?, &text, &command_line())?;
    go(&planned, &text, typed, printer)
}

fn choose(typed: &str) -> Outcome<Vec<Size>> {
    if typed.trim() == "all" {
        return Ok(SIZES.to_vec());
    }
    let names = typed
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let found: Vec<Size> = names
        .map(|name| {
            let size = SIZES.iter().find(|size| size.0 == name).copied();
            size.ok_or_else(|| {
                let all = SIZES.map(|size| size.0).join(", ");
                Stop::usage(format_args!(
                    "there is no size called {name:?}; there are {all}, and `all`"
                ))
            })
        })
        .collect::<Outcome<_>>()?;
    if found.is_empty() {
        return Err(Stop::usage("--sizes names no size"));
    }
    Ok(found)
}
