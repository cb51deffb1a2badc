//! Who may call the gateway's own methods.

use nopic_chassis::roles::Row;

/// The gateway's rows of the table of roles.
pub const ROLES: &[Row] = &[];
