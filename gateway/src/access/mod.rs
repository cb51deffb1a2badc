//! Who may come in: kept in the store, changed by operators over gRPC, asked by each call that shows a credential.

mod convert;
mod error;
mod key;
mod key_set;
mod known_callers;
mod record;
mod rpc;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod verifier;

pub(crate) use known_callers::KnownCallers;
pub(crate) use rpc::AccessRpc;
pub use store::SCHEMA;
pub(crate) use store::{AccessStore, open};
pub(crate) use token::{Provider, Tokens};
