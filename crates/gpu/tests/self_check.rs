//! The self-check passes on a right device, and names a kernel that is broken on purpose.

mod device;

use device::gpu;
use gptlab_engine::Device;
use gptlab_gpu::{GpuBackend, self_check};

#[test]
#[expect(clippy::print_stderr, reason = "the report is for people to read")]
fn every_kernel_agrees_with_the_cpu() {
    let Some(backend) = gpu() else { return };
    let plain = backend.clone().without_matrix_units();
    for backend in [plain, backend] {
        let report = self_check(&backend, &*Device::cpu(1).backend);
        let report = report.expect("a device that computes");
        eprintln!("matrix units: {}\n{report}", backend.matrix_units());
        assert_eq!(report.broken(), None);
    }
}

/// A kernel's name, and a change of its text.
type Break = (&'static str, [&'static str; 2]);

const BREAKS: &[Break] = &[
    // Off by one.
    (
        "embedding",
        ["args.table + indices", "args.table + 1u + indices"],
    ),
    ("embedding_backward", ["n < end", "n + 1u < end"]),
    ("norm", ["f32(args.width)", "f32(args.width - 1u)"]),
    ("norm_backward", ["- normed * mean_product", "- normed"]),
    ("column_sums", ["row < end", "row + 1u < end"]),
    ("sum_parts", ["var part = 0u", "var part = 1u"]),
    ("product_forward", ["args.k);", "args.k - 1u);"]),
    ("product_backward_input", ["k < STEP;", "k < STEP - 1u;"]),
    ("rotary", ["args.sign *", "-args.sign *"]),
    (
        "attention",
        [
            "weight_factor(head, row, key), is_rounded",
            "0.99, is_rounded",
        ],
    ),
    (
        "attention_backward_query",
        ["(dweight - passed)", "dweight"],
    ),
    (
        "attention_backward_key",
        ["query < last", "query + 1u < last"],
    ),
    (
        "cross_entropy",
        ["c == target_column", "c == target_column + 1u"],
    ),
    (
        "dropout",
        ["bits >= args.threshold", "bits > args.threshold + 2000u"],
    ),
    (
        "adamw",
        ["args.rest2 * gradient * gradient", "args.rest2 * gradient"],
    ),
    ("muon_momentum", ["momentum, gradient)", "momentum, 0.0)"]),
    // A sum that starts before all threads have written.
    (
        "clip_factor",
        ["lanes[lane] += lanes[lane + half];", "lanes[lane] += 0.0;"],
    ),
    ("product_of_rows", ["k < args.k", "k + 1u < args.k"]),
    // The first token after a cut belongs to it.
    ("choose", ["token <= cut.token", "token <= cut.token + 1u"]),
    // Every token in the place of the first.
    ("cache_append", ["* half + column", "* 0u + column"]),
    // Tiles of keys that are added as if they had one largest score.
    ("attention_cached", ["sum * shrink + sum_of", "sum_of"]),
    // Tiles that are read while they are written.
    ("product_backward_weight", ["workgroupBarrier();", ""]),
];

/// The products by matrix units.
const COOPERATIVE_BREAKS: &[Break] = &[
    (
        "cooperative_product_forward",
        ["group.x * TILE;", "group.x * TILE + 1u;"],
    ),
    (
        "cooperative_product_backward_input",
        ["subgroup % 2u", "subgroup % 1u"],
    ),
    (
        "cooperative_product_transposed_left",
        ["k < STEP; k += SIZE", "k < STEP - SIZE; k += SIZE"],
    ),
    (
        "cooperative_product_backward_weight",
        ["quarter / 2u", "quarter / 4u"],
    ),
];

#[test]
fn a_broken_kernel_is_named() {
    for (kernel, change) in BREAKS {
        let Ok(backend) = GpuBackend::with_changed_kernel(None, kernel, *change) else {
            return;
        };
        is_named(&backend.without_matrix_units(), kernel);
    }
}

#[test]
fn a_broken_product_of_matrix_units_is_named() {
    for (kernel, change) in COOPERATIVE_BREAKS {
        let Ok(backend) = GpuBackend::with_changed_kernel(None, kernel, *change) else {
            return;
        };
        if backend.has_matrix_units() {
            is_named(&backend, kernel);
        }
    }
}

/// Asserts that the self-check names a kernel of `backend`, or its form without matrix units.
fn is_named(backend: &GpuBackend, kernel: &str) {
    let report = self_check(backend, &*Device::cpu(1).backend).expect("it still computes");
    let broken = report.broken();
    let form = kernel.trim_start_matches("cooperative_");
    let named = broken.is_some_and(|check| check.kernels.split(", ").any(|k| k == form));
    assert!(named, "{kernel}: {broken:?}\n{report}");
}
