//! Progress of long work: a bar on standard error, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Terminal;

/// How often the bar is drawn anew while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// A bar, or nothing where there is no terminal. Clones move one bar.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// Progress through bytes; their total where it is known.
    pub(crate) fn of_bytes(terminal: &Terminal, total: Option<u64>, label: &str) -> Self {
        if terminal.quiet || !terminal.error_is_terminal {
            return Self {
                bar: ProgressBar::hidden(),
                quiet: terminal.quiet,
            };
        }
        let template = if total.is_some() {
            "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}"
        } else {
            "{prefix} {spinner} {bytes} {bytes_per_sec} {msg}"
        };
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        // The templates are constants; a wrong one falls back to the plain bar.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(label.to_owned());
        bar.enable_steady_tick(TICK);
        Self { bar, quiet: false }
    }

    /// So many bytes more.
    pub(crate) fn add(&self, bytes: usize) {
        self.bar.inc(bytes as u64);
    }

    /// How many bytes there will be, now that it is known.
    pub(crate) fn expect(&self, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
    }

    /// Starts from the beginning: a download is tried again.
    pub(crate) fn restart(&self) {
        self.bar.reset();
    }

    /// A few words behind the bar.
    pub(crate) fn message(&self, message: String) {
        if !self.bar.is_hidden() {
            self.bar.set_message(message);
        }
    }

    /// Says something on standard error without tearing the bar.
    pub(crate) fn say(&self, text: &str) {
        self.bar.suspend(|| super::say(text));
    }

    /// The same, unless only errors are wanted.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
