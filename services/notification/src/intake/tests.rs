//! What people are told of each kind of event, as a file that a person may read. `NOPIC_GOLDEN=write` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use nopic_domain::policy::Policy;
use nopic_proto::events::entry_recorded::Kind;
use nopic_proto::events::event::What;
use nopic_proto::events::{
    CertificateRunningOut, CertificateStepTaken, EmergencyActionNoticeRecorded, Event, FlagsChanged,
    OperationStatusChanged, RecordedFinding, RevisionPublished, SnapshotHeld,
};

use super::told;
use crate::cases::testing::{ACME, BAYVIEW, ENTRY, bad, line, recorded};
use crate::store::{NewNotice, Taken, Whose};

fn event(what: What) -> Event {
    let subject = match &what {
        What::FlagsChanged(_) => "2026-07-01",
        _ => ENTRY,
    };
    Event {
        id: "service:7".to_owned(),
        tenant: "acme".to_owned(),
        recorded_at: "2026-06-01T12:00:00Z".to_owned(),
        subject: subject.to_owned(),
        what: Some(what),
        ..Event::default()
    }
}

fn taken(what: What) -> Taken {
    let mut taken = Taken::default();
    told::take(&event(what), "operators", &Policy::shipped(), &mut taken);
    taken
}

fn step(step: &str) -> What {
    let is_request = matches!(step, "REQUEST" | "START_REVIEW" | "ASK_FOR_MORE" | "REJECT");
    What::CertificateStepTaken(CertificateStepTaken {
        step: step.to_owned(),
        certificate_number: if is_request { "" } else { "015-0150000001-000003" }.to_owned(),
        request: if is_request { 12 } else { 0 },
        exporter_nop_id: "0150000001".to_owned(),
        importer_nop_id: ACME.to_owned(),
        certifier_id: "015".to_owned(),
        reason: match step {
            "REJECT" => "the lots are not known",
            "VOID" => "the crop was treated.",
            _ => "",
        }
        .to_owned(),
        superseded_by: if step == "AMEND" {
            "015-0150000001-000004"
        } else {
            ""
        }
        .to_owned(),
        due_on: if is_request && step != "REJECT" {
            "2026-07-01"
        } else {
            ""
        }
        .to_owned(),
    })
}

fn status(before: &str, after: &str) -> What {
    What::OperationStatusChanged(OperationStatusChanged {
        nop_id: ACME.to_owned(),
        name: "Acme Foods".to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
        since: "2026-05-28".to_owned(),
        ..OperationStatusChanged::default()
    })
}

fn filed(kind: Kind) -> What {
    let mut warned = line(2, BAYVIEW, &["IMPORTER_NOT_CERTIFIED"]);
    warned.outcome = "WARN".to_owned();
    warned.findings = vec![RecordedFinding {
        code: "REGISTRY_STALE".to_owned(),
        severity: "WARNING".to_owned(),
        message: "The registry's newest snapshot is old.".to_owned(),
    }];
    let mut unknown = line(3, "", &[]);
    unknown.outcome = "INDETERMINATE".to_owned();
    let mut back = bad(4, ACME);
    back.taken_back = true;
    let lines = match kind {
        Kind::Cancelled => Vec::new(),
        _ => vec![bad(1, ACME), warned, unknown, line(5, ACME, &[]), back],
    };
    What::EntryRecorded(recorded(ENTRY, 2, kind, "2026-06-01", lines))
}

/// Every kind of event, with a name.
fn samples() -> Vec<(&'static str, What)> {
    let mut all = vec![
        ("an entry is filed", filed(Kind::Filed)),
        ("an entry is amended", filed(Kind::Amended)),
        ("an entry is cancelled", filed(Kind::Cancelled)),
        ("history is brought in", filed(Kind::Imported)),
        (
            "an Emergency Action Notice",
            What::EmergencyActionNoticeRecorded(EmergencyActionNoticeRecorded {
                entry_number: ENTRY.to_owned(),
                record: 1,
            }),
        ),
        (
            "flags change",
            What::FlagsChanged(FlagsChanged {
                codes: 2,
                hts_codes: vec!["0901110015".to_owned(), "0901110025".to_owned()],
            }),
        ),
        (
            "a certificate runs out",
            What::CertificateRunningOut(CertificateRunningOut {
                certificate_number: "015-0150000001-000003".to_owned(),
                left_kg: "96".to_owned(),
                limit_kg: "1000".to_owned(),
            }),
        ),
        (
            "a revision",
            What::RevisionPublished(RevisionPublished {
                revision: 4,
                published_on: "2026-06-01".to_owned(),
                added: 1,
                changed: 20,
                unlisted: 3,
                ..RevisionPublished::default()
            }),
        ),
        ("an operation is suspended", status("Certified", "Suspended")),
        ("an operation is certified", status("", "Certified")),
        (
            "a snapshot is held",
            What::SnapshotHeld(SnapshotHeld {
                revision: 5,
                published_on: "2026-06-02".to_owned(),
                because: vec!["it has 40 % fewer operations than the one before".to_owned()],
            }),
        ),
    ];
    let steps = [
        ("a certificate is asked for", "REQUEST"),
        ("a review begins", "START_REVIEW"),
        ("a certificate is issued", "APPROVE"),
        ("a certificate is refused", "REJECT"),
        ("a certificate is voided", "VOID"),
        ("a certificate is replaced", "AMEND"),
    ];
    all.extend(steps.map(|(name, word)| (name, step(word))));
    all
}

