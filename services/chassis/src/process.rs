//! What a process shows of itself: its version, its memory, its time on processors, its open files.

use std::fmt;
use std::fs;

use crate::metrics::{Metrics, Reading};

/// Ticks a second in which Linux tells times of processes, whatever its own clock's are.
const TICKS: f64 = 100.0;

/// Adds them. Beside the version only what the system tells, which is something on Linux alone.
pub fn add(metrics: &Metrics) {
    metrics.add_read(|reading| {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        reading.gauge("build_info", "The version that runs", &[(&version, 1)])?;
        usage(reading)
    });
}

fn usage(reading: &mut Reading<'_>) -> fmt::Result {
    if let Some(kilobytes) = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| resident_kilobytes(&status))
    {
        reading.gauge(
            "process_resident_memory_bytes",
            "Memory that the process has",
            &[(&[], kilobytes.saturating_mul(1024))],
        )?;
    }
    if let Some(ticks) = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| processor_ticks(&stat))
    {
        reading.counted_seconds(
            "process_cpu",
            "Time of processors that the process has used",
            ticks / TICKS,
        )?;
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // The one that is read is open, too.
        let open = i64::try_from(files.count().saturating_sub(1)).unwrap_or(i64::MAX);
        reading.gauge(
            "process_open_fds",
            "Files and sockets that are open",
            &[(&[], open)],
        )?;
    }
    Ok(())
}

fn resident_kilobytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// In its own code and in the system's.
fn processor_ticks(stat: &str) -> Option<f64> {
    // The name of the program stands in brackets, and may have spaces and brackets in it.
    let (_, numbers) = stat.rsplit_once(')')?;
    let mut numbers = numbers.split_whitespace().skip(11);
    let own: f64 = numbers.next()?.parse().ok()?;
    let system: f64 = numbers.next()?.parse().ok()?;
    Some(own + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        let status = "Name:\tnopic\nVmHWM:\t  9 kB\nVmRSS:\t  12345 kB\nThreads:\t3\n";
        assert_eq!(resident_kilobytes(status), Some(12_345));
        assert_eq!(resident_kilobytes("Name:\tnopic\n"), None);
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100 1 1";
        assert_eq!(processor_ticks(stat), Some(300.0));
        assert_eq!(processor_ticks("7 nothing"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_shows_itself() {
        let metrics = Metrics::default();
        add(&metrics);
        let text = metrics.text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}: {text}"))
                .trim()
                .parse()
                .unwrap()
        };
        let version = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
        assert!((value(&version) - 1.0).abs() < f64::EPSILON);
        // A test takes more than a megabyte.
        assert!(value("process_resident_memory_bytes ") > 1e6);
        assert!(value("process_open_fds ") >= 3.0);
        assert!(value("process_cpu_seconds_total ") >= 0.0);
    }
}
