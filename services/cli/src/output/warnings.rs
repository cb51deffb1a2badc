//! Warnings about the content of a file: the first of them in full, then a count.

use super::Terminal;
use super::progress::Progress;
use super::words::counted;

/// So many are shown.
const SHOWN: u64 = 20;

/// Counts warnings.
#[derive(Debug)]
pub(crate) struct Warnings<'a> {
    terminal: &'a Terminal,
    count: u64,
}

impl<'a> Warnings<'a> {
    /// None yet.
    pub(crate) fn new(terminal: &'a Terminal) -> Self {
        Self { terminal, count: 0 }
    }

    /// One more; its text is made only where it is shown.
    pub(crate) fn add(&mut self, text: impl FnOnce() -> String, progress: &Progress) {
        self.count += 1;
        if self.count <= SHOWN {
            progress.note(&format!("warning: {}", text()));
        }
    }

    /// Says how many were not shown.
    pub(crate) fn finish(&self) {
        if self.count > SHOWN {
            self.terminal.note(&format!(
                "warning: {} more like these",
                counted(self.count - SHOWN, "row", "rows")
            ));
        }
    }
}
