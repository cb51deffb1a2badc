//! Reading: each answer is from one state of the database.

use nopic_domain::certificate::CertificateStatus;
use nopic_domain::date::Date;
use nopic_domain::identifier::{CertificateNumber, CertifierId, NopId};
use nopic_sql::Error;
use rustc_hash::FxHashMap;
use sqlx::SqliteConnection;

use super::row::{json, key_of, unpack, unpack_all, unpack_all_draws, unpack_draw};
use super::{CertificateStore, OwnDrawsKey, StoredCertificate, StoredDraw, Visibility, sql};

/// Before every key.
const BEFORE_ALL: i64 = i64::MIN;

/// Which certificates are listed; absent: any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListFilter {
    pub(crate) status: Option<CertificateStatus>,
    pub(crate) certifier: Option<CertifierId>,
    pub(crate) exporter: Option<NopId>,
    pub(crate) importer: Option<NopId>,
    pub(crate) valid_on: Option<Date>,
}

/// What entry validation asked for.
#[derive(Debug, Default)]
pub(crate) struct ForValidation {
    pub(crate) certificates: FxHashMap<CertificateNumber, StoredCertificate>,
    pub(crate) own_draws: Vec<StoredDraw>,
}

impl CertificateStore {
    /// The known ones of these.
    pub(crate) async fn certificates(
        &self,
        numbers: &[CertificateNumber],
    ) -> Result<FxHashMap<CertificateNumber, StoredCertificate>, Error> {
        let mut connection = self.database.readers().acquire().await?;
        select_certificates(&mut connection, numbers).await
    }

    /// The known ones of these, and what the entries of the questions drew as far as the caller may know.
    pub(crate) async fn for_validation(
        &self,
        numbers: &[CertificateNumber],
        questions: &[OwnDrawsKey],
        visibility: &Visibility,
    ) -> Result<ForValidation, Error> {
        // One transaction, so that an entry's draws are part of the sums that stand beside them.
        let mut transaction = self.database.readers().begin().await?;
        let certificates = select_certificates(&mut transaction, numbers).await?;
        let mut own_draws = Vec::new();
        if !questions.is_empty() {
            let questions: Vec<String> = questions
                .iter()
                .map(|(number, entry)| format!("{entry}{}", key_of(*number)))
                .collect();
            let rows: Option<String> = sqlx::query_scalar(sql::SELECT_OWN_DRAWS)
                .bind(json(questions)?)
                .bind(visibility.all)
                .bind(visibility.tenant.as_str())
                .fetch_one(&mut *transaction)
                .await?;
            own_draws = unpack_all_draws(rows.as_deref())?;
        }
        transaction.commit().await?;
        Ok(ForValidation {
            certificates,
            own_draws,
        })
    }

    /// A certificate with the first of the draws on it that the caller may see, by entry, line and PGA line.
    pub(crate) async fn certificate_with_draws(
        &self,
        number: CertificateNumber,
        visibility: &Visibility,
        limit: u32,
    ) -> Result<Option<(StoredCertificate, Vec<StoredDraw>)>, Error> {
        let mut transaction = self.database.readers().begin().await?;
        let Some(stored) = select_certificates(&mut transaction, &[number])
            .await?
            .remove(&number)
        else {
            return Ok(None);
        };
        let rows: Vec<String> = sqlx::query_scalar(sql::SELECT_DRAWS)
            .bind(key_of(number))
            .bind(visibility.all)
            .bind(visibility.tenant.as_str())
            .bind(limit)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let draws = rows
            .iter()
            .map(|row| unpack_draw(row))
            .collect::<Result<_, _>>()?;
        Ok(Some((stored, draws)))
    }

    /// The certificates after this number that pass the filter, in the order of their numbers.
    pub(crate) async fn list(
        &self,
        filter: ListFilter,
        after: Option<CertificateNumber>,
        limit: u32,
    ) -> Result<Vec<StoredCertificate>, Error> {
        // The most selective filter first: a certifier has thousands of certificates, an operation has dozens.
        let statement = match filter {
            ListFilter {
                exporter: Some(_), ..
            } => sql::LIST_OF_EXPORTER,
            ListFilter {
                importer: Some(_), ..
            } => sql::LIST_OF_IMPORTER,
            ListFilter {
                certifier: Some(_), ..
            } => sql::LIST_OF_CERTIFIER,
            _ => sql::LIST,
        };
        // A NOP ID has 10 digits, so it never wraps.
        let rows: Vec<String> = sqlx::query_scalar(statement)
            .bind(after.map_or(BEFORE_ALL, key_of))
            .bind(filter.status.map(CertificateStatus::as_str))
            .bind(filter.certifier.map(CertifierId::number))
            .bind(filter.exporter.map(|id| id.number().cast_signed()))
            .bind(filter.importer.map(|id| id.number().cast_signed()))
            .bind(filter.valid_on)
            .bind(limit)
            .fetch_all(self.database.readers())
            .await?;
        rows.iter().map(|row| unpack(row)).collect()
    }
}

pub(super) async fn select_certificates(
    connection: &mut SqliteConnection,
    numbers: &[CertificateNumber],
) -> Result<FxHashMap<CertificateNumber, StoredCertificate>, Error> {
    if numbers.is_empty() {
        return Ok(FxHashMap::default());
    }
    let keys: Vec<i64> = numbers.iter().copied().map(key_of).collect();
    let rows: Option<String> = sqlx::query_scalar(sql::SELECT_CERTIFICATES)
        .bind(json(keys)?)
        .fetch_one(connection)
        .await?;
    Ok(unpack_all(rows.as_deref())?
        .into_iter()
        .map(|stored| (stored.certificate.number, stored))
        .collect())
}
