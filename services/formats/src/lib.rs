//! The file forms that users have, as streaming readers and writers, and the sample-data generator.
//!
//! Each reader keeps memory bounded, loses nothing because of a bad neighbour, and says of what it refuses where it
//! stood and why ([`Reject`]).

pub mod certificates;
pub mod columns;
mod date;
pub mod entries;
pub mod exercise;
pub mod flags;
mod input;
mod kind;
mod lines;
pub mod oid;
pub mod reject;
pub mod sample;
pub mod table;
mod text;
pub mod verdicts;

pub use reject::Reject;
