//! One call of `ImportCertificates`: reads the file as it comes, tells what it refuses, and writes at the end.
//!
//! The file is held in memory, without what was refused, until all of it has come: writing as it comes would hold the
//! one write transaction for as long as the slowest caller sends.

use std::sync::Arc;

use nopic_chassis::answers::{Answers, CallerGone};
use nopic_chassis::clock::Clock;
use nopic_chassis::uploads::{ReceiveError, Upload};
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::ledger::MAX_DRAWN;
use nopic_domain::principal::Principal;
use nopic_domain::weight::Weight;
use nopic_formats::Reject;
use nopic_formats::certificates::{CertificateEvent, CertificateReader, CertificateRecord};
use nopic_proto::certificate as wire;
use nopic_proto::certificate::import_certificates_response::Part as Answer;
use rustc_hash::FxHashMap;
use tonic::Status;

use crate::convert;
use crate::error::Error;
use crate::import_decision::Stated;
use crate::store::{CertificateStore, EndedHere, ImportOrigin, Imported, Overdrawn};

/// What one file may state, so that what is held stays below about a gigabyte.
const MAX_CERTIFICATES: usize = 1_000_000;
const MAX_DRAWS: usize = 5_000_000;
/// Records between two messages of progress.
const PROGRESS_EVERY: usize = 5_000;
/// Characters of a file's name that are kept.
const MAX_FILE_NAME: usize = 255;

/// The call, to be run as a task of its own: its caller may leave at any time.
pub(crate) struct ImportCall {
    pub(crate) store: Arc<dyn CertificateStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) principal: Principal,
    pub(crate) answers: Answers<wire::ImportCertificatesResponse>,
}

impl ImportCall {
    pub(crate) async fn import(
        self,
        mut upload: Upload<wire::ImportCertificatesRequest>,
    ) -> Result<(), Status> {
        let options = upload.options().await.map_err(refused)?;
        let mut file = File::new(&options.file_name)?;
        let mut reported = 0;
        while let Some(chunk) = upload.chunk().await.map_err(refused)? {
            file.push(&chunk)?;
            self.send(file.answers.drain(..)).await?;
            if file.stated.len() >= reported + PROGRESS_EVERY {
                reported = file.stated.len();
                let certificates = count(reported);
                self.send([Answer::Progress(wire::ImportProgress { certificates })])
                    .await?;
            }
        }
        file.finish()?;
        file.refuse_circles();
        self.send(file.answers.drain(..)).await?;
        // Neighbours in the file of the database are written together.
        file.stated
            .sort_unstable_by_key(|stated| stated.certificate.number);
        let origin = ImportOrigin {
            file_name: file.name.clone(),
            tenant: self.principal.tenant.clone(),
            actor: self.principal.actor.clone(),
            role: self.principal.role.as_str(),
            at: self.clock.now(),
        };
        let Imported {
            added,
            changed,
            unchanged,
            refused,
            overdrawn,
        } = self
            .store
            .import(&file.stated, &file.named, &origin, &|| self.answers.is_unheard())
            .await
            .map_err(Error::from)?
            .ok_or(CallerGone)?;
        let certificates = file.stated.len() - refused.len();
        for certificate in refused {
            file.refuse(certificate);
        }
        for certificate in overdrawn {
            file.warn(certificate);
        }
        self.send(file.answers.drain(..)).await?;
        let result = wire::ImportResult {
            certificates: count(certificates),
            added,
            changed,
            unchanged,
            rejected: file.rejected,
            draws: count(file.draws),
            duplicates: file.duplicates,
        };
        Ok(self.send([Answer::Result(result)]).await?)
    }

    async fn send(&self, answers: impl IntoIterator<Item = Answer>) -> Result<(), CallerGone> {
        for part in answers {
            self.answers
                .send(wire::ImportCertificatesResponse { part: Some(part) })
                .await?;
        }
        Ok(())
    }
}

/// A faulty upload imports nothing, and its caller hears so.
fn refused(error: ReceiveError) -> Status {
    match error {
        ReceiveError::Upload(error) => Error::from(error).into(),
        ReceiveError::Broken(status) => status,
    }
}

/// What was read of the file.
struct File {
    name: String,
    reader: CertificateReader,
    events: Vec<CertificateEvent>,
    stated: Vec<Stated>,
    /// Numbers that it names without stating their certificates.
    named: Vec<CertificateNumber>,
    /// Place in `stated` and record of each number.
    places: FxHashMap<CertificateNumber, (usize, u32)>,
    draws: usize,
    rejected: u32,
    duplicates: u32,
    /// What the caller is yet to be told.
    answers: Vec<Answer>,
}

