//! The status cache: every operation's certification status of one revision as 256 shards.
//!
//! [`shard`] is the compact form in which the registry hands timelines to the services that decide; [`reader`] keeps
//! the shards of the current revision in the process that decides, so that a question costs a look into memory;
//! [`redis`] is the shared copy between the two; [`breaker`] keeps calls from servers that do not answer.

pub use nopic_chassis::breaker;
pub mod limiter;
mod process_limiter;
pub mod reader;
pub mod redis;
pub mod shard;
pub mod stats;

pub use process_limiter::Limiter;
pub use reader::{
    Confirmed, Manifest, ReaderOptions, RevisionChoice, ShardSource, SourceError, StatusReader, StatusView,
    Unavailable,
};
pub use shard::{SHARD_COUNT, Shard, ShardError, ShardHash, shard_of};
pub use stats::Stats;
