//! Recognises files that are not UTF-8 text by their first bytes.

use std::fmt;

use gptlab_recipe::TextOrigin;

/// A known kind of file that is not UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// UTF-16, recognised by its byte order mark or its NULs.
    Utf16,
    /// The pointer that Git Large File Storage leaves in place of a file that was not fetched.
    LfsPointer,
    Gzip,
    Zip,
    Zstd,
    Xz,
    Bzip2,
    Pdf,
}

/// The first bytes of each kind: RFC 1952 (gzip), APPNOTE 4.3.7 and 4.3.16 (zip), RFC 8878 (zstd),
/// the xz file format 2.1.1.1, bzip2's block size and first block, ISO 32000-1 7.5.2 (PDF), and the
/// specification of Git LFS pointers.
const SIGNATURES: &[(&[u8], Foreign)] = &[
    (b"\xFF\xFE", Foreign::Utf16),
    (b"\xFE\xFF", Foreign::Utf16),
    (
        b"version https://git-lfs.github.com/spec/v1",
        Foreign::LfsPointer,
    ),
    (b"\x1F\x8B", Foreign::Gzip),
    (b"PK\x03\x04", Foreign::Zip),
    (b"PK\x05\x06", Foreign::Zip),
    (b"\x28\xB5\x2F\xFD", Foreign::Zstd),
    (b"\xFD7zXZ\0", Foreign::Xz),
    (b"%PDF-", Foreign::Pdf),
];

/// Returns the kind of `bytes`; `None` if they are of no known kind.
pub(crate) fn kind(bytes: &[u8]) -> Option<Foreign> {
    let mut known = SIGNATURES.iter();
    if let Some((_, kind)) = known.find(|(beginning, _)| bytes.starts_with(beginning)) {
        return Some(*kind);
    }
    if is_bzip2(bytes) {
        return Some(Foreign::Bzip2);
    }
    is_utf16(bytes).then_some(Foreign::Utf16)
}

/// Checks for `BZh`, a digit, and the first block's mark, because a text may start with the letters
/// alone.
fn is_bzip2(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [
            b'B',
            b'Z',
            b'h',
            b'1'..=b'9',
            0x31,
            0x41,
            0x59,
            0x26,
            0x53,
            0x59,
            ..
        ]
    )
}

/// Returns whether `bytes`, which have no byte order mark, are UTF-16. Every character up to
/// U+00FF, including line ends and spaces, has a NUL in the same one of its two bytes, and the
/// other byte is never NUL.
fn is_utf16(bytes: &[u8]) -> bool {
    /// The number of bytes that are examined, enough for some spaces.
    const EXAMINED: usize = 4096;
    /// The largest number of characters per NUL; in most scripts, NULs are much more frequent.
    const RARE: usize = 8;
    let pairs = bytes[..bytes.len().min(EXAMINED)].chunks_exact(2);
    let characters = pairs.len();
    let (mut first, mut second) = (0, 0);
    for pair in pairs {
        first += usize::from(pair[0] == 0);
        second += usize::from(pair[1] == 0);
    }
    let (most, least) = (first.max(second), first.min(second));
    // A single NUL may stand in a short text by mistake.
    least == 0 && most > 1 && most * RARE >= characters
}

impl Foreign {
    /// Writes the error that `origin` is of this kind, and how to convert it.
    pub(crate) fn write_error(
        self,
        origin: &TextOrigin,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        match self {
            Self::Utf16 => write!(
                f,
                "{origin} begins as UTF-16 does; text must be UTF-8: save it again in that encoding"
            ),
            Self::LfsPointer => write!(
                f,
                "{origin} is a Git LFS pointer and not the text that it stands for; fetch that with `git lfs pull`"
            ),
            Self::Gzip => packed(f, origin, "gzip", "gunzip"),
            Self::Zip => packed(f, origin, "zip", "unzip"),
            Self::Zstd => packed(f, origin, "zstd", "zstd -d"),
            Self::Xz => packed(f, origin, "xz", "xz -d"),
            Self::Bzip2 => packed(f, origin, "bzip2", "bunzip2"),
            Self::Pdf => write!(
                f,
                "{origin} is a PDF and not text; take the text out of it, for example with `pdftotext`"
            ),
        }
    }
}

fn packed(
    f: &mut fmt::Formatter<'_>,
    origin: &TextOrigin,
    format: &str,
    program: &str,
) -> fmt::Result {
    write!(
        f,
        "{origin} is packed by {format} and not text; unpack it with `{program}`, and give the text inside"
    )
}
