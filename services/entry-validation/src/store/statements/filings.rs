//! Filings: begin, freeze anew, finish, find those that were left.

use chrono::{DateTime, Utc};
use nopic_domain::decision::{Decision, EntryAnswer, Kind};
use nopic_domain::principal::Role;
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use nopic_sql::row::{json, small};
use rustc_hash::FxHashMap;

use super::Store;
use super::engine::{Connection, audit, hold, requests};
use super::filings_sql as sql;
use super::recording::write_decisions;
use crate::store::refusals::{read_refused, write_refused};
use crate::store::{
    Begun, Deletion, FilingState, FilingStore, Lease, NewFiling, NewRequest, OpenFiling, RequestOnRecord,
    SetAsideFiling, StoredDecision, TakenFiling, codec,
};

fn taken(row: (i64, String, String, i64, bool, Vec<u8>)) -> TakenFiling {
    let (filing_id, tenant, request_id, attempt, must_ask_ledger, inputs) = row;
    let read = small("filing.attempt", attempt).and_then(|attempt| {
        Ok(OpenFiling {
            filing_id,
            tenant: tenant.clone(),
            attempt,
            must_ask_ledger,
            inputs: codec::read_inputs(&inputs)?,
        })
    });
    TakenFiling {
        filing_id,
        tenant,
        request_id,
        read,
    }
}

fn busy(entry_number: Option<String>, new: NewFiling<'_>) -> Begun {
    Begun::Busy {
        entry_number,
        inputs: Box::new(new.inputs),
    }
}

/// Whether a filing of a request was begun before, or all of it refused; until the transaction ends, nobody else asks for
/// the same.
async fn is_known(connection: &mut Connection, request: NewRequest<'_>) -> Result<bool, Error> {
    hold(connection, &[request.tenant, request.request_id]).await?;
    let known: Option<(i64, Vec<u8>, String)> = sqlx::query_as(sql::SELECT_REQUEST)
        .bind(request.tenant)
        .bind(request.request_id)
        .fetch_optional(connection)
        .await?;
    match known {
        None => Ok(false),
        Some((_, hash, _)) if hash == request.request_hash => Ok(true),
        Some(_) => Err(Error::RequestReused(request.request_id.to_owned())),
    }
}

async fn keep_refused(
    connection: &mut Connection,
    request: NewRequest<'_>,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    requests::answer(
        connection,
        request.tenant,
        request.request_id,
        &request.request_hash,
        &write_refused(request.refused),
        at,
    )
    .await
}

#[tonic::async_trait]
impl FilingStore for Store {
    async fn begin_filing(&self, mut new: NewFiling<'_>) -> Result<Begun, Error> {
        let mut transaction = self.database.write("begin_filing").await?;
        let request = new.request;
        if is_known(&mut transaction, request).await? {
            return Ok(busy(None, new));
        }
        let numbers: Vec<[&str; 1]> = new
            .inputs
            .entries
            .iter()
            .map(|entry| [entry.entry_number.as_str()])
            .collect();
        let found: Vec<(i64, String, i64, Option<i64>, bool)> = sqlx::query_as(sql::SELECT_ENTRIES)
            .bind(request.tenant)
            .bind(json(numbers)?)
            .fetch_all(&mut *transaction)
            .await?;
        let mut versions: FxHashMap<&str, (i64, u32)> = FxHashMap::default();
        let must_ask_ledger = found.iter().any(|(.., may_have_drawn)| *may_have_drawn);
        for (entry_id, entry_number, version, claimed_by, _) in &found {
            if claimed_by.is_some() {
                return Ok(busy(Some(entry_number.clone()), new));
            }
            versions.insert(entry_number, (*entry_id, small("entry.version", *version)?));
        }
        let mut claimed = Vec::with_capacity(found.len());
        let mut added = Vec::new();
        for entry in &mut new.inputs.entries {
            let known = versions.get(entry.entry_number.as_str()).copied();
            let current = known.map_or(0, |(_, version)| version);
            if new.current_version.is_some_and(|asked| asked != current) {
                return Ok(Begun::Outdated {
                    entry_number: entry.entry_number.clone(),
                    current,
                });
            }
            let looked_at = new.looked_at.get(&entry.entry_number);
            if looked_at.is_some_and(|looked_at| *looked_at != current) {
                let entry_number = entry.entry_number.clone();
                return Ok(busy(Some(entry_number), new));
            }
            entry.version = current + 1;
            match known {
                Some((entry_id, _)) => claimed.push([entry_id]),
                None => added.push([entry.entry_number.clone()]),
            }
        }
        let filing_id: i64 = sqlx::query_scalar(sql::INSERT_FILING)
            .bind(request.tenant)
            .bind(request.request_id)
            .bind(&request.request_hash[..])
            .bind(codec::write_inputs(&new.inputs))
            .bind(new.lease.holder)
            .bind(new.lease.until)
            .bind(new.lease.now)
            .bind(must_ask_ledger)
            .fetch_one(&mut *transaction)
            .await?;
        if !claimed.is_empty() {
            sqlx::query(sql::CLAIM)
                .bind(filing_id)
                .bind(json(claimed)?)
                .execute(&mut *transaction)
                .await?;
        }
        if !added.is_empty() {
            let count = added.len() as u64;
            // In one order always, so that two filings do not wait for each other; behind the entries that are held.
            added.sort_unstable();
            let inserted = sqlx::query(sql::INSERT_ENTRIES)
                .bind(request.tenant)
                .bind(json(added)?)
                .bind(filing_id)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if inserted < count {
                // Another filing brought one of them meanwhile.
                return Ok(busy(None, new));
            }
        }
        if !request.refused.is_empty() {
            keep_refused(&mut transaction, request, new.lease.now).await?;
        }
        transaction.commit().await?;
        Ok(Begun::Open(Box::new(OpenFiling {
            filing_id,
            tenant: request.tenant.to_owned(),
            attempt: 1,
            must_ask_ledger,
            inputs: new.inputs,
        })))
    }

