//! A database that goes away and comes back: health says so, and the process goes on.

use std::net::SocketAddr;
use std::time::Duration;

use nopic_sql::Location;
use nopic_sql::testing::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::Place;

/// Passes connections on to a server, until they are cut.
struct Relay {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
}

impl Relay {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_cut, cut) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (server, mut cut) = (server.clone(), cut.clone());
                tokio::spawn(async move {
                    if *cut.borrow() {
                        return;
                    }
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        // Either way it is over.
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { address, is_cut }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_shows_within_six_seconds() {
    let place = Place::new();
    let database = Engine::Postgres.database().await;
    let Location::Postgres(options) = &database.location else {
        panic!("the engine is PostgreSQL");
    };
    let relay = Relay::to(format!("{}:{}", options.get_host(), options.get_port())).await;
    let url = format!(
        "postgres://{}@{}/{}",
        options.get_username(),
        relay.address,
        options.get_database().unwrap()
    );
    let migrated = place.command(&["migrate"]).env("NOPIC_DATABASE", &url).output();
    assert!(migrated.unwrap().status.success());
    let mut command = place.command(&["serve", "registry", "--listen", "127.0.0.1:0"]);
    command
        .env("NOPIC_DATABASE", &url)
        .env("NOPIC_SERVER_PLAIN_TEXT", "true");
    let serving = place.serve_by(command);
    let mut health = HealthClient::new(
        Endpoint::from_shared(serving.url.clone())
            .unwrap()
            .connect()
            .await
            .unwrap(),
    );
    let mut told = health
        .watch(HealthCheckRequest {
            service: "nopic.registry.v1.RegistryService".to_owned(),
        })
        .await
        .unwrap()
        .into_inner();
    let mut becomes = async |wanted: ServingStatus, within: Duration| {
        let status = async { while told.message().await.unwrap().unwrap().status() != wanted {} };
        tokio::time::timeout(within, status)
            .await
            .unwrap_or_else(|_| panic!("it is not told to be {wanted:?} within {within:?}"));
    };
    becomes(ServingStatus::Serving, Duration::from_secs(6)).await;
    relay.is_cut.send_replace(true);
    becomes(ServingStatus::NotServing, Duration::from_secs(6)).await;
    relay.is_cut.send_replace(false);
    becomes(ServingStatus::Serving, Duration::from_secs(10)).await;
    let asked = tokio::time::Instant::now();
    assert_eq!(serving.stop(), Some(0), "the same process all the time");
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "who watches holds nobody up"
    );
}
