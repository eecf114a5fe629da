use super::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_failed_write_leaves_the_old_file_and_no_temporary_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    write_bytes(&path, b"old").unwrap();
    let error = write(&path, |out| {
        out.write_all(&[7; 4096])?;
        Err(io::ErrorKind::StorageFull.into())
    });
    let message = error.unwrap_err().to_string();
    assert!(message.contains("a.txt: the disk is full"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn a_write_replaces_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    write_bytes(&path, b"a longer old text").unwrap();
    write_bytes(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_missing_folder_is_an_error_before_and_at_the_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("a.txt");
    for error in [
        probe(&path).unwrap_err(),
        write_bytes(&path, b"").unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.starts_with("cannot write "), "{message}");
        assert!(
            message.ends_with("there is no such file or folder"),
            "{message}"
        );
    }
    let message = probe(folder.path()).unwrap_err().to_string();
    assert!(message.ends_with("it is a folder, not a file"), "{message}");
    assert!(probe(Path::new("")).is_err());
    probe(&folder.path().join("fine")).unwrap();
    assert!(names(folder.path()).is_empty());
}

/// `/dev/full` fails every write with ENOSPC, as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn an_error_of_the_kernel_is_reported_as_a_full_disk() {
    let mut full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let error = full.write_all(b"x").unwrap_err();
    let message = FileError::io("write", Path::new("m.safetensors"))(error).to_string();
    assert!(message.contains("the disk is full"), "{message}");
}

#[test]
fn sweeping_removes_only_leftovers() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        ".a.safetensors.aBc1eF.tmp",
        "b.tmp",
        ".hidden",
        ".mine.tmp",
        ".a.mine.tmp",
        "c.safetensors",
    ] {
        fs::write(folder.path().join(name), b"").unwrap();
    }
    sweep(folder.path()).unwrap();
    let mut left = names(folder.path());
    left.sort();
    assert_eq!(
        left,
        [
            ".a.mine.tmp",
            ".hidden",
            ".mine.tmp",
            "b.tmp",
            "c.safetensors"
        ]
    );
}

fn text_files_are_mine(path: &Path) -> Result<(), FileError> {
    if fs::read(path).unwrap().starts_with(b"mine") {
        return Ok(());
    }
    Err(FileError::wrong(
        path,
        "a file of mine",
        "one of another program's",
    ))
}

#[test]
fn a_named_file_replaces_only_what_is_new_empty_or_owned() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("mine"), b"mine, old").unwrap();
    fs::write(path("empty"), b"").unwrap();
    fs::write(path("foreign"), b"a novel").unwrap();
    for name in ["new", "mine", "empty"] {
        ChosenFile::new(&path(name), text_files_are_mine).unwrap();
    }
    let message = ChosenFile::new(&path("foreign"), text_files_are_mine)
        .unwrap_err()
        .to_string();
    assert!(
        message.ends_with("foreign: expected a file of mine, found one of another program's"),
        "{message}"
    );
    // A file that gets the name later is not replaced either.
    let named = ChosenFile::new(&path("new"), text_files_are_mine).unwrap();
    fs::write(path("new"), b"a novel").unwrap();
    assert!(named.check().is_err());
}

#[cfg(unix)]
#[test]
fn links_are_written_through_and_modes_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let target = inner.join("target");
    fs::write(&target, b"old").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    let (link, twice) = (folder.path().join("link"), folder.path().join("twice"));
    symlink("inner/target", &link).unwrap();
    symlink("link", &twice).unwrap();
    write_bytes(&twice, b"new").unwrap();
    assert!(fs::symlink_metadata(&twice).unwrap().is_symlink());
    assert_eq!(fs::read(&target).unwrap(), b"new");
    let mode = fs::metadata(&target).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    // Writing to a dangling link creates its target.
    let dangling = folder.path().join("dangling");
    symlink("inner/made", &dangling).unwrap();
    write_bytes(&dangling, b"made").unwrap();
    assert_eq!(fs::read(inner.join("made")).unwrap(), b"made");
    let circle = folder.path().join("circle");
    symlink("circle", &circle).unwrap();
    let message = write_bytes(&circle, b"").unwrap_err().to_string();
    assert!(
        message.ends_with("its symbolic links form a cycle"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn only_regular_and_writable_files_are_replaced() {
    use std::os::unix::net::UnixListener;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for message in [
        write_bytes(&socket, b"").unwrap_err().to_string(),
        probe(&socket).unwrap_err().to_string(),
    ] {
        assert!(
            message.contains("found a socket; give another name"),
            "{message}"
        );
    }
    let kept = folder.path().join("kept");
    fs::write(&kept, b"kept").unwrap();
    let mut permissions = fs::metadata(&kept).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&kept, permissions).unwrap();
    let message = write_bytes(&kept, b"lost").unwrap_err().to_string();
    assert!(message.contains("found one that is read-only"), "{message}");
    assert_eq!(fs::read(&kept).unwrap(), b"kept");
}

#[test]
fn a_name_as_long_as_names_can_be_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("é".repeat(127));
    write_bytes(&path, b"long").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"long");
}

#[test]
fn sweeping_of_one_file_removes_its_own_leftovers_and_nothing_in_use() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".a.aBc1eF.tmp", ".a.mine.tmp", ".b.aBc1eF.tmp", ".a.txt"] {
        fs::write(folder.path().join(name), b"").unwrap();
    }
    let path = folder.path().join("a");
    let in_use = temporary(&ResolvedPath::of(&path).unwrap()).unwrap();
    sweep_of(&path).unwrap();
    assert!(in_use.path().exists());
    drop(in_use);
    let mut left = names(folder.path());
    left.sort();
    assert_eq!(left, [".a.mine.tmp", ".a.txt", ".b.aBc1eF.tmp"]);
}
