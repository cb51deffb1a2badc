//! A service on a copy of what an earlier version stored. Nobody answers it: neither registry nor certificates.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use nopic_chassis::clock::SystemClock;
use nopic_chassis::roles::RoleTable;
use nopic_chassis::rpc::client::Client;
use nopic_chassis::transport::in_memory;
use nopic_domain::policy::{Policy, SHIPPED};
use nopic_domain::principal::Principal;
use nopic_entry_validation::{Config, EntryValidation, Upstream};
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::entry_trail_service_client::EntryTrailServiceClient;
use nopic_sql::{Location, SchemaUpdate};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};

/// Made by commands with the version that first kept audit seals: two policies, two flag tables, links, five filings of
/// seventeen entries, one amended, one taken back, and a trail.
const STORED: &str = include_str!("../data/entries.sql");

/// The copy.
pub(crate) struct Copy {
    folder: TempDir,
}

impl Copy {
    pub(crate) async fn new() -> Self {
        let copy = Self {
            folder: TempDir::new().unwrap(),
        };
        copy.execute(STORED).await;
        copy
    }

    /// The database behind the service.
    pub(crate) async fn database(&self) -> SqliteConnection {
        let path = self.folder.path().join("entry-validation.sqlite");
        let options = SqliteConnectOptions::from_str(path.to_str().unwrap())
            .unwrap()
            .create_if_missing(true)
            // Tables stand in the file in the order of their names.
            .foreign_keys(false);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    pub(crate) async fn execute(&self, statements: &'static str) {
        let mut database = self.database().await;
        database.execute(sqlx::raw_sql(statements)).await.unwrap();
        database.close().await.unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The service and its clients.
pub(crate) struct Served {
    pub(crate) records: EntryRecordServiceClient<Channel>,
    pub(crate) trails: EntryTrailServiceClient<Channel>,
}

impl Served {
    pub(crate) async fn on(copy: &Copy) -> Self {
        let location = Location::Folder(copy.folder().to_owned());
        let policy = Arc::new(Policy::parse(SHIPPED).unwrap());
        let mut config = Config::new(location, policy, SHIPPED.into());
        config.schema_update = SchemaUpdate::Apply;
        let nobody = || {
            Client::by_channel(
                Endpoint::from_static("http://127.0.0.1:9").connect_lazy(),
                "nobody",
            )
        };
        let upstream = Upstream {
            registry: nobody(),
            certificate: nobody(),
        };
        let service = EntryValidation::open(config, Arc::new(SystemClock), upstream)
            .await
            .unwrap();
        let routes = Routes::new(service.record_service()).add_service(service.trail_service());
        let table = RoleTable::new(&[nopic_entry_validation::ROLES]).unwrap();
        let channel = in_memory(table.protect(routes, Some(Principal::built_in("test"))), "test");
        Self {
            records: EntryRecordServiceClient::new(channel.clone()),
            trails: EntryTrailServiceClient::new(channel),
        }
    }
}
