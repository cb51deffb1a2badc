//! `nopic entry statistics`: the share of organic lines with a valid certificate.

use std::io::Write as _;

use clap::ValueEnum;
use nopic_proto::entry_validation::get_statistics_request::Group;
use nopic_proto::entry_validation::{GetStatisticsRequest, Statistic};

use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, column};
use crate::output::{self, Style};

const STATISTICS: &[Column] = &[
    column("GROUP", "key"),
    column("LINES", "lines"),
    column("ORGANIC", "declaredOrganic"),
    column("DISCLAIMED", "disclaimed"),
    column("NOT DECLARED", "undeclared"),
    column("ORGANIC OR DUE", "organicLines"),
    column("WITH CERTIFICATE", "withValidCertificate"),
    column("SHARE", "share"),
    column("ACCEPT", "accepted"),
    column("WARN", "warned"),
    column("REJECT", "rejected"),
    column("INDETERMINATE", "indeterminate"),
];

/// By what lines are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Day,
    Importer,
    Reason,
}

/// Count lines on record: the share of organic lines with a valid certificate
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic entry statistics --by importer --from 2026-01-01\n  \
        nopic entry statistics --by reason --output csv\n\n\
        The key of lines that name no importer is empty."
)]
pub(crate) struct Arguments {
    /// By day of filing, importer, or reason (code of a finding)
    #[arg(long, value_enum, default_value = "day")]
    by: By,
    /// Filed on this day or later
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Filed on this day or earlier
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// As it was known at this moment, RFC 3339
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    let mut request = GetStatisticsRequest {
        from: arguments.from.unwrap_or_default(),
        to: arguments.to.unwrap_or_default(),
        as_of: arguments.as_of.unwrap_or_default(),
        ..GetStatisticsRequest::default()
    };
    request.set_group(match arguments.by {
        By::Day => Group::Day,
        By::Importer => Group::Importer,
        By::Reason => Group::Reason,
    });
    let answer = counted(&services, request).await?;
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, STATISTICS, &context.terminal);
    for statistic in &answer.0 {
        listing.row(&mut out, statistic_row(statistic, statistic.key.as_str()))?;
    }
    if let Some(total) = &answer.1 {
        listing.row(&mut out, statistic_row(total, "total"))?;
    }
    listing.finish(&mut out)?;
    out.flush()?;
    Ok(Done::Well)
}

async fn counted(
    services: &Services,
    request: GetStatisticsRequest,
) -> Result<(Vec<Statistic>, Option<Statistic>), Failure> {
    let answer = services.answer(services.records().get_statistics(request).await)?;
    if !answer.complete {
        return Err(
            Failure::new("There are more than 1,000 groups.").advice("Name a span with --from and --to.")
        );
    }
    Ok((answer.statistics, answer.total))
}

fn statistic_row(statistic: &Statistic, key: &str) -> Vec<Cell> {
    let number = |number: u64| Cell::Number(i64::try_from(number).unwrap_or(i64::MAX));
    // In whole percent, rounded down: all is 100 % only where it is all.
    let share = statistic
        .with_valid_certificate
        .saturating_mul(100)
        .checked_div(statistic.organic_lines)
        .map_or_else(String::new, |percent| format!("{percent} %"));
    vec![
        // Lines without an importer are a group as well: its key is empty.
        Cell::Name(key.to_owned()),
        number(statistic.lines),
        number(statistic.declared_organic),
        number(statistic.disclaimed),
        number(statistic.undeclared),
        number(statistic.organic_lines),
        number(statistic.with_valid_certificate),
        share.into(),
        number(statistic.accepted),
        number(statistic.warned),
        number(statistic.rejected),
        number(statistic.indeterminate),
    ]
}
