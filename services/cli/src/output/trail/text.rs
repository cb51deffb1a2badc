//! A trail for people at a terminal: one record after another, so that it can be read at any width.

use std::io::{self, Write};

use super::Report;
use super::tables::{Tone, all, moment};

/// Writes it.
pub(crate) fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let trail = &report.trail;
    write!(out, "Trail of entry {}", trail.entry_number)?;
    if let Some(as_of) = trail.as_of {
        write!(out, " as of {}", moment(as_of))?;
    }
    writeln!(out, "\n{}", report.summary())?;
    for table in all(report) {
        writeln!(out, "\n{}", table.title)?;
        if table.rows.is_empty() {
            writeln!(out, "  {}", table.otherwise)?;
        }
        for row in &table.rows {
            let mut first = true;
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                if cell.is_empty() {
                    continue;
                }
                let mark = match (first, row.tone) {
                    (true, Tone::Withdrawn) => "x ",
                    (true, Tone::Finding) => "! ",
                    (true, Tone::Plain) => "- ",
                    (false, _) => "  ",
                };
                writeln!(out, "  {mark}{column}: {}", printable(cell))?;
                first = false;
            }
        }
    }
    Ok(())
}

/// A terminal obeys control characters; texts that others gave must not command it.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control()
                || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                ' '
            } else {
                character
            }
        })
        .collect()
}
