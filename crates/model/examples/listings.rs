//! Remakes `tests/listings/*.txt`: what `lower` writes for the small presets and for each switch
//! alone.
//!
//! Run `cargo run -p gptlab-model --example listings`, then read what changed before committing it.

#[path = "../tests/listed/mod.rs"]
mod listed;

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = Path::new(listed::FOLDER);
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    for (name, text) in listed::all() {
        fs::write(folder.join(format!("{name}.txt")), text)?;
    }
    Ok(())
}
