//! What happens by time alone: a registry that grows old, certificates that end, flags that change, reviews that are due,
//! cases that close, letters that the policy has sent without a person.
//!
//! Looked for every hour; a notice is made once for its cause, however often it is found.

use chrono::Days;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::retry::Backoff;
use nopic_chassis::rpc::client::Client;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_chassis::worker::Worker;
use nopic_domain::date::{Date, day_of, parse_iso};
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties, ToDo};
use nopic_domain::principal::Principal;
use nopic_proto::certificate::BatchGetCertificatesRequest;
use nopic_proto::certificate::certificate_service_client::CertificateServiceClient;
use nopic_proto::entry_validation::ListFlagChangesRequest;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::registry::GetCurrentRevisionRequest;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use tonic::Status;

use super::words::{nop_ids, to_do};
use super::{Intake, IntakeError};
use crate::asking::in_time;
use crate::new_notice::DEALS_FOR;
use crate::store::{DealingKind, NewNotice, Review, Taken, Whose};

const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(3600);
const AFTER_FAILURE: Backoff = Backoff::new(
    std::time::Duration::from_secs(5),
    std::time::Duration::from_secs(600),
);
/// A certificate's end, and a review's, is told so many days before.
const ENDS_WITHIN: u64 = 14;
const REVIEW_WITHIN: u64 = 5;
/// A change of flags likewise; today is one of them.
const FLAGS_WITHIN: u64 = 29;
/// Rows of one question.
const PAGE: u32 = 1_000;

/// Whom to ask; absent: not in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Askable {
    pub(crate) registry: Option<Client>,
    pub(crate) certificate: Option<Client>,
    pub(crate) entry_validation: Option<Client>,
    /// A snapshot older than so many days is stale.
    pub(crate) stale_after_days: u32,
}

impl Intake {
    /// Looks for as long as the process serves.
    pub(crate) async fn run_by_time(self, askable: Askable) {
        let work = || self.look(&askable);
        Worker::new("looking for what time brings", LOOK_EVERY)
            .after_failure(AFTER_FAILURE)
            .run_alone(work)
            .await;
    }

    /// Makes notices of all that is due today. What one service cannot answer keeps nothing else from being found.
    pub(crate) async fn look(&self, askable: &Askable) -> Result<(), IntakeError> {
        let today = day_of(self.clock.now());
        let cases = async {
            let closed = self.close_cases(askable, today).await;
            // After what closes: no letter goes out in a case that is over.
            let sent = self.send_letters(askable.registry.as_ref()).await;
            closed.and(sent)
        };
        let looked = tokio::join!(
            self.stale_registry(askable, today),
            self.ending_certificates(askable, today),
            self.changing_flags(askable, today),
            self.due_reviews(today),
            cases,
        );
        <[_; 5]>::from(looked).into_iter().collect()
    }

    pub(super) async fn keep(&self, notices: Vec<NewNotice>) -> Result<(), IntakeError> {
        if notices.is_empty() {
            return Ok(());
        }
        let taken = Taken {
            notices,
            ..Taken::default()
        };
        if let Some(count) = self.store.take(None, &taken, self.clock.now()).await? {
            self.numbers.notices_made(count);
        }
        Ok(())
    }

    async fn stale_registry(&self, askable: &Askable, today: Date) -> Result<(), IntakeError> {
        let Some(client) = &askable.registry else {
            return Ok(());
        };
        let attach = AttachPrincipal::new(&Principal::built_in("notification"));
        let mut registry = RegistryServiceClient::with_interceptor(client.clone(), attach);
        let answer = in_time(registry.get_current_revision(GetCurrentRevisionRequest {}))
            .await
            .map_err(failed("registry"))?
            .into_inner();
        let published_on = answer
            .revision
            .and_then(|revision| parse_iso(&revision.published_on));
        let Some(published_on) = published_on else {
            return Ok(());
        };
        let age = (today - published_on).num_days();
        if age <= i64::from(askable.stale_after_days) {
            return Ok(());
        }
        self.keep(vec![NewNotice {
            whose: Whose::Tenant(self.operators.to_string()),
            cause: format!("registry/stale/{published_on}"),
            notice: Notice {
                kind: NoticeKind::RegistryStale,
                severity: NoticeSeverity::Action,
                subject: published_on.to_string(),
                parties: Parties::default(),
                occurred_at: self.clock.now(),
                title: format!("The registry's newest snapshot is {age} days old"),
                sentences: vec![format!(
                    "It was published on {published_on}. Lines whose entry date is more than {} days later are warned \
                     (REGISTRY_STALE) until a newer one serves.",
                    askable.stale_after_days
                )],
                to_do: vec![to_do(
                    "the operator",
                    "Download USDA's list anew and import it (`nopic registry import FILE`).",
                )],
            },
        }])
        .await
    }