    async fn refuse_request(&self, new: NewRequest<'_>, at: DateTime<Utc>) -> Result<bool, Error> {
        let mut transaction = self.database.write("refuse_request").await?;
        if is_known(&mut transaction, new).await? {
            return Ok(false);
        }
        keep_refused(&mut transaction, new, at).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn request_on_record(&self, tenant: &str, request_id: &str) -> Result<RequestOnRecord, Error> {
        type Row = (
            Option<i64>,
            Option<Vec<u8>>,
            Option<String>,
            Option<DateTime<Utc>>,
            Option<String>,
            Option<Vec<u8>>,
            Option<Vec<u8>>,
        );
        let row: Row = sqlx::query_as(sql::SELECT_ON_RECORD)
            .bind(tenant)
            .bind(request_id)
            .fetch_one(self.database.readers())
            .await?;
        let (filing_id, hash, state, set_aside_at, because, hash_of_refused, answer) = row;
        let state = match set_aside_at {
            Some(at) => FilingState::SetAside {
                at,
                because: because.unwrap_or_default(),
            },
            None if state.as_deref() == Some("DONE") => FilingState::Done,
            None => FilingState::Open,
        };
        Ok(RequestOnRecord {
            filing: filing_id
                .zip(hash)
                .map(|(filing_id, hash)| (filing_id, hash, state)),
            refused: hash_of_refused
                .zip(answer)
                .map(|(hash, answer)| Ok::<_, Error>((hash, read_refused(&answer)?)))
                .transpose()?,
        })
    }

    async fn version_to_delete(&self, deletion: Deletion<'_>) -> Result<Option<u32>, Error> {
        let Deletion {
            tenant,
            request_id,
            request_hash,
            ..
        } = deletion;
        let mut transaction = self.database.write("version_to_delete").await?;
        let before = requests::begin(&mut transaction, tenant, request_id, &request_hash).await?;
        if before.is_some() {
            return Ok(None);
        }
        let entry: Option<(i64, Option<i64>, Option<String>)> = sqlx::query_as(sql::SELECT_VERSION)
            .bind(tenant)
            .bind(deletion.entry_number)
            .fetch_optional(&mut *transaction)
            .await?;
        let filed: Option<(i64, Vec<u8>, String)> = sqlx::query_as(sql::SELECT_REQUEST)
            .bind(tenant)
            .bind(request_id)
            .fetch_optional(&mut *transaction)
            .await?;
        // A claim is for the next version and ends with it, so of an entry that is claimed there will be something to
        // delete, also where its first version is still to come.
        let newest = entry.map_or(0, |(version, claimed_by, kind)| {
            let is_taken_back = kind.as_deref() == Some(Kind::Cancelled.as_str());
            if is_taken_back && claimed_by.is_none() && filed.is_none() {
                return 0;
            }
            version + i64::from(claimed_by.is_some())
        });
        if newest > 0 {
            return small("entry.version", newest).map(Some);
        }
        requests::answer(
            &mut transaction,
            tenant,
            request_id,
            &request_hash,
            &[],
            deletion.at,
        )
        .await?;
        transaction.commit().await?;
        Ok(None)
    }

    async fn freeze_anew(&self, filing: &OpenFiling, lease: Lease<'_>) -> Result<bool, Error> {
        let mut transaction = self.database.write("freeze_anew").await?;
        let changed = sqlx::query(sql::REFREEZE)
            .bind(codec::write_inputs(&filing.inputs))
            .bind(lease.until)
            .bind(filing.filing_id)
            .bind(i64::from(filing.attempt))
            .bind(lease.holder)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        transaction.commit().await?;
        Ok(changed == 1)
    }

    async fn take_left_filing(&self, lease: Lease<'_>) -> Result<Option<TakenFiling>, Error> {
        let mut transaction = self.database.write("take_left_filing").await?;
        let row = sqlx::query_as(sql::TAKE)
            .bind(lease.holder)
            .bind(lease.until)
            .bind(lease.now)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(row.map(taken))
    }

    async fn count_try(&self, filing_id: i64, holder: &str) -> Result<Option<u32>, Error> {
        let mut transaction = self.database.write("count_try").await?;
        let tries: Option<i64> = sqlx::query_scalar(sql::COUNT_TRY)
            .bind(filing_id)
            .bind(holder)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        tries.map(|tries| small("filing.tries", tries)).transpose()
    }

    async fn set_aside(&self, filing_id: i64, lease: Lease<'_>, because: &str) -> Result<bool, Error> {
        let mut transaction = self.database.write("set_filing_aside").await?;
        let row: Option<(String, String, i64)> = sqlx::query_as(sql::SET_ASIDE)
            .bind(lease.now)
            .bind(because)
            .bind(filing_id)
            .bind(lease.holder)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some((tenant, request_id, tries)) = row else {
            return Ok(false);
        };
        sqlx::query(sql::FREE)
            .bind(filing_id)
            .execute(&mut *transaction)
            .await?;
        let detail = json(serde_json::json!({
            "filing": filing_id,
            "requestId": request_id,
            "tries": tries,
        }))?;
        audit::record_rows(
            &mut transaction,
            &audit::Change {
                at: lease.now,
                tenant: &tenant,
                actor: lease.holder,
                action: "FILING_SET_ASIDE",
                subject: &filing_id.to_string(),
                reason: because,
                detail: &detail,
            },
            Role::Operator.as_str(),
            // The rows of filings are proved by replay, not by the log; its entries are as they were.
            &Rows::new(),
        )
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn list_set_aside(
        &self,
        tenant: &str,
        before: i64,
        limit: u32,
    ) -> Result<Vec<SetAsideFiling>, Error> {
        type Row = (i64, String, Vec<u8>, DateTime<Utc>, Option<String>, i64);
        let rows: Vec<Row> = sqlx::query_as(sql::LIST_SET_ASIDE)
            .bind(tenant)
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        rows.into_iter()
            .map(|(filing_id, request_id, inputs, set_aside_at, because, tries)| {
                let entries =
                    codec::read_inputs(&inputs).map_or_else(|_| Vec::new(), |inputs| inputs.entries);
                Ok(SetAsideFiling {
                    filing_id,
                    request_id,
                    entry_numbers: entries.into_iter().map(|entry| entry.entry_number).collect(),
                    set_aside_at,
                    because: because.unwrap_or_default(),
                    tries: small("filing.tries", tries)?,
                })
            })
            .collect()
    }

    async fn count_set_aside(&self) -> Result<i64, Error> {
        Ok(sqlx::query_scalar(sql::COUNT_SET_ASIDE)
            .fetch_one(self.database.readers())
            .await?)
    }

    async fn expire_leases(&self, holder: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let mut transaction = self.database.write("expire_leases").await?;
        sqlx::query(sql::EXPIRE)
            .bind(now - chrono::TimeDelta::seconds(1))
            .bind(holder)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn abandon_filing(
        &self,
        tenant: &str,
        request_id: &str,
        holder: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut transaction = self.database.write("abandon_filing").await?;
        sqlx::query(sql::ABANDON)
            .bind(now - chrono::TimeDelta::seconds(1))
            .bind(holder)
            .bind(tenant)
            .bind(request_id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn finish_filing(
        &self,
        filing: OpenFiling,
        decided: Vec<Decision>,
        ledger: &[EntryAnswer],
        lease: Lease<'_>,
    ) -> Result<Option<Vec<StoredDecision>>, Error> {
        let mut transaction = self.database.write("finish_filing").await?;
        let finished = sqlx::query(sql::FINISH)
            .bind(codec::write_answers(ledger))
            .bind(lease.now)
            .bind(filing.filing_id)
            .bind(lease.holder)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if finished == 0 {
            // Another worker took it over and finishes it, or has.
            return Ok(None);
        }
        let stored = write_decisions(&mut transaction, filing, decided, lease.now).await?;
        transaction.commit().await?;
        Ok(Some(stored))
    }
}
