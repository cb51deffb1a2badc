//! Prints verdicts batch by batch, in one of the three forms.

use std::io::Write;

use nopic_formats::verdicts::write_verdict_csv_header;
use nopic_proto::entry_validation::Verdict;

use super::verdict_record::{append_csv, append_jsonl};
use super::verdict_table::VerdictTable;
use crate::failure::Failure;

/// Bytes collected before they are written, unless nothing more is waiting.
const FULL: usize = 256 << 10;

/// How verdicts are printed.
#[derive(Debug)]
pub(crate) enum Printed {
    /// For people.
    Table(VerdictTable),
    /// FORMATS §5.
    Jsonl,
    /// One row a line.
    Csv,
}

/// Prints verdicts.
pub(crate) struct Printer {
    pub(crate) form: Printed,
    out: Box<dyn Write + Send>,
    buffer: Vec<u8>,
}

impl Printer {
    /// A printer that has its header ready.
    pub(crate) fn new(form: Printed, out: impl Write + Send + 'static) -> Self {
        let mut buffer = Vec::with_capacity(FULL * 2);
        if matches!(form, Printed::Csv) {
            write_verdict_csv_header(&mut buffer);
        }
        Self {
            form,
            out: Box::new(out),
            buffer,
        }
    }

    /// Says for people whose verdicts come next; the other forms have one row for each line and nothing else.
    pub(crate) fn begin_file(&mut self, name: &str) -> Result<(), Failure> {
        if let Printed::Table(table) = &mut self.form {
            self.buffer.extend_from_slice(table.heading(name).as_bytes());
            self.flush()?;
        }
        Ok(())
    }

    /// Prints a batch, or keeps it for the next writing.
    pub(crate) fn print(&mut self, verdicts: &[Verdict]) -> Result<(), Failure> {
        match &mut self.form {
            Printed::Jsonl => append_jsonl(&mut self.buffer, verdicts),
            Printed::Csv => append_csv(&mut self.buffer, verdicts),
            Printed::Table(table) => self.buffer.extend_from_slice(table.render(verdicts).as_bytes()),
        }
        if self.buffer.len() >= FULL {
            self.write()?;
        }
        Ok(())
    }

    /// Writes all that was printed.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.write()?;
        self.out.flush()?;
        Ok(())
    }

    fn write(&mut self) -> Result<(), Failure> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}
