//! Filings that cannot be finished: tried so often, then set aside, their entries free to be filed anew.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_domain::decision::{Draws, EntryAsk, FiledEntry};
use nopic_domain::ledger::IDS_OF_FILINGS;
use nopic_domain::principal::Principal;

use super::{lease, may_end_better};
use crate::engine::Engine;
use crate::error::Error;

/// The answer to a request whose filing was set aside.
pub(super) fn was_set_aside(at: DateTime<Utc>, because: &str) -> Error {
    let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    Error::Outdated(format!(
        "this request could not be finished and was set aside at {at}: {because}. Its entries are free: file them anew \
         (`nopic entry file --refile`)"
    ))
}

/// A filing ended with this error: counts the try, and sets it aside if that was the last; `true`: it was. What comes of
/// something that is away is not counted.
pub(super) async fn came_to_nothing(
    engine: &Engine,
    filing_id: i64,
    drawn: Option<(&Principal, &[FiledEntry])>,
    error: &Error,
) -> bool {
    if may_end_better(error) {
        return false;
    }
    let set_aside = count_and_set_aside(engine, filing_id, drawn, error).await;
    match set_aside {
        Ok(false) => false,
        Ok(true) => {
            engine.set_aside.happened();
            tracing::error!(
                filing_id,
                error = error as &dyn std::error::Error,
                "a filing that cannot be finished was set aside"
            );
            true
        }
        Err(failed) => {
            // It is tried again when its lease has ended, and counted then.
            tracing::warn!(
                filing_id,
                error = &failed as &dyn std::error::Error,
                "a filing that cannot be finished cannot be counted"
            );
            false
        }
    }
}

async fn count_and_set_aside(
    engine: &Engine,
    filing_id: i64,
    drawn: Option<(&Principal, &[FiledEntry])>,
    error: &Error,
) -> Result<bool, nopic_sql::Error> {
    let Some(tries) = engine.store.count_try(filing_id, &engine.worker).await? else {
        return Ok(false);
    };
    // What is stored does not get better.
    let is_hopeless = matches!(error, Error::Store(nopic_sql::Error::Corrupt { .. }));
    if tries < engine.filing_attempts && !is_hopeless {
        return Ok(false);
    }
    if let Some((principal, entries)) = drawn {
        give_back(engine, filing_id, principal, entries).await;
    }
    engine
        .store
        .set_aside(filing_id, lease(engine), &because(error))
        .await
}

/// While the entries are still claimed: later it would take from another filing. Draws of an entry that was on record
/// before stay, since the ledger does not know the earlier ones any more; whoever files the entry next sets them.
async fn give_back(engine: &Engine, filing_id: i64, principal: &Principal, entries: &[FiledEntry]) {
    let entries: Vec<_> = entries
        .iter()
        .filter(|entry| entry.version == 1)
        .map(|entry| EntryAsk {
            entry_number: entry.entry_number.clone(),
            version: entry.version,
            keep_other_lines: false,
            lines: Vec::new(),
        })
        .collect();
    if entries.is_empty() {
        return;
    }
    let draws = Draws {
        entries,
        certificates: Vec::new(),
    };
    let request_id = format!("{IDS_OF_FILINGS}{filing_id}/set-aside");
    if let Err(no_answer) = engine.ledger.set_draws(principal, request_id, draws).await {
        tracing::warn!(
            filing_id,
            ?no_answer,
            "what a filing drew that is set aside stands until its entries are filed anew"
        );
    }
}

/// In words that its filer may read.
fn because(error: &Error) -> String {
    match error {
        Error::Store(nopic_sql::Error::Corrupt { what, .. }) => format!("{what} cannot be read"),
        // Of what goes wrong inside no more than the log is told.
        Error::Internal(_) | Error::Task(_) => {
            "the certificate service refuses what was begun, or contradicts it; the log of the server says more"
                .to_owned()
        }
        error => error.to_string(),
    }
}
