//! Addresses to listen on.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::failure::Failure;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// An address that is taken and refuses whoever calls, until somebody is there who answers: a caller of a service that
/// still opens its store goes elsewhere at once, instead of waiting out its time.
#[derive(Debug)]
pub struct Reserved {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Reserved {
    /// Takes an address, or says why it cannot be had; port 0 is a free one.
    ///
    /// # Errors
    /// Why not.
    pub fn new(address: SocketAddr) -> Result<Self, Failure> {
        let taken = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // Connections of a process that has ended keep nobody off its port.
            #[cfg(not(windows))]
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        taken().map_err(|error| refused(address, &error))
    }

    /// With the port that was found free.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on whoever calls waits to be answered.
    ///
    /// # Errors
    /// Somebody else listens there meanwhile.
    pub fn listen(self) -> Result<TcpListener, Failure> {
        let listening = self.socket.listen(BACKLOG);
        listening.map_err(|error| refused(self.address, &error))
    }
}

fn refused(address: SocketAddr, error: &std::io::Error) -> Failure {
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another process listens there",
        std::io::ErrorKind::PermissionDenied => "this user may not listen there",
        std::io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "the system refuses it",
    };
    Failure::new(format!("{address} cannot be listened on: {why}."))
        .advice("Choose another port; port 0 takes a free one.")
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

    const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn a_server_on_every_address_is_reached_on_this_machine() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:5"), "127.0.0.1:5");
        assert_eq!(reached("[::]:5"), "[::1]:5");
        assert_eq!(reached("10.0.0.1:5"), "10.0.0.1:5");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_said() {
        let taken = Reserved::new(FREE).unwrap().listen().unwrap();
        let said = Reserved::new(taken.local_addr().unwrap())
            .unwrap_err()
            .to_string();
        assert!(said.contains("another process listens there"), "{said}");
    }

    #[tokio::test]
    async fn whoever_calls_before_anybody_answers_is_refused_at_once_and_heard_afterwards() {
        let reserved = Reserved::new(FREE).unwrap();
        let address = reserved.address();
        let early = tokio::net::TcpStream::connect(address).await.unwrap_err();
        assert_eq!(early.kind(), std::io::ErrorKind::ConnectionRefused);
        let listener = reserved.listen().unwrap();
        let (called, heard) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        called.unwrap();
        heard.unwrap();
    }
}