fn written(text: &mut String, new: &NewNotice) {
    let notice = &new.notice;
    let whose = match &new.whose {
        Whose::Tenant(tenant) => format!("tenant {tenant}"),
        Whose::ByOthers { .. } => unreachable!("no event tells of a receiver"),
        Whose::DealingWith(kind, subjects) => {
            format!("whoever deals with {} {}", kind.as_str(), subjects.join(" or "))
        }
    };
    let (kind, severity) = (notice.kind, notice.severity.as_str());
    let _ = writeln!(text, "\n{}", notice.title);
    let _ = writeln!(
        text,
        "    [{kind}, {severity}, about {}, to {whose}]",
        notice.subject
    );
    for sentence in &notice.sentences {
        let _ = writeln!(text, "    {sentence}");
    }
    for to_do in &notice.to_do {
        let by = to_do.by.map(|day| format!(" By {day}.")).unwrap_or_default();
        let _ = writeln!(text, "    → {}: {}{by}", to_do.who, to_do.what);
    }
}

#[test]
fn every_kind_of_event_is_told_in_these_words() {
    let mut text = String::new();
    for (name, what) in samples() {
        let _ = writeln!(text, "# When {name}");
        let taken = taken(what);
        if taken.notices.is_empty() {
            let _ = writeln!(text, "\nnobody is told.");
        }
        for new in &taken.notices {
            written(&mut text, new);
        }
        text.push('\n');
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/notices.txt");
    if std::env::var("NOPIC_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(file, text).unwrap();
    } else {
        assert_eq!(std::fs::read_to_string(file).unwrap_or_default(), text);
    }
}

#[test]
fn each_notice_of_an_event_has_a_cause_of_its_own_which_is_the_same_each_time() {
    for (name, what) in samples() {
        let (one, two) = (taken(what.clone()), taken(what));
        let mut causes: Vec<_> = one.notices.iter().map(|new| &new.cause).collect();
        let again: Vec<_> = two.notices.iter().map(|new| &new.cause).collect();
        assert_eq!(causes, again, "{name}");
        causes.sort_unstable();
        causes.dedup();
        assert_eq!(causes.len(), again.len(), "{name}");
    }
}

#[test]
fn what_a_tenant_deals_with_is_learnt_from_what_it_files_and_from_history() {
    for kind in [Kind::Filed, Kind::Imported] {
        let taken = taken(filed(kind));
        let dealings: Vec<_> = taken.dealings.iter().map(|one| one.subject.as_str()).collect();
        assert!(
            dealings.contains(&ACME) && dealings.contains(&BAYVIEW),
            "{dealings:?}"
        );
        assert!(
            taken
                .dealings
                .iter()
                .all(|one| one.tenant == "acme" && !one.subject.is_empty())
        );
    }
}

#[test]
fn a_review_is_open_from_the_request_to_its_end() {
    for (word, is_open) in [("REQUEST", true), ("START_REVIEW", true), ("REJECT", false)] {
        let taken = taken(step(word));
        assert_eq!(taken.reviews.len(), 1, "{word}");
        assert_eq!(taken.reviews[0].due_on.is_some(), is_open, "{word}");
    }
    assert!(taken(step("VOID")).reviews.is_empty());
}

#[test]
fn what_somebody_wrote_that_is_none_is_nothing_to_deal_with() {
    let mut odd = bad(1, ACME);
    odd.exporter_nop_id = "x".repeat(10_000);
    odd.hts_code = "0901.11.0015".to_owned();
    odd.certificate_number = "\u{0}".to_owned();
    let taken = taken(What::EntryRecorded(recorded(
        ENTRY,
        1,
        Kind::Filed,
        "2026-06-01",
        vec![odd],
    )));
    let dealings: Vec<_> = taken.dealings.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(dealings, [ACME, "0901110015"]);
}
