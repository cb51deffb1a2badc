//! The notification service as a part of a process.

use std::sync::Arc;

use nopic_chassis::config::Reader;
use nopic_chassis::part::{Asked, Open, OpenError, Opener, Opening, Part};
use nopic_chassis::serving::GrpcService;
use nopic_domain::enforcement::Deployment;
use nopic_domain::principal::BUILT_IN_TENANT;
use nopic_proto::notification::case_service_server::CaseServiceServer;
use nopic_proto::notification::notification_service_server::NotificationServiceServer;
use nopic_sql::{Journal, Location, Schema};

use crate::case_rpc::CaseRpc;
use crate::cases::CaseRules;
use crate::channels::{Channels, MailFolder, Surroundings};
use crate::delivery::Sender;
use crate::intake::timed::Askable;
use crate::intake::{Intake, Source};
use crate::metrics::Numbers;
use crate::rpc::Rpc;
use crate::{ROLES, SCHEMA, store};

/// The notification service.
pub const PART: Part<Location, Schema, Journal> = Part {
    name: "notification",
    about: "Who is told what, and whether it came there",
    is_door: false,
    tells_events: false,
    services: &[
        GrpcService::hard("nopic.notification.v1.NotificationService"),
        GrpcService::hard("nopic.notification.v1.CaseService"),
    ],
    roles: ROLES,
    descriptors: || nopic_proto::DESCRIPTORS,
    schema: Some(&SCHEMA),
    asks: &[
        Asked {
            part: REGISTRY,
            methods: &[
                EVENTS,
                "nopic.registry.v1.RegistryService/BatchGetStatus",
                "nopic.registry.v1.RegistryService/GetCurrentRevision",
            ],
        },
        Asked {
            part: CERTIFICATE,
            methods: &[
                EVENTS,
                "nopic.certificate.v1.CertificateService/BatchGetCertificates",
            ],
        },
        Asked {
            part: ENTRY_VALIDATION,
            methods: &[
                EVENTS,
                "nopic.entry_validation.v1.EntryValidationService/ListFlagChanges",
            ],
        },
    ],
    configure,
};

const REGISTRY: &str = "registry";
const CERTIFICATE: &str = "certificate";
const ENTRY_VALIDATION: &str = "entry-validation";
const EVENTS: &str = "nopic.events.v1.EventService/ReadAllEvents";
/// Those that tell events, by the names of parts and in events.
const SOURCES: [(&str, &str); 3] = [
    (REGISTRY, "registry"),
    (CERTIFICATE, "certificate"),
    (ENTRY_VALIDATION, "entry_validation"),
];

/// Of the address where a letter is answered.
const ANSWER_LINES: usize = 8;
const ANSWER_CHARACTERS: usize = 80;

/// What the configuration says of letters.
struct Authority {
    deployment: Deployment,
    answer_to: Arc<str>,
}

fn configure(reader: &mut Reader) -> Opener<Location, Journal> {
    let operators: Arc<str> = reader
        .text("notification.operators")
        .unwrap_or_else(|| BUILT_IN_TENANT.to_owned())
        .into();
    let is_authority = reader.flag("notification.authority").unwrap_or_default();
    let answer_to: Option<Arc<str>> = reader.text("notification.answer_to").map(Into::into);
    if is_authority && answer_to.is_none() {
        reader.problem(
            "notification.answer_to",
            "is missing: an authority's letters say where they are answered",
        );
    }
    if let Some(answer_to) = &answer_to
        && (answer_to.lines().count() > ANSWER_LINES
            || answer_to
                .lines()
                .any(|line| line.chars().count() > ANSWER_CHARACTERS))
    {
        reader.problem(
            "notification.answer_to",
            format_args!(
                "is at most {ANSWER_LINES} lines of {ANSWER_CHARACTERS} characters: a letter is one page"
            ),
        );
    }
    let authority = Authority {
        deployment: if is_authority {
            Deployment::Authority
        } else {
            Deployment::Other
        },
        answer_to: answer_to.unwrap_or_default(),
    };
    let mail = MailFolder::default();
    let channels = Channels::configured(reader, &Surroundings::new(mail.clone()));
    Box::new(move |opening| {
        mail.name(opening.folder.join("mail"));
        Box::pin(open(opening, operators, channels, authority))
    })
}

