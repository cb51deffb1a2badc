//! Entry validation as a part of a process.

use std::path::Path;

use chrono::{DateTime, Utc};
use nopic_cache::Limiter;
use nopic_cache::limiter::{self, Rate};
use nopic_cache::redis::Options;
use nopic_chassis::config::Reader;
use nopic_chassis::part::{Asked, Open, OpenError, Opener, Opening, Part, Process};
use nopic_chassis::serving::GrpcService;
use nopic_sql::Journal;
use nopic_sql::{Location, Schema};
use thiserror::Error;

use crate::{Config, EntryValidation, LineLimit, ROLES, SCHEMA, Upstream};

/// Entry validation. What is judged before it is filed needs no database.
pub const PART: Part<Location, Schema, Journal> = Part {
    name: "entry-validation",
    about: "Entry validation, entries on record, importer links and flags",
    is_door: false,
    tells_events: true,
    services: &[
        GrpcService::soft("nopic.entry_validation.v1.EntryValidationService"),
        GrpcService::hard("nopic.entry_validation.v1.EntryRecordService"),
        GrpcService::hard("nopic.entry_validation.v1.EntryTrailService"),
    ],
    roles: ROLES,
    descriptors: || nopic_proto::DESCRIPTORS,
    schema: Some(&SCHEMA),
    asks: &[
        Asked {
            part: REGISTRY,
            methods: &[
                "nopic.registry.v1.RegistryService/GetStatusManifest",
                "nopic.registry.v1.RegistryService/GetStatusShards",
            ],
        },
        Asked {
            part: CERTIFICATE,
            methods: &[
                "nopic.certificate.v1.CertificateService/BatchGetForValidation",
                "nopic.certificate.v1.LedgerService/SetDraws",
            ],
        },
    ],
    configure,
};

const REGISTRY: &str = "registry";
const CERTIFICATE: &str = "certificate";

fn configure(reader: &mut Reader) -> Opener<Location, Journal> {
    let redis = Options::read(reader);
    let lines = limiter::lines(reader);
    let filing_attempts = reader
        .number("entry-validation.filing_attempts", 1..=1_000_000)
        .and_then(|number| u32::try_from(number).ok());
    Box::new(move |opening| Box::pin(open(opening, redis, lines, filing_attempts)))
}

async fn open(
    opening: Opening<Location>,
    redis: Option<Options>,
    lines: Rate,
    filing_attempts: Option<u32>,
) -> Result<Open<Journal>, OpenError> {
    let upstream = Upstream {
        registry: opening.clients.require(REGISTRY)?,
        certificate: opening.clients.require(CERTIFICATE)?,
    };
    // Who shares a process with the registry asks it in memory.
    let redis = redis.filter(|_| opening.process.is_alone());
    let dependency = redis.as_ref().and_then(Options::dependency);
    let mut config = Config::new(opening.storage, opening.policy, opening.policy_text);
    if opening.process.is_server() {
        config.lines = Some(LineLimit {
            limiter: Limiter::of_process(redis.clone()).map_err(OpenError::new)?,
            rate: lines,
        });
    }
    config.redis = redis;
    if let Some(attempts) = filing_attempts {
        config.filing_attempts = attempts;
    }
    config.metrics = opening.metrics;
    config.draining = opening.draining;
    config.worker = Some(worker(&opening.folder, opening.clock.now()).map_err(OpenError::new)?);
    let service = EntryValidation::open(config, opening.clock, upstream)
        .await
        .map_err(OpenError::new)?;
    let served = service.clone();
    let mut open = Open::serving(move |routes| {
        routes
            .add_service(served.service())
            .add_service(served.record_service())
            .add_service(served.trail_service());
    });
    open.journal = Some(service.journal());
    open.dependencies.extend(dependency);
    // A service alone finishes what was left once the certificate service answers, beside its calls.
    if opening.process != Process::Alone {
        open.recovery = Some(Box::pin(take_over(service.clone())));
    }
    open.background.push(Box::pin(service.work_forever()));
    Ok(open)
}

/// Finishes what an earlier process left: this one has the folder for itself. What cannot be finished now waits.
async fn take_over(service: EntryValidation) {
    if let Err(error) = service.take_over().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "filings wait to be finished"
        );
    }
}

/// The name of this process cannot be kept.
#[derive(Debug, Error)]
#[error("{} cannot be written: {source}", path.display())]
struct WorkerError {
    path: std::path::PathBuf,
    source: std::io::Error,
}

/// Names whoever has this folder, now and later: what an earlier process of it left is ours.
fn worker(folder: &Path, now: DateTime<Utc>) -> Result<String, WorkerError> {
    let path = folder.join("worker");
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        _ => {
            // Two folders are not made by one process in one microsecond.
            let unique = format!("{}-{}", std::process::id(), now.timestamp_micros());
            match std::fs::write(&path, &unique) {
                Ok(()) => Ok(unique),
                Err(source) => Err(WorkerError { path, source }),
            }
        }
    }
}
