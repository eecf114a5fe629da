//! Work that shows what a device can do: multiply-adds in registers, which nothing on it surpasses,
//! and products of matrices. Whoever has a clock times it.

use std::sync::Arc;

use crate::{
    GpuError, args,
    buffers::{Buffers, Lengths, Place},
    context::Context,
    dispatch::{Dispatch, Recording},
    kernel::{Kernel, Product},
    matrix_units::{MatrixUnit, MatrixUnits},
    steps::product,
};

/// The rows, columns and terms of a product.
const SIZE: usize = 1024;
/// The groups and the steps of multiply-adds.
const GROUPS: usize = 1024;
const STEPS: usize = 64;
/// The sums of a thread.
const SUMS: usize = 32;
/// The subgroups of a group, and the matrices of sums of each.
const MATRICES: usize = 4 * 4;

/// Work that a device can repeat.
#[derive(Debug)]
pub struct Exercise {
    name: String,
    /// The name of the multiply-adds that a product consists of.
    beside: Option<String>,
    operations: f64,
    context: Arc<Context>,
    buffers: Arc<Buffers>,
    recording: Recording,
}

impl Exercise {
    /// Returns what is done, such as `products of 1024 x 1024 in bf16`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the exercise whose rate a product cannot surpass; `None` for those that
    /// nothing surpasses.
    pub fn beside(&self) -> Option<&str> {
        self.beside.as_deref()
    }

    /// Returns the floating-point operations of one repetition; a multiply-add counts as two.
    pub fn operations(&self) -> f64 {
        self.operations
    }

    /// Repeats the work, and waits until the device has done it.
    ///
    /// # Errors
    /// Returns an error when the device stops.
    pub fn run(&self, repetitions: usize) -> Result<(), GpuError> {
        let mut encoder = self.context.encoder();
        for _ in 0..repetitions {
            self.recording.encode(&mut encoder, self.buffers.bindings());
        }
        self.context.submit(encoder);
        let arena = self.buffers.at(Place::Arena);
        self.context.read(arena, 0, 1).map(|_| ())
    }
}

/// Returns the exercises of a device with these units.
pub(crate) fn exercises(
    context: &Arc<Context>,
    units: MatrixUnits,
) -> Result<Vec<Exercise>, GpuError> {
    let numbers = SIZE * SIZE;
    let mut buffers = Buffers::untrained(context, numbers, &[])?;
    let lengths = Lengths {
        arena: 2 * numbers,
        ..Lengths::default()
    };
    buffers.fit(context, lengths)?;
    let number = |i: usize| 1.0 + (i % 61) as f32 / 64.0;
    let matrix: Vec<f32> = (0..numbers).map(number).collect();
    context.write(buffers.at(Place::Weights), 0, &matrix);
    context.write(buffers.at(Place::Arena), 0, &matrix);
    let buffers = Arc::new(buffers);
    let exercise = |name: String, beside, operations: usize, dispatch: Dispatch| {
        Ok(Exercise {
            name,
            beside,
            operations: operations as f64,
            context: Arc::clone(context),
            buffers: Arc::clone(&buffers),
            recording: Recording::new(context, &[dispatch])?,
        })
    };
    let mut all = vec![exercise(
        name_of_multiply_adds(None),
        None,
        2 * GROUPS * 256 * STEPS * SUMS,
        multiply_adds(None),
    )?];
    for unit in units.iter() {
        let terms = (unit.size as usize).pow(3);
        all.push(exercise(
            name_of_multiply_adds(Some(unit)),
            None,
            2 * GROUPS * STEPS * MATRICES * terms,
            multiply_adds(Some(unit)),
        )?);
    }
    for (precision, bf16) in [("f32", false), ("bf16", true)] {
        let args = args::Product {
            m: SIZE as u32,
            n: SIZE as u32,
            k: SIZE as u32,
            k_of_part: SIZE as u32,
            left_pitch: SIZE as u32,
            right_pitch: SIZE as u32,
            out: numbers as u32,
            bf16: bf16.into(),
            ..args::Product::default()
        };
        let unit = units.unit(bf16);
        let by = unit.map_or(String::new(), |unit| format!(" by {unit}"));
        all.push(exercise(
            format!("products of {SIZE} x {SIZE} in {precision}{by}"),
            Some(name_of_multiply_adds(unit)),
            2 * SIZE * SIZE * SIZE,
            product(Product::Forward, args, units),
        )?);
    }
    Ok(all)
}

fn name_of_multiply_adds(unit: Option<MatrixUnit>) -> String {
    match unit {
        None => "multiply-adds in f32".to_owned(),
        Some(unit) => format!("multiply-adds of matrix units, {unit}"),
    }
}

fn multiply_adds(unit: Option<MatrixUnit>) -> Dispatch {
    let args = args::MultiplyAdds {
        steps: STEPS as u32,
        factor: 0.5,
        numbers: (SIZE * SIZE) as u32,
        y: 0,
    };
    Dispatch::of_groups(Kernel::MultiplyAdds(unit), &args, GROUPS)
}
