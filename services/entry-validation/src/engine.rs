//! What every call shares: policy, flags, store, and the services that are asked.

use std::sync::Arc;

use nopic_cache::{RevisionChoice, StatusReader, StatusView};
use nopic_chassis::clock::Clock;
use nopic_chassis::deadline;
use nopic_chassis::draining::Draining;
use nopic_domain::decision::Evidence;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::identifier::EntryNumber;
use nopic_domain::policy::Policy;
use nopic_domain::rules::{RULES_VERSION, RegistryState, certificate_number};
use rustc_hash::FxHashSet;

use crate::abandoned::Abandoned;
use crate::charge::LineCharge;
use crate::error::Error;
use crate::flags::FollowedFlags;
use crate::importer_links::LinkTable;
use crate::inquiry::{Inquiry, Purpose};
use crate::knowledge::Known;
use crate::metrics::{SetAside, Verdicts};
use crate::store::Store;
use crate::upstream::{Certificates, LedgerClient, Question, Statuses, Upstream};

pub(crate) struct Engine {
    pub(crate) policy: Arc<Policy>,
    pub(crate) flags: FollowedFlags,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: LedgerClient,
    /// Names this process among those that share the database.
    pub(crate) worker: String,
    pub(crate) verdicts: Arc<Verdicts>,
    /// Whether streams are to end.
    pub(crate) draining: Draining,
    /// Filings that this process began and could not bring to their end.
    pub(crate) abandoned: Abandoned,
    /// How often a filing is tried before it is set aside.
    pub(crate) filing_attempts: u32,
    pub(crate) set_aside: Arc<SetAside>,
    /// What the lines of calls cost their tenants.
    pub(crate) charge: LineCharge,
    registry: StatusReader<Statuses>,
    certificates: Certificates,
    links: LinkTable,
}

/// What the service is told of the process that it runs in.
pub(crate) struct Process {
    /// Its name among those that share the database; absent: one that nobody else has.
    pub(crate) worker: Option<String>,
    pub(crate) draining: Draining,
    pub(crate) verdicts: Arc<Verdicts>,
    pub(crate) filing_attempts: u32,
    pub(crate) set_aside: Arc<SetAside>,
    pub(crate) charge: LineCharge,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) async fn new(
        policy: Arc<Policy>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        upstream: Upstream,
        registry: StatusReader<Statuses>,
        process: Process,
    ) -> Result<Self, nopic_sql::Error> {
        Ok(Self {
            flags: FollowedFlags::open(Arc::clone(&store), Arc::clone(&clock)).await?,
            abandoned: Abandoned::default(),
            links: LinkTable::new(Arc::clone(&store)),
            policy,
            store,
            worker: process.worker.unwrap_or_else(|| {
                // No other process has this id at this moment, and one process makes them one after the other.
                format!("{}-{}", std::process::id(), clock.now().timestamp_micros())
            }),
            clock,
            verdicts: process.verdicts,
            filing_attempts: process.filing_attempts,
            set_aside: process.set_aside,
            charge: process.charge,
            draining: process.draining,
            registry,
            ledger: LedgerClient::new(upstream.certificate.clone()),
            certificates: Certificates::new(upstream.certificate),
        })
    }

    /// Loads what the rules may ask about these lines. Other services that do not answer leave a gap, not an error.
    pub(crate) async fn know(&self, inquiry: &Inquiry, lines: &[NormalisedLine]) -> Result<Known, Error> {
        let choice = inquiry
            .at_least_revision
            .map_or(RevisionChoice::Current, RevisionChoice::AtLeast);
        let pairs: FxHashSet<_> = lines
            .iter()
            .filter_map(|line| Some((certificate_number(line)?, EntryNumber::parse(&line.entry_number))))
            .collect();
        let (view, certificates, links) = tokio::join!(
            self.statuses(inquiry.purpose, choice),
            self.certificates.ask(
                Question {
                    principal: &inquiry.principal,
                    latest: inquiry.latest_certificates,
                    purpose: inquiry.purpose,
                },
                &pairs,
            ),
            self.links.of_lines(inquiry, lines),
        );
        let registry = view.filter(|view| !view.has_no_snapshot());
        let flags = self.flags.table();
        let evidence = Arc::new(Evidence {
            policy_version: self.policy.version().to_owned(),
            rules_version: RULES_VERSION.to_owned(),
            flags_version: flags.version().to_owned(),
            registry: registry.as_ref().map(|view| RegistryState {
                revision: view.revision(),
                published_on: view.published_on(),
            }),
        });
        Ok(Known {
            policy: Arc::clone(&self.policy),
            flags,
            registry,
            certificates,
            links: links?,
            evidence,
        })
    }

    /// Every status, of the revision asked for; `None`: the registry does not say.
    async fn statuses(&self, purpose: Purpose, choice: RevisionChoice) -> Option<StatusView> {
        let view = self.registry.view(choice);
        let answer = match purpose {
            // An answer without it comes in time, where the call would come to nothing.
            Purpose::PreCheck => match deadline::in_time(view).await {
                Ok(answer) => answer,
                Err(late) => {
                    tracing::warn!(%late, "judging without the registry");
                    return None;
                }
            },
            Purpose::Filing => view.await,
        };
        answer
            .inspect_err(|unavailable| tracing::warn!(%unavailable, "judging without the registry"))
            .ok()
    }
}
