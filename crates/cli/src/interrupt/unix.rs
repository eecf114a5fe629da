//! Signals.

use std::{io, sync::Arc, thread};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
    iterator::Signals,
};

use super::{Handler, Heard};
use crate::exit::ExitCode;

/// Lets each signal that is heard set the flag.
pub(super) fn install(handler: Handler, heard: Heard) -> io::Result<()> {
    let signals: &[i32] = match heard {
        Heard::CtrlC => &[SIGINT],
        Heard::Every => &[SIGINT, SIGTERM, SIGHUP],
    };
    let ignored = ignored();
    let signals: Vec<i32> = signals
        .iter()
        .copied()
        .filter(|s| !ignored.contains(s))
        .collect();
    for signal in &signals {
        if *signal == SIGINT {
            // Asked first, so that it is the second one that ends the program.
            let code = ExitCode::Interrupted.number().into();
            flag::register_conditional_shutdown(SIGINT, code, Arc::clone(&handler.flag))?;
        }
        flag::register(*signal, Arc::clone(&handler.flag))?;
    }
    if heard == Heard::Every {
        // Whoever hears that a file may not grow gets an error from the write, and says it.
        flag::register(SIGXFSZ, Arc::default())?;
    }
    if !handler.saying.is_empty() {
        say_when_one_comes(handler, &signals);
    }
    Ok(())
}

/// The flag is what counts: where there is no thread to say it, nothing is said.
fn say_when_one_comes(handler: Handler, signals: &[i32]) {
    if let Ok(mut coming) = Signals::new(signals) {
        let wait = move || {
            if coming.forever().next().is_some() {
                handler.say();
            }
        };
        let _ = thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait);
    }
}

/// The signals that this process was begun to ignore.
#[cfg(target_os = "linux")]
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    in_mask(mask.unwrap_or(0))
}

/// The numbers of the bits of `mask`, the lowest of which is signal 1.
#[cfg(target_os = "linux")]
fn in_mask(mask: u64) -> Vec<i32> {
    (1..=64)
        .filter(|signal| mask >> (signal - 1) & 1 == 1)
        .collect()
}

/// A shell inherits what is ignored, and lists it as traps that do nothing.
#[cfg(not(target_os = "linux"))]
fn ignored() -> Vec<i32> {
    let listed = std::process::Command::new("sh")
        .args(["-c", "trap"])
        .output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    in_traps(&listed.unwrap_or_default())
}

/// The signals of lines such as `trap -- '' SIGHUP`.
#[cfg(any(not(target_os = "linux"), test))]
fn in_traps(listed: &str) -> Vec<i32> {
    let names = [("HUP", SIGHUP), ("INT", SIGINT), ("TERM", SIGTERM)];
    let traps = listed
        .lines()
        .filter_map(|line| line.strip_prefix("trap -- '' "));
    let named = |trap: &str| {
        let name = trap.trim().trim_start_matches("SIG");
        names
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, signal)| *signal)
    };
    traps.filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_mask_s_lowest_bit_is_signal_one() {
        assert!(in_mask(0).is_empty());
        assert_eq!(in_mask(0b11), [SIGHUP, SIGINT]);
        assert_eq!(in_mask(1 << 14), [SIGTERM]);
        assert_eq!(in_mask(1 << 63), [64]);
    }

    /// As `bash --posix`, which is `sh` on macOS, prints them.
    #[test]
    fn traps_that_do_nothing_are_ignored_signals() {
        let listed = "trap -- '' SIGHUP\ntrap -- 'echo' SIGTERM\ntrap -- '' INT\n";
        assert_eq!(in_traps(listed), [SIGHUP, SIGINT]);
    }
}
