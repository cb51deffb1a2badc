//! Flag tables by content; one of them serves.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nopic_domain::flags::FlagTable;
use nopic_domain::hts::HtsCode;
use nopic_domain::principal::Principal;
use nopic_sql::Error;
use nopic_sql::audit::Rows;

use super::Store;
use super::engine::{Connection, audit, outbox};
use crate::store::audited::{FLAG_TABLE, SERVING_FLAG_TABLE};
use crate::store::{FlagStore, ServingFlags, events};

nopic_sql::statements! {
    const SELECT_SERVING: &str = "SELECT flag_table.version, flag_table.content FROM serving_flag_table \
        JOIN flag_table ON flag_table.version = serving_flag_table.version";
    const SELECT_SERVING_VERSION: &str = "SELECT version FROM serving_flag_table WHERE slot = 1";
    const SELECT_FLAG_TABLE: &str = "SELECT content FROM flag_table WHERE version = $1";
    const INSERT_FLAG_TABLE: &str = "INSERT INTO flag_table (version, content, first_served_by, first_served_at) \
        VALUES ($1, $2, $3, $4) ON CONFLICT (version) DO NOTHING";
    const SERVE_FIRST: &str =
        "INSERT INTO serving_flag_table (slot, version) VALUES (1, $1) ON CONFLICT (slot) DO NOTHING";
    const SERVE_NEXT: &str = "UPDATE serving_flag_table SET version = $1 WHERE slot = 1 AND version = $2";
}

/// Lets a table that is kept serve in place of another; whether that one still served.
async fn serve(connection: &mut Connection, version: &str, built_on: Option<&str>) -> Result<bool, Error> {
    let statement = match built_on {
        None => sqlx::query(SERVE_FIRST).bind(version),
        Some(before) => sqlx::query(SERVE_NEXT).bind(version).bind(before),
    };
    Ok(statement.execute(connection).await?.rows_affected() == 1)
}

/// Keeps a table where it is not kept; what that leaves.
async fn keep(
    connection: &mut Connection,
    table: &FlagTable,
    by: &str,
    now: DateTime<Utc>,
) -> Result<Rows, Error> {
    let content = table.to_text();
    let inserted = sqlx::query(INSERT_FLAG_TABLE)
        .bind(table.version())
        .bind(&content)
        .bind(by)
        .bind(now)
        .execute(connection)
        .await?
        .rows_affected();
    let mut rows = Rows::new();
    if inserted == 1 {
        rows.row(&FLAG_TABLE)
            .text(table.version())
            .text(content.as_str())
            .text(by)
            .moment(now)
            .end();
    }
    Ok(rows)
}

fn parse(content: &str) -> Result<FlagTable, Error> {
    FlagTable::from_text(content).map_err(|error| Error::corrupt("flag_table.content", error))
}

#[tonic::async_trait]
impl FlagStore for Store {
    async fn serving_flags(&self) -> Result<ServingFlags, Error> {
        let serving: Option<(String, String)> = sqlx::query_as(SELECT_SERVING)
            .fetch_optional(self.database.readers())
            .await?;
        match serving {
            None => Ok(ServingFlags::shipped()),
            Some((version, content)) => Ok(ServingFlags {
                version: Some(version),
                table: Arc::new(parse(&content)?),
            }),
        }
    }

    async fn serving_flags_version(&self) -> Result<Option<String>, Error> {
        Ok(sqlx::query_scalar(SELECT_SERVING_VERSION)
            .fetch_optional(self.database.readers())
            .await?)
    }

    async fn serve_flags(
        &self,
        table: &FlagTable,
        built_on: Option<&str>,
        changed: &[HtsCode],
        by: &Principal,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let mut transaction = self.database.write("serve_flags").await?;
        let mut rows = keep(&mut transaction, table, &by.actor, now).await?;
        if !serve(&mut transaction, table.version(), built_on).await? {
            // Dropped, the transaction is undone.
            return Ok(false);
        }
        let change = audit::Change {
            at: now,
            tenant: &by.tenant,
            actor: &by.actor,
            action: "FLAGS_IMPORTED",
            subject: table.version(),
            reason: "",
            detail: "{}",
        };
        rows.row(&SERVING_FLAG_TABLE)
            .number(1)
            .text(table.version())
            .end();
        audit::record_rows(&mut transaction, &change, by.role.as_str(), &rows).await?;
        let told = events::flags_changed(table.version(), changed);
        outbox::put(&mut transaction, now, told).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn keep_flags(&self, table: &FlagTable, now: DateTime<Utc>) -> Result<(), Error> {
        if self.flag_table(table.version()).await?.is_some() {
            return Ok(());
        }
        let by = Principal::built_in("shipped");
        let mut transaction = self.database.write("keep_flags").await?;
        let rows = keep(&mut transaction, table, &by.actor, now).await?;
        let change = audit::Change {
            at: now,
            tenant: &by.tenant,
            actor: &by.actor,
            action: "FLAGS_KEPT",
            subject: table.version(),
            reason: "",
            detail: "{}",
        };
        if !rows.is_empty() {
            audit::record_rows(&mut transaction, &change, by.role.as_str(), &rows).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn flag_table(&self, version: &str) -> Result<Option<FlagTable>, Error> {
        let content: Option<String> = sqlx::query_scalar(SELECT_FLAG_TABLE)
            .bind(version)
            .fetch_optional(self.database.readers())
            .await?;
        content.map(|content| parse(&content)).transpose()
    }
}
