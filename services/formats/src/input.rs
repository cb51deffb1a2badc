//! The bytes of a file of text or a workbook: told apart by the first four.

use crate::kind::is_zip;
use crate::lines::RawLine;
use crate::table::WorkbookError;
use crate::table::workbook::PACKED_LIMIT;
use crate::text::TextLines;

/// How many bytes tell a workbook.
const TELLING: usize = 4;

/// What comes in.
#[derive(Debug)]
pub(crate) enum Input {
    /// The first bytes.
    First(Vec<u8>),
    Text(Box<TextLines>),
    /// All bytes of a workbook: the list of its parts stands at the end.
    Workbook(Vec<u8>),
}

impl Input {
    /// A text or a workbook.
    pub(crate) const fn any() -> Self {
        Self::First(Vec::new())
    }

    /// A text, whatever it looks like.
    pub(crate) fn text() -> Self {
        Self::Text(Box::default())
    }

    pub(crate) const fn is_workbook(&self) -> bool {
        matches!(self, Self::Workbook(_))
    }

    /// Takes the next bytes; `each` is called with every line of a text that they complete.
    pub(crate) fn push<E: From<WorkbookError>>(
        &mut self,
        chunk: &[u8],
        each: impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::First(first) => {
                first.extend_from_slice(chunk);
                if first.len() < TELLING {
                    return Ok(());
                }
                let first = self.begin();
                self.push(&first, each)
            }
            Self::Text(lines) => lines.push(chunk, each),
            Self::Workbook(bytes) => {
                if bytes.len().saturating_add(chunk.len()) > PACKED_LIMIT {
                    *bytes = Vec::new();
                    return Err(WorkbookError::TooLong.into());
                }
                bytes.extend_from_slice(chunk);
                Ok(())
            }
        }
    }

    /// At the end: the bytes, if they are a workbook.
    pub(crate) fn finish<E: From<WorkbookError>>(
        &mut self,
        mut each: impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<Option<Vec<u8>>, E> {
        if matches!(self, Self::First(_)) {
            let first = self.begin();
            self.push(&first, &mut each)?;
        }
        match self {
            Self::First(_) => Ok(None),
            Self::Text(lines) => lines.finish(each).map(|()| None),
            Self::Workbook(bytes) => Ok(Some(std::mem::take(bytes))),
        }
    }

    /// Tells a workbook from a text, and gives the first bytes back to be read.
    fn begin(&mut self) -> Vec<u8> {
        let Self::First(first) = self else {
            return Vec::new();
        };
        let first = std::mem::take(first);
        *self = if is_zip(&first) {
            Self::Workbook(Vec::new())
        } else {
            Self::text()
        };
        first
    }
}
