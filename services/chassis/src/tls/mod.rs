//! Mutual TLS between processes: certificates from files, read anew when they change.

mod material;
mod server;

pub(crate) use material::Texts;
pub use material::{Material, TlsError, TlsFiles};
pub use server::{Clients, ServerTls};

use std::time::Duration;

/// How often files are looked at for a change.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
