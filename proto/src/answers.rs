//! Answers whose verdicts were encoded as they were made: what all verdicts of a request share is encoded once for all of
//! them, and no message is made of each first.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};

/// An answer with verdicts in front of the rest of it. On the wire it is what the message is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WithVerdicts<M> {
    verdicts: Bytes,
    rest: M,
}

impl<M> WithVerdicts<M> {
    /// Verdicts alone, each encoded as the field that has them.
    pub(crate) fn new(verdicts: Bytes) -> Self
    where
        M: Default,
    {
        Self {
            verdicts,
            rest: M::default(),
        }
    }
}

impl<M> From<M> for WithVerdicts<M> {
    /// An answer that brings no further verdicts.
    fn from(rest: M) -> Self {
        Self {
            verdicts: Bytes::new(),
            rest,
        }
    }
}

impl<M: Message> Message for WithVerdicts<M> {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(&self.verdicts);
        self.rest.encode_raw(buffer);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        self.rest.merge_field(tag, wire_type, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        self.verdicts.len() + self.rest.encoded_len()
    }

    fn clear(&mut self) {
        self.verdicts.clear();
        self.rest.clear();
    }
}
