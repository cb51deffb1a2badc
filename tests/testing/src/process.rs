//! Ports and signals of processes that a test starts.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port that nobody listens on, below those that the kernel gives to connections.
///
/// # Panics
/// Never: every number is a port.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        // Processes of one run begin far from each other.
        let offset = (std::process::id().wrapping_mul(2_654_435_761) >> 8).wrapping_add(turn) % COUNT;
        let port = u16::try_from(FIRST + offset).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Sends a signal by name.
///
/// # Panics
/// The process is not there.
pub fn send_signal(process: u32, signal: &str) {
    let kill = Command::new("kill")
        .args(["-s", signal, &process.to_string()])
        .status();
    assert!(kill.unwrap().success());
}
