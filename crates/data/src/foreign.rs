//! Files that are no text in UTF-8, told by how they begin.

use std::fmt;

use gptlab_recipe::TextOrigin;

/// What a file is instead of text in UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// With a byte order mark, or by its NULs.
    Utf16,
    /// What Git Large File Storage leaves in the place of a file that was not fetched.
    LfsPointer,
    Gzip,
    Zip,
    Zstd,
    Xz,
    Bzip2,
    Pdf,
}

/// How files begin: RFC 1952 (gzip), APPNOTE 4.3.7 and 4.3.16 (zip), RFC 8878 (zstd), the xz file
/// format 2.1.1.1, bzip2's block size and first block, ISO 32000-1 7.5.2 (PDF), and the
/// specification of Git LFS pointers.
const BEGINNINGS: &[(&[u8], Foreign)] = &[
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

/// What `bytes` are, where they are of a kind that is known and no text in UTF-8.
pub(crate) fn kind(bytes: &[u8]) -> Option<Foreign> {
    let mut known = BEGINNINGS.iter();
    if let Some((_, kind)) = known.find(|(beginning, _)| bytes.starts_with(beginning)) {
        return Some(*kind);
    }
    if is_bzip2(bytes) {
        return Some(Foreign::Bzip2);
    }
    is_utf16(bytes).then_some(Foreign::Utf16)
}

/// `BZh`, a digit, and the first block's mark: text may begin with the letters alone.
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

/// Whether `bytes`, which have no byte order mark, are UTF-16. In one of its two bytes every
/// character up to U+00FF has a NUL, line ends and spaces of any script among them, and the other
/// byte has none.
fn is_utf16(bytes: &[u8]) -> bool {
    /// Enough for some spaces.
    const LOOKED_AT: usize = 4096;
    /// At least one in so many characters has a NUL; of most scripts many more.
    const RARE: usize = 8;
    let pairs = bytes[..bytes.len().min(LOOKED_AT)].chunks_exact(2);
    let characters = pairs.len();
    let (mut first, mut second) = (0, 0);
    for pair in pairs {
        first += usize::from(pair[0] == 0);
        second += usize::from(pair[1] == 0);
    }
    let (most, least) = (first.max(second), first.min(second));
    least == 0 && most > 0 && most * RARE >= characters
}

impl Foreign {
    /// Writes the sentence that `origin` is of this kind, and what to do.
    pub(crate) fn say(self, origin: &TextOrigin, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
