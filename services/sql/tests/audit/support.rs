//! A service's database with an audit log, and a hand that changes it behind the program's back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use nopic_sql::audit::{Audit, AuditLog, Batch, Change, Heads, Kind, Verified};
use nopic_sql::outbox::Outbox;
use nopic_sql::testing::{Engine, TestDatabase};
use nopic_sql::{AUDIT_ROWS, Location, OUTBOX_FLOOR, SHARED, Schema, SchemaUpdate, postgres, sqlite};
use sqlx::{AssertSqlSafe, Row as _};

pub(crate) const SCHEMA: Schema = Schema {
    name: "some_service",
    migrations: &[SHARED, AUDIT_ROWS, OUTBOX_FLOOR],
    audited: &[],
};
/// Patience with transactions that other tests have open on the same server.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(sqlite::Database),
    Postgres(postgres::Database),
}

pub(crate) struct World {
    pub(crate) test: TestDatabase,
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn AuditLog>,
    pub(crate) audit: Audit,
    pub(crate) outbox: Arc<dyn Outbox>,
}

/// The same statement on either engine, in a transaction of its own.
macro_rules! on_either {
    ($database:expr, $transaction:ident, $body:expr) => {
        match $database {
            Database::Sqlite(database) => {
                let mut $transaction = database.write("test").await.unwrap();
                let result = $body;
                $transaction.commit().await.unwrap();
                result
            }
            Database::Postgres(database) => {
                let mut $transaction = database.write("test").await.unwrap();
                let result = $body;
                $transaction.commit().await.unwrap();
                result
            }
        }
    };
}

pub(crate) fn moment(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000 + second, 0).unwrap()
}

pub(crate) fn change<'a>(subject: &'a str, detail: &'a str) -> Change<'a> {
    Change {
        at: moment(0),
        tenant: "default",
        actor: "anna",
        action: "CERTIFICATE_VOIDED",
        subject,
        reason: "typo",
        detail,
    }
}

impl World {
    pub(crate) async fn new(engine: Engine) -> Self {
        let test = engine.database().await;
        let (database, journal) = match &test.location {
            Location::Folder(folder) => {
                let database = sqlite::Database::open(folder, &SCHEMA, SchemaUpdate::Apply)
                    .await
                    .unwrap();
                let journal = database.journal(&SCHEMA);
                (Database::Sqlite(database), journal)
            }
            Location::Postgres(options) => {
                let database = postgres::Database::open(options, &SCHEMA, SchemaUpdate::Apply)
                    .await
                    .unwrap();
                let journal = database.journal(&SCHEMA);
                (Database::Postgres(database), journal)
            }
        };
        let log = journal.audit;
        let audit = Audit::new(Arc::clone(&log), Heads::in_data_folder(test.folder.path()));
        Self {
            test,
            database,
            log,
            audit,
            outbox: journal.outbox,
        }
    }

    /// Another process of the same service.
    pub(crate) fn other_sealer(&self) -> Audit {
        Audit::new(
            Arc::clone(&self.log),
            Heads::in_data_folder(self.test.folder.path()),
        )
    }

    /// Notes a change for each subject, each in a transaction of its own.
    pub(crate) async fn note(&self, subjects: impl IntoIterator<Item = usize>) {
        for subject in subjects {
            let subject = format!("subject {subject}");
            let change = change(&subject, "{}");
            on_either!(
                &self.database,
                transaction,
                self::record(&mut transaction, &change).await
            );
        }
    }

    /// Seals until nothing waits.
    pub(crate) async fn seal(&self) {
        self.seal_at(moment(1)).await;
    }

    pub(crate) async fn seal_at(&self, now: DateTime<Utc>) {
        self.settle().await;
        self.audit.seal(now).await.unwrap();
        assert_eq!(self.log.unsealed().await.unwrap(), 0);
    }

