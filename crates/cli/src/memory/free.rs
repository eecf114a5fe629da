//! The memory that this process can still take: the least of what the machine, its control groups
//! and its own limits leave.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// The quantity that a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitKind {
    /// Memory that is touched.
    Memory,
    /// Addresses, touched or not.
    Addresses,
}

/// A limit, and the bytes that it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) name: String,
    pub(super) counts: LimitKind,
    /// The remaining bytes.
    pub(super) free: u64,
}

/// Returns all limits that this system reports, which can be none.
pub(super) fn limits() -> Vec<Limit> {
    let (machine, swap) = machine();
    let mut all = Vec::from_iter(machine);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (groups, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
    all.extend(control_groups(&groups, &mounts, swap));
    all.extend(own(&read("/proc/self/limits"), &read("/proc/self/status")));
    all
}

/// Returns the machine's remaining memory, and how much of it is on disk. On systems other than
/// Linux, swap grows on demand and "free" is not meaningful, so all memory counts.
fn machine() -> (Option<Limit>, u64) {
    let memory = MemoryRefreshKind::nothing().with_ram().with_swap();
    let about = RefreshKind::nothing().with_memory(memory);
    let Ok(system) = System::new_with_specifics(about) else {
        return (None, 0);
    };
    let swap = system.free_swap();
    let free = if cfg!(target_os = "linux") {
        system.available_memory().saturating_add(swap)
    } else {
        system.total_memory()
    };
    let limit = Limit {
        name: "the machine's memory".into(),
        counts: LimitKind::Memory,
        free,
    };
    (Some(limit).filter(|limit| limit.free > 0), swap)
}

/// The names in one version of control groups.
struct Names {
    most: &'static str,
    used: &'static str,
    /// The field of `memory.stat` for pages of files, which are dropped when memory is needed.
    cached: &'static str,
    swap: Option<[&'static str; 2]>,
}

const FIRST: Names = Names {
    most: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cached: "total_inactive_file",
    swap: None,
};
const SECOND: Names = Names {
    most: "memory.max",
    used: "memory.current",
    cached: "inactive_file",
    swap: Some(["memory.swap.max", "memory.swap.current"]),
};

/// Returns the limits of this process's groups and of all their parents, from `/proc/self/cgroup`
/// and `mountinfo`.
fn control_groups(groups: &str, mounts: &str, swap: u64) -> Vec<Limit> {
    let mut found = Vec::new();
    for group in groups.lines() {
        let mut parts = group.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (names, kind) = if controllers.is_empty() {
            (SECOND, "cgroup2")
        } else if controllers.split(',').any(|name| name == "memory") {
            (FIRST, "cgroup")
        } else {
            continue;
        };
        let Some((root, top)) = mounted(mounts, kind) else {
            continue;
        };
        // In a container the path may be the host's, of which only the part below the mount's root
        // is visible.
        let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        let inner = top.join(below.strip_prefix("/").unwrap_or(below));
        let outer = inner.ancestors().take_while(|dir| dir.starts_with(&top));
        found.extend(outer.filter_map(|dir| control_group(dir, &names, swap)));
    }
    found
}

/// Returns the root and the mount point of the control groups of this `kind` that count memory.
fn mounted<'a>(mounts: &'a str, kind: &str) -> Option<(&'a str, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (place, about) = line.split_once(" - ")?;
        let mut about = about.split(' ');
        let (found, options) = (about.next()?, about.nth(1)?);
        let right =
            found == kind && (kind == "cgroup2" || options.split(',').any(|o| o == "memory"));
        let mut place = place.split(' ').skip(3);
        let (root, top) = (place.next()?, place.next()?);
        right.then(|| (root, PathBuf::from(top)))
    })
}

/// Returns the limit of the group in `dir`; `None` if it has none.
fn control_group(dir: &Path, names: &Names, swap: u64) -> Option<Limit> {
    let number = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(dir.join(name)).ok()?;
        text.trim().parse().ok()
    };
    let (most, used) = (number(names.most)?, number(names.used)?);
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let cached = field(&stat, names.cached).unwrap_or(0);
    let swap = names.swap.map_or(0, |[most, used]| {
        let free = number(most).map_or(swap, |most| most.saturating_sub(number(used).unwrap_or(0)));
        free.min(swap)
    });
    Some(Limit {
        name: format!("the control group {}", dir.display()),
        counts: LimitKind::Memory,
        free: most
            .saturating_sub(used.saturating_sub(cached))
            .saturating_add(swap),
    })
}

