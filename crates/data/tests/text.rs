//! Text sources: what is read, what is refused, and in which words.

use std::{fs, path::PathBuf};

use gptlab_data::{Builtin, Fingerprint, Origin, Text};

/// A folder of this test's own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gptlab-data-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.join("text.txt");
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn given(bytes: &[u8]) -> Result<Text, String> {
    Text::from_bytes(bytes.to_vec(), Origin::Other("the text".into())).map_err(|e| e.to_string())
}

#[test]
fn a_file_is_read_as_it_is() {
    let folder = Folder::new("read");
    let bytes = "吾輩は猫である。\r\n🐈 é\n".as_bytes();
    let path = folder.file(bytes);
    let text = Text::read(&path).unwrap();
    assert_eq!(text.as_str().as_bytes(), bytes, "line ends stay");
    assert_eq!(text.characters(), 14);
    assert_eq!(text.fingerprint(), Fingerprint::of(bytes));
    assert_eq!(text.origin(), &Origin::File(path.display().to_string()));
}

#[test]
fn a_byte_order_mark_is_dropped_and_still_fingerprinted() {
    let text = given(b"\xEF\xBB\xBFab").unwrap();
    assert_eq!(text.as_str(), "ab");
    assert_eq!(text.fingerprint(), Fingerprint::of(b"\xEF\xBB\xBFab"));
    let later = given(b"a\xEF\xBB\xBF").unwrap();
    assert_eq!(later.characters(), 2, "only at the beginning");
}

#[test]
fn a_missing_file_and_a_directory_are_sentences() {
    let folder = Folder::new("missing");
    let missing = folder.0.join("nothing.txt");
    let error = Text::read(&missing).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "there is no file {}; give the path of a text file, or the name of a built-in text \
             (stories, names, copy, brackets, agreement, addition, in-context)",
            missing.display()
        )
    );
    let error = Text::read(&folder.0).unwrap_err().to_string();
    assert!(error.ends_with("is a directory; give the path of one text file in it"));
}

#[test]
fn other_encodings_are_refused_at_their_byte() {
    assert_eq!(
        given(b"caf\xE9 noir").unwrap_err(),
        "the text is not UTF-8: byte 3 (counted from 0) begins no character; convert it, for \
         example with `iconv -t UTF-8`"
    );
    assert_eq!(
        given(b"\xFF\xFEa\0b\0").unwrap_err(),
        "the text begins as UTF-16 does; text must be UTF-8: save it again in that encoding"
    );
    let cut = &"猫".as_bytes()[..2];
    assert!(
        given(&[b"abc", cut].concat())
            .unwrap_err()
            .contains("byte 3")
    );
}

#[test]
fn two_characters_are_the_least() {
    for (bytes, found) in [
        ("", "0 characters"),
        ("a", "1 character;"),
        ("🐈", "1 character;"),
        ("\u{FEFF}a", "1 character;"),
    ] {
        let error = given(bytes.as_bytes()).unwrap_err();
        assert!(error.contains(&format!("holds {found}")), "{error}");
    }
    assert!(given("🐈a".as_bytes()).is_ok());
}

#[test]
fn built_in_texts_go_by_name_and_never_change() {
    for builtin in Builtin::ALL {
        assert_eq!(Builtin::from_name(builtin.name()), Some(builtin));
        let text = Text::builtin(builtin);
        assert_eq!(
            text.fingerprint(),
            Fingerprint::of(text.as_str().as_bytes())
        );
        assert_eq!(text.origin(), &Origin::Builtin(builtin.name().into()));
    }
    assert_eq!(Builtin::from_name("Stories"), None);
}

#[test]
fn an_origin_is_plain_data() {
    let origin = Origin::Builtin("stories".into());
    let json = serde_json::to_string(&origin).unwrap();
    assert_eq!(json, r#"{"builtin":"stories"}"#);
    assert_eq!(serde_json::from_str::<Origin>(&json).unwrap(), origin);
    assert_eq!(origin.to_string(), "the built-in text `stories`");
}
