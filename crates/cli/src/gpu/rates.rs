//! The rates of a GPU: its multiply-adds in registers, and its products of matrices beside them.

use std::time::Instant;

use gptlab_gpu::{Exercise, GpuBackend, GpuError};

/// The seconds that a measurement takes at least.
const SECONDS: f64 = 0.1;
/// The measurements of which the best is kept, because other work can only slow a device down.
const TRIES: usize = 3;

/// Measures a GPU, and returns a line for each rate, after a heading.
pub(super) fn lines(backend: &GpuBackend) -> Result<Vec<String>, GpuError> {
    let mut lines = vec![format!("rates of {}:", backend.adapter().name)];
    let mut rates: Vec<(String, f64)> = Vec::new();
    for exercise in backend.exercises()? {
        let rate = rate(&exercise)?;
        let known = |name: &str| rates.iter().find(|(other, _)| other == name);
        let share = exercise.beside().and_then(known).map(|(name, most)| {
            let percent = (100.0 * rate / most).round();
            format!(", {percent} % of the {name}")
        });
        let share = share.unwrap_or_default();
        lines.push(format!("      {}: {}{share}", exercise.name(), words(rate)));
        rates.push((exercise.name().to_owned(), rate));
    }
    Ok(lines)
}

/// Returns the operations a second.
fn rate(exercise: &Exercise) -> Result<f64, GpuError> {
    let timed = |repetitions: usize| -> Result<f64, GpuError> {
        let start = Instant::now();
        exercise.run(repetitions)?;
        Ok(start.elapsed().as_secs_f64())
    };
    // The first run compiles the kernel.
    timed(1)?;
    let mut repetitions = 1;
    while timed(repetitions)? < SECONDS {
        repetitions *= 2;
    }
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        best = best.min(timed(repetitions)?);
    }
    Ok(exercise.operations() * repetitions as f64 / best)
}

fn words(rate: f64) -> String {
    if rate >= 1e12 {
        format!("{:.1} TFLOP/s", rate / 1e12)
    } else {
        format!("{:.1} GFLOP/s", rate / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_has_its_line() {
        let Ok(backend) = GpuBackend::new(None) else {
            return;
        };
        let lines = lines(&backend).expect("a device that computes");
        let of = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
        assert_eq!(of("multiply-adds in f32: "), 1, "{lines:?}");
        assert_eq!(of("of matrix units") > 0, backend.has_matrix_units());
        assert_eq!(of("products of 1024 x 1024 in "), 2, "{lines:?}");
        assert_eq!(of(" % of the multiply-adds "), 2, "{lines:?}");
    }

    #[test]
    fn rates_are_in_the_larger_unit_where_it_has_a_digit() {
        assert_eq!(words(9.96e11), "996.0 GFLOP/s");
        assert_eq!(words(1.24e13), "12.4 TFLOP/s");
    }
}
