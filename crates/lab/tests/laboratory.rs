//! Tests that the example program runs.

#[path = "../examples/laboratory.rs"]
mod laboratory;

#[test]
fn a_program_that_links_the_libraries_trains_ablates_and_probes() {
    laboratory::main().expect("a grid and a probe");
}
