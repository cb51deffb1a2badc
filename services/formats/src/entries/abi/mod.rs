//! ABI transmissions of CATAIR records (FORMATS §2): entry summaries and cargo releases, read and written.
//!
//! One reader of PGA data (`item`, `pga`) serves the two readers of what stands above it (`summary`, `release`).

mod entry;
mod item;
mod pga;
mod reader;
mod record;
mod release;
mod summary;
mod writer;

pub(super) use self::reader::AbiDecoder;
pub(super) use self::record::looks_like_a_record;
pub use self::writer::{AbiTransmission, AbiWriteError, write_abi, write_abi_release};