async fn open(
    opening: Opening<Location>,
    operators: Arc<str>,
    channels: Channels,
    authority: Authority,
) -> Result<Open<Journal>, OpenError> {
    let rules = CaseRules {
        deployment: authority.deployment,
        ladder: opening.policy.ladder(),
        letters: opening.policy.letters(),
        answer_to: authority.answer_to,
    };
    let update = opening.storage.schema_update();
    let store = store::open(&opening.storage, update, rules.clone())
        .await
        .map_err(OpenError::new)?;
    let client = |part| opening.clients.find(part).cloned();
    let rpc = Rpc {
        store: Arc::clone(&store),
        channels: channels.clone(),
        clock: Arc::clone(&opening.clock),
        draining: opening.draining.clone(),
    };
    let case_rpc = CaseRpc {
        store: Arc::clone(&store),
        clock: Arc::clone(&opening.clock),
        rules: rules.clone(),
        registry: client(REGISTRY),
    };
    let mut open = Open::serving(move |routes| {
        let service = nopic_chassis::bounded!(NotificationServiceServer::new(rpc.clone()));
        let cases = nopic_chassis::bounded!(CaseServiceServer::new(case_rpc.clone()));
        routes.add_service(service).add_service(cases);
    });
    open.journal = Some(store.journal());
    let numbers = Numbers::new(&opening.metrics);
    let intake = Intake {
        store: Arc::clone(&store),
        clock: Arc::clone(&opening.clock),
        numbers: numbers.clone(),
        operators: Arc::clone(&operators),
        policy: Arc::clone(&opening.policy),
        rules,
    };
    for (part, service) in SOURCES {
        if let Some(client) = opening.clients.find(part) {
            let source = Source {
                service,
                client: client.clone(),
            };
            open.background.push(Box::pin(intake.clone().run(source)));
        }
    }
    let askable = Askable {
        registry: client(REGISTRY),
        certificate: client(CERTIFICATE),
        entry_validation: client(ENTRY_VALIDATION),
        stale_after_days: opening.policy.stale_after_days(),
    };
    open.background.push(Box::pin(intake.run_by_time(askable)));
    let sender = Arc::new(Sender {
        store,
        channels,
        clock: opening.clock,
        numbers,
        draining: opening.draining,
        operators: Arc::clone(&operators),
        holder: holder().map_err(OpenError::new)?,
    });
    open.background.push(Box::pin(Arc::clone(&sender).look_after()));
    open.background.push(Box::pin(sender.run()));
    Ok(open)
}

/// A name that no other process has.
fn holder() -> Result<Arc<str>, getrandom::Error> {
    Ok(format!("{}-{}", std::process::id(), crate::message_id::message_id()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a configuration that answers there.
    fn problems(answer_to: &str) -> String {
        let environment = [
            ("NOPIC_NOTIFICATION_AUTHORITY", "true"),
            ("NOPIC_NOTIFICATION_ANSWER_TO", answer_to),
        ];
        let mut reader =
            Reader::of_environment(environment.map(|(key, value)| (key.to_owned(), value.to_owned())));
        drop(configure(&mut reader));
        reader
            .finish()
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn where_letters_are_answered_has_room_on_them() {
        assert_eq!(problems("Organic Imports\n1 Main Street\nSpringfield"), "");
        for too_much in ["a\n".repeat(9), "a".repeat(81)] {
            let said = problems(&too_much);
            assert!(
                said.contains("notification.answer_to: is at most 8 lines"),
                "{said}"
            );
        }
    }
}
