//! Where messages begin and end in a body, by the lengths that they say of themselves.

use super::PREFIX;

/// Follows where messages begin and end in what comes in any pieces.
#[derive(Debug, Default)]
pub struct Lengths {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that have come.
    begun: usize,
    /// Bytes of the message that have not.
    left: u32,
}

/// What a piece holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A message of this length begins.
    Begin(u32),
    /// The message that began is whole.
    End,
}

impl Lengths {
    /// Whether every message that has begun is whole.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        self.begun == 0 && self.left == 0
    }

    /// Says of a piece what it holds, in order, until someone says that it is enough.
    ///
    /// # Errors
    /// What `see` says.
    pub fn follow<E>(
        &mut self,
        mut piece: &[u8],
        mut see: impl FnMut(Seen) -> Result<(), E>,
    ) -> Result<(), E> {
        while !piece.is_empty() {
            if self.left > 0 {
                let taken = piece.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                piece = &piece[taken..];
                self.left -= u32::try_from(taken).unwrap_or(self.left);
                if self.left == 0 {
                    see(Seen::End)?;
                }
                continue;
            }
            let taken = piece.len().min(PREFIX - self.begun);
            self.prefix[self.begun..self.begun + taken].copy_from_slice(&piece[..taken]);
            self.begun += taken;
            piece = &piece[taken..];
            if self.begun == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.begun = 0;
                self.left = u32::from_be_bytes(length);
                see(Seen::Begin(self.left))?;
                if self.left == 0 {
                    see(Seen::End)?;
                }
            }
        }
        Ok(())
    }
}
