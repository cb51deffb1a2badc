//! ImportStore: one transaction for a whole file, in batches of statements that write many rows each.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use nopic_domain::certificate::Certificate;
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_sql::Error;
use nopic_sql::audit::Rows;

use super::engine::{Connection, audit, hold, outbox};
use super::import_known::{load, moments};
use super::lifecycle::concerned;
use super::read::{hold_certificates, select_certificates};
use super::{Store, sql};
use crate::import_decision::{Change, Decision, Known, Stated, decide};
use crate::store::row::{CertificateRow, json};
use crate::store::{EndedHere, ImportOrigin, ImportStore, Imported, Overdrawn, audited, events};

/// Certificates written by one statement: large enough to spread its cost, small enough to stay in the processor's
/// cache.
const BATCH: usize = 1_000;
/// How often an import is tried that an issue of the same number disturbs.
const ATTEMPTS: u32 = 5;
/// What one note says of rows, at least, before another goes on.
const NOTE_BYTES: usize = 256 * 1024;

#[tonic::async_trait]
impl ImportStore for Store {
    async fn import(
        &self,
        stated: &[Stated],
        named: &[CertificateNumber],
        origin: &ImportOrigin,
        abandoned: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Imported>, Error> {
        let mut attempt = 1;
        loop {
            match self.try_import(stated, named, origin, abandoned).await {
                // A certificate was issued here with a number that was found missing.
                Err(error) if attempt < ATTEMPTS && error.is_refused_by("certificate_version") => {
                    attempt += 1;
                }
                done => return done,
            }
        }
    }
}

impl Store {
    async fn try_import(
        &self,
        stated: &[Stated],
        named: &[CertificateNumber],
        origin: &ImportOrigin,
        abandoned: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Imported>, Error> {
        let mut transaction = self.database.write("import_certificates").await?;
        // Of two imports that bring the same new certificate, neither may find it missing.
        hold(&mut transaction, &["import of certificates"]).await?;
        let mut imported = Imported::default();
        let mut rows = Rows::new();
        for batch in stated.chunks(BATCH) {
            if abandoned() {
                return Ok(None);
            }
            import_batch(&mut transaction, batch, origin, &mut imported, &mut rows).await?;
            if rows.size() >= NOTE_BYTES {
                record(&mut transaction, origin, "{}", &std::mem::take(&mut rows)).await?;
            }
        }
        if abandoned() {
            return Ok(None);
        }
        raise_serials(&mut transaction, named).await?;
        let Imported {
            added,
            changed,
            unchanged,
            ..
        } = imported;
        if added > 0 || changed > 0 {
            let detail = serde_json::json!({ "added": added, "changed": changed, "unchanged": unchanged });
            record(&mut transaction, origin, &detail.to_string(), &rows).await?;
        }
        transaction.commit().await?;
        Ok(Some(imported))
    }
}

/// Notes the import, a large one in parts: how many certificates it changed, the last says.
async fn record(
    connection: &mut Connection,
    origin: &ImportOrigin,
    detail: &str,
    rows: &Rows,
) -> Result<(), Error> {
    let change = audit::Change {
        at: origin.at,
        tenant: &origin.tenant,
        actor: &origin.actor,
        action: "CERTIFICATES_IMPORTED",
        subject: &origin.file_name,
        reason: "",
        detail,
    };
    audit::record_rows(connection, &change, origin.role, rows).await
}

async fn import_batch(
    connection: &mut Connection,
    batch: &[Stated],
    origin: &ImportOrigin,
    imported: &mut Imported,
    rows: &mut Rows,
) -> Result<(), Error> {
    // Most of a file is as it was before. Only what changes is held, so that nobody waits for an import who draws on
    // something else; and what is held may have changed meanwhile.
    let tenant = &origin.tenant;
    let batch: Vec<&Stated> = batch.iter().collect();
    let certificates = select_certificates(connection, &numbers(&batch)).await?;
    let known = load(connection, certificates, &batch, tenant).await?;
    let is_changed = |stated: &&Stated| {
        decide(stated, known.get(&stated.certificate.number), tenant) != Decision::Unchanged
    };
    let changing: Vec<&Stated> = batch.iter().copied().filter(is_changed).collect();
    imported.unchanged += u32::try_from(batch.len() - changing.len()).unwrap_or(u32::MAX);
    if changing.is_empty() {
        return Ok(());
    }
    let certificates = hold_certificates(connection, &numbers(&changing)).await?;
    let known = load(connection, certificates, &changing, tenant).await?;
    let moments = moments(connection, &known, origin.at).await?;
    // By moment: nearly always there is one.
    let mut writes: BTreeMap<DateTime<Utc>, Writes<'_>> = BTreeMap::new();
    for stated in changing {
        let number = stated.certificate.number;
        let known = known.get(&number);
        match (decide(stated, known, tenant), known) {
            (Decision::Unchanged, _) => imported.unchanged += 1,
            (Decision::Refused, known) => imported.refused.extend(known.map(|known| EndedHere {
                number,
                status: known.certificate.status,
                superseded_by: known.certificate.superseded_by,
            })),
            (Decision::Change(change), known) => {
                match known {
                    None => imported.added += 1,
                    Some(_) => imported.changed += 1,
                }
                imported
                    .overdrawn
                    .extend(change.ledger.past_limit().map(|excess| Overdrawn {
                        number,
                        limit: change.ledger.limit,
                        excess,
                    }));
                let at = moments.get(&number).copied().unwrap_or(origin.at);
                writes
                    .entry(at)
                    .or_default()
                    .add(&stated.certificate, known, change, at);
            }
        }
    }
    for (at, writes) in writes {
        writes.save(connection, origin, at, rows).await?;
    }
    Ok(())
}

/// Keeps numbers from being given here.
async fn raise_serials(connection: &mut Connection, named: &[CertificateNumber]) -> Result<(), Error> {
    // In one order always, so that nobody waits for each other.
    let mut serials: BTreeMap<(u16, u64), u32> = BTreeMap::new();
    for number in named {
        let last = serials
            .entry((number.certifier().number(), number.operation().number()))
            .or_default();
        *last = number.serial().max(*last);
    }
    let rows: Vec<(u16, u64, u32)> = serials
        .into_iter()
        .map(|((certifier, exporter), serial)| (certifier, exporter, serial))
        .collect();
    for rows in rows.chunks(BATCH) {
        sqlx::query(sql::RAISE_SERIALS)
            .bind(json(rows)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn numbers(stated: &[&Stated]) -> Vec<CertificateNumber> {
    stated.iter().map(|stated| stated.certificate.number).collect()
}

/// The rows of one batch that are of one moment, by statement.
#[derive(Default)]
struct Writes<'a> {
    certificates: Vec<CertificateRow<'a>>,
    versions: Vec<(i64, u32, &'a Certificate)>,
    /// Certificates whose status was another.
    other_status: Vec<&'a Certificate>,
    /// Certificates whose imported draws end.
    ended: Vec<[i64; 1]>,
    draws: Vec<(i64, EntryNumber, u32, u32, i64, i64, String)>,
}

impl<'a> Writes<'a> {
    fn add(
        &mut self,
        certificate: &'a Certificate,
        known: Option<&Known>,
        change: Change,
        at: DateTime<Utc>,
    ) {
        let key = certificate.number.key();
        if known.is_some_and(|known| known.certificate.status != certificate.status) {
            self.other_status.push(certificate);
        }
        self.certificates.push(CertificateRow::new(
            certificate,
            change.version,
            change.ledger,
            at,
        ));
        if change.new_version {
            self.versions.push((key, change.version, certificate));
        }
        let Some(draws) = change.draws else { return };
        if known.is_some_and(|known| !known.imported.is_empty()) {
            self.ended.push([key]);
        }
        self.draws.extend(draws.into_iter().map(|imported| {
            (
                key,
                imported.draw.entry_number,
                imported.draw.line_number,
                imported.draw.pga_line_number,
                imported.draw.weight_kg.units(),
                imported.excess.units(),
                imported.tenant,
            )
        }));
    }

    /// What it leaves of certificates, ledgers and versions.
    fn leave(&self, origin: &ImportOrigin, at: DateTime<Utc>, rows: &mut Rows) -> Result<(), Error> {
        let mut versions = self.versions.iter().peekable();
        for row in &self.certificates {
            let hash = audited::content_hash(row.certificate())?;
            row.leave(hash, rows);
            if let Some((key, version, _)) = versions.next_if(|(key, _, _)| *key == row.key()) {
                rows.row(&audited::VERSION)
                    .number(*key)
                    .number(i64::from(*version))
                    .json(hash)
                    .text("IMPORT")
                    .text(origin.file_name.as_str())
                    .text(origin.tenant.as_str())
                    .text(origin.actor.as_str())
                    .moment(at)
                    .end();
            }
        }
        Ok(())
    }

    async fn save(
        self,
        connection: &mut Connection,
        origin: &ImportOrigin,
        at: DateTime<Utc>,
        rows: &mut Rows,
    ) -> Result<(), Error> {
        self.leave(origin, at, rows)?;
        // Before draws end: whoever drew must hear of it.
        for certificate in self.other_status {
            if let Some(step) = events::ended_by_import(certificate, &origin.file_name) {
                let concerned = concerned(connection, certificate).await?;
                let tenants = concerned
                    .iter()
                    .map(String::as_str)
                    .chain([origin.tenant.as_str()]);
                let messages = events::tell_step(tenants, &certificate.number.to_string(), &step);
                outbox::put(connection, at, messages).await?;
            }
        }
        if !self.certificates.is_empty() {
            sqlx::query(sql::UPSERT_CERTIFICATES)
                .bind(json(self.certificates)?)
                .execute(&mut *connection)
                .await?;
        }
        if !self.versions.is_empty() {
            sqlx::query(sql::INSERT_VERSIONS)
                .bind(json(self.versions)?)
                .bind(&origin.file_name)
                .bind(&origin.tenant)
                .bind(&origin.actor)
                .bind(at)
                .execute(&mut *connection)
                .await?;
        }
        if !self.ended.is_empty() {
            let ended: Vec<i64> = sqlx::query_scalar(sql::END_IMPORTED_DRAWS)
                .bind(json(self.ended)?)
                .bind(at)
                .fetch_all(&mut *connection)
                .await?;
            audited::ends(rows, ended, at);
        }
        if !self.draws.is_empty() {
            let ids: Vec<i64> = sqlx::query_scalar(sql::INSERT_IMPORTED_DRAWS)
                .bind(json(&self.draws)?)
                .bind(&origin.actor)
                .bind(at)
                .fetch_all(&mut *connection)
                .await?;
            for (id, (key, entry, line, pga_line, units, excess, tenant)) in ids.into_iter().zip(&self.draws)
            {
                rows.row(&audited::DRAW)
                    .number(id)
                    .number(*key)
                    .text(entry.as_str())
                    .number(i64::from(*line))
                    .number(i64::from(*pga_line))
                    .text("IMPORT")
                    .text(tenant.as_str())
                    .number(*units)
                    .number(*excess)
                    .number(None)
                    .text(origin.actor.as_str())
                    .moment(at)
                    .end();
            }
        }
        Ok(())
    }
}
