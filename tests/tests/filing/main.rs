//! Filing through the services' gRPC code, on both engines.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod actions;
mod audit;
mod clock;
mod document;
mod entries;
mod events;
mod freshness;
mod parts;
mod scope;
mod set_aside;
mod support;