impl File {
    fn new(name: &str) -> Result<Self, Error> {
        if name.chars().count() > MAX_FILE_NAME {
            return Err(Error::invalid(
                "options.file_name",
                format!("longer than {MAX_FILE_NAME} characters"),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            reader: CertificateReader::new(),
            events: Vec::new(),
            stated: Vec::new(),
            named: Vec::new(),
            places: FxHashMap::default(),
            draws: 0,
            rejected: 0,
            duplicates: 0,
            answers: Vec::new(),
        })
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.reader.push(chunk, &mut self.events)?;
        self.take_events()
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.reader.finish(&mut self.events)?;
        self.take_events()
    }

    fn take_events(&mut self) -> Result<(), Error> {
        for event in std::mem::take(&mut self.events) {
            match event {
                CertificateEvent::Certificate(record) => self.state(record),
                CertificateEvent::Reject(reject) => self.reject(reject),
            }
        }
        for (what, given, limit) in [
            ("certificates", self.stated.len(), MAX_CERTIFICATES),
            ("draws", self.draws, MAX_DRAWS),
        ] {
            if given > limit {
                return Err(Error::ImportTooLarge { what, limit });
            }
        }
        Ok(())
    }

    fn state(&mut self, record: CertificateRecord) {
        let CertificateRecord {
            record,
            certificate,
            draws,
        } = record;
        let number = certificate.number;
        self.named.extend(certificate.superseded_by);
        let weights = draws.iter().flatten().map(|draw| draw.weight_kg);
        if weights.fold(Weight::ZERO, Weight::saturating_add) > MAX_DRAWN {
            return self.reject(Reject {
                key: Some(number.to_string()),
                field: Some("draws".to_owned()),
                ..Reject::new(
                    record,
                    format!("the draws add up to more than {MAX_DRAWN} kg: correct their weights"),
                )
            });
        }
        self.draws += draws.as_ref().map_or(0, Vec::len);
        let stated = Stated { certificate, draws };
        let record = convert::small(record);
        let Some((place, lost_record)) = self.places.get(&number).copied() else {
            self.places.insert(number, (self.stated.len(), record));
            self.stated.push(stated);
            return;
        };
        // The later counts alone, whatever the earlier said of draws.
        let lost = std::mem::replace(&mut self.stated[place], stated);
        self.draws -= lost.draws.as_ref().map_or(0, Vec::len);
        self.places.insert(number, (place, record));
        self.duplicates += 1;
        self.answers.push(Answer::Duplicate(wire::DuplicateCertificate {
            number: number.to_string(),
            lost_record,
            won_record: record,
        }));
    }

    /// Two certificates do not supersede each other.
    fn refuse_circles(&mut self) {
        let successor = |number| {
            let (place, _) = self.places.get(&number)?;
            self.stated.get(*place)?.certificate.superseded_by
        };
        let mut circular: Vec<(CertificateNumber, CertificateNumber)> = self
            .places
            .keys()
            .filter_map(|number| Some((*number, successor(*number)?)))
            .filter(|(number, next)| successor(*next) == Some(*number))
            .collect();
        circular.sort_unstable();
        for (number, next) in circular {
            let record = self.places.get(&number).map_or(0, |(_, record)| *record);
            self.reject(Reject {
                key: Some(number.to_string()),
                field: Some("supersededBy".to_owned()),
                value: next.to_string(),
                ..Reject::new(
                    u64::from(record),
                    format!("{next} is superseded by this one in the same file: say which of them replaced the other")
                )
            });
            let place = self
                .stated
                .iter()
                .position(|stated| stated.certificate.number == number);
            let lost = place.and_then(|place| self.stated.swap_remove(place).draws);
            self.draws -= lost.map_or(0, |draws| draws.len());
        }
    }

    /// What the store refused: no row brings back what a step here has ended, or says that it ended otherwise.
    fn refuse(&mut self, certificate: EndedHere) {
        let EndedHere {
            number,
            status,
            superseded_by,
        } = certificate;
        let record = self.places.get(&number).map_or(0, |(_, record)| *record);
        // They are in the order of their numbers by now.
        let found = self
            .stated
            .binary_search_by_key(&number, |stated| stated.certificate.number);
        let stated = found.ok().and_then(|place| self.stated.get(place));
        let draws = stated
            .and_then(|stated| stated.draws.as_ref())
            .map_or(0, Vec::len);
        let (field, states) = match stated.map(|stated| &stated.certificate) {
            Some(certificate) if certificate.status == status => (
                "supersededBy",
                certificate.superseded_by.map(|number| number.to_string()),
            ),
            certificate => (
                "status",
                certificate.map(|certificate| certificate.status.as_str().to_owned()),
            ),
        };
        self.draws -= draws;
        let successor = superseded_by.map_or_else(String::new, |number| format!(" by {number}"));
        self.reject(Reject {
            key: Some(number.to_string()),
            field: Some(field.to_owned()),
            value: states.unwrap_or_default(),
            ..Reject::new(
                u64::from(record),
                format!(
                    "the certificate was ended here and is {status}{successor}: an import does not bring it back, nor say \
                     that it ended otherwise; leave the row out, or ask its certifier to issue another certificate"
                ),
            )
        });
    }

    /// What the store took, and the caller may not have meant.
    fn warn(&mut self, certificate: Overdrawn) {
        let Overdrawn {
            number,
            limit,
            excess,
        } = certificate;
        let record = self.places.get(&number).map_or(0, |(_, record)| *record);
        self.answers.push(Answer::Overdrawn(wire::OverdrawnCertificate {
            number: number.to_string(),
            record,
            total_kg: limit.to_string(),
            excess_kg: excess.to_string(),
        }));
    }

    fn reject(&mut self, reject: Reject) {
        self.rejected += 1;
        // Whatever is wrong with the row, the number is somebody's.
        let key = reject.key.as_deref();
        self.named
            .extend(key.and_then(|key| key.parse::<CertificateNumber>().ok()));
        self.answers
            .push(Answer::Reject(convert::reject(&self.name, reject)));
    }
}

/// A count on the wire; the limits above are far below its end.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
