//! The pure part of nopic: what an entry line, a certificate and an operation are, and what follows from them.
//!
//! Nothing here reads a clock or does I/O. Readers of files are in `nopic-formats`; services load what a decision
//! needs and call it.

pub mod certificate;
pub mod date;
pub mod decision;
pub mod entry;
pub mod finding;
pub mod flags;
pub mod hts;
pub mod identifier;
pub mod ledger;
pub mod life;
pub mod policy;
pub mod principal;
pub mod registry;
pub mod rules;
pub mod trail;
pub mod weight;
