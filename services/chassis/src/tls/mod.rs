//! Mutual TLS between processes: certificates from files, read anew when they change.

mod client;
mod material;
mod server;

pub(crate) use client::client_config;
pub use client::{config_of, config_trusting};
pub use material::{Material, TlsError, TlsFiles, authority};
pub use server::{Clients, ServerTls};

use std::time::Duration;

/// How often files are looked at for a change.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
