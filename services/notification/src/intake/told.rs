//! What people are told of an event: pure.

use chrono::{DateTime, Utc};
use nopic_domain::date::{day_of, parse_iso};
use nopic_domain::identifier::{CertificateNumber, CertifierId, NopId};
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties, ToDo};
use nopic_domain::policy::Policy;
use nopic_proto::events::event::What;
use nopic_proto::events::{self as wire, entry_recorded};

use super::entry;
use super::words::{capital, cause, counted, dealing, moment, nop_ids, to_do};
use crate::cases::entry::ToldVersion;
use crate::store::{DealingKind, NewNotice, Review, Taken, Whose};

/// Adds what is to be made of an event. `operators` is the tenant whose people run the deployment.
pub(crate) fn take(event: &wire::Event, operators: &str, policy: &Policy, taken: &mut Taken) {
    let Some(what) = &event.what else {
        return;
    };
    let at = moment(&event.recorded_at);
    let maker = Maker { event, at };
    match what {
        What::EntryRecorded(recorded) => {
            let kind = recorded.kind();
            entry::take(event, at, recorded, taken);
            let version = ToldVersion::of(&event.tenant, day_of(at), recorded, policy);
            taken.entries.extend(version);
            if kind == entry_recorded::Kind::Unspecified {
                tracing::warn!(
                    event = event.id,
                    "an entry was recorded in a way that is not known here"
                );
            }
        }
        What::EmergencyActionNoticeRecorded(recorded) => taken.notices.push(maker.own(Notice {
            kind: NoticeKind::EmergencyActionNotice,
            severity: NoticeSeverity::Action,
            subject: recorded.entry_number.clone(),
            parties: Parties::default(),
            occurred_at: at,
            title: format!(
                "Entry {}: an Emergency Action Notice is on record",
                recorded.entry_number
            ),
            sentences: vec![
                    "CBP or APHIS has ordered that goods of this entry are treated, returned or destroyed."
                        .to_owned(),
                ],
            to_do: vec![to_do(
                "the importer",
                "Tell the certifier of the goods at once, and keep the proof.",
            )],
        })),
        What::FlagsChanged(changed) => flags_changed(&maker, changed, taken),
        What::CertificateStepTaken(step) => {
            for number in [&step.certificate_number, &step.superseded_by] {
                taken.dealings.extend(dealing(
                    DealingKind::Certificate,
                    number,
                    &event.tenant,
                    day_of(at),
                ));
            }
            certificate_step(&maker, step, taken);
        }
        What::CertificateRunningOut(running_out) => {
            taken
                .notices
                .push(maker.own(certificate_running_out(at, running_out)));
        }
        What::RevisionPublished(published) => {
            taken
                .notices
                .push(maker.for_tenant(operators, revision_published(at, published)));
        }
        What::OperationStatusChanged(changed) => taken.notices.push(NewNotice {
            whose: Whose::DealingWith(DealingKind::Operation, vec![changed.nop_id.clone()]),
            cause: cause(event),
            notice: operation_status_changed(at, changed),
        }),
        What::SnapshotHeld(held) => taken
            .notices
            .push(maker.for_tenant(operators, snapshot_held(at, held))),
    }
}

/// Makes notices of one event.
struct Maker<'a> {
    event: &'a wire::Event,
    at: DateTime<Utc>,
}

impl Maker<'_> {
    /// For the tenant of the event.
    fn own(&self, notice: Notice) -> NewNotice {
        self.for_tenant(&self.event.tenant, notice)
    }

    fn for_tenant(&self, tenant: &str, notice: Notice) -> NewNotice {
        NewNotice {
            whose: Whose::Tenant(tenant.to_owned()),
            cause: cause(self.event),
            notice,
        }
    }
}

fn certifiers<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<CertifierId> {
    texts.into_iter().filter_map(|text| text.parse().ok()).collect()
}

fn flags_changed(maker: &Maker<'_>, changed: &wire::FlagsChanged, taken: &mut Taken) {
    if changed.codes == 0 {
        return;
    }
    taken.notices.push(NewNotice {
        whose: Whose::DealingWith(DealingKind::TariffCode, changed.hts_codes.clone()),
        cause: cause(maker.event),
        notice: Notice {
            kind: NoticeKind::FlagsChanged,
            severity: NoticeSeverity::Warning,
            subject: maker.event.subject.clone(),
            parties: Parties::default(),
            occurred_at: maker.at,
            title: format!("CBP's organic flags of {} are others now", counted(changed.codes, "tariff code")),
            sentences: Vec::new(),
            to_do: vec![to_do(
                "the broker",
                "Look at the codes that you use (`nopic flags show CODE`): a line under AM8 needs an import certificate.",
            )],
        },
    });
}

