//! ABI transmissions of CATAIR records (FORMATS §2): the records, the reader of entries and the writer.

mod item;
mod reader;
mod record;
mod writer;

pub(super) use self::reader::AbiDecoder;
pub(super) use self::record::looks_like_a_record;
pub use self::writer::{AbiTransmission, AbiWriteError, write_abi};
