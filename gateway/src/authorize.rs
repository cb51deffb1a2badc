//! What the caller's role may call, by the table that all parts share.

use nopic_chassis::roles::{CheckRoles, RolesChecked};
use tower::Layer;

/// Asks the table of roles.
#[derive(Debug, Clone)]
pub(crate) struct Authorize(CheckRoles);

impl Authorize {
    /// By this table.
    pub(crate) fn new(check: CheckRoles) -> Self {
        Self(check)
    }
}

impl<S> Layer<S> for Authorize {
    type Service = RolesChecked<S>;

    fn layer(&self, inner: S) -> RolesChecked<S> {
        self.0.layer(inner)
    }
}
