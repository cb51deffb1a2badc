//! The status cache: every operation's certification status of one revision as 256 shards.
//!
//! [`shard`] is the compact form in which the registry hands timelines to the services that decide; [`reader`] keeps
//! the shards of the current revision in the process that decides, so that a question costs a look into memory.

pub mod reader;
pub mod shard;

mod codec;

pub use reader::{
    Manifest, ReaderOptions, RevisionChoice, ShardSource, SourceError, StatusReader, StatusView, Unavailable,
};
pub use shard::{SHARD_COUNT, Shard, ShardError, ShardHash, shard_of};
