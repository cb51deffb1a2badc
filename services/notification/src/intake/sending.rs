//! Letters that an authority's policy has sent without a person: each that is due, once.

use chrono::SubsecRound as _;
use nopic_chassis::rpc::client::Client;
use nopic_domain::date::{Date, day_of};
use nopic_domain::enforcement::{Cases, Letter};
use nopic_domain::identifier::NopId;
use nopic_domain::principal::Principal;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use super::closing::IMPORTERS;
use super::troubles::Troubles;
use super::{Intake, IntakeError};
use crate::error::Error;
use crate::over::{NotKnown, close_first};
use crate::store::{Act, By, importer_of};

impl Intake {
    /// Sends what is due by now. Nothing is, where a person sends; and in a case of which nobody knows whether it is over,
    /// nothing is sent until somebody does.
    pub(super) async fn send_letters(&self, registry: Option<&Client>) -> Result<(), IntakeError> {
        if !self.rules.sends_by_itself() {
            return Ok(());
        }
        let mut registry = registry;
        let mut troubles = Troubles::default();
        let mut after = None;
        loop {
            let page = self.store.importers(after.as_ref(), IMPORTERS).await?;
            let Some(last) = page.last() else {
                return troubles.end();
            };
            after = Some(last.clone());
            for (tenant, importer) in &page {
                if let Err(error) = self.send_due(registry, tenant, importer).await {
                    if matches!(&error, IntakeError::NotKnown(NotKnown::Registry(status))
                        if status.code() == Code::DeadlineExceeded)
                    {
                        // Not waited for once more by every importer.
                        registry = None;
                    }
                    troubles.pass_over((tenant, importer), error)?;
                }
            }
        }
    }

    /// Sends the letter of one importer that is due, if one is.
    async fn send_due(
        &self,
        registry: Option<&Client>,
        tenant: &str,
        importer: &str,
    ) -> Result<(), IntakeError> {
        let importer = importer_of(importer)?;
        // In whole microseconds, which both engines keep.
        let now = self.clock.now().trunc_subsecs(6);
        let today = day_of(now);
        // Most owe nothing: they are looked at once.
        if due(&self.store.cases(tenant, importer).await?, today).is_none() {
            return Ok(());
        }
        let told = close_first(&self.store, registry, (tenant, importer), now)
            .await
            .map_err(|not_known| match not_known {
                NotKnown::Store(error) => IntakeError::Store(error),
                NotKnown::NoRegistry | NotKnown::Registry(_) => IntakeError::NotKnown(not_known),
            })?;
        self.numbers.notices_made(told);
        let Some(letter) = due(&self.store.cases(tenant, importer).await?, today) else {
            return Ok(());
        };
        let act = act(tenant, importer, &letter, now);
        let sent = self
            .store
            .send_letter(&act, importer, (letter.step, letter.date), By::Itself)
            .await;
        match sent {
            Ok((_, told)) => {
                self.numbers.notices_made(told);
                Ok(())
            }
            // Meanwhile it was sent, or is not due any more.
            Err(Error::NotNow(why)) => {
                tracing::debug!(why, "a letter is not sent");
                Ok(())
            }
            Err(Error::Store(error)) => Err(error.into()),
            Err(error) => Err(IntakeError::Refused(Box::new(error))),
        }
    }
}

/// The letter that is due and may bear this date.
fn due(cases: &Cases, today: Date) -> Option<Letter> {
    let (step, _) = cases.open_case()?.due()?;
    cases.send(step, today).ok()
}

/// The sending of a letter as a request: always the same for the same letter, and none that a caller could make, for no
/// name of theirs begins so.
fn act(tenant: &str, importer: NopId, letter: &Letter, now: chrono::DateTime<chrono::Utc>) -> Act {
    let request_id = format!("\u{1f}letter/{importer}/{}/{}", letter.cause, letter.step);
    Act {
        principal: Principal {
            tenant: tenant.to_owned(),
            ..Principal::built_in("notification")
        },
        hash: Sha256::digest(&request_id).into(),
        request_id,
        now,
    }
}

#[cfg(test)]
mod tests;
