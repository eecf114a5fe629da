//! Remakes `tests/programs/*.txt`: the programs that `compile` makes of small models for each
//! purpose.
//!
//! Run `cargo run -p gptlab-engine --example programs`, then read what changed before committing
//! it.

#[path = "../tests/programs/listed.rs"]
mod listed;

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    for (name, text) in listed::all() {
        fs::write(Path::new(listed::FOLDER).join(format!("{name}.txt")), text)?;
    }
    Ok(())
}