    async fn ending_certificates(&self, askable: &Askable, today: Date) -> Result<(), IntakeError> {
        let Some(client) = &askable.certificate else {
            return Ok(());
        };
        let since = before(today, DEALS_FOR);
        let (mut tenant, mut number) = (String::new(), String::new());
        loop {
            let page = self
                .store
                .dealings(DealingKind::Certificate, since, (&tenant, &number), PAGE)
                .await?;
            let Some((last_tenant, last_number)) = page.last() else {
                return Ok(());
            };
            (tenant, number) = (last_tenant.clone(), last_number.clone());
            for of_tenant in page.chunk_by(|one, other| one.0 == other.0) {
                self.ending_of(client, of_tenant, today).await?;
            }
        }
    }

    /// Those of one tenant.
    async fn ending_of(
        &self,
        client: &Client,
        dealings: &[(String, String)],
        today: Date,
    ) -> Result<(), IntakeError> {
        let Some((tenant, _)) = dealings.first() else {
            return Ok(());
        };
        let principal = Principal {
            tenant: tenant.clone(),
            ..Principal::built_in("notification")
        };
        let request = BatchGetCertificatesRequest {
            numbers: dealings.iter().map(|(_, number)| number.clone()).collect(),
        };
        let mut certificates =
            CertificateServiceClient::with_interceptor(client.clone(), AttachPrincipal::new(&principal))
                .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let answer = in_time(certificates.batch_get_certificates(request))
            .await
            .map_err(failed("certificate"))?
            .into_inner();
        let notices = answer.items.into_iter().filter_map(|item| {
            let state = item.state?;
            let left = state.left_kg;
            let certificate = state.certificate?;
            let valid_to = parse_iso(&certificate.valid_to)?;
            let ends_soon =
                certificate.status == "ISSUED" && today <= valid_to && valid_to <= after(today, ENDS_WITHIN);
            if !ends_soon || left.starts_with('-') || left == "0" {
                return None;
            }
            Some(NewNotice {
                whose: Whose::Tenant(tenant.clone()),
                cause: format!("certificate/{}/ends/{valid_to}", certificate.number),
                notice: Notice {
                    kind: NoticeKind::CertificateExpiring,
                    severity: NoticeSeverity::Warning,
                    subject: certificate.number.clone(),
                    parties: Parties {
                        importers: nop_ids([certificate.importer_nop_id.as_str()]),
                        exporters: nop_ids([certificate.exporter_nop_id.as_str()]),
                        certifiers: certificate.certifier_id.parse().into_iter().collect(),
                    },
                    occurred_at: self.clock.now(),
                    title: format!("Import certificate {} ends on {valid_to}", certificate.number),
                    sentences: vec![format!("{left} kg are left on it.")],
                    to_do: vec![ToDo {
                        by: Some(valid_to),
                        ..to_do(
                            "the importer",
                            "Have goods that it covers arrive by then, or have the exporter ask for another.",
                        )
                    }],
                },
            })
        });
        self.keep(notices.collect()).await
    }

