//! Memory of connections that have shaken hands and say nothing more.

use tokio::net::TcpStream;

use crate::processes::{GATEWAY, Processes};
use crate::tls::connector;

pub(crate) async fn measure(processes: &Processes, count: usize) {
    let before = kilobytes(processes.gateway);
    let connector = connector(processes.folder(), None);
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = TcpStream::connect(GATEWAY)
            .await
            .expect("the gateway takes a connection");
        let name = "gateway".try_into().expect("a name of a server");
        connections.push(
            connector
                .connect(name, stream)
                .await
                .expect("the certificates fit"),
        );
    }
    let after = kilobytes(processes.gateway);
    println!(
        "\n{count} idle connections over TLS: {} MB of memory in all, {:.1} kB each",
        after / 1_000,
        f64::from(u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(count).unwrap_or(1))
    );
}

/// Resident memory of a process.
fn kilobytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .expect("a process has memory")
}
