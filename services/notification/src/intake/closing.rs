//! Cases that close by time: no finding followed, and the importer is certified.

use nopic_domain::date::{Date, Period};
use nopic_domain::enforcement::Cases;
use nopic_domain::identifier::NopId;

use super::timed::{Askable, failed};
use super::troubles::Troubles;
use super::{Intake, IntakeError};
use crate::cases::notices::notices;
use crate::cases::registry::certified;
use crate::store::importer_of;

/// Importers of one look, and of one question to the registry.
pub(super) const IMPORTERS: u32 = 200;

impl Intake {
    /// Closes what is to be closed by today. While the registry does not answer, nothing closes; a later look gives each
    /// case the day on which it should have closed.
    pub(super) async fn close_cases(&self, askable: &Askable, today: Date) -> Result<(), IntakeError> {
        let Some(client) = &askable.registry else {
            return Ok(());
        };
        let mut troubles = Troubles::default();
        let mut after = None;
        loop {
            let page = self.store.importers(after.as_ref(), IMPORTERS).await?;
            let Some(last) = page.last() else {
                return troubles.end();
            };
            after = Some(last.clone());
            // Only those are asked for that would close if their importer were always certified.
            let mut may_close = Vec::new();
            for (tenant, importer) in page {
                match self.may_close(&tenant, &importer, today).await {
                    Ok(Some(cases)) => may_close.push((tenant, cases)),
                    Ok(None) => {}
                    Err(error) => troubles.pass_over((&tenant, &importer), error)?,
                }
            }
            if may_close.is_empty() {
                continue;
            }
            let importers: Vec<NopId> = may_close.iter().map(|(_, (importer, _))| *importer).collect();
            let periods = certified(client, &importers, today)
                .await
                .map_err(failed("registry"))?;
            for ((tenant, (importer, cases)), periods) in may_close.into_iter().zip(&periods) {
                if let Err(error) = self.settle((&tenant, importer), cases, (today, periods)).await {
                    troubles.pass_over((&tenant, &importer.to_string()), error)?;
                }
            }
        }
    }

    /// Closes what is to be closed of an importer's cases, and tells how those stand of which nothing was told until then.
    async fn settle(
        &self,
        (tenant, importer): (&str, NopId),
        mut cases: Cases,
        (today, periods): (Date, &[Period]),
    ) -> Result<(), IntakeError> {
        let now = self.clock.now();
        if cases.close_late(today, periods).is_some() {
            let told = self
                .store
                .close_cases(tenant, importer, today, periods, now)
                .await?;
            self.numbers.notices_made(told);
            cases = self.store.cases(tenant, importer).await?;
        }
        // What was told before has the same cause, and is not told again.
        self.keep(notices(
            (tenant, importer),
            &self.rules.no_cases(),
            &cases,
            &self.rules,
            now,
        ))
        .await
    }

    /// The cases of an importer, if something of them would close were it always certified.
    async fn may_close(
        &self,
        tenant: &str,
        importer: &str,
        today: Date,
    ) -> Result<Option<(NopId, Cases)>, IntakeError> {
        let importer = importer_of(importer)?;
        let cases = self.store.cases(tenant, importer).await?;
        let may = cases.close_late(today, &[Period::default()]).is_some();
        Ok(may.then_some((importer, cases)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nopic_chassis::rpc::client::Client;
    use nopic_domain::enforcement::Deployment;
    use nopic_domain::policy::Policy;
    use nopic_proto::events::EntryRecorded;
    use nopic_proto::events::entry_recorded::Kind;
    use nopic_sql::SchemaUpdate;
    use nopic_sql::testing::{Engine, TestDatabase};
    use tonic::transport::Endpoint;

    use super::*;
    use crate::cases::CaseRules;
    use crate::cases::testing::{ACME, ENTRY, Still, bad, day, recorded, told};
    use crate::metrics::Numbers;
    use crate::store::{self, NoticeFilter, Taken};

    /// What takes in, with these versions of entries taken in already; how many notices were made of them.
    async fn intake(versions: &[EntryRecorded], now: &str) -> (Intake, usize, TestDatabase) {
        let database = Engine::Sqlite.database().await;
        let rules = CaseRules::shipped(Deployment::Other);
        let store = store::open(&database.location, SchemaUpdate::Apply, rules.clone())
            .await
            .unwrap();
        let clock = Arc::new(Still(now.parse().unwrap()));
        let taken = Taken {
            entries: versions.iter().map(|version| told("default", version)).collect(),
            ..Taken::default()
        };
        let made = store.take(None, &taken, clock.0).await.unwrap().unwrap();
        let intake = Intake {
            store,
            clock,
            numbers: Numbers::default(),
            operators: "default".into(),
            policy: Arc::new(Policy::shipped()),
            rules,
        };
        (intake, made, database)
    }

    #[tokio::test]
    async fn what_is_told_waits_until_somebody_knows_whether_the_case_before_closed() {
        let history = recorded(ENTRY, 1, Kind::Imported, "2025-03-31", vec![bad(1, ACME)]);
        let today = recorded("99920000017", 1, Kind::Filed, "2026-01-05", vec![bad(1, ACME)]);
        let importer: NopId = ACME.parse().unwrap();
        for (certified, expected) in [
            (&[Period::default()][..], "a first warning letter"),
            (&[], "a second warning letter"),
        ] {
            let (intake, made, _database) =
                intake(&[history.clone(), today.clone()], "2026-01-05T12:00:00Z").await;
            assert_eq!(made, 0);
            // Asked again in the next hour, nothing is told twice.
            for _ in 0..2 {
                let cases = intake.store.cases("default", importer).await.unwrap();
                let known = (day("2026-01-05"), certified);
                intake.settle(("default", importer), cases, known).await.unwrap();
            }
            let filter = NoticeFilter::default();
            let told = intake
                .store
                .notices("default", &filter, i64::MAX, 10)
                .await
                .unwrap();
            let titles: Vec<_> = told.iter().map(|told| told.notice.title.as_str()).collect();
            assert!(titles.iter().any(|title| title.ends_with(expected)), "{titles:?}");
            let first = titles.iter().filter(|title| title.contains("2026-01-05"));
            assert_eq!(first.count(), 1, "{titles:?}");
        }
    }

    #[tokio::test]
    async fn nothing_closes_while_the_registry_does_not_answer() {
        let version = recorded(ENTRY, 1, Kind::Filed, "2026-01-05", vec![bad(1, ACME)]);
        let (intake, _, _database) = intake(&[version], "2026-03-20T12:00:00Z").await;
        let store = Arc::clone(&intake.store);
        // Nobody listens there.
        let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        let askable = Askable {
            registry: Some(Client::by_channel(channel, "registry")),
            ..Askable::default()
        };
        let failed = intake.close_cases(&askable, day("2026-03-20")).await;
        assert!(
            matches!(
                failed,
                Err(IntakeError::Source {
                    service: "registry",
                    ..
                })
            ),
            "{failed:?}"
        );
        // Before the 31st day it is not even asked.
        intake.close_cases(&askable, day("2026-02-04")).await.unwrap();
        let cases = store.cases("default", ACME.parse().unwrap()).await.unwrap();
        assert!(cases.open_case().is_some());
    }
}
