//! What every process of nopic needs and nothing that it decides: the clock, the caller, the transport.

pub mod callers;
pub mod client;
pub mod clock;
pub mod config;
pub mod crash;
pub mod draining;
pub mod incoming;
pub mod principal;
pub mod replicas;
pub mod serving;
pub mod tls;
pub mod transport;
