//! Numbers as LEB128 varints, read strictly.

use super::ShardError;

const CUT_OFF: ShardError = ShardError::Damaged("it is cut off");

/// Writes a number: seven bits a byte, the lowest first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Bytes that are read from the front.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number, in its shortest form only, so that equal content has equal bytes.
    pub(super) fn number(&mut self) -> Result<u64, ShardError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(CUT_OFF)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(ShardError::Damaged("a number is longer than it need be"))
                } else {
                    Ok(number)
                };
            }
        }
        Err(ShardError::Damaged("a number is too large"))
    }

    /// How many things follow, each of at least this many bytes: so a forged count cannot reserve memory.
    pub(super) fn count(&mut self, least_bytes: usize) -> Result<usize, ShardError> {
        let number = self.number()?;
        usize::try_from(number)
            .ok()
            .filter(|count| *count <= self.0.len() / least_bytes)
            .ok_or(CUT_OFF)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], ShardError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CUT_OFF)?;
        self.0 = rest;
        Ok(taken)
    }
}
