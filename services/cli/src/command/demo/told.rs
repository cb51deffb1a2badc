//! What people are told of the sample: it is filed, and its notices are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Duration;

use nopic_domain::policy::SHIPPED;
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_proto::notification::{CreateReceiverRequest, Notice, Receiver, WatchNoticesRequest};
use tokio::time::timeout;

use super::Sample;
use crate::command::entry::file_quietly;
use crate::connection::Services;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::output::words::counted;

/// Who is told, by mail that becomes files.
pub(super) const ADDRESS: &str = "compliance@example.com";
/// For so long notices are waited for; they take half a second.
const PATIENCE: Duration = Duration::from_secs(30);
/// Notices that are shown: the rest is counted.
const SHOWN: usize = 3;

/// The shipped policy, but that an entry may be filed on any day: the sample is of the past.
pub(super) fn policy() -> String {
    let mut text = String::with_capacity(SHIPPED.len());
    for line in SHIPPED.lines() {
        let span = ["days_before", "days_after"]
            .into_iter()
            .find(|span| line.starts_with(span));
        match span {
            Some(span) => text.push_str(&format!("{span} = 36500")),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Files the sample, and shows what people are told of it.
pub(super) async fn show(context: &Context, services: &Services, sample: &Sample) -> Result<(), Failure> {
    let receiver = CreateReceiverRequest {
        request_id: "demo-receiver".to_owned(),
        receiver: Some(Receiver {
            name: "compliance".to_owned(),
            channel: "email".to_owned(),
            settings: serde_json::json!({ "addresses": [ADDRESS] }).to_string(),
            ..Receiver::default()
        }),
        without_subscriptions: false,
    };
    services.answer(services.notification().create_receiver(receiver).await)?;
    let quiet = context.terminal.without_progress();
    let mut lines = 0_u64;
    let mut expected = BTreeSet::new();
    for file in [&sample.abi, &sample.csv] {
        for decision in file_quietly(&quiet, services, file).await? {
            let verdict = decision.verdict.unwrap_or_default();
            lines += 1;
            let kind = match verdict.verdict() {
                Outcome::Reject => "LINES_REJECTED",
                Outcome::Indeterminate => "LINES_INDETERMINATE",
                Outcome::Warn => "LINES_WARNED",
                Outcome::Accept | Outcome::Unspecified => continue,
            };
            expected.insert((kind.to_owned(), verdict.entry_number));
        }
    }
    let notices = wait_for(services, expected).await?;
    print(lines, &notices)
}

/// Notices of these kinds and entries, the weightiest first.
async fn wait_for(
    services: &Services,
    mut expected: BTreeSet<(String, String)>,
) -> Result<Vec<Notice>, Failure> {
    let request = WatchNoticesRequest { after: 0 };
    let mut found: BTreeMap<(std::cmp::Reverse<bool>, String, String), Notice> = BTreeMap::new();
    let gathered = timeout(PATIENCE, async {
        let mut answers = services.answer(services.notification().watch_notices(request).await)?;
        while !expected.is_empty() {
            let answer = answers
                .message()
                .await
                .map_err(|status| services.failure(&status))?;
            let answer =
                answer.ok_or_else(|| Failure::new("The stream of notices ended before its time."))?;
            for notice in answer.notices {
                if expected.remove(&(notice.kind.clone(), notice.subject.clone())) {
                    let weight = std::cmp::Reverse(notice.severity == "ACTION");
                    found.insert((weight, notice.subject.clone(), notice.kind.clone()), notice);
                }
            }
        }
        Ok::<(), Failure>(())
    });
    match gathered.await {
        Ok(gathered) => gathered?,
        Err(_) => {
            return Err(Failure::new(format!(
                "Of what was filed {} kinds of findings were told to nobody within {} s.",
                expected.len(),
                PATIENCE.as_secs()
            )));
        }
    }
    Ok(found.into_values().collect())
}

fn print(lines: u64, notices: &[Notice]) -> Result<(), Failure> {
    let mut out = output::results();
    let made = counted(
        u64::try_from(notices.len()).unwrap_or(u64::MAX),
        "notice",
        "notices",
    );
    writeln!(
        out,
        "{} are filed and make {made}. Mail to {ADDRESS} brings what somebody\nmust act on at once, and everything \
         of a day the next morning.\n",
        counted(lines, "line", "lines"),
    )?;
    for notice in notices.iter().take(SHOWN) {
        writeln!(out, "{:<12}{}", notice.severity, notice.title)?;
        for sentence in &notice.sentences {
            writeln!(out, "{:<12}{sentence}", "")?;
        }
        for to_do in &notice.to_do {
            writeln!(out, "{:<12}→ {}: {}", "", to_do.who, to_do.what)?;
        }
    }
    let more = notices.len().saturating_sub(SHOWN);
    if more > 0 {
        writeln!(
            out,
            "… and {more} more, as `nopic notice list` and `nopic notice show` tell."
        )?;
    }
    out.flush()?;
    Ok(())
}