    /// Waits until all that waits can be sealed: transactions of other tests on the same server hold it back.
    async fn settle(&self) {
        const OPEN: &str = "SELECT EXISTS (SELECT 1 FROM audit_record WHERE sequence IS NULL \
             AND transaction_id >= pg_snapshot_xmin(pg_current_snapshot()) \
             AND transaction_id < pg_snapshot_xmax(pg_current_snapshot()))";
        let Database::Postgres(database) = &self.database else {
            return;
        };
        let settled = async {
            while sqlx::query_scalar(OPEN)
                .fetch_one(database.readers())
                .await
                .unwrap()
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.unwrap();
    }

    /// Seals a batch of this size, once it can be sealed.
    pub(crate) async fn seal_batch(&self, holder: &str, now: DateTime<Utc>, size: u32) -> Batch {
        self.settle().await;
        self.log.seal_batch(holder, now, size).await.unwrap()
    }

    /// A log with a seal for every three records.
    pub(crate) async fn with_records(engine: Engine, count: usize) -> Self {
        let world = Self::new(engine).await;
        for batch in (1..=count).collect::<Vec<_>>().chunks(3) {
            world.note(batch.iter().copied()).await;
            world.seal().await;
        }
        let verified = world.verify().await;
        assert_eq!(verified.findings, []);
        assert_eq!(verified.records, u64::try_from(count).unwrap());
        world
    }

    pub(crate) async fn verify(&self) -> Verified {
        self.audit.verify(Vec::new()).await.unwrap()
    }

    /// What is found: kind and record.
    pub(crate) async fn found(&self) -> Vec<(Kind, Option<i64>)> {
        let verified = self.verify().await;
        verified
            .findings
            .iter()
            .map(|finding| (finding.kind, finding.record))
            .collect()
    }

    /// Takes the database's protection away, as who owns the database can.
    pub(crate) async fn unprotect(&self) {
        let drop: BTreeSet<String> = match &self.database {
            Database::Sqlite(_) => {
                self.texts("SELECT 'DROP TRIGGER ' || name FROM sqlite_schema WHERE type = 'trigger'")
                    .await
            }
            Database::Postgres(_) => {
                self.texts(
                    "SELECT 'DROP TRIGGER ' || tgname || ' ON ' || relname FROM pg_trigger \
                     JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal",
                )
                .await
            }
        };
        for drop in drop {
            self.run(&drop).await;
        }
    }

    async fn texts(&self, sql: &'static str) -> BTreeSet<String> {
        on_either!(&self.database, transaction, {
            let rows = sqlx::query(sql).fetch_all(&mut *transaction).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).collect()
        })
    }

    /// Runs SQL behind the program's back.
    pub(crate) async fn run(&self, sql: &str) {
        on_either!(
            &self.database,
            transaction,
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut *transaction)
                .await
                .map(|_| ())
                .unwrap_or_else(|error| panic!("{sql}: {error}"))
        );
    }

    /// Why the database refuses this.
    pub(crate) async fn refusal(&self, sql: &str) -> String {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.database {
            Database::Sqlite(database) => {
                let mut transaction = database.write("test").await.unwrap();
                sqlx::raw_sql(sql)
                    .execute(&mut *transaction)
                    .await
                    .unwrap_err()
                    .to_string()
            }
            Database::Postgres(database) => {
                let mut transaction = database.write("test").await.unwrap();
                sqlx::raw_sql(sql)
                    .execute(&mut *transaction)
                    .await
                    .unwrap_err()
                    .to_string()
            }
        }
    }

    /// A copy of a record in words of SQL, with another id and number.
    pub(crate) fn insert(&self, id: i64, number: &str) -> String {
        let overriding = match &self.database {
            Database::Sqlite(_) => "",
            Database::Postgres(_) => "OVERRIDING SYSTEM VALUE",
        };
        format!(
            "INSERT INTO audit_record (audit_id, recorded_at, tenant, actor, action, subject, reason, detail, \
             sequence) {overriding} SELECT {id}, recorded_at, tenant, 'eve', action, subject, reason, detail, {number} \
             FROM audit_record WHERE sequence = 1"
        )
    }
}

/// Notes a change on either engine.
pub(crate) trait Notes {
    fn note(&mut self, change: &Change<'_>) -> impl Future<Output = ()> + Send;
}

impl Notes for sqlite::WriteTransaction {
    async fn note(&mut self, change: &Change<'_>) {
        sqlite::audit::record(self, change).await.unwrap();
    }
}

impl Notes for postgres::WriteTransaction {
    async fn note(&mut self, change: &Change<'_>) {
        postgres::audit::record(self, change).await.unwrap();
    }
}

async fn record(transaction: &mut impl Notes, change: &Change<'_>) {
    transaction.note(change).await;
}
