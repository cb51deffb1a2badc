//! Addresses to listen on.

use std::net::SocketAddr;

use nopic_chassis::transport::bind;
use tokio::net::TcpListener;

use crate::failure::Failure;

/// Binds an address, or says why it cannot be had.
///
/// # Errors
/// Why not.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    bind(address).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another process listens there",
            std::io::ErrorKind::PermissionDenied => "this user may not listen there",
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "the system refuses it",
        };
        Failure::new(format!("{address} cannot be listened on: {why}."))
            .advice("Choose another port; port 0 takes a free one.")
    })
}

/// Where a server that listens on every address is reached from this machine.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_on_this_machine() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:5"), "127.0.0.1:5");
        assert_eq!(reached("[::]:5"), "[::1]:5");
        assert_eq!(reached("10.0.0.1:5"), "10.0.0.1:5");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_said() {
        let taken = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let said = listen(taken.local_addr().unwrap()).await.unwrap_err().to_string();
        assert!(said.contains("another process listens there"), "{said}");
    }
}
