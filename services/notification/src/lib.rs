//! The notification service: it learns by events what happened, tells those whom it concerns, and keeps cases of
//! enforcement.
//!
//! ```text
//! events of the other services ─┐
//!                               ├─ intake: notices, once per cause ── subscriptions ── messages to receivers
//! what happens by time alone ───┘     │                                                  │
//!                                     │   delivery: leased, retried, dead-lettered ── channels: webhook, e-mail
//!                                     └─ cases of importers ── letters, where the deployment is an authority
//! ```

mod asking;
mod case_rpc;
mod cases;
pub mod channels;
mod convert;
mod delivery;
mod error;
mod intake;
mod letters;
mod message_id;
mod metrics;
mod new_notice;
mod over;
mod part;
mod roles;
mod rpc;
mod store;
mod usual;

pub use part::PART;
pub use roles::ROLES;
pub use store::SCHEMA;
