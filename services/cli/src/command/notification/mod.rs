//! What people are told: notices, where they are sent to, and which; and cases of enforcement.

pub(crate) mod case;
pub(crate) mod notice;
pub(crate) mod receiver;
pub(crate) mod subscription;

use crate::connection::need;

/// The services that these commands need: notices are made of what the others tell.
const NEED: &[&str] = need::ALL;
/// Items of one call.
const PAGE: u32 = 500;
