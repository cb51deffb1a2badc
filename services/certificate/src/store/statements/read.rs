//! ReadStore: each answer is from one state of the database.

use nopic_domain::certificate::CertificateStatus;
use nopic_domain::date::Date;
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::weight::Weight;
use nopic_sql::Error;
use rustc_hash::FxHashMap;

use super::engine::Connection;
use super::{Store, sql};
use crate::store::row::{json, small, unpack, unpack_all, unpack_all_draws, unpack_draw};
use crate::store::{
    ForValidation, ListFilter, OwnDrawsKey, ReadStore, StoredCertificate, StoredDraw, Visibility,
};

/// Before every key.
const BEFORE_ALL: i64 = i64::MIN;

#[tonic::async_trait]
impl ReadStore for Store {
    async fn certificates(
        &self,
        numbers: &[CertificateNumber],
        visibility: &Visibility,
    ) -> Result<FxHashMap<CertificateNumber, StoredCertificate>, Error> {
        let mut transaction = self.database.read().await?;
        let mut known = select_certificates(&mut transaction, numbers).await?;
        hide_draws(&mut transaction, known.values_mut(), visibility).await?;
        transaction.commit().await?;
        Ok(known)
    }

    async fn for_validation(
        &self,
        numbers: &[CertificateNumber],
        questions: &[OwnDrawsKey],
        visibility: &Visibility,
    ) -> Result<ForValidation, Error> {
        // One transaction, so that an entry's draws are part of the sums that stand beside them.
        let mut transaction = self.database.read().await?;
        let certificates = select_certificates(&mut transaction, numbers).await?;
        let mut own_draws = Vec::new();
        if !questions.is_empty() {
            let questions: Vec<_> = questions
                .iter()
                .map(|(number, entry)| (number.key(), entry))
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

    async fn certificate_with_draws(
        &self,
        number: CertificateNumber,
        visibility: &Visibility,
        limit: u32,
    ) -> Result<Option<(StoredCertificate, Vec<StoredDraw>)>, Error> {
        let mut transaction = self.database.read().await?;
        let Some(mut stored) = select_certificates(&mut transaction, &[number])
            .await?
            .remove(&number)
        else {
            return Ok(None);
        };
        hide_draws(&mut transaction, [&mut stored], visibility).await?;
        let rows: Vec<String> = sqlx::query_scalar(sql::SELECT_DRAWS)
            .bind(number.key())
            .bind(visibility.all)
            .bind(visibility.tenant.as_str())
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let draws = rows
            .iter()
            .map(|row| unpack_draw(row))
            .collect::<Result<_, _>>()?;
        Ok(Some((stored, draws)))
    }

    async fn list(
        &self,
        filter: ListFilter,
        after: Option<CertificateNumber>,
        limit: u32,
        visibility: &Visibility,
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
        let mut transaction = self.database.read().await?;
        let rows: Vec<String> = sqlx::query_scalar(statement)
            .bind(after.map_or(BEFORE_ALL, CertificateNumber::key))
            .bind(filter.status.map(CertificateStatus::as_str))
            .bind(filter.certifier.map(|id| i64::from(id.number())))
            .bind(filter.exporter.map(|id| id.number().cast_signed()))
            .bind(filter.importer.map(|id| id.number().cast_signed()))
            .bind(filter.valid_on)
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await?;
        let mut listed: Vec<_> = rows.iter().map(|row| unpack(row)).collect::<Result<_, _>>()?;
        hide_draws(&mut transaction, &mut listed, visibility).await?;
        transaction.commit().await?;
        Ok(listed)
    }

    async fn ending(&self, from: Date, to: Date) -> Result<u64, Error> {
        let count: i64 = sqlx::query_scalar(sql::COUNT_ENDING)
            .bind(from)
            .bind(to)
            .fetch_one(self.database.readers())
            .await?;
        Ok(count.unsigned_abs())
    }
}

/// Leaves of the numbers of draws what the caller may know.
async fn hide_draws(
    connection: &mut Connection,
    certificates: impl IntoIterator<Item = &mut StoredCertificate>,
    visibility: &Visibility,
) -> Result<(), Error> {
    let mut of_several: FxHashMap<i64, &mut StoredCertificate> = certificates
        .into_iter()
        .filter_map(|stored| {
            let key = stored.certificate.number.key();
            (!stored.hide_draws(visibility)).then_some((key, stored))
        })
        .collect();
    if of_several.is_empty() {
        return Ok(());
    }
    let keys: Vec<[i64; 1]> = of_several.keys().map(|key| [*key]).collect();
    let counted: Vec<(i64, i64, i64)> = sqlx::query_as(sql::COUNT_OWN_DRAWS)
        .bind(json(keys)?)
        .bind(visibility.tenant.as_str())
        .fetch_all(connection)
        .await?;
    for stored in of_several.values_mut() {
        stored.draw_count = 0;
        stored.own_drawn = Weight::ZERO;
    }
    for (key, count, units) in counted {
        if let Some(stored) = of_several.get_mut(&key) {
            stored.draw_count = small("COUNT(draw)", count)?;
            stored.own_drawn = Weight::from_units(units);
        }
    }
    Ok(())
}

pub(super) async fn select_certificates(
    connection: &mut Connection,
    numbers: &[CertificateNumber],
) -> Result<FxHashMap<CertificateNumber, StoredCertificate>, Error> {
    find(connection, sql::SELECT_CERTIFICATES, numbers).await
}

/// The same, held until the transaction ends.
pub(super) async fn hold_certificates(
    connection: &mut Connection,
    numbers: &[CertificateNumber],
) -> Result<FxHashMap<CertificateNumber, StoredCertificate>, Error> {
    find(connection, sql::HOLD_CERTIFICATES, numbers).await
}

async fn find(
    connection: &mut Connection,
    statement: &'static str,
    numbers: &[CertificateNumber],
) -> Result<FxHashMap<CertificateNumber, StoredCertificate>, Error> {
    if numbers.is_empty() {
        return Ok(FxHashMap::default());
    }
    let keys: Vec<[i64; 1]> = numbers.iter().map(|number| [number.key()]).collect();
    let rows: Option<String> = sqlx::query_scalar(statement)
        .bind(json(keys)?)
        .fetch_one(connection)
        .await?;
    Ok(unpack_all(rows.as_deref())?
        .into_iter()
        .map(|stored| (stored.certificate.number, stored))
        .collect())
}
