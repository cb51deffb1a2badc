//! The trail of an entry.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use nopic_domain::certificate::Certificate;
use nopic_domain::date::{Date, parse_iso};
use nopic_domain::entry::EntryLine;
use nopic_domain::rules::certificate_number;
use nopic_domain::trail::gaps::{Gap, GapCode, Level, Tell};
use nopic_domain::trail::{
    CertificateRead, CheckedBy, Claim, Document, DocumentKind, Item, Line, OrganicCheck, Party, Point,
    Recorded, Role, Statement, Step, Trail, Version, Withdrawal, Withdrawn,
};

use super::ConversionError;
use crate::entry_validation as wire;
use crate::entry_validation::trail_item::Content;

impl From<&Step> for wire::CustodyStep {
    fn from(step: &Step) -> Self {
        Self {
            role: step.role.as_str().to_owned(),
            party: Some((&step.party).into()),
            place: step.place.clone().unwrap_or_default(),
            from: text(step.from),
            to: text(step.to),
            owner: step.owner.as_ref().map(Into::into),
            lines: step.lines.clone(),
            lots: step.lots.clone(),
        }
    }
}

impl From<&Party> for wire::TrailParty {
    fn from(party: &Party) -> Self {
        Self {
            name: party.name.clone(),
            nop_id: text(party.nop_id),
        }
    }
}

impl TryFrom<wire::TrailParty> for Party {
    type Error = ConversionError;

    fn try_from(wire: wire::TrailParty) -> Result<Self, ConversionError> {
        Ok(Self {
            name: wire.name.trim().to_owned(),
            nop_id: parse_or_absent("nop_id", wire.nop_id.trim())?,
        })
    }
}

impl TryFrom<wire::CustodyStep> for Step {
    type Error = ConversionError;

    fn try_from(wire: wire::CustodyStep) -> Result<Self, ConversionError> {
        Ok(Self {
            role: word(
                "role",
                &wire.role,
                Role::parse,
                Role::ALL.iter().map(|role| role.as_str()),
            )?,
            party: wire.party.unwrap_or_default().try_into()?,
            place: given(wire.place),
            from: parse_or_absent("from", &wire.from)?,
            to: parse_or_absent("to", &wire.to)?,
            owner: wire.owner.map(TryInto::try_into).transpose()?,
            lines: wire.lines,
            lots: wire.lots,
        })
    }
}

