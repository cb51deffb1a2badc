//! How much memory a process took at most, as Linux counts it.

use std::process::{Child, ExitStatus};
use std::time::Duration;

/// The peak of a process so far, in KiB; `None` where it is gone or the system does not say.
#[must_use]
pub fn peak_kib(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Waits for a process and watches its peak: exact up to what it takes in its last few milliseconds.
///
/// # Errors
/// The process cannot be waited for.
pub fn wait_and_watch(mut child: Child) -> std::io::Result<(ExitStatus, u64)> {
    let process = child.id().to_string();
    let mut peak = 0;
    loop {
        peak = peak_kib(&process).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait()? {
            return Ok((status, peak));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
