//! CPU time and memory of a process, as Linux tells them in /proc.

use std::time::Duration;

use super::super::failure::Failure;
use crate::error;

/// CPU time is told in hundredths of a second (USER_HZ, the same on every architecture we run on).
const TICK_MS: u64 = 10;

/// What a process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// Of all its threads, in user and kernel mode.
    pub(super) cpu: Duration,
    /// It has ended and nobody has asked for its status yet; memory is gone, CPU time is final.
    pub(super) has_ended: bool,
}

/// What process `pid` has used; `None` where it is gone or there is no /proc.
pub(super) fn usage(pid: u32) -> Option<Usage> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The same of a process that people named.
pub(super) fn usage_of(pid: u32) -> Result<Usage, Failure> {
    usage(pid).ok_or_else(|| {
        Failure::new(
            error::CLI_INVALID,
            format!("failed to read what process {pid} has used: /proc/{pid}/stat is not there"),
            "name a process of this machine with --pid, or leave it out",
        )
    })
}

/// The most memory that the process has had resident (VmHWM), in MB.
pub(super) fn peak_memory_mb(pid: u32) -> Option<u64> {
    parse_peak(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// The name of the process's program.
pub(super) fn program(pid: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// `pid (name) state ...`, in which the name may hold anything.
fn parse_stat(text: &str) -> Option<Usage> {
    let (_, behind_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let cpu_ticks = ticks(11)?.checked_add(ticks(12)?)?;
    Some(Usage {
        cpu: Duration::from_millis(cpu_ticks.checked_mul(TICK_MS)?),
        has_ended: matches!(fields.first(), Some(&("Z" | "X"))),
    })
}

fn parse_peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(1024) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 6 7 20 0 1 0 9 10 11";
        let usage = parse_stat(stat).unwrap();
        assert_eq!(usage.cpu, Duration::from_secs(2));
        assert!(!usage.has_ended);
        let dead = "42 (a) Z 1 42 42 0 -1 4194560 1 2 3 4 1 0 6 7";
        assert!(parse_stat(dead).unwrap().has_ended);
        for broken in ["", "42", "42 (a", "42 (a) S 1 2 3"] {
            assert_eq!(parse_stat(broken), None, "{broken}");
        }
    }

    #[test]
    fn this_process_has_a_peak_and_a_name() {
        assert_eq!(parse_peak("VmPeak:\t 1 kB\nVmHWM:\t  2000 kB\n"), Some(2));
        assert_eq!(parse_peak("VmHWM:\t many\n"), None);
        let me = std::process::id();
        assert!(peak_memory_mb(me).unwrap() > 0);
        assert!(program(me).is_some());
        assert!(!usage(me).unwrap().has_ended);
    }
}
