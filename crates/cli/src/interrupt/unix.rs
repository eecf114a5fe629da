//! Signals.

use std::{io, sync::Arc, thread};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
    iterator::Signals,
    low_level,
};

use super::{Handler, Heard};
use crate::exit::ExitCode;

/// Lets each of the `heard` signals set the flag.
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
            // This is registered first, so that the second signal ends the program.
            let code = ExitCode::Interrupted.number().into();
            flag::register_conditional_shutdown(SIGINT, code, Arc::clone(&handler.flag))?;
        }
        flag::register(*signal, Arc::clone(&handler.flag))?;
    }
    if heard == Heard::Every {
        // With a handler, a write beyond the limit of a file's size returns an error, which is
        // reported.
        flag::register(SIGXFSZ, Arc::default())?;
    }
    if !handler.message.is_empty() {
        say_when_one_comes(handler, &signals);
    }
    Ok(())
}

/// Ends the program without the exit handlers of libraries: a thread may be in one of them, such as
/// the driver of a GPU.
pub(super) fn end_now(code: ExitCode) -> ! {
    low_level::exit(code.number().into())
}

/// Prints the message when a signal arrives. Without a thread it prints nothing, and the flag still
/// works.
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

/// Returns the signals that this process has ignored since its start.
#[cfg(target_os = "linux")]
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    in_mask(mask.unwrap_or(0))
}

/// Returns the numbers of the bits of `mask`, whose lowest bit is signal 1.
#[cfg(target_os = "linux")]
fn in_mask(mask: u64) -> Vec<i32> {
    (1..=64)
        .filter(|signal| mask >> (signal - 1) & 1 == 1)
        .collect()
}

/// Returns the signals that are ignored. A shell inherits them, and lists them as traps without a
/// command.
#[cfg(not(target_os = "linux"))]
fn ignored() -> Vec<i32> {
    let listed = std::process::Command::new("sh")
        .args(["-c", "trap"])
        .output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    in_traps(&listed.unwrap_or_default())
}

/// Returns the signals in lines such as `trap -- '' SIGHUP`.
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

    /// The lines are those of `bash --posix`, which is `sh` on macOS.
    #[test]
    fn traps_that_do_nothing_are_ignored_signals() {
        let listed = "trap -- '' SIGHUP\ntrap -- 'echo' SIGTERM\ntrap -- '' INT\n";
        assert_eq!(in_traps(listed), [SIGHUP, SIGINT]);
    }
}
