//! `nopic serve`: the services for others.

use std::io::Write as _;
use std::net::SocketAddr;

use clap::ValueEnum;
use nopic_chassis::serving::{serve, stop_requested};
use nopic_chassis::transport::bind;
use nopic_sql::audit::SEAL_INTERVAL;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection::{Need, busy, take_folder};
use crate::context::{Context, Done};
use crate::embedded::{self, Life, Opened};
use crate::failure::Failure;
use crate::lock::{Acquired, DataLock};
use crate::output;
use crate::storage::Storage;

/// Serve gRPC until Ctrl-C or SIGTERM
///
/// Other commands that name the same data folder then ask this server.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic serve all --listen 127.0.0.1:50051 --data ./nopic-data\n  \
                             nopic serve all --database postgres://nopic@db.example/nopic"
)]
pub(crate) struct Arguments {
    /// What to serve
    #[arg(value_enum)]
    what: What,
    /// Address to listen on; port 0: a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50051",
        env = "NOPIC_LISTEN"
    )]
    listen: SocketAddr,
}

/// What can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Registry, certificates and entry validation in one process
    All,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    let What::All = arguments.what;
    if context.options.endpoint.is_some() {
        return Err(
            Failure::new("A server works on a folder of its own, not for another server.")
                .advice("Leave out --endpoint (and NOPIC_ENDPOINT)."),
        );
    }
    let storage = Storage::of(&context.options)?;
    let lock = match take_folder(context)? {
        Acquired::Held(lock) => lock,
        Acquired::Busy(holder) => return Err(busy(&storage.folder, &holder)),
    };
    let listener = listen(arguments.listen).await?;
    let policy = context.options.policy.as_deref();
    let opened = embedded::open(
        Need::EntryValidation,
        Life::Server,
        &storage,
        policy,
        context.clock.clone(),
    )
    .await?;
    serve_until_stopped(context, listener, opened, Some((&lock, &storage))).await?;
    Ok(Done::Well)
}

/// Binds an address, or says why it cannot be had.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
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

/// Serves, tells where, and drains when asked to stop.
pub(crate) async fn serve_until_stopped(
    context: &Context,
    listener: TcpListener,
    opened: Opened,
    holding: Option<(&DataLock, &Storage)>,
) -> Result<(), Failure> {
    let address = listener
        .local_addr()
        .map_err(|error| Failure::new(format!("The address of the server cannot be told: {error}.")))?;
    let url = format!("http://{}", reachable(address));
    if let Some((lock, storage)) = holding {
        lock.announce(&url, storage.server().as_deref())
            .map_err(|error| Failure::writing(&context.options.data, &error))?;
    }
    // For scripts: the address is the result of this command.
    let mut out = output::results();
    writeln!(out, "serving gRPC on {url}")?;
    out.flush()?;
    context.terminal.note("Ctrl-C ends it");
    let (served, stop) = watch::channel(false);
    let mut sealers = JoinSet::new();
    for audit in opened.audits.clone() {
        let clock = context.clock.clone();
        let mut stop = stop.clone();
        sealers.spawn(async move {
            let stopped = async move {
                // Where its sender is gone, nothing is served any more, either.
                let _ = stop.wait_for(|is_over| *is_over).await;
            };
            audit.seal_until(SEAL_INTERVAL, || clock.now(), stopped).await;
        });
    }
    let end = async {
        stop_requested().await;
        opened.end_streams();
    };
    let ended = serve(listener, opened.routes.clone(), &embedded::SERVICE_NAMES, end).await;
    // After the last call: what it noted is sealed, too.
    let _ = served.send(true);
    sealers.join_all().await;
    ended.map_err(|error| Failure::new(format!("The server ended: {error}.")))?;
    context.terminal.note("ended");
    Ok(())
}

/// Where a server that listens on every address is reached from this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
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