impl From<&Document> for wire::TrailDocument {
    fn from(document: &Document) -> Self {
        Self {
            kind: document.kind.as_str().to_owned(),
            reference: document.reference.clone(),
            dated: text(document.dated),
            // One that was checked, or read from the wire, has a hash.
            sha256: hex::decode(&document.sha256).unwrap_or_default().into(),
            organic: document.organic.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<wire::TrailDocument> for Document {
    type Error = ConversionError;

    fn try_from(wire: wire::TrailDocument) -> Result<Self, ConversionError> {
        let kinds = DocumentKind::ALL.iter().map(|kind| kind.as_str());
        Ok(Self {
            kind: word("kind", &wire.kind, DocumentKind::parse, kinds)?,
            reference: wire.reference.trim().to_owned(),
            dated: optional_date("dated", &wire.dated)?,
            sha256: hex::encode(&wire.sha256),
            organic: wire.organic.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&OrganicCheck> for wire::OrganicCheck {
    fn from(check: &OrganicCheck) -> Self {
        Self {
            says_organic: check.says_organic,
            how: check.how.as_str().to_owned(),
            checked_by: check.checked_by.clone(),
            checked_at: check.checked_at.to_string(),
        }
    }
}

impl TryFrom<wire::OrganicCheck> for OrganicCheck {
    type Error = ConversionError;

    fn try_from(wire: wire::OrganicCheck) -> Result<Self, ConversionError> {
        let ways = CheckedBy::ALL.iter().map(|way| way.as_str());
        Ok(Self {
            says_organic: wire.says_organic,
            how: word("how", &wire.how, CheckedBy::parse, ways)?,
            checked_by: wire.checked_by.trim().to_owned(),
            checked_at: parse("checked_at", &wire.checked_at)?,
        })
    }
}

impl From<&Statement> for wire::TrailStatement {
    fn from(statement: &Statement) -> Self {
        let mut wire = Self {
            kind: statement.claim.as_str().to_owned(),
            stated_by: statement.stated_by.clone(),
            stated_on: statement.stated_on.to_string(),
            basis: statement.basis.clone(),
            lines: statement.lines.clone(),
            ..Self::default()
        };
        match &statement.claim {
            Claim::Verification {
                prohibited_substance,
                ionizing_radiation,
            } => {
                wire.prohibited_substance = *prohibited_substance;
                wire.ionizing_radiation = *ionizing_radiation;
            }
            Claim::EmergencyActionNotice { reference } => wire.reference.clone_from(reference),
            Claim::CertifierTold { certifier_id } => wire.certifier_id = certifier_id.to_string(),
        }
        wire
    }
}

impl TryFrom<wire::TrailStatement> for Statement {
    type Error = ConversionError;

    fn try_from(wire: wire::TrailStatement) -> Result<Self, ConversionError> {
        let claim = match wire.kind.as_str() {
            "VERIFICATION" => Claim::Verification {
                prohibited_substance: wire.prohibited_substance,
                ionizing_radiation: wire.ionizing_radiation,
            },
            "EMERGENCY_ACTION_NOTICE" => Claim::EmergencyActionNotice {
                reference: wire.reference.trim().to_owned(),
            },
            "CERTIFIER_TOLD" => Claim::CertifierTold {
                certifier_id: parse("certifier_id", &wire.certifier_id)?,
            },
            other => {
                return Err(ConversionError::new(
                    "kind",
                    format!("{other:?} is none of VERIFICATION, EMERGENCY_ACTION_NOTICE, CERTIFIER_TOLD"),
                ));
            }
        };
        Ok(Self {
            claim,
            stated_by: wire.stated_by.trim().to_owned(),
            stated_on: date("stated_on", &wire.stated_on)?,
            basis: wire.basis.trim().to_owned(),
            lines: wire.lines,
        })
    }
}

impl TryFrom<wire::TrailLine> for Line {
    type Error = ConversionError;

    fn try_from(wire: wire::TrailLine) -> Result<Self, ConversionError> {
        let decision = wire.decision.unwrap_or_default();
        let verdict = decision.verdict.unwrap_or_default();
        let line = EntryLine::from(decision.line.unwrap_or_default()).normalise();
        let codes = verdict
            .findings
            .iter()
            .map(|finding| finding.code().as_str_name().to_owned())
            .collect();
        let certificate_number = certificate_number(&line);
        let pga_line_number = line.pga_line_number();
        let outcome = verdict.verdict().as_str_name().to_owned();
        let line = line.into_inner();
        Ok(Self {
            line_number: line.line_number,
            pga_line_number,
            decision_id: decision.decision_id,
            outcome,
            codes,
            is_organic: wire.is_organic,
            description: line.description,
            hts_code: line.hts_code,
            country_of_origin: line.country_of_origin,
            country_of_export: line.country_of_export,
            port_of_entry: line.port_of_entry,
            export_date: line.export_date,
            entry_date: line.entry_date,
            net_weight_kg: line.net_weight_kg,
            drawn_kg: parse_or_absent("drawn_kg", &decision.drawn_kg)?,
            certificate_number,
            lots: line.lots,
            importer_of_record: line.importer_of_record,
            importer_nop_id: parse_or_absent("importer_nop_id", &wire.importer_nop_id)?,
            // What is filed may be anything.
            exporter_nop_id: line.exporter_nop_id.and_then(|text| text.parse().ok()),
            treatment: line.treatment,
        })
    }
}

impl TryFrom<wire::EntryVersion> for Version {
    type Error = ConversionError;

    fn try_from(wire: wire::EntryVersion) -> Result<Self, ConversionError> {
        Ok(Self {
            version: wire.version,
            kind: wire.kind,
            actor: wire.actor,
            reason: wire.reason,
            filed_on: date("filed_on", &wire.filed_on)?,
            recorded_at: moment("recorded_at", &wire.recorded_at)?,
        })
    }
}

impl From<&Item> for wire::TrailItem {
    fn from(item: &Item) -> Self {
        Self {
            content: Some(match item {
                Item::Step(step) => Content::Step(step.into()),
                Item::Document(document) => Content::Document(document.into()),
                Item::Statement(statement) => Content::Statement(statement.into()),
                Item::Withdrawal(withdrawal) => Content::Withdrawal(wire::TrailWithdrawal {
                    record_id: withdrawal.record_id,
                    reason: withdrawal.reason.clone(),
                }),
            }),
        }
    }
}

impl TryFrom<wire::TrailItem> for Item {
    type Error = ConversionError;

    fn try_from(wire: wire::TrailItem) -> Result<Self, ConversionError> {
        match wire.content {
            Some(Content::Step(step)) => step.try_into().map(Self::Step),
            Some(Content::Document(document)) => document.try_into().map(Self::Document),
            Some(Content::Statement(statement)) => statement.try_into().map(Self::Statement),
            Some(Content::Withdrawal(withdrawal)) => Ok(Self::Withdrawal(Withdrawal {
                record_id: withdrawal.record_id,
                reason: withdrawal.reason,
            })),
            // Or something that only a newer program knows.
            None => Err(nothing_recorded()),
        }
    }
}

fn nothing_recorded() -> ConversionError {
    ConversionError::new("items", "give a step, a document or a statement")
}

impl TryFrom<wire::GetTrailResponse> for Trail {
    type Error = ConversionError;

    /// All but the gaps.
    fn try_from(wire: wire::GetTrailResponse) -> Result<Self, ConversionError> {
        let mut trail = Self {
            entry_number: wire.entry_number,
            as_of: (!wire.as_of.is_empty())
                .then(|| moment("as_of", &wire.as_of))
                .transpose()?,
            versions: all(wire.versions)?,
            lines: all(wire.lines)?,
            ..Self::default()
        };
        for read in wire.certificates {
            trail.certificates.push(CertificateRead {
                version: read.version,
                certificate: Certificate::try_from(read.certificate.unwrap_or_default())?,
            });
        }
        for record in wire.records {
            let item = Item::try_from(record.item.unwrap_or_default())?;
            let recorded = Recorded {
                record_id: record.record_id,
                content: (),
                recorded_by: record.recorded_by,
                recorded_at: moment("recorded_at", &record.recorded_at)?,
                withdrawn: record.withdrawn.map(withdrawn).transpose()?,
            };
            match item {
                Item::Step(step) => trail.steps.push(with(recorded, step)),
                Item::Document(document) => trail.documents.push(with(recorded, document)),
                Item::Statement(statement) => trail.statements.push(with(recorded, statement)),
                // A withdrawal stands with what it withdrew.
                Item::Withdrawal(_) => return Err(nothing_recorded()),
            }
        }
        Ok(trail)
    }
}

fn with<T>(recorded: Recorded<()>, content: T) -> Recorded<T> {
    Recorded {
        record_id: recorded.record_id,
        content,
        recorded_by: recorded.recorded_by,
        recorded_at: recorded.recorded_at,
        withdrawn: recorded.withdrawn,
    }
}

fn withdrawn(wire: wire::TrailWithdrawn) -> Result<Withdrawn, ConversionError> {
    Ok(Withdrawn {
        record_id: wire.record_id,
        by: wire.by,
        at: moment("at", &wire.at)?,
        reason: wire.reason,
    })
}

impl From<Gap> for wire::TrailGap {
    fn from(gap: Gap) -> Self {
        Self {
            code: gap.code.as_str().to_owned(),
            level: gap.level.as_str().to_owned(),
            about: gap.about,
            message: gap.message,
            what_to_do: gap.what_to_do,
            source: gap.source,
            tell: gap
                .tell
                .into_iter()
                .map(|tell| wire::TellCertifier {
                    certifier_id: tell.certifier_id.to_string(),
                    because: tell.because,
                    was_told: tell.was_told,
                })
                .collect(),
        }
    }
}

impl TryFrom<wire::TrailGap> for Gap {
    type Error = ConversionError;

    fn try_from(wire: wire::TrailGap) -> Result<Self, ConversionError> {
        let tell = |tell: wire::TellCertifier| {
            Ok(Tell {
                certifier_id: parse("certifier_id", &tell.certifier_id)?,
                because: tell.because,
                was_told: tell.was_told,
            })
        };
        Ok(Self {
            code: GapCode::parse(&wire.code)
                .ok_or_else(|| ConversionError::new("code", format!("{:?} is not known here", wire.code)))?,
            level: Level::parse(&wire.level).ok_or_else(|| {
                ConversionError::new("level", format!("{:?} is not known here", wire.level))
            })?,
            about: wire.about,
            message: wire.message,
            what_to_do: wire.what_to_do,
            source: wire.source,
            tell: wire
                .tell
                .into_iter()
                .map(tell)
                .collect::<Result<_, ConversionError>>()?,
        })
    }
}

fn all<W, D: TryFrom<W, Error = ConversionError>>(wire: Vec<W>) -> Result<Vec<D>, ConversionError> {
    wire.into_iter().map(TryInto::try_into).collect()
}

fn text(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn given(text: String) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn word<T>(
    field: &'static str,
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
    known: impl Iterator<Item = &'static str>,
) -> Result<T, ConversionError> {
    parse(text).ok_or_else(|| {
        let known: Vec<&str> = known.collect();
        ConversionError::new(field, format!("{text:?} is none of {}", known.join(", ")))
    })
}

fn parse<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T, ConversionError> {
    text.parse().map_err(|error| ConversionError::new(field, error))
}

fn parse_or_absent<T: FromStr<Err: Display>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, ConversionError> {
    (!text.is_empty()).then(|| parse(field, text)).transpose()
}

fn date(field: &'static str, text: &str) -> Result<Date, ConversionError> {
    parse_iso(text).ok_or_else(|| ConversionError::new(field, "not a day of the form YYYY-MM-DD"))
}

fn optional_date(field: &'static str, text: &str) -> Result<Option<Date>, ConversionError> {
    (!text.is_empty()).then(|| date(field, text)).transpose()
}

fn moment(field: &'static str, text: &str) -> Result<DateTime<Utc>, ConversionError> {
    match parse::<Point>(field, text)? {
        Point::Moment(moment) => Ok(moment),
        Point::Day(_) => Err(ConversionError::new(field, "not a moment but a day")),
    }
}