    async fn changing_flags(&self, askable: &Askable, today: Date) -> Result<(), IntakeError> {
        let Some(client) = &askable.entry_validation else {
            return Ok(());
        };
        let attach = AttachPrincipal::new(&Principal::built_in("notification"));
        let mut lines = EntryValidationServiceClient::with_interceptor(client.clone(), attach)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = ListFlagChangesRequest {
            from: today.to_string(),
            to: after(today, FLAGS_WITHIN).to_string(),
        };
        let answer = in_time(lines.list_flag_changes(request))
            .await
            .map_err(failed("entry-validation"))?
            .into_inner();
        let notices = answer.changes.into_iter().map(|change| {
            let shown = |flag: &str| {
                if flag.is_empty() {
                    "no flag".to_owned()
                } else {
                    flag.to_owned()
                }
            };
            let by = parse_iso(&change.on);
            NewNotice {
                whose: Whose::DealingWith(DealingKind::TariffCode, vec![change.hts_code.clone()]),
                cause: format!("flag/{}/{}/{}", change.hts_code, change.on, change.after),
                notice: Notice {
                    kind: NoticeKind::FlagChangesSoon,
                    severity: NoticeSeverity::Warning,
                    subject: change.hts_code.clone(),
                    parties: Parties::default(),
                    occurred_at: self.clock.now(),
                    title: format!(
                        "Tariff code {} goes from {} to {} on {}",
                        change.hts_code,
                        shown(&change.before),
                        shown(&change.after),
                        change.on
                    ),
                    sentences: vec!["You have filed entries under this code.".to_owned()],
                    to_do: vec![ToDo {
                        by,
                        ..to_do(
                            "the broker",
                            if change.after == "AM8" {
                                "From then on, file no line under it without the organic message set."
                            } else {
                                "Tell those who file under it."
                            },
                        )
                    }],
                },
            }
        });
        self.keep(notices.collect()).await
    }

    async fn due_reviews(&self, today: Date) -> Result<(), IntakeError> {
        let (mut tenant, mut request) = (String::new(), 0);
        loop {
            let due = self
                .store
                .reviews_due(after(today, REVIEW_WITHIN), (&tenant, request), PAGE)
                .await?;
            let Some(last) = due.last() else {
                return Ok(());
            };
            (tenant, request) = (last.tenant.clone(), last.request);
            self.tell_of_reviews(due, today).await?;
        }
    }

    async fn tell_of_reviews(&self, due: Vec<Review>, today: Date) -> Result<(), IntakeError> {
        let notices = due.into_iter().filter_map(|review| {
            let due_on = review.due_on?;
            let is_late = due_on < today;
            Some(NewNotice {
                whose: Whose::Tenant(review.tenant),
                // Once before the day, and once after it.
                cause: format!(
                    "request/{}/{}/{due_on}",
                    review.request,
                    if is_late { "late" } else { "due" }
                ),
                notice: Notice {
                    kind: NoticeKind::ReviewDue,
                    severity: if is_late {
                        NoticeSeverity::Action
                    } else {
                        NoticeSeverity::Warning
                    },
                    subject: format!("request {}", review.request),
                    parties: Parties {
                        importers: nop_ids([review.importer.as_str()]),
                        exporters: nop_ids([review.exporter.as_str()]),
                        certifiers: review.certifier.parse().into_iter().collect(),
                    },
                    occurred_at: self.clock.now(),
                    title: format!(
                        "Request {} for an import certificate {} {due_on}",
                        review.request,
                        if is_late { "was due on" } else { "is due on" }
                    ),
                    sentences: vec![
                        "A certifier reviews and answers within 30 days (7 CFR 205.273).".to_owned(),
                    ],
                    to_do: vec![ToDo {
                        by: Some(due_on),
                        ..to_do(
                            "the certifier",
                            "Issue the certificate, ask for what is missing, or refuse it.",
                        )
                    }],
                },
            })
        });
        self.keep(notices.collect()).await
    }
}

pub(super) fn failed(service: &'static str) -> impl Fn(Status) -> IntakeError {
    move |status| IntakeError::Source {
        service,
        status: Box::new(status),
    }
}

fn after(day: Date, days: u64) -> Date {
    day.checked_add_days(Days::new(days)).unwrap_or(Date::MAX)
}

fn before(day: Date, days: u64) -> Date {
    day.checked_sub_days(Days::new(days)).unwrap_or(Date::MIN)
}