fn certificate_step(maker: &Maker<'_>, step: &wire::CertificateStepTaken, taken: &mut Taken) {
    let due_on = parse_iso(&step.due_on);
    if step.request != 0 {
        taken.reviews.push(Review {
            tenant: maker.event.tenant.clone(),
            request: step.request,
            due_on,
            exporter: step.exporter_nop_id.clone(),
            importer: step.importer_nop_id.clone(),
            certifier: step.certifier_id.clone(),
        });
    }
    let number = &step.certificate_number;
    let request = format!("request {}", step.request);
    let because = if step.reason.is_empty() {
        Vec::new()
    } else {
        vec![format!(
            "The reason that was given: {}.",
            step.reason.trim_end_matches('.')
        )]
    };
    let (kind, severity, subject, title, to_do) = match step.step.as_str() {
        "REQUEST" => (
            NoticeKind::CertificateRequested,
            NoticeSeverity::Information,
            request,
            format!("Exporter {} asks for an import certificate", step.exporter_nop_id),
            vec![ToDo {
                by: due_on,
                ..to_do(
                    "the certifier",
                    "Review the request and issue the certificate, or refuse it.",
                )
            }],
        ),
        "APPROVE" | "ENTER_NUMBER" if !number.is_empty() => (
            NoticeKind::CertificateIssued,
            NoticeSeverity::Information,
            number.clone(),
            format!("Import certificate {number} is issued"),
            vec![to_do(
                "the exporter",
                "Give the number to the importer and its broker.",
            )],
        ),
        "REJECT" => (
            NoticeKind::CertificateRejected,
            NoticeSeverity::Action,
            request,
            format!(
                "{} for an import certificate was refused",
                capital(&format!("request {}", step.request))
            ),
            vec![to_do(
                "the exporter",
                "Mend what the certifier names and ask again: without a certificate the goods \
                are refused as organic.",
            )],
        ),
        "VOID" => (
            NoticeKind::CertificateVoided,
            NoticeSeverity::Action,
            number.clone(),
            format!("Import certificate {number} is void"),
            vec![
                to_do(
                    "the broker",
                    "File no further entry with it, and look at those that name it (`nopic entry list`).",
                ),
                to_do("the importer", "Ask the exporter for a certificate that holds."),
            ],
        ),
        "AMEND" => (
            NoticeKind::CertificateSuperseded,
            NoticeSeverity::Warning,
            number.clone(),
            format!(
                "Import certificate {number} is replaced by {}",
                step.superseded_by
            ),
            vec![to_do(
                "the broker",
                format!(
                    "Use {} from now on; what was drawn is counted there.",
                    step.superseded_by
                ),
            )],
        ),
        // Steps within a review concern the two who take them, and those have asked.
        _ => return,
    };
    taken.notices.push(maker.own(Notice {
        kind,
        severity,
        subject,
        parties: Parties {
            importers: nop_ids([step.importer_nop_id.as_str()]),
            exporters: nop_ids([step.exporter_nop_id.as_str()]),
            certifiers: certifiers([step.certifier_id.as_str()]),
        },
        occurred_at: maker.at,
        title,
        sentences: because,
        to_do,
    }));
}

fn certificate_running_out(at: DateTime<Utc>, running_out: &wire::CertificateRunningOut) -> Notice {
    let number = &running_out.certificate_number;
    let certifier = number
        .parse::<CertificateNumber>()
        .ok()
        .map(CertificateNumber::certifier);
    Notice {
        kind: NoticeKind::CertificateRunningOut,
        severity: NoticeSeverity::Warning,
        subject: number.clone(),
        parties: Parties {
            certifiers: certifier.into_iter().collect(),
            ..Parties::default()
        },
        occurred_at: at,
        title: format!("Import certificate {number} has {} kg left", running_out.left_kg),
        sentences: vec![format!(
            "Of {} kg that may be drawn from it less than a tenth is left.",
            running_out.limit_kg
        )],
        to_do: vec![to_do(
            "the importer",
            "Have the exporter ask for another certificate before the next shipment: a line over what is left is \
             rejected.",
        )],
    }
}

fn revision_published(at: DateTime<Utc>, published: &wire::RevisionPublished) -> Notice {
    Notice {
        kind: NoticeKind::RevisionPublished,
        severity: NoticeSeverity::Information,
        subject: published.revision.to_string(),
        parties: Parties::default(),
        occurred_at: at,
        title: format!(
            "The registry serves revision {}, published by USDA on {}",
            published.revision, published.published_on
        ),
        sentences: vec![format!(
            "{} came in, {} changed, {} left.",
            counted(published.added, "operation"),
            published.changed,
            published.unlisted
        )],
        to_do: Vec::new(),
    }
}

fn snapshot_held(at: DateTime<Utc>, held: &wire::SnapshotHeld) -> Notice {
    Notice {
        kind: NoticeKind::SnapshotQuarantined,
        severity: NoticeSeverity::Action,
        subject: held.revision.to_string(),
        parties: Parties::default(),
        occurred_at: at,
        title: format!("The snapshot of {} is held and serves nobody", held.published_on),
        sentences: held
            .because
            .iter()
            .map(|why| format!("{}.", capital(why)))
            .collect(),
        to_do: vec![to_do(
            "the operator",
            "Look at it, then let it serve (`nopic registry release`) or throw it away (`nopic registry discard`).",
        )],
    }
}

fn operation_status_changed(at: DateTime<Utc>, changed: &wire::OperationStatusChanged) -> Notice {
    let is_certified = changed.after == "Certified";
    let name = if changed.name.is_empty() {
        changed.nop_id.clone()
    } else {
        format!("{} ({})", changed.name, changed.nop_id)
    };
    let before = match changed.before.as_str() {
        "" => "It was not listed before.".to_owned(),
        before => format!("It was {before} before."),
    };
    Notice {
        kind: NoticeKind::OperationStatusChanged,
        severity: if is_certified {
            NoticeSeverity::Information
        } else {
            NoticeSeverity::Action
        },
        subject: changed.nop_id.clone(),
        parties: Parties {
            importers: nop_ids([changed.nop_id.as_str()]),
            exporters: nop_ids([changed.nop_id.as_str()]),
            certifiers: nop_ids([changed.nop_id.as_str()])
                .into_iter()
                .map(NopId::certifier)
                .collect(),
        },
        occurred_at: at,
        title: format!("{name} is {} since {}", changed.after, changed.since),
        sentences: vec![before],
        to_do: if is_certified {
            Vec::new()
        } else {
            vec![
                to_do(
                    "the broker",
                    "Hold entries that name this operation until its status is cleared up.",
                ),
                to_do(
                    "the importer",
                    "Ask the operation and its certifier what happened.",
                ),
            ]
        },
    }
}
