//! The notification service: it learns by events what happened, tells those whom it concerns, and keeps cases of
//! enforcement.

pub mod channels;
