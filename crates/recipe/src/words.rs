//! Wordings that the messages of several crates share.

use std::io;

/// Returns the ending of a noun after the number `n`: nothing after 1, and an s otherwise.
///
/// ```
/// use gptlab_recipe::words::plural_s;
///
/// let steps = |n| format!("{n} step{}", plural_s(n));
/// assert_eq!((steps(1), steps(2)), ("1 step".into(), "2 steps".into()));
/// ```
pub fn plural_s(n: u64) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// Returns the reason of `error` in words, without the number that the operating system has for it.
pub fn reason(error: &io::Error) -> String {
    // `io::ErrorKind` is non-exhaustive. An error of any other kind has its own message.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "io::ErrorKind is non-exhaustive"
    )]
    let words = match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full",
        io::ErrorKind::QuotaExceeded => "the disk quota is used up",
        io::ErrorKind::NotFound => "there is no such file or folder",
        io::ErrorKind::PermissionDenied => "it is not permitted",
        io::ErrorKind::IsADirectory => "it is a folder, not a file",
        io::ErrorKind::NotADirectory => "it, or a part of its path, is a file and not a folder",
        io::ErrorKind::ReadOnlyFilesystem => "its file system is read-only",
        io::ErrorKind::InvalidData if error.get_ref().is_none() => "it is not UTF-8",
        _ => return without_number(&error.to_string()),
    };
    words.to_owned()
}

/// Returns `message` without the numbers of errors in it: ` (os error 5)`.
pub fn without_number(message: &str) -> String {
    const BEGIN: &str = " (os error ";
    let mut parts = message.split(BEGIN);
    let mut words = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.parse::<i32>().is_ok() => words += rest,
            Some(_) | None => {
                words += BEGIN;
                words += part;
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_no_number() {
        let words = |number| reason(&io::Error::from_raw_os_error(number));
        assert_eq!(words(2), "there is no such file or folder");
        // 5 is an error of input or output on every Unix, and another one elsewhere.
        for number in 1..40 {
            let found = words(number);
            assert!(!found.is_empty() && !found.contains("os error"), "{found}");
        }
        assert_eq!(without_number("a (os error 5): b (os error -1)"), "a: b");
        assert_eq!(without_number("a (os error x) b"), "a (os error x) b");
    }
}
