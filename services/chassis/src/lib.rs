//! What every process of nopic needs and nothing that it decides: the clock, the caller, the transport.

pub mod clock;
pub mod crash;
pub mod principal;
pub mod serving;
pub mod transport;
