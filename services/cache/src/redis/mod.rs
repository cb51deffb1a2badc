//! Redis between the registry and its readers: a shared copy of what the registry says, never the truth.
//!
//! ```text
//! oid:{deployment}:shard:{SHA-256 of the shard}   an encoded shard; whoever has the hash can prove the content
//! oid:{deployment}:manifest:{revision}            a manifest; the pointer names its hash
//! oid:{deployment}:revision                       the pointer: lineage, revision, hash of the manifest
//! oid:{deployment}:published                      the channel on which the publisher wakes readers
//! ```
//!
//! (Braces stand for the value. None is in a key, so a cluster has no hash tag to go by and spreads shards over all its
//! nodes; each script and each command has one key, but `MGET`, which the client splits by slot.)
//!
//! Whatever hangs on the pointer is proved by hashes, so a value that is old, damaged or forged is a miss. The
//! [`Publisher`] moves the pointer last; [`CachedSource`] reads, and asks the registry where Redis has no answer.

mod keys;
mod limiter;
mod link;
mod open;
mod options;
mod origin;
mod probe;
mod publisher;
mod record;
mod settings;
mod source;
mod subscriber;
mod trust;

pub use limiter::RedisBlocks;
pub use options::{Mode, Options, OptionsError, Tls};
pub use publisher::{PointerMove, PublishError, Published, Publisher};
pub use source::CachedSource;
