//! Cases that close by time: no finding followed, and the importer is certified.

use nopic_domain::date::{Date, Period};
use nopic_domain::identifier::NopId;

use super::timed::{Askable, failed};
use super::{Intake, IntakeError};
use crate::cases::registry::certified;

/// Importers of one look, and of one question to the registry.
const PAGE: u32 = 200;

impl Intake {
    /// Closes what is to be closed by today. While the registry does not answer, nothing closes; a later look gives each
    /// case the day on which it should have closed.
    pub(super) async fn close_cases(&self, askable: &Askable, today: Date) -> Result<(), IntakeError> {
        let Some(client) = &askable.registry else {
            return Ok(());
        };
        let mut after: Option<(String, NopId)> = None;
        loop {
            let page = self.store.histories(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.tenant.clone(), last.importer));
            // Only those are asked for that would close if their importer were always certified.
            let may_close: Vec<_> = page
                .into_iter()
                .filter(|history| history.cases.close_late(today, &[Period::default()]).is_some())
                .collect();
            if may_close.is_empty() {
                continue;
            }
            let importers: Vec<NopId> = may_close.iter().map(|history| history.importer).collect();
            let periods = certified(client, &importers, today)
                .await
                .map_err(failed("registry"))?;
            for (history, periods) in may_close.iter().zip(&periods) {
                if history.cases.close_late(today, periods).is_none() {
                    continue;
                }
                let count = self
                    .store
                    .close_cases(
                        &history.tenant,
                        history.importer,
                        today,
                        periods,
                        self.clock.now(),
                    )
                    .await?;
                self.numbers.notices_made(count);
            }
        }
    }
}
