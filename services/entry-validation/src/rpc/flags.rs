//! The AM7 and AM8 flags of tariff codes.

use nopic_chassis::requests::day;
use nopic_chassis::uploads::Upload;
use nopic_domain::flags::{FlagImportError, FlagTable};
use nopic_domain::hts::HtsCode;
use nopic_domain::principal::Principal;
use nopic_formats::Reject;
use nopic_formats::flags::{FlagContent, FlagFile, FlagFileRefusal};
use nopic_proto::common;
use nopic_proto::entry_validation as wire;
use tonic::{Status, Streaming};

use super::document::FileName;
use crate::engine::Engine;
use crate::error::Error;

/// The largest file of flags that is taken; CBP's report has about 2 MB.
const LARGEST_FILE: usize = 64 << 20;
/// The longest span of days whose changes are listed.
const LONGEST_SPAN_DAYS: i64 = 3_660;

/// Imports a file once all of it has come.
pub(super) async fn import(
    engine: &Engine,
    principal: &Principal,
    requests: Streaming<wire::ImportFlagsRequest>,
) -> Result<wire::ImportFlagsResponse, Status> {
    let mut upload = Upload::new(requests);
    let options = upload.options().await?;
    let mut content = Vec::new();
    while let Some(chunk) = upload.chunk().await? {
        if content.len() + chunk.len() > LARGEST_FILE {
            let message = format!("a file of flags has at most {LARGEST_FILE} bytes");
            return Err(Error::TooMuch(message).into());
        }
        content.extend_from_slice(&chunk);
    }
    let import = tokio::task::spawn_blocking(move || Import::read(options, &content))
        .await
        .map_err(Error::from)??;
    Ok(engine
        .flags
        .import(principal, move |table| import.apply(table))
        .await?)
}

/// A file that was read.
struct Import {
    file: FileName,
    replace: bool,
    content: FlagFile,
}

impl Import {
    fn read(options: wire::ImportFlagsOptions, content: &[u8]) -> Result<Self, Error> {
        let file = FileName(options.file_name);
        Ok(Self {
            content: nopic_formats::flags::read(content).map_err(|error| file.fault(error))?,
            file,
            replace: options.replace,
        })
    }

    /// The table with the file in it; it comes only where it is another.
    fn apply(&self, table: &FlagTable) -> Result<(Option<FlagTable>, wire::ImportFlagsResponse), Error> {
        let form = match self.content.content {
            FlagContent::Report(_) => "REPORT",
            FlagContent::Plain(_) => "CSV",
        };
        let mut response = wire::ImportFlagsResponse {
            form: form.to_owned(),
            ..wire::ImportFlagsResponse::default()
        };
        let mut table = table.clone();
        match self.content.import(&mut table, self.replace) {
            Ok(summary) => {
                response.flags_version = table.version().to_owned();
                response.changed = summary.is_new_version;
                response.rows = count(summary.rows);
                response.am7_codes = count(summary.am7);
                response.am8_codes = count(summary.am8);
                response.changed_codes = count(summary.changed);
                Ok((summary.is_new_version.then_some(table), response))
            }
            Err(refusal) => {
                response.flags_version = table.version().to_owned();
                response.rejects = self.rejects(refusal)?;
                Ok((None, response))
            }
        }
    }

    /// The rows at fault.
    fn rejects(&self, refusal: FlagFileRefusal) -> Result<Vec<common::Reject>, Error> {
        let rejects: Vec<Reject> = match refusal {
            FlagFileRefusal::Rejects(rejects) => rejects,
            FlagFileRefusal::Import(FlagImportError::Rows(rows)) => rows
                .iter()
                .map(|row| Reject {
                    key: Some(row.code.to_string()),
                    ..Reject::new(row.row, row.problem.to_string())
                })
                .collect(),
            FlagFileRefusal::Import(error) => return Err(self.file.fault(error)),
        };
        Ok(rejects
            .into_iter()
            .map(|reject| self.file.reject(reject))
            .collect())
    }
}

pub(super) fn get(engine: &Engine, request: &wire::GetFlagRequest) -> Result<wire::GetFlagResponse, Error> {
    let on = day("on", &request.on)?;
    let code: HtsCode = request
        .hts_code
        .trim()
        .parse()
        .map_err(|error| Error::invalid("hts_code", format!("{:?} is {error}", request.hts_code)))?;
    let flags = engine.flags.table();
    Ok(wire::GetFlagResponse {
        flag: flags
            .flag_on(&code, on)
            .map(|flag| flag.as_str().to_owned())
            .unwrap_or_default(),
        intervals: flags
            .intervals(&code)
            .into_iter()
            .map(|interval| wire::FlagInterval {
                flag: interval.flag.as_str().to_owned(),
                from: interval.from.to_string(),
                to: interval.to.map(|to| to.to_string()).unwrap_or_default(),
            })
            .collect(),
        flags_version: flags.version().to_owned(),
        codes_below: count(flags.named_under(&code).count()),
    })
}

pub(super) fn changes(
    engine: &Engine,
    request: &wire::ListFlagChangesRequest,
) -> Result<wire::ListFlagChangesResponse, Error> {
    let (from, to) = (day("from", &request.from)?, day("to", &request.to)?);
    if from > to || (to - from).num_days() > LONGEST_SPAN_DAYS {
        return Err(Error::Invalid(format!(
            "from {from} to {to} is not a span of days forwards, of at most {LONGEST_SPAN_DAYS} days"
        )));
    }
    let flags = engine.flags.table();
    let text = |flag: Option<nopic_domain::flags::Flag>| {
        flag.map(|flag| flag.as_str().to_owned()).unwrap_or_default()
    };
    Ok(wire::ListFlagChangesResponse {
        changes: flags
            .changes_between(from, to)
            .into_iter()
            .map(|change| wire::FlagChange {
                hts_code: change.code.to_string(),
                on: change.on.to_string(),
                before: text(change.before),
                after: text(change.after),
            })
            .collect(),
        flags_version: flags.version().to_owned(),
    })
}

/// Counts on the wire stop at 2^32 - 1.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
