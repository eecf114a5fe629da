//! Tests of text sources: the texts that are read, those that are rejected, and the messages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gptlab_data::{Builtin, DocumentSet, Fingerprint, Text};
use gptlab_recipe::TextOrigin;

/// A temporary folder of one test, which is removed with it.
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
    Text::from_bytes(bytes.to_vec(), TextOrigin::Other("the text".into()))
        .map_err(|e| e.to_string())
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
    assert_eq!(text.origin(), &TextOrigin::File(path.display().to_string()));
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
    let folder = folder.0.display();
    assert_eq!(
        error,
        format!(
            "{folder} is a directory; give the path of one text file in it, or make one of several, for \
             example with `cat {folder}/*.txt > all.txt`"
        )
    );
    let error = Text::read(Path::new("-")).unwrap_err().to_string();
    assert!(
        error.starts_with("a text is read from a file, and not from standard input (`-`); write"),
        "{error}"
    );
}

/// Opening a FIFO waits for a writer, and reading a device may never end.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_unopened() {
    let folder = Folder::new("special");
    let fifo = folder.0.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let link = folder.0.join("link");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    for path in [&fifo, &link, Path::new("/dev/zero")] {
        let error = Text::read(path).unwrap_err().to_string();
        assert!(
            error.contains(" is not a regular file but a pipe, a device or a socket; write"),
            "{error}"
        );
        assert!(Text::read_recorded(path, Some(0)).is_err());
    }
}

#[test]
fn a_recorded_text_has_its_size() {
    let folder = Folder::new("recorded");
    let path = folder.file(b"\xEF\xBB\xBFfour");
    let text = Text::read_recorded(&path, Some(7)).unwrap();
    assert_eq!((text.bytes(), text.as_str()), (7, "four"));
    assert_eq!(Text::read_recorded(&path, None).unwrap(), text);
    let error = Text::read_recorded(&path, Some(6)).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{} holds 7 bytes, and the text of the record 6; give the text that it was, unchanged",
            path.display()
        )
    );
}

/// The files were made by `printf` and by the programs of the formats' names.
#[test]
fn files_of_other_kinds_have_sentences_of_their_own() {
    let utf16 = "begins as UTF-16 does; text must be UTF-8: save it again in that encoding";
    let cases: [(&[u8], &str); 14] = [
        (b"a\0b\0\n\0", utf16),
        (b"\0a\0b\0\n", utf16),
        // The text is Cyrillic, little-endian, in which only the spaces have NULs.
        (b"\x3e\x04\x3d\x04\x20\0\x38\x04\x20\0\x4f\x04", utf16),
        // The text is French, in which the NULs precede a byte that is not UTF-8.
        (b"\xe9\0t\0\xe9\0", utf16),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "is a Git LFS pointer and not the text that it stands for; fetch that with `git lfs pull`",
        ),
        (
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            "is packed by gzip and not text; unpack it with `gunzip`, and give the text inside",
        ),
        (
            b"PK\x03\x04\x14\0",
            "is packed by zip and not text; unpack it with `unzip`",
        ),
        (
            b"\x28\xb5\x2f\xfd\x04\x58",
            "is packed by zstd and not text; unpack it with `zstd -d`",
        ),
        (
            b"\xfd7zXZ\0\0\x04",
            "is packed by xz and not text; unpack it with `xz -d`",
        ),
        (
            b"BZh91AY&SY\x12",
            "is packed by bzip2 and not text; unpack it with `bunzip2`",
        ),
        (
            b"%PDF-1.7\n%\xe2\xe3",
            "is a PDF and not text; take the text out of it",
        ),
        (
            b"some words, and \0 more of them; one\0",
            "holds a NUL (byte 16, counted from 0), and no text does; give a text file in UTF-8",
        ),
        // One NUL in a short text is no sign of UTF-16.
        (b"ab\0cd", "holds a NUL (byte 2,"),
        (
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
            "holds a NUL (byte 7,",
        ),
    ];
    for (bytes, sentence) in cases {
        let error = given(bytes).unwrap_err();
        assert!(
            error.starts_with(&format!("the text {sentence}")),
            "{error}"
        );
    }
    for text in ["BZh9 is a name", "PK", "version https://git", "version 1"] {
        assert!(given(text.as_bytes()).is_ok(), "{text}");
    }
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
    for builtin in Builtin::all() {
        assert_eq!(Builtin::from_name(builtin.name()), Some(builtin));
        let text = Text::builtin(builtin);
        assert_eq!(
            text.fingerprint(),
            Fingerprint::of(text.as_str().as_bytes())
        );
        assert_eq!(text.origin(), &TextOrigin::Builtin(builtin.name().into()));
    }
    assert_eq!(Builtin::from_name("Stories"), None);
}

/// The sizes are compared with those of the texts themselves.
#[test]
fn what_a_recipe_may_have_is_known_without_making_it() {
    for builtin in Builtin::all() {
        for size in [1_000, 1_001, 5_000] {
            let recipe = DocumentSet { seed: 9, size };
            let sized = match builtin {
                Builtin::Stories | Builtin::Names => builtin,
                Builtin::Diagnostic(kind, _) => Builtin::Diagnostic(kind, recipe),
            };
            assert!(sized.may_have(Text::builtin(sized).bytes()), "{sized}");
        }
    }
    let large = Builtin::parse("copy:size=100000000").unwrap().unwrap();
    assert!(!large.may_have(99_999_999) && !large.may_have(100_001_000));
    assert!(large.may_have(100_000_000));
}

#[test]
fn an_origin_is_plain_data() {
    let origin = TextOrigin::Builtin("stories".into());
    let json = serde_json::to_string(&origin).unwrap();
    assert_eq!(json, r#"{"builtin":"stories"}"#);
    assert_eq!(serde_json::from_str::<TextOrigin>(&json).unwrap(), origin);
    assert_eq!(origin.to_string(), "the built-in text `stories`");
}