/// Returns the number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix([' ', ':', '\t']))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Returns what this process's own limits leave, from `/proc/self/limits` and `status`.
fn own(limits: &str, status: &str) -> Vec<Limit> {
    let left = |title: &str, used: &str, name: &str| {
        let most = field(limits, title)?;
        let used = field(status, used)?.saturating_mul(1024);
        Some(Limit {
            name: name.into(),
            counts: LimitKind::Addresses,
            free: most.saturating_sub(used),
        })
    };
    let all = [
        left("Max address space", "VmSize", "ulimit -v"),
        left("Max data size", "VmData", "ulimit -d"),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_limits_are_what_is_left_of_them() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         524288000            unlimited            bytes     \n";
        let status = "Name:\tgptlab\nVmSize:\t    2048 kB\nVmData:\t    1024 kB\n";
        let found = own(limits, status);
        let expected = Limit {
            name: "ulimit -v".into(),
            counts: LimitKind::Addresses,
            free: 524_288_000 - (2 << 20),
        };
        assert_eq!(found, [expected]);
        let limits = limits.replace("unlimited            unlimited", "1048577   unlimited");
        assert_eq!(own(&limits, status)[1].free, 1);
        assert_eq!(own("", ""), []);
    }

    fn group(dir: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(dir).expect("a folder");
        for (name, text) in files {
            fs::write(dir.join(name), text).expect("a file");
        }
    }

    fn free(found: &[Limit]) -> Vec<u64> {
        found.iter().map(|limit| limit.free).collect()
    }

    /// The files are as the kernel writes them: a service's group, in a slice that has a limit too.
    #[test]
    fn the_second_version_limits_at_every_level() {
        let root = tempfile::tempdir().expect("a folder");
        let top = root.path();
        let inner = top.join("a.slice/b.service");
        let stat = "anon 5\ninactive_file 300\nactive_file 7\n";
        group(
            &inner,
            &[
                ("memory.max", "1000\n"),
                ("memory.current", "600\n"),
                ("memory.stat", stat),
                ("memory.swap.max", "50\n"),
                ("memory.swap.current", "20\n"),
            ],
        );
        group(
            &top.join("a.slice"),
            &[("memory.max", "900\n"), ("memory.current", "800\n")],
        );
        group(top, &[("memory.max", "max\n"), ("memory.current", "1\n")]);
        let mounts = format!(
            "24 1 0:5 / /proc rw - proc proc rw\n31 23 0:28 / {} rw,nosuid - cgroup2 cgroup2 rw\n",
            top.display()
        );
        let groups = "0::/a.slice/b.service\n";
        assert_eq!(free(&control_groups(groups, &mounts, 0)), [700, 100]);
        assert_eq!(free(&control_groups(groups, &mounts, 40)), [730, 140]);
        // The mount is the container's own root.
        let inside = mounts.replace("0:28 / ", "0:28 /a.slice/b.service ");
        let own = top.join("memory.max");
        fs::write(own, "77\n").expect("a file");
        assert_eq!(free(&control_groups(groups, &inside, 0)), [76]);
    }

    #[test]
    fn the_first_version_has_other_names() {
        let root = tempfile::tempdir().expect("a folder");
        let top = root.path();
        group(
            &top.join("docker/x"),
            &[
                ("memory.limit_in_bytes", "314572800\n"),
                ("memory.usage_in_bytes", "104857600\n"),
                ("memory.stat", "cache 1\ntotal_inactive_file 4857600\n"),
            ],
        );
        let mounts = format!(
            "34 31 0:33 / /x rw - cgroup cgroup rw,cpu\n35 31 0:32 / {} rw,relatime - cgroup cgroup rw,memory\n",
            top.display()
        );
        let groups = "5:cpu:/docker/x\n4:memory:/docker/x\n0::/\n";
        assert_eq!(free(&control_groups(groups, &mounts, 9)), [214_572_800]);
    }

    #[test]
    fn this_process_has_memory_left() {
        assert!(limits().iter().all(|limit| limit.free > 0));
    }
}
