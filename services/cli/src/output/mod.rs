//! What commands print: results to standard output, everything else to standard error.

pub(crate) mod listing;
pub(crate) mod naming;
pub(crate) mod printer;
pub(crate) mod progress;
pub(crate) mod rejects;
pub(crate) mod trail;
pub(crate) mod verdict_record;
pub(crate) mod verdict_table;
pub(crate) mod warnings;
pub(crate) mod words;

use std::io::{self, BufWriter, IsTerminal as _, Write as _};

use clap::ValueEnum;

/// Bytes of results collected before they are written.
const BUFFER: usize = 1 << 20;
/// Width of wrapped text where no terminal says one.
const DEFAULT_WIDTH: u16 = 120;
/// Below this nothing can be read any more.
const LEAST_WIDTH: u16 = 60;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Style {
    /// For people.
    #[default]
    Table,
    /// One JSON object a line.
    Jsonl,
    /// With a header, for spreadsheets.
    Csv,
}

/// What the standard streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Columns of the terminal behind standard output; absent: it is none.
    pub(crate) columns: Option<u16>,
    /// Whether standard error is a terminal.
    pub(crate) error_is_terminal: bool,
    /// Whether `NO_COLOR` is unset or empty.
    colour_allowed: bool,
    /// Whether only errors are said.
    pub(crate) quiet: bool,
}

impl Terminal {
    /// Looks at the streams and the environment.
    pub(crate) fn detect(quiet: bool) -> Self {
        Self {
            columns: io::stdout()
                .is_terminal()
                .then(|| comfy_table::Table::new().width().unwrap_or(DEFAULT_WIDTH)),
            error_is_terminal: io::stderr().is_terminal(),
            colour_allowed: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            quiet,
        }
    }

    /// No terminal, nothing said.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self {
            columns: None,
            error_is_terminal: false,
            colour_allowed: false,
            quiet: true,
        }
    }

    /// The same without bars: for steps that are told in words.
    pub(crate) fn without_progress(self) -> Self {
        Self {
            error_is_terminal: false,
            ..self
        }
    }

    /// The same without words beside errors: for a log that machines read.
    pub(crate) fn without_notes(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Whether the user minds colour.
    pub(crate) fn may_colour(&self) -> bool {
        self.colour_allowed
    }

    /// Whether results are coloured.
    pub(crate) fn colours_results(&self) -> bool {
        self.colour_allowed && self.columns.is_some()
    }

    /// Columns that wrapped text may take.
    pub(crate) fn width(&self) -> u16 {
        self.columns.unwrap_or(DEFAULT_WIDTH).max(LEAST_WIDTH)
    }

    /// Says something on standard error, unless only errors are wanted.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }
}

/// Says something on standard error, whatever was wanted.
pub(crate) fn say(text: &str) {
    // There is nowhere to complain about standard error.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Standard output with a large buffer, to be flushed by its user.
pub(crate) fn results() -> BufWriter<io::Stdout> {
    BufWriter::with_capacity(BUFFER, io::stdout())
}
