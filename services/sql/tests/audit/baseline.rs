//! A database that is older than the notes which say what they leave of rows: it is taken as it is, once.

use nopic_sql::audit::Column::{Bytes, Date, Flag, Json, Moment, Number, Text};
use nopic_sql::audit::{Audit, Audited, Heads, Kind, Rows, Verified, json_hash};
use nopic_sql::testing::{Engine, TestDatabase};
use nopic_sql::{AUDIT_ROWS, Location, Migration, SHARED, Schema, SchemaUpdate, postgres, sqlite};
use rstest::rstest;
use sqlx::AssertSqlSafe;

use crate::support::{change, moment};

const THINGS: Migration = Migration {
    name: "create_things",
    sqlite:
        "CREATE TABLE thing (owner TEXT NOT NULL, number INTEGER NOT NULL, content TEXT, at TEXT, day TEXT,
        bytes BLOB, flag INTEGER, PRIMARY KEY (owner, number)) STRICT;",
    postgres:
        "CREATE TABLE thing (owner TEXT NOT NULL, number BIGINT NOT NULL, content JSONB, at TIMESTAMPTZ,
        day DATE, bytes BYTEA, flag BOOLEAN, PRIMARY KEY (owner, number));",
    oldest_compatible: 1,
};
const THING: Audited = Audited {
    kind: "thing",
    page: "/* test.things */ SELECT owner, number, CAST(content AS TEXT), at, day, bytes, flag FROM thing
        WHERE (owner, number) > ($1, $2) ORDER BY owner, number LIMIT $3",
    key: 2,
    columns: &[Text, Number, Json, Moment, Date, Bytes, Flag],
    shown: str::to_owned,
};
const OLD: Schema = Schema {
    name: "some_service",
    migrations: &[SHARED, THINGS],
    audited: &[],
};
const NEW: Schema = Schema {
    migrations: &[SHARED, THINGS, AUDIT_ROWS],
    audited: &[&THING],
    ..OLD
};
/// So many that a page does not hold them.
const MANY: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2300)
    INSERT INTO thing (owner, number, content) SELECT 'owner ' || (i % 3), i, '{\"b\": 1, \"a\": [null]}' FROM n";

/// Opens with this schema, runs SQL behind the program's back, and verifies where there is something to verify.
async fn verified_after(test: &TestDatabase, schema: &'static Schema, sql: &str) -> Verified {
    macro_rules! verified {
        ($engine:ident, $place:expr) => {{
            let database = $engine::Database::open($place, schema, SchemaUpdate::Apply)
                .await
                .unwrap();
            let mut transaction = database.write("test").await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut *transaction)
                .await
                .unwrap();
            transaction.commit().await.unwrap();
            let audit = Audit::new(
                database.audit_log(schema),
                Heads::in_data_folder(test.folder.path()),
            );
            let verified = if schema.audited.is_empty() {
                Verified::default()
            } else {
                audit.verify(Vec::new()).await.unwrap()
            };
            database.close().await;
            verified
        }};
    }
    match &test.location {
        Location::Folder(folder) => verified!(sqlite, folder),
        Location::Postgres(options) => verified!(postgres, options),
    }
}

/// Writes a row as the program does: with a note, or without.
async fn write(test: &TestDatabase, number: i64) {
    const INSERT: &str =
        "INSERT INTO thing (owner, number, at, day, bytes, flag) VALUES ('new', $1, $2, $3, $4, $5)";
    let (at, day) = (moment(7), moment(7).date_naive());
    let mut rows = Rows::new();
    rows.row(&THING)
        .text("new")
        .number(number)
        .json(None)
        .moment(at)
        .date(day)
        .bytes(&b"bytes"[..])
        .flag(true)
        .end();
    macro_rules! write {
        ($engine:ident, $place:expr) => {{
            let database = $engine::Database::open($place, &NEW, SchemaUpdate::Refuse)
                .await
                .unwrap();
            let mut transaction = database.write("write_thing").await.unwrap();
            sqlx::query(INSERT)
                .bind(number)
                .bind(at)
                .bind(day)
                .bind(&b"bytes"[..])
                .bind(true)
                .execute(&mut *transaction)
                .await
                .unwrap();
            $engine::audit::record_rows(&mut transaction, &change("thing", "{}"), "OPERATOR", &rows)
                .await
                .unwrap();
            transaction.commit().await.unwrap();
            database.close().await;
        }};
    }
    match &test.location {
        Location::Folder(folder) => write!(sqlite, folder),
        Location::Postgres(options) => write!(postgres, options),
    }
}

#[rstest]
#[tokio::test]
async fn what_was_there_is_taken_once_and_everything_else_is_found(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let test = engine.database().await;
    verified_after(&test, &OLD, MANY).await;
    let verified = verified_after(&test, &NEW, "SELECT 1").await;
    assert_eq!(verified.findings, []);
    assert_eq!((verified.rows, verified.rows_before), (2_300, 2_300));
    write(&test, 1).await;
    let verified = verified_after(&test, &NEW, "SELECT 1").await;
    assert_eq!(verified.findings, []);
    assert_eq!((verified.rows, verified.rows_before), (2_301, 2_300));

    let behind = "INSERT INTO thing (owner, number) VALUES ('eve', 1);
        UPDATE thing SET content = '{\"a\": 1}' WHERE number = 7;
        UPDATE thing SET flag = NULL WHERE owner = 'new';
        DELETE FROM thing WHERE number = 8";
    let verified = verified_after(&test, &NEW, behind).await;
    let found: Vec<(Kind, &str)> = verified
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.sentence.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                Kind::RowAdded,
                "thing eve/1 was added behind the log: no record left it there"
            ),
            (
                Kind::RowChanged,
                "thing new/1 was changed behind the log: a record that is not sealed yet left it otherwise"
            ),
            (
                Kind::RowChanged,
                "thing owner 1/7 was changed behind the log: a record that is not sealed yet left it otherwise"
            ),
            (
                Kind::RowRemoved,
                "thing owner 2/8 was removed behind the log: a record that is not sealed yet left it there"
            ),
        ]
    );
    // Opening it again takes nothing anew.
    let again = verified_after(&test, &NEW, "SELECT 1").await;
    assert_eq!(again.findings.len(), 4);
}

#[test]
fn the_hash_of_json_is_that_of_its_values() {
    assert_eq!(
        json_hash(&serde_json::json!({"a": 1, "b": [null]})),
        json_hash(&serde_json::from_str(r#"{"b":[null],"a":1}"#).unwrap())
    );
}
