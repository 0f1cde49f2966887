//! What the kernel tells of this process, under the names of Prometheus' client libraries.
//!
//! Read from `/proc` whenever the page is asked for. Where there is no `/proc`, or it does not say,
//! the metric is left out.

use super::names::{
    PROCESS, PROCESS_CPU_SECONDS_TOTAL, PROCESS_MAX_FDS, PROCESS_OPEN_FDS,
    PROCESS_RESIDENT_MEMORY_BYTES, PROCESS_START_TIME_SECONDS, PROCESS_THREADS,
    PROCESS_VIRTUAL_MEMORY_BYTES,
};
use super::samples::Samples;

/// Linux counts times of `/proc/self/stat` in hundredths of a second on every architecture that
/// Rust's standard library supports (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds what is known of this process.
pub(super) fn add(samples: &mut Samples) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{name}")).unwrap_or_default();
    let open = std::fs::read_dir("/proc/self/fd").ok();
    let found = [
        (PROCESS_CPU_SECONDS_TOTAL, cpu_seconds(&read("self/stat"))),
        (
            PROCESS_START_TIME_SECONDS,
            start_seconds(&read("self/stat"), &read("stat")),
        ),
        (
            PROCESS_RESIDENT_MEMORY_BYTES,
            kibibytes(&read("self/status"), "VmRSS:"),
        ),
        (
            PROCESS_VIRTUAL_MEMORY_BYTES,
            kibibytes(&read("self/status"), "VmSize:"),
        ),
        (PROCESS_THREADS, number(&read("self/status"), "Threads:")),
        (
            PROCESS_MAX_FDS,
            number(&read("self/limits"), "Max open files"),
        ),
        // The folder that is being listed is open too.
        (
            PROCESS_OPEN_FDS,
            open.map(|files| files.count().saturating_sub(1) as f64),
        ),
    ];
    for (name, value) in found {
        if let Some(value) = value {
            samples.set(PROCESS, name, &[], value);
        }
    }
}

/// Field `at` of `/proc/self/stat`, counted as proc(5) counts; those from 3 on follow the program's
/// name, which may hold blanks and brackets itself.
fn stat_field(stat: &str, at: usize) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name
        .split_whitespace()
        .nth(at.checked_sub(3)?)?
        .parse()
        .ok()
}

/// `utime` and `stime`.
fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) / TICKS_PER_SECOND)
}

/// `starttime`, which counts from the start of the machine, plus when that was.
fn start_seconds(stat: &str, machine: &str) -> Option<f64> {
    Some(number(machine, "btime")? + stat_field(stat, 22)? / TICKS_PER_SECOND)
}

/// The first number of the line that begins with `key`.
fn number(text: &str, key: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn kibibytes(text: &str, key: &str) -> Option<f64> {
    Some(number(text, key)? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_name_with_brackets() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 8 0 1000 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(
            start_seconds(stat, "cpu 1\nbtime 1700000000\n"),
            Some(1_700_000_010.0)
        );
        assert_eq!(cpu_seconds(""), None);
        assert_eq!(start_seconds(stat, ""), None);
    }

    #[test]
    fn lines_of_status_and_limits_are_read() {
        let status = "Name:\tx\nVmRSS:\t  2048 kB\nThreads:\t8\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(2_097_152.0));
        assert_eq!(number(status, "Threads:"), Some(8.0));
        let limits = "Max open files            1024                 4096                 files";
        assert_eq!(number(limits, "Max open files"), Some(1024.0));
        assert_eq!(number("Max open files   unlimited", "Max open files"), None);
    }

    #[test]
    fn a_process_knows_itself() {
        let mut samples = Samples::default();
        add(&mut samples);
        let page = samples.render();
        for metric in PROCESS {
            assert!(page.contains(&format!("\n{} ", metric.name)), "{page}");
        }
    }
}
