//! The service's database, beside the service.

use nopic_sql::{Error, Location, SchemaUpdate, postgres, sqlite};

/// The ledger of a certificate: limit, drawn, excess, marked, number of draws, first and last drawer.
pub(crate) type Ledger = (i64, i64, i64, i64, i64, Option<String>, Option<String>);

const SELECT_LEDGERS: &str = "SELECT limit_units, drawn_units, excess_units, marked_units, draw_count, first_drawer, \
    last_drawer FROM certificate ORDER BY certificate";

pub(crate) enum Database {
    Sqlite(sqlite::Database),
    Postgres(postgres::Database),
}

impl Database {
    pub(crate) async fn open(location: &Location) -> Self {
        let (schema, update) = (&nopic_certificate::SCHEMA, SchemaUpdate::Refuse);
        match location {
            Location::Folder(folder) => {
                Self::Sqlite(sqlite::Database::open(folder, schema, update).await.unwrap())
            }
            Location::Postgres(options) => {
                Self::Postgres(postgres::Database::open(options, schema, update).await.unwrap())
            }
        }
    }

    /// In the order of the certificates' numbers.
    pub(crate) async fn ledgers(&self) -> Vec<Ledger> {
        match self {
            Self::Sqlite(database) => sqlx::query_as(SELECT_LEDGERS).fetch_all(database.readers()).await,
            Self::Postgres(database) => sqlx::query_as(SELECT_LEDGERS).fetch_all(database.readers()).await,
        }
        .unwrap()
    }

    /// How many draws end before they begin, follow a later draw of their certificate, and how many versions follow a
    /// later one.
    pub(crate) async fn backwards(&self) -> (i64, i64, i64) {
        let statement = "SELECT
            (SELECT COUNT(*) FROM draw d WHERE d.ended_at < d.recorded_at),
            (SELECT COUNT(*) FROM draw a JOIN draw b ON b.certificate = a.certificate AND b.draw_id > a.draw_id
                WHERE b.recorded_at < a.recorded_at),
            (SELECT COUNT(*) FROM certificate_version a
                JOIN certificate_version b ON b.certificate = a.certificate AND b.version > a.version
                WHERE b.recorded_at < a.recorded_at)";
        match self {
            Self::Sqlite(database) => sqlx::query_as(statement).fetch_one(database.readers()).await,
            Self::Postgres(database) => sqlx::query_as(statement).fetch_one(database.readers()).await,
        }
        .unwrap()
    }

    /// Every audit record: tenant, actor, action, subject, detail.
    pub(crate) async fn audit(&self) -> Vec<(String, String, String, String, String)> {
        let statement = "SELECT tenant, actor, action, subject, detail FROM audit_record ORDER BY audit_id";
        match self {
            Self::Sqlite(database) => sqlx::query_as(statement).fetch_all(database.readers()).await,
            Self::Postgres(database) => sqlx::query_as(statement).fetch_all(database.readers()).await,
        }
        .unwrap()
    }

    /// Changes something behind the service's back.
    pub(crate) async fn execute(&self, statement: &'static str) -> Result<(), Error> {
        match self {
            Self::Sqlite(database) => {
                let mut transaction = database.write("test").await?;
                sqlx::query(statement).execute(&mut *transaction).await?;
                transaction.commit().await?;
            }
            Self::Postgres(database) => {
                let mut transaction = database.write("test").await?;
                sqlx::query(statement).execute(&mut *transaction).await?;
                transaction.commit().await?;
            }
        }
        Ok(())
    }
}
