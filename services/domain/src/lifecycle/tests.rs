//! The life of a certificate against a naive model, and the edges of its dates and weights.

mod model;

use chrono::{DateTime, Utc};

use super::check::{CheckCode, Outcome, run};
use super::issued::{DrawnSoFar, move_along, require_amendable};
use super::knowledge::{Knowledge, Operation, RegistryKnowledge, StatedProduct};
use super::refusal::Refusal;
use super::request::{Action, Request, StatedTerms, Taken};
use super::requested::{Contract, Requested};
use super::step::Step;
use crate::certificate::{Certificate, CertificateKind, CertificateStatus};
use crate::date::{Date, parse_iso};
use crate::policy::Policy;
use crate::principal::{Principal, Role};
use crate::registry::{Scope, Segment, Status, Timeline};
use crate::weight::Weight;

fn date(text: &str) -> Date {
    parse_iso(text).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn requested() -> Requested {
    Requested {
        certifier_id: "015".parse().unwrap(),
        exporter_nop_id: "0150000001".parse().unwrap(),
        final_handler_nop_id: None,
        importer_nop_id: "0620000002".parse().unwrap(),
        product: "Organic almonds, raw".into(),
        hts_code: "0802120015".parse().unwrap(),
        countries_of_origin: vec!["ES".into()],
        lots: vec!["LOT 1".into()],
        total_weight_kg: "20000".parse().unwrap(),
        kind: CertificateKind::TimeFrame,
        valid_from: date("2026-03-01"),
        valid_to: date("2026-09-30"),
        export_on: Some(date("2026-03-10")),
        port_of_lading: Some("Valencia".into()),
        port_of_unlading: Some("2704".into()),
        transport: None,
        containers: vec!["MSKU1234565".into()],
        contract: Some(Contract {
            reference: "PO 77".into(),
            importer: "Green Ridge".into(),
            sha256: None,
        }),
    }
}

fn principal(role: Role) -> Principal {
    Principal {
        role,
        ..Principal::built_in("somebody")
    }
}

fn exporter() -> Principal {
    Principal {
        nop_ids: vec!["0150000001".parse().unwrap()],
        ..principal(Role::Exporter)
    }
}

fn certifier(number: &str) -> Principal {
    Principal {
        certifier_id: number.parse().ok(),
        ..principal(Role::Certifier)
    }
}

#[test]
fn an_illegal_step_is_refused_with_the_state_and_what_is_possible() {
    let now = at("2026-02-01T00:00:00Z");
    let request = Request::new(requested(), Vec::new(), &exporter(), now).unwrap();
    let reject = Action::Reject { reasons: "no".into() };
    let refused = request.take(reject, (1, 1), &certifier("015"), now).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "REJECT is not possible: the state is REQUESTED; possible: START_REVIEW"
    );
    let Refusal::IllegalStep { step, possible, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!((step, possible), (Step::Reject, &[Step::StartReview][..]));
}

fn approved(now: DateTime<Utc>, requested: Requested, stated: StatedTerms) -> Result<Taken, Refusal> {
    let request = Request::new(requested, Vec::new(), &exporter(), at("2024-01-01T00:00:00Z"))?;
    let review = Action::StartReview { checks: Vec::new() };
    let Taken::Stays(request) = request.take(review, (1, 1), &certifier("015"), now)? else {
        panic!("a review issues nothing")
    };
    let approve = Action::Approve {
        checks: Vec::new(),
        accepted: Vec::new(),
        stated,
        issues: true,
    };
    request.take(approve, (2, 2), &certifier("015"), now)
}

#[test]
fn a_certificate_is_issued_before_export_to_the_second_of_midnight_in_new_york() {
    let leap = Requested {
        valid_from: date("2024-02-29"),
        valid_to: date("2024-03-31"),
        export_on: Some(date("2024-02-29")),
        ..requested()
    };
    let none = StatedTerms::default();
    assert!(approved(at("2024-03-01T04:59:59.999999Z"), leap.clone(), none).is_ok());
    let late = approved(at("2024-03-01T05:00:00Z"), leap, none).unwrap_err();
    assert!(matches!(late, Refusal::IssuedAfterExport { .. }), "{late}");

    // Without a day of export, the validity may be moved to the day of issue.
    let open = Requested {
        valid_from: date("2024-02-01"),
        valid_to: date("2024-03-31"),
        export_on: None,
        ..requested()
    };
    let late = approved(at("2024-02-29T10:00:00Z"), open.clone(), none).unwrap_err();
    assert!(matches!(late, Refusal::ValidBeforeIssue { .. }), "{late}");
    let moved = StatedTerms {
        valid_from: Some(date("2024-02-29")),
        ..none
    };
    assert!(approved(at("2024-02-29T10:00:00Z"), open, moved).is_ok());
}

#[test]
fn the_review_is_due_after_thirty_calendar_days_leap_day_included() {
    let made = |now: &str| Request::new(requested(), Vec::new(), &exporter(), at(now)).unwrap();
    assert_eq!(made("2024-01-31T04:59:59Z").due_on, date("2024-02-29"));
    assert_eq!(made("2023-01-31T04:59:59Z").due_on, date("2023-03-01"));
    let request = made("2024-01-30T05:00:00Z");
    assert!(!request.is_overdue(date("2024-02-29")));
    assert!(request.is_overdue(date("2024-03-01")));
}

#[test]
fn weights_and_texts_that_cannot_be_are_refused_by_field() {
    let refused = |change: fn(&mut Requested)| {
        let mut requested = requested();
        change(&mut requested);
        requested.normalise().unwrap_err().to_string()
    };
    assert!(refused(|r| r.total_weight_kg = Weight::ZERO).starts_with("total_weight_kg"));
    assert!(refused(|r| r.total_weight_kg = Weight::from_units(-1)).starts_with("total_weight_kg"));
    let past_the_limit = refused(|r| r.total_weight_kg = Weight::from_units(Weight::MAX.units() + 1));
    assert!(past_the_limit.starts_with("total_weight_kg"));
    assert!(refused(|r| r.product = " ".into()).starts_with("product"));
    assert!(refused(|r| r.valid_to = date("2026-02-28")).starts_with("valid_to"));
    assert!(refused(|r| r.export_on = Some(date("2026-10-01"))).starts_with("export_on"));
    assert!(refused(|r| r.countries_of_origin = vec!["ESP".into()]).starts_with("countries_of_origin"));
    assert!(refused(|r| r.lots = vec!["x".repeat(501)]).starts_with("lots"));
}

fn operation(name: &str, scopes: &[(Scope, &str)], products: Vec<StatedProduct>) -> Knowledge {
    let since = |status: &str| Segment {
        from: date("2020-01-01"),
        status: Status::parse(status).unwrap(),
    };
    let mut timeline = Timeline {
        status: vec![since("Certified")],
        ..Timeline::default()
    };
    for (scope, status) in scopes {
        timeline.scopes[*scope as usize].push(since(status));
    }
    Knowledge::Listed(Box::new(Operation {
        name: name.into(),
        other_names: Vec::new(),
        timeline,
        products,
    }))
}

fn product(scope: Scope, text: &str) -> StatedProduct {
    StatedProduct {
        field: "ci_itemList".into(),
        scope: Some(scope),
        status: None,
        category: "Nuts".into(),
        text: text.into(),
    }
}

fn outcome(known: &RegistryKnowledge, code: CheckCode) -> Outcome {
    run(&requested(), known, &Policy::shipped(), date("2026-02-01"))
        .into_iter()
        .find(|check| check.code == code)
        .unwrap()
        .outcome
}

#[test]
fn checks_say_yes_only_from_knowledge() {
    let known = RegistryKnowledge {
        revision: Some(3),
        published_on: Some(date("2026-01-20")),
        exporter: operation(
            "Nut Farm",
            &[(Scope::Crops, "Certified")],
            vec![product(Scope::Crops, "almonds")],
        ),
        importer: operation("Green Ridge LLC", &[(Scope::Handling, "Certified")], Vec::new()),
        final_handler: Knowledge::NotListed,
    };
    for check in run(&requested(), &known, &Policy::shipped(), date("2026-02-01")) {
        assert_eq!(check.outcome, Outcome::Passed, "{check:?}");
    }
    // What is certified under a scope that is not certified does not fit.
    let other_scope = RegistryKnowledge {
        exporter: operation(
            "Nut Farm",
            &[(Scope::Crops, "Surrendered"), (Scope::Handling, "Certified")],
            vec![product(Scope::Crops, "almonds")],
        ),
        importer: operation("Another", &[(Scope::Handling, "Suspended")], Vec::new()),
        ..known.clone()
    };
    assert_eq!(outcome(&other_scope, CheckCode::ExporterScope), Outcome::Failed);
    assert_eq!(outcome(&other_scope, CheckCode::ImporterHandler), Outcome::Failed);
    assert_eq!(
        outcome(&other_scope, CheckCode::ContractNamesImporter),
        Outcome::Finding
    );
    let no_product = RegistryKnowledge {
        exporter: operation("Nut Farm", &[(Scope::Crops, "Certified")], Vec::new()),
        ..known.clone()
    };
    assert_eq!(
        outcome(&no_product, CheckCode::ProductCertified),
        Outcome::Finding
    );
    // Spain has an arrangement: what is not listed here may be listed there.
    let not_listed = RegistryKnowledge {
        exporter: Knowledge::NotListed,
        importer: Knowledge::NotListed,
        ..known
    };
    assert_eq!(
        outcome(&not_listed, CheckCode::ExporterCertified),
        Outcome::Finding
    );
    assert_eq!(
        outcome(&not_listed, CheckCode::ImporterCertified),
        Outcome::Failed
    );
    // Nothing known: neither yes nor no.
    let nothing = RegistryKnowledge::unavailable();
    for check in run(&requested(), &nothing, &Policy::shipped(), date("2026-02-01")) {
        let by_itself = [CheckCode::CertifierOfExporter, CheckCode::ExportAfterIssue];
        assert!(
            check.outcome == Outcome::Indeterminate || by_itself.contains(&check.code),
            "{check:?}"
        );
    }
}

#[test]
fn who_acts_on_what_was_superseded_is_told_the_successor() {
    let (_, certificate) =
        match approved(at("2026-02-01T00:00:00Z"), requested(), StatedTerms::default()).unwrap() {
            Taken::Issues { request, .. } => request.issue("015-0150000001-000001".parse().unwrap()).unwrap(),
            Taken::Stays(request) => panic!("{request:?}"),
        };
    let superseded = Certificate {
        status: CertificateStatus::Superseded,
        superseded_by: "015-0150000001-000002".parse().ok(),
        ..certificate.clone()
    };
    let voided = Certificate {
        status: CertificateStatus::Voided,
        ..certificate
    };
    for (certificate, said) in [
        (
            superseded,
            "the state is SUPERSEDED; its successor is 015-0150000001-000002: act on that one",
        ),
        (voided, "the state is VOIDED; nothing more can be done to it"),
    ] {
        let refused = require_amendable(&certificate, (1, 1), &certifier("015")).unwrap_err();
        assert_eq!(refused.to_string(), format!("AMEND is not possible: {said}"));
    }
}

#[test]
fn a_successor_allows_what_was_drawn_and_keeps_the_tolerance_as_a_share() {
    let (_, certificate) =
        match approved(at("2026-02-01T00:00:00Z"), requested(), StatedTerms::default()).unwrap() {
            Taken::Issues { request, .. } => request.issue("015-0150000001-000001".parse().unwrap()).unwrap(),
            Taken::Stays(request) => panic!("{request:?}"),
        };
    let weight = |text: &str| text.parse::<Weight>().unwrap();
    let amended = |total: &str, drawn: &str, excess: &str| {
        let next = Certificate {
            total_weight_kg: weight(total),
            ..certificate.clone()
        };
        let so_far = DrawnSoFar {
            limit: weight("21000"),
            drawn: weight(drawn),
            excess: weight(excess),
            marked: weight(excess),
            by_several: false,
        };
        move_along(&certificate, &next, so_far)
    };
    // 1,000 kg on 20,000 are 5 %, also of less and of more.
    assert_eq!(amended("15000", "15750", "0").unwrap().limit, weight("15750"));
    assert_eq!(amended("40000", "16000", "0").unwrap().limit, weight("42000"));
    let refused = amended("15000", "15750.0001", "0").unwrap_err();
    assert!(matches!(refused, Refusal::LessThanDrawn { .. }), "{refused}");
    assert!(amended("15000", "15750.0001", "1").is_ok());
    // Never more than the share.
    assert_eq!(amended("0.0019", "0", "0").unwrap().limit, weight("0.0019"));
    assert_eq!(
        amended("1000000000000", "0", "0").unwrap().limit,
        weight("1000000000000").saturating_add(weight("50000000000"))
    );
}
