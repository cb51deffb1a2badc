//! Cuts a stream of byte chunks into lines, without copying a line that lies whole in its chunk.

use crate::reject::Reject;

use memchr::memchr;

/// The longest line that is read, in bytes; a longer one is refused by its number and not kept.
pub(crate) const LONGEST_LINE: usize = 1 << 20;

/// How much of a line that is too long is shown to who reads it: enough for any tag, key or magic number.
const START_KEPT: usize = 128;

/// One line without its line feed. A carriage return before it is still there (a quoted CSV cell may own it).
#[derive(Debug, Clone, Copy)]
pub(crate) enum RawLine<'a> {
    /// The bytes of the line.
    Whole(&'a [u8]),
    /// More than [`LONGEST_LINE`] bytes, of which only the first are kept.
    TooLong {
        /// The first bytes.
        start: &'a [u8],
        /// Length of the whole in bytes.
        length: u64,
    },
}

impl<'a> RawLine<'a> {
    /// What is known of its bytes.
    pub(crate) fn start(self) -> &'a [u8] {
        match self {
            Self::Whole(bytes) | Self::TooLong { start: bytes, .. } => bytes,
        }
    }
}

/// The state between two chunks: the unfinished last line, and how many lines ended before it.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    carry: Vec<u8>,
    /// Length of the unfinished line, once it is too long to be kept.
    too_long: Option<u64>,
    ended: u64,
}

impl LineSplitter {
    /// Calls `each` with the number (from 1) and the bytes of every line that ends in this chunk.
    pub(crate) fn push<E>(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = memchr(b'\n', chunk) {
            let (piece, rest) = (&chunk[..end], &chunk[end + 1..]);
            chunk = rest;
            self.ended += 1;
            if self.carry.is_empty() && self.too_long.is_none() && piece.len() <= LONGEST_LINE {
                each(self.ended, RawLine::Whole(piece))?;
            } else {
                self.keep(piece);
                self.give(&mut each)?;
            }
        }
        if !chunk.is_empty() {
            self.keep(chunk);
        }
        Ok(())
    }

    /// Calls `each` with a last line that no line feed ended.
    pub(crate) fn finish<E>(
        &mut self,
        mut each: impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.carry.is_empty() && self.too_long.is_none() {
            return Ok(());
        }
        self.ended += 1;
        self.give(&mut each)
    }

    fn keep(&mut self, piece: &[u8]) {
        if let Some(length) = &mut self.too_long {
            *length += piece.len() as u64;
        } else if self.carry.len() + piece.len() > LONGEST_LINE {
            self.too_long = Some((self.carry.len() + piece.len()) as u64);
            let missing = START_KEPT.saturating_sub(self.carry.len()).min(piece.len());
            self.carry.extend_from_slice(&piece[..missing]);
            self.carry.truncate(START_KEPT);
        } else {
            self.carry.extend_from_slice(piece);
        }
    }

    fn give<E>(&mut self, each: &mut impl FnMut(u64, RawLine<'_>) -> Result<(), E>) -> Result<(), E> {
        let line = match self.too_long.take() {
            Some(length) => RawLine::TooLong {
                start: &self.carry,
                length,
            },
            None => RawLine::Whole(&self.carry),
        };
        let result = each(self.ended, line);
        self.carry.clear();
        result
    }
}

/// The line without the carriage return of a Windows line end.
pub(crate) fn without_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The refusal of a line that is longer than any line is read.
pub(crate) fn too_long(record: u64, length: u64) -> Reject {
    Reject {
        position: Some(LONGEST_LINE as u64 + 1),
        ..Reject::new(
            record,
            format!("the line has {length} bytes, more than the {LONGEST_LINE} that are read: split it"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn split(chunks: &[&[u8]]) -> Vec<(u64, usize, u64)> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        let mut each = |number, line: RawLine<'_>| {
            let length = match line {
                RawLine::Whole(bytes) => bytes.len() as u64,
                RawLine::TooLong { length, .. } => length,
            };
            lines.push((number, line.start().len(), length));
            Ok::<(), Infallible>(())
        };
        for chunk in chunks {
            let Ok(()) = splitter.push(chunk, &mut each);
        }
        let Ok(()) = splitter.finish(&mut each);
        lines
    }

    #[test]
    fn the_cut_of_the_chunks_does_not_matter() {
        let long = vec![b'x'; LONGEST_LINE + 1];
        let text = [b"one\n\nthree\r\n".as_slice(), &long, b"\nlast"].concat();
        let whole = split(&[&text]);
        assert_eq!(
            whole,
            [
                (1, 3, 3),
                (2, 0, 0),
                (3, 6, 6),
                (4, 128, LONGEST_LINE as u64 + 1),
                (5, 4, 4)
            ]
        );
        for size in [1, 7, 4096] {
            assert_eq!(split(&text.chunks(size).collect::<Vec<_>>()), whole, "{size}");
        }
        assert_eq!(split(&[]), []);
        // A line of exactly the limit is read.
        assert_eq!(split(&[&long[1..]]), [(1, LONGEST_LINE, LONGEST_LINE as u64)]);
    }
}
