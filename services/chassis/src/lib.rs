//! What every process of nopic needs and nothing that it decides: the clock, the caller, the transport.

pub mod admin;
pub mod answers;
pub mod balance;
pub mod breaker;
pub mod callers;
pub mod clock;
pub mod config;
pub mod crash;
pub mod deadline;
pub mod dependencies;
pub mod draining;
pub mod incoming;
pub mod metrics;
pub mod part;
pub mod principal;
pub mod requests;
pub mod retry;
pub mod roles;
pub mod rpc;
mod served;
pub mod serving;
pub mod telemetry;
pub mod tls;
pub mod transport;
pub mod uploads;
pub mod windows;
pub mod worker;
