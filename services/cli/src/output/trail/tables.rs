//! The parts of a trail as tables, the same for people at a terminal and for readers of the page.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_domain::trail::gaps::Level;
use nopic_domain::trail::{CheckedBy, Claim, Line, OrganicCheck, Party, Point, Recorded, Withdrawn};

use super::Report;

/// A heading with rows under it.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
    /// What is said where there is no row.
    pub(crate) otherwise: &'static str,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) tone: Tone,
}

/// How much a row matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Finding,
    Withdrawn,
}

fn plain(cells: Vec<String>) -> Row {
    Row {
        cells,
        tone: Tone::Plain,
    }
}

/// Every part, in the order in which an inspector asks.
pub(crate) fn all(report: &Report) -> Vec<Table> {
    vec![
        gaps(report),
        tell(report),
        lines(report),
        parties(report),
        certificates(report),
        steps(report),
        documents(report),
        statements(report),
        versions(report),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn gaps(report: &Report) -> Option<Table> {
    let rows: Vec<Row> = report
        .gaps
        .iter()
        .map(|gap| Row {
            cells: vec![
                level(gap.level).to_owned(),
                gap.about.clone(),
                gap.message.clone(),
                gap.what_to_do.clone(),
                gap.source.clone(),
            ],
            tone: match gap.level {
                Level::Finding => Tone::Finding,
                Level::Contradiction | Level::Missing | Level::Advice => Tone::Plain,
            },
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "What is missing or wrong",
        columns: vec!["What", "About", "Said", "To do", "Source"],
        rows,
        otherwise: "",
    })
}

fn tell(report: &Report) -> Option<Table> {
    let rows: Vec<Row> = report
        .gaps
        .iter()
        .flat_map(|gap| &gap.tell)
        .map(|tell| {
            plain(vec![
                tell.certifier_id.to_string(),
                tell.because.clone(),
                yes(tell.was_told).to_owned(),
            ])
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "Certifiers to tell of the Emergency Action Notice",
        columns: vec!["Certifier", "Because it", "Told"],
        rows,
        otherwise: "",
    })
}

fn lines(report: &Report) -> Option<Table> {
    let row = |line: &Line| {
        plain(vec![
            match line.pga_line_number {
                1 => line.line_number.to_string(),
                pga => format!("{}.{pga}", line.line_number),
            },
            line.outcome.clone(),
            line.description.clone().unwrap_or_default(),
            line.hts_code.clone().unwrap_or_default(),
            yes(line.is_organic).to_owned(),
            line.net_weight_kg.clone().unwrap_or_default(),
            line.drawn_kg.map(|weight| weight.to_string()).unwrap_or_default(),
            line.certificate_number
                .map(|number| number.to_string())
                .unwrap_or_default(),
            line.lots.join(", "),
            line.country_of_origin.clone().unwrap_or_default(),
            line.country_of_export.clone().unwrap_or_default(),
            line.export_date.clone().unwrap_or_default(),
            line.entry_date.clone().unwrap_or_default(),
            line.port_of_entry.clone().unwrap_or_default(),
        ])
    };
    Some(Table {
        title: "What and how much",
        columns: vec![
            "Line",
            "Decision",
            "Product",
            "HTS",
            "Organic",
            "Net kg",
            "Drawn kg",
            "Certificate",
            "Lots",
            "Origin",
            "Exported from",
            "Exported on",
            "Entered on",
            "Port",
        ],
        rows: report.trail.lines.iter().map(row).collect(),
        otherwise: "No line stands on record.",
    })
}

fn parties(report: &Report) -> Option<Table> {
    let trail = &report.trail;
    let row = |line: &Line| {
        let certificate = trail.certificate_of(line);
        let exporter = line
            .exporter_nop_id
            .or(certificate.map(|certificate| certificate.exporter_nop_id));
        let importer = line
            .importer_nop_id
            .or(certificate.map(|certificate| certificate.importer_nop_id));
        let name = |id: Option<nopic_domain::identifier::NopId>| match id {
            None => String::new(),
            Some(id) => match named(report, id) {
                Some(name) => format!("{name} ({id})"),
                None => id.to_string(),
            },
        };
        vec![
            name(exporter),
            name(certificate.and_then(|certificate| certificate.final_handler_nop_id)),
            certificate
                .map(|certificate| certificate.certifier_id.to_string())
                .unwrap_or_default(),
            name(importer),
            line.importer_of_record.clone().unwrap_or_default(),
        ]
    };
    // Most entries have the same parties on all lines.
    let mut rows: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for line in &trail.lines {
        let cells = row(line);
        let number = line.line_number.to_string();
        match rows.iter_mut().find(|(known, _)| *known == cells) {
            Some((_, numbers)) if numbers.contains(&number) => {}
            Some((_, numbers)) => numbers.push(number),
            None => rows.push((cells, vec![number])),
        }
    }
    Some(Table {
        title: "Between whom",
        columns: vec![
            "Lines",
            "Exporter",
            "Final handler",
            "Certifier",
            "Importer",
            "Importer of record",
        ],
        rows: rows
            .into_iter()
            .map(|(cells, numbers)| plain([vec![numbers.join(", ")], cells].concat()))
            .collect(),
        otherwise: "No line stands on record.",
    })
}

/// What the steps call it.
fn named(report: &Report, id: nopic_domain::identifier::NopId) -> Option<&str> {
    let mut parties = report
        .trail
        .steps
        .iter()
        .filter(|step| step.withdrawn.is_none())
        .flat_map(|step| [Some(&step.content.party), step.content.owner.as_ref()])
        .flatten();
    parties
        .find(|party| party.nop_id == Some(id))
        .map(|party| party.name.as_str())
}

fn certificates(report: &Report) -> Option<Table> {
    let row = |read: &nopic_domain::trail::CertificateRead| {
        let certificate = &read.certificate;
        let date =
            |date: Option<nopic_domain::date::Date>| date.map(|date| date.to_string()).unwrap_or_default();
        plain(vec![
            certificate.number.to_string(),
            read.version.to_string(),
            certificate.status.as_str().to_owned(),
            certificate.certifier_id.to_string(),
            certificate.product.clone().unwrap_or_default(),
            certificate.countries_of_origin.join(", "),
            certificate.lots.join(", "),
            certificate.total_weight_kg.to_string(),
            date(certificate.issued_on),
            date(certificate.valid_from),
            date(certificate.valid_to),
        ])
    };
    Some(Table {
        title: "Certificates, as they were read when the lines were decided",
        columns: vec![
            "Number",
            "Version",
            "Status",
            "Certifier",
            "Product",
            "Origin",
            "Lots",
            "Total kg",
            "Issued on",
            "Valid from",
            "Valid to",
        ],
        rows: report.trail.certificates.iter().map(row).collect(),
        otherwise: "No certificate was known.",
    })
}

fn steps(report: &Report) -> Option<Table> {
    let mut steps: Vec<_> = report.trail.steps.iter().collect();
    // As the goods went; without a begin they come first.
    steps.sort_by_key(|step| (step.content.from.map(Point::earliest), step.record_id));
    let rows = steps.into_iter().map(|step| {
        let content = &step.content;
        row_of(
            step,
            vec![
                content.role.as_str().to_lowercase(),
                party(&content.party),
                content.place.clone().unwrap_or_default(),
                point(content.from),
                point(content.to),
                content.owner.as_ref().map(party).unwrap_or_default(),
                scope(&content.lines, &content.lots),
            ],
        )
    });
    Some(Table {
        title: "Who held, moved and owned the goods",
        columns: vec![
            "Record", "As", "Held by", "Place", "From", "To", "Owned by", "Of", "Recorded",
        ],
        rows: rows.collect(),
        otherwise: "No step of custody is on record.",
    })
}

fn documents(report: &Report) -> Option<Table> {
    let rows = report.trail.documents.iter().map(|document| {
        let content = &document.content;
        row_of(
            document,
            vec![
                content.kind.words().to_owned(),
                content.reference.clone(),
                content.dated.map(|date| date.to_string()).unwrap_or_default(),
                content
                    .organic
                    .as_ref()
                    .map_or_else(|| "not checked".to_owned(), organic),
                content.sha256.clone(),
            ],
        )
    });
    Some(Table {
        title: "Documents",
        columns: vec![
            "Record",
            "Kind",
            "Reference",
            "Dated",
            "Says organic",
            "SHA-256",
            "Recorded",
        ],
        rows: rows.collect(),
        otherwise: "No document is on record.",
    })
}

fn statements(report: &Report) -> Option<Table> {
    let of_lines = report.trail.lines.iter().filter_map(|line| {
        let treatment = line.treatment?;
        let mut said = Vec::new();
        for (value, word) in [
            (treatment.verified, "verified"),
            (
                treatment.prohibited_substance,
                "contact with a prohibited substance",
            ),
            (treatment.irradiated, "ionizing radiation"),
            (treatment.emergency_action_notice, "Emergency Action Notice"),
        ] {
            if let Some(value) = value {
                said.push(format!("{word}: {}", yes(value)));
            }
        }
        Some(plain(vec![
            String::new(),
            said.join("; "),
            "the line as filed".to_owned(),
            String::new(),
            String::new(),
            format!("line {}", line.line_number),
            String::new(),
        ]))
    });
    let recorded = report.trail.statements.iter().map(|statement| {
        let content = &statement.content;
        row_of(
            statement,
            vec![
                claim(&content.claim),
                content.stated_by.clone(),
                content.stated_on.to_string(),
                content.basis.clone(),
                scope(&content.lines, &[]),
            ],
        )
    });
    Some(Table {
        title: "What the importer verified, and notices",
        columns: vec!["Record", "Stated", "By", "On", "Basis", "Of", "Recorded"],
        rows: of_lines.chain(recorded).collect(),
        otherwise: "Nothing is stated of the treatment of the goods.",
    })
}

fn versions(report: &Report) -> Option<Table> {
    let row = |version: &nopic_domain::trail::Version| {
        plain(vec![
            version.version.to_string(),
            version.kind.to_lowercase(),
            version.filed_on.to_string(),
            moment(version.recorded_at),
            version.actor.clone(),
            version.reason.clone(),
        ])
    };
    Some(Table {
        title: "Versions of the entry",
        columns: vec!["Version", "What", "Filed on", "Recorded", "By", "Why"],
        rows: report.trail.versions.iter().map(row).collect(),
        otherwise: "",
    })
}

/// A record with its number before and who recorded it behind; a withdrawn one says so.
fn row_of<T>(record: &Recorded<T>, cells: Vec<String>) -> Row {
    let mut said = format!("{} by {}", moment(record.recorded_at), record.recorded_by);
    if let Some(withdrawn) = &record.withdrawn {
        said.push_str(&withdrawal(withdrawn));
    }
    Row {
        cells: [vec![record.record_id.to_string()], cells, vec![said]].concat(),
        tone: if record.withdrawn.is_some() {
            Tone::Withdrawn
        } else {
            Tone::Plain
        },
    }
}

fn withdrawal(withdrawn: &Withdrawn) -> String {
    format!(
        "; WITHDRAWN {} by {}: {}",
        moment(withdrawn.at),
        withdrawn.by,
        withdrawn.reason
    )
}

fn claim(claim: &Claim) -> String {
    match claim {
        Claim::Verification {
            prohibited_substance,
            ionizing_radiation,
        } => format!(
            "verified since export: contact with a prohibited substance: {}; ionizing radiation: {}",
            yes(*prohibited_substance),
            yes(*ionizing_radiation)
        ),
        Claim::EmergencyActionNotice { reference } => format!("Emergency Action Notice {reference}"),
        Claim::CertifierTold { certifier_id } => {
            format!("certifier {certifier_id} was told of the Emergency Action Notice")
        }
    }
}

fn organic(check: &OrganicCheck) -> String {
    let how = match check.how {
        CheckedBy::Text => "by the word in its text",
        CheckedBy::Person => "read by a person",
    };
    format!(
        "{} ({how}, {}, {})",
        yes(check.says_organic),
        check.checked_by,
        check.checked_at
    )
}

fn party(party: &Party) -> String {
    match party.nop_id {
        Some(id) => format!("{} ({id})", party.name),
        None => party.name.clone(),
    }
}

fn scope(lines: &[u32], lots: &[String]) -> String {
    let lines = match lines {
        [] => "all lines".to_owned(),
        [one] => format!("line {one}"),
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("lines {}", several.join(", "))
        }
    };
    match lots {
        [] => lines,
        lots => format!("{lines}, lot {}", lots.join(", ")),
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Finding => "FINDING",
        Level::Contradiction => "contradiction",
        Level::Missing => "missing",
        Level::Advice => "advice",
    }
}

const fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn point(point: Option<Point>) -> String {
    point.map_or_else(|| "?".to_owned(), |point| point.to_string())
}

pub(super) fn moment(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}
