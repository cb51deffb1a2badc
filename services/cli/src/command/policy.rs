//! `nopic policy`: the dates, severities and sentences of the rules.

use std::io::Write;
use std::path::PathBuf;

use chrono::NaiveDate;
use nopic_domain::policy::{Policy, SHIPPED};
use nopic_proto::entry_validation::verdict::Remedy;
use nopic_proto::entry_validation::{ExplainPolicyRequest, ExplainPolicyResponse, finding};

use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::options::date;
use crate::output::listing::{Column, Listing, column};
use crate::output::words::{joined, remedy};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("CODE", "code"),
    column("SEVERITY", "severity"),
    column("FIELD", "field"),
    column("SAYS", "sentence"),
    column("WHAT TO DO", "remedy"),
    column("SOURCE", "citation"),
];

/// The dates, severities and sentences of the rules
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic policy show > policy.toml\n  (edit it)\n  nopic policy check policy.toml\n  \
                       nopic entry validate entries.abi --policy policy.toml"
)]
pub(crate) enum Command {
    /// Print the shipped policy, to be edited and given back with --policy
    #[command(after_long_help = "Example:\n  nopic policy show > policy.toml")]
    Show,
    /// Check a policy file: every problem at once
    #[command(
        after_long_help = "Example:\n  nopic policy check policy.toml\n\nExit status: 0 it can be used; 1 it cannot; \
                           2 it could not be read."
    )]
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Explain what the policy in use says on a date
    #[command(after_long_help = "Example:\n  nopic policy explain --on 2024-09-19")]
    Explain {
        /// The date [default: today]
        #[arg(long, value_name = "DATE", value_parser = date)]
        on: Option<NaiveDate>,
        /// How the codes are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let mut out = output::results();
    match command {
        Command::Show => {
            let text = match &context.options.policy {
                Some(file) => {
                    std::fs::read_to_string(file).map_err(|error| Failure::reading(file, &error))?
                }
                None => SHIPPED.to_owned(),
            };
            out.write_all(text.as_bytes())?;
            out.flush()?;
            Ok(Done::Well)
        }
        Command::Check { file } => {
            let text = std::fs::read_to_string(&file).map_err(|error| Failure::reading(&file, &error))?;
            let done = check(&mut out, &text, &file.display().to_string())?;
            out.flush()?;
            Ok(done)
        }
        Command::Explain { on, output } => {
            let services = context.connect(need::ALL).await?;
            let on = on.unwrap_or_else(|| context.clock.today());
            let request = ExplainPolicyRequest { on: on.to_string() };
            let answer = services.answer(services.entry_validation().explain_policy(request).await)?;
            if output == Style::Table {
                write_head(&mut out, on, &answer)?;
            }
            let mut listing = Listing::new(output, COLUMNS, &context.terminal);
            for code in answer.codes {
                let name = finding::Code::try_from(code.code).unwrap_or_default();
                let severity = finding::Severity::try_from(code.severity).unwrap_or_default();
                listing.row(
                    &mut out,
                    vec![
                        name.as_str_name().into(),
                        severity.as_str_name().into(),
                        code.field.into(),
                        code.sentence.into(),
                        code.remedy.into(),
                        code.citation.into(),
                    ],
                )?;
            }
            listing.finish(&mut out)?;
            Ok(Done::Well)
        }
    }
}

fn check(out: &mut dyn Write, text: &str, name: &str) -> Result<Done, Failure> {
    match Policy::parse(text) {
        Ok(policy) => {
            writeln!(out, "{name} can be used: version {}", policy.version())?;
            for phase in policy.phases() {
                writeln!(out, "  {:<12} {}", phase.name, phase.period)?;
            }
            Ok(Done::Well)
        }
        Err(error) => {
            writeln!(out, "{name} cannot be used:")?;
            for problem in &error.problems {
                writeln!(out, "  - {problem}")?;
            }
            Ok(Done::WithFindings)
        }
    }
}

fn write_head(out: &mut dyn Write, on: NaiveDate, policy: &ExplainPolicyResponse) -> Result<(), Failure> {
    writeln!(
        out,
        "On {on} the phase is {} ({}).",
        policy.phase,
        period(&policy.phase_from, &policy.phase_to)
    )?;
    writeln!(
        out,
        "Policy {}, rules {}.",
        policy.policy_version, policy.rules_version
    )?;
    writeln!(
        out,
        "Weight over a certificate's total that is let pass: {} %. A snapshot is stale after {} days.",
        policy.tolerance_percent, policy.stale_after_days
    )?;
    if !policy.arrangement_countries.is_empty() {
        writeln!(
            out,
            "Countries with an arrangement: {}.",
            policy.arrangement_countries.join(" ")
        )?;
    }
    let complete = if policy.complete_certifiers.is_empty() {
        "none".to_owned()
    } else {
        policy.complete_certifiers.join(", ")
    };
    writeln!(
        out,
        "Certifiers whose certificates are all known here: {complete}, and those that this deployment issues for."
    )?;
    writeln!(
        out,
        "Entry dates of lines on record: at most {} days before and {} days after the day of filing.",
        policy.filing_days_before, policy.filing_days_after
    )?;
    let ways: Vec<&str> = policy
        .remedies
        .iter()
        .map(|way| remedy(Remedy::try_from(*way).unwrap_or_default()))
        .collect();
    if !ways.is_empty() {
        writeln!(out, "Rejected goods: {}.", joined(&ways, "or"))?;
    }
    for special in &policy.special_codes {
        writeln!(
            out,
            "Special code {}: {}, {} ({}).",
            special.code,
            special.effect.to_lowercase().replace('_', " "),
            if special.in_force {
                "in force"
            } else {
                "not in force"
            },
            period(&special.from, &special.to)
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn period(from: &str, to: &str) -> String {
    match (from, to) {
        ("", "") => "at any time".to_owned(),
        (from, "") => format!("from {from}"),
        ("", to) => format!("until {to}"),
        (from, to) => format!("from {from} to {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> (Done, String) {
        let mut out = Vec::new();
        let done = check(&mut out, text, "policy.toml").unwrap();
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_shipped_policy_can_be_used() {
        let (done, text) = checked(SHIPPED);
        assert_eq!(done, Done::Well);
        assert!(text.contains("STRICT       from 2024-09-19"), "{text}");
    }

    #[test]
    fn every_problem_is_listed() {
        let broken = SHIPPED
            .replace("from = \"2024-03-19\"", "from = \"2024-03-32\"")
            .replace("effect = \"TEMPORARY\"", "effect = \"ALWAYS\"");
        let (done, text) = checked(&broken);
        assert_eq!(done, Done::WithFindings);
        assert!(text.lines().count() >= 3, "{text}");
        assert!(text.contains("2024-03-32") && text.contains("ALWAYS"), "{text}");
    }
}
