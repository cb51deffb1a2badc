//! Balancers over real servers on loopback.

mod addresses;
mod calls;
mod ejection;
mod replica;
