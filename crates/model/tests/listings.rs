//! Golden listings, which a person has compared with the textbook. They are the witness of `lower`:
//! an error in it would make every engine wrong in the same way.

mod listed;

use std::{collections::BTreeSet, fs, path::Path};

/// The files hold what `lower` writes. After an intended change, run the example `listings` and
/// read.
#[test]
fn listings_are_those_that_were_read() {
    for (name, text) in listed::all() {
        let path = Path::new(listed::FOLDER).join(format!("{name}.txt"));
        let read = fs::read_to_string(&path)
            .unwrap_or_default()
            .replace("\r\n", "\n");
        assert_eq!(
            read, text,
            "{name}.txt differs; if that is meant, remake it with \
             `cargo run -p gptlab-model --example listings` and read it"
        );
    }
}

#[test]
fn no_file_is_left_over() {
    let listed: BTreeSet<_> = listed::all().into_iter().map(|(name, _)| name).collect();
    let files = fs::read_dir(listed::FOLDER).expect("the folder of listings");
    let files = files.map(|f| {
        f.expect("a file")
            .file_name()
            .into_string()
            .expect("a name")
    });
    let files: BTreeSet<_> = files
        .map(|f| f.trim_end_matches(".txt").to_owned())
        .collect();
    assert_eq!(files, listed);
}

/// Two switches with the same listing would be one experiment under two names.
#[test]
fn every_listing_is_another() {
    let all = listed::all();
    let texts: BTreeSet<_> = all.iter().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), all.len());
}
