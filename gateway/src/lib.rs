//! The gateway: one door for brokers, dashboards and jobs.
//!
//! [`stack`] shows every layer that a call passes, in order, each with its reason and in a file of its own. Whatever comes
//! in (gRPC, gRPC-Web, JSON) is one gRPC call behind [`protocol`], and goes out by [`route`] to the services of this
//! process or of others. Who may come in at all stands in the store of [`access`].

mod access;
mod access_log;
mod admission;
mod answer;
mod authenticate;
mod authorize;
mod bound_messages;
mod connection;
mod cross_site;
mod cut;
mod door;
mod json;
mod limits;
mod note_status;
mod observe;
mod open_calls;
mod part;
mod places;
mod protocol;
mod quota;
mod rate;
mod received;
mod refusal;
mod request_id;
mod roles;
mod route;
mod server;
mod shed;
mod stack;
mod standing;
mod tenant_calls;
#[cfg(test)]
mod tests;
mod unread;

use tonic::body::Body;
use tonic::codegen::http;

pub use access::SCHEMA;
pub use part::PART;
pub use roles::ROLES;

/// What comes in.
pub(crate) type Request = http::Request<Body>;
/// What goes out.
pub(crate) type Response = http::Response<Body>;
