//! Says whether the program can use a GPU: with the feature `gpu`, and always on macOS.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(has_gpu)");
    println!("cargo::rerun-if-changed=build.rs");
    let is_asked_for = env::var_os("CARGO_FEATURE_GPU").is_some();
    let is_on_macos = env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "macos");
    if is_asked_for || is_on_macos {
        println!("cargo::rustc-cfg=has_gpu");
    }
}
