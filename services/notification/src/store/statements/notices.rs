//! Reading notices.

use async_trait::async_trait;
use nopic_sql::Error;
use nopic_sql::row::json;

use super::super::engine::rows;
use super::Store;
use super::deliveries::deliveries_of_notice;
use crate::store::row::{NoticeRow, stored_notice};
use crate::store::{NoticeFilter, NoticeStore, StoredDelivery, StoredNotice};

nopic_sql::statements! {
    /// `$3`: the least severity; `$4`: the subject, empty for any; `$5`: whether of every kind, else those of `$6`.
    const SELECT_NOTICES: &str = concat!(
        "SELECT notice_id, content, created_at FROM notice
        WHERE tenant = $1 AND notice_id < $2 AND severity >= $3 AND ($4 = '' OR subject = $4)
            AND ($5 OR kind IN (SELECT r.value ->> 0 FROM ",
        rows!("$6"),
        ")) ORDER BY notice_id DESC LIMIT $7"
    );
    const SELECT_NOTICES_AFTER: &str = "SELECT notice_id, content, created_at FROM notice
        WHERE tenant = $1 AND notice_id > $2 ORDER BY notice_id LIMIT $3";
    const SELECT_NOTICE: &str = "SELECT notice_id, content, created_at FROM notice WHERE tenant = $1 AND notice_id = $2";
}

#[async_trait]
impl NoticeStore for Store {
    async fn notices(
        &self,
        tenant: &str,
        filter: &NoticeFilter,
        before: i64,
        limit: u32,
    ) -> Result<Vec<StoredNotice>, Error> {
        let kinds: Vec<[&str; 1]> = filter.kinds.iter().map(|kind| [kind.as_str()]).collect();
        let found: Vec<NoticeRow> = sqlx::query_as(SELECT_NOTICES)
            .bind(tenant)
            .bind(before)
            .bind(filter.least_severity.map_or(0, |severity| severity as i64))
            .bind(filter.subject.as_deref().unwrap_or_default())
            .bind(kinds.is_empty())
            .bind(json(kinds)?)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        found.into_iter().map(stored_notice).collect()
    }

    async fn notices_after(&self, tenant: &str, after: i64, limit: u32) -> Result<Vec<StoredNotice>, Error> {
        let found: Vec<NoticeRow> = sqlx::query_as(SELECT_NOTICES_AFTER)
            .bind(tenant)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        found.into_iter().map(stored_notice).collect()
    }

    async fn notice(
        &self,
        tenant: &str,
        id: i64,
    ) -> Result<Option<(StoredNotice, Vec<StoredDelivery>)>, Error> {
        let mut connection = self.database.readers().acquire().await?;
        let found: Option<NoticeRow> = sqlx::query_as(SELECT_NOTICE)
            .bind(tenant)
            .bind(id)
            .fetch_optional(&mut *connection)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let deliveries = deliveries_of_notice(&mut connection, tenant, id).await?;
        Ok(Some((stored_notice(found)?, deliveries)))
    }
}
