//! Random sequences of imports, issues, amendments, voids and filings, with a clock that goes where it wants, held
//! against a list from which everything is added up anew.

use chrono::TimeDelta;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::line_draw_result::Outcome;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::{Code, Status};

use super::support::{EXPORTER, IMPORTER, World, approve, void};
use crate::support::database::Database;
use crate::support::import;
use crate::support::sample::{Random, entry};

const STEPS: u32 = 60;
/// Rows of imports state serial numbers up to this.
const IMPORTED: u32 = 5;
const ENTRIES: u32 = 3;

fn seeds() -> std::ops::Range<u64> {
    if std::env::var_os("NOPIC_TESTS_FULL").is_some() {
        0..100
    } else {
        0..3
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Known {
    serial: u32,
    version: u32,
    status: &'static str,
    superseded_by: Option<u32>,
    total_kg: u32,
    ended_here: bool,
    /// Whether it states what a row does, but for what is above.
    stated: bool,
}

impl Known {
    fn is_ended(&self) -> bool {
        ["VOIDED", "SUPERSEDED"].contains(&self.status)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Drawn {
    serial: u32,
    entry: u32,
    kg: u32,
    filed: bool,
}

#[derive(Debug, Default)]
struct Model {
    known: Vec<Known>,
    draws: Vec<Drawn>,
    /// The greatest serial number that was given or named.
    last: u32,
}

impl Model {
    fn of(&mut self, serial: u32) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.serial == serial)
    }

    fn drawn(&self, serial: u32) -> (u32, u32) {
        let of = || self.draws.iter().filter(|draw| draw.serial == serial);
        let count = u32::try_from(of().count()).unwrap();
        (of().map(|draw| draw.kg).sum(), count)
    }

    fn add(&mut self, serial: u32, total_kg: u32) {
        self.known.push(Known {
            serial,
            version: 1,
            status: "ISSUED",
            superseded_by: None,
            total_kg,
            ended_here: false,
            stated: false,
        });
        self.last = self.last.max(serial);
    }
}

fn number(serial: u32) -> String {
    format!("015-{EXPORTER}-{serial:06}")
}

fn below(random: &mut Random, bound: u32) -> u32 {
    u32::try_from(random.below(bound.into())).unwrap()
}

/// Whatever a caller does, nothing fails inside.
fn refused_well(status: &Status) {
    let codes = [Code::NotFound, Code::FailedPrecondition, Code::InvalidArgument];
    assert!(codes.contains(&status.code()), "{status}");
}

async fn import_step(world: &World, model: &mut Model, random: &mut Random) {
    let serial = 1 + below(random, IMPORTED);
    let status = ["ISSUED", "ISSUED", "ISSUED", "VOIDED", "SUPERSEDED"][below(random, 5) as usize];
    // Not by itself.
    let superseded_by =
        (status == "SUPERSEDED").then(|| 1 + (serial + below(random, 2 * IMPORTED - 1)) % (2 * IMPORTED));
    let total_kg = 1_000 * (1 + below(random, 2));
    let draws: Option<Vec<(u32, u32)>> = (random.below(2) == 0).then(|| {
        (0..ENTRIES)
            .filter_map(|entry| {
                let kg = 100 * (1 + below(random, 9));
                (random.below(2) == 0).then_some((entry, kg))
            })
            .collect()
    });
    let mut row = serde_json::json!({
        "number": number(serial), "status": status, "certifierId": "015", "exporterNopId": EXPORTER,
        "importerNopId": IMPORTER, "product": "Organic almonds", "htsCode": "0802120015", "kind": "TIME_FRAME",
        "issuedOn": "2026-01-15", "validFrom": "2026-01-20", "validTo": "2026-07-20",
        "totalWeightKg": total_kg.to_string(),
    });
    if let Some(superseded_by) = superseded_by {
        row["supersededBy"] = number(superseded_by).into();
    }
    if let Some(draws) = &draws {
        row["draws"] = draws
            .iter()
            .map(|(number, kg)| {
                // Filing draws on line 1.
                serde_json::json!({"entryNumber": entry(*number).as_str(), "lineNumber": 2, "weightKg": kg.to_string()})
            })
            .collect();
    }
    let answers = import(&mut world.certificates(), format!("{row}\n").as_bytes())
        .await
        .unwrap();
    model.last = model.last.max(serial).max(superseded_by.unwrap_or_default());
    let before: Vec<Drawn> = {
        let of = model
            .draws
            .iter()
            .filter(|draw| draw.serial == serial && !draw.filed);
        of.cloned().collect()
    };
    let stated = Known {
        serial,
        version: 1,
        status,
        superseded_by,
        total_kg,
        ended_here: false,
        stated: true,
    };
    match model.of(serial) {
        Some(known)
            if known.ended_here
                && known.is_ended()
                && (known.status, known.superseded_by) != (stated.status, stated.superseded_by) =>
        {
            assert_eq!(answers.rejects.len(), 1);
            let reject = &answers.rejects[0];
            let field = if known.status == stated.status {
                "supersededBy"
            } else {
                "status"
            };
            assert_eq!(
                (reject.key.as_str(), reject.field.as_str()),
                (number(serial).as_str(), field)
            );
            assert!(reject.reason.contains(known.status), "{reject:?}");
            let result = answers.result;
            assert_eq!((result.certificates, result.rejected, result.draws), (0, 1, 0));
            return;
        }
        Some(known) => {
            let (version, ended_here) = (known.version, known.ended_here);
            let before = std::mem::replace(
                known,
                Known {
                    version,
                    ended_here,
                    ..stated
                },
            );
            // One that a row did not state last was of other days.
            known.version += u32::from(*known != before);
        }
        None => model.known.push(stated),
    }
    assert_eq!(answers.rejects, []);
    if let Some(draws) = draws {
        model.draws.retain(|draw| !before.contains(draw));
        model.draws.extend(draws.into_iter().map(|(entry, kg)| Drawn {
            serial,
            entry,
            kg,
            filed: false,
        }));
    }
}

async fn amend_step(world: &World, model: &mut Model, random: &mut Random, id: &str) {
    let serial = 1 + below(random, model.last + 1);
    let total_kg = 500 * (1 + below(random, 5));
    let request = wire::AmendCertificateRequest {
        request_id: id.into(),
        number: number(serial),
        reason: "the weight was wrong".into(),
        total_weight_kg: total_kg.to_string(),
        ..wire::AmendCertificateRequest::default()
    };
    let answer = world.certifier().amend_certificate(request).await;
    let (drawn_kg, _) = model.drawn(serial);
    let next = model.last + 1;
    let Some(known) = model.of(serial) else {
        assert_eq!(answer.unwrap_err().code(), Code::NotFound);
        return;
    };
    let amended = match answer {
        Ok(amended) => amended.into_inner(),
        Err(status) => {
            refused_well(&status);
            let expected = known.status != "ISSUED" || known.total_kg == total_kg || drawn_kg > total_kg;
            assert!(expected, "{known:?}: {status}");
            if known.status != "ISSUED" {
                assert!(status.message().contains(known.status), "{status}");
            }
            return;
        }
    };
    assert_eq!((known.status, known.total_kg == total_kg), ("ISSUED", false));
    known.version += 1;
    known.status = "SUPERSEDED";
    known.superseded_by = Some(next);
    known.ended_here = true;
    model.add(next, total_kg);
    for draw in &mut model.draws {
        if draw.serial == serial {
            draw.serial = next;
        }
    }
    let successor = amended.successor.unwrap().certificate.unwrap();
    assert_eq!(successor.number, number(next));
}

async fn void_step(world: &World, model: &mut Model, random: &mut Random, id: &str) {
    let serial = 1 + below(random, model.last + 1);
    let answer = world
        .certifier()
        .void_certificate(void(id, &number(serial), 0))
        .await;
    match (answer, model.of(serial)) {
        (Ok(_), Some(known)) => {
            assert_eq!(known.status, "ISSUED");
            known.version += 1;
            known.status = "VOIDED";
            known.superseded_by = None;
            known.ended_here = true;
        }
        (Err(status), Some(known)) => {
            assert_ne!(known.status, "ISSUED");
            refused_well(&status);
        }
        (answer, None) => assert_eq!(answer.unwrap_err().code(), Code::NotFound),
    }
}

async fn issue_step(world: &World, model: &mut Model, id: &str) {
    let request = world.under_review(id).await;
    // Whatever the clock says: what the reviewer sees is accepted.
    let accepting = wire::ApproveCertificateRequest {
        accepted: vec!["REGISTRY_RECENT".into()],
        ..approve(id, request, 0)
    };
    let answer = world.certifier().approve_certificate(accepting).await.unwrap();
    let issued = answer.into_inner().state.unwrap().number;
    let next = model.last + 1;
    assert_eq!(issued, number(next));
    model.add(next, 20_000);
}

async fn file_step(world: &World, model: &mut Model, random: &mut Random, step: u32) {
    let place = below(random, u32::try_from(model.known.len()).unwrap());
    let certificate = model.known[place as usize].clone();
    let (drawer, kg) = (below(random, ENTRIES), 100 * below(random, 12));
    let key = number(certificate.serial).replace('-', "").parse().unwrap();
    let request = wire::SetDrawsRequest {
        request_id: format!("file {step}"),
        entries: vec![wire::EntryDraws {
            entry_number: entry(drawer).to_string(),
            entry_version: step + 1,
            keep_other_lines: false,
            lines: vec![wire::LineDraw {
                line_number: 1,
                pga_line_number: 1,
                mode: wire::line_draw::Mode::Draw.into(),
                number: key,
                weight_units: i64::from(kg) * 10_000,
                may_exceed: false,
                may_reuse: false,
                beside_replaced: false,
            }],
        }],
        certificates: vec![wire::JudgedCertificate {
            number: key,
            version: certificate.version,
            tolerance_units: 0,
        }],
    };
    let answer = world.ledger().set_draws(request).await.unwrap().into_inner();
    assert_eq!(answer.changed, []);
    // Whatever the entry drew, also by an import: its new version is all there is.
    model.draws.retain(|draw| draw.entry != drawer);
    let fits = model.drawn(certificate.serial).0 + kg <= certificate.total_kg || kg == 0;
    let outcome = answer.entries[0].lines[0].outcome();
    let (drawn, _) = model.drawn(certificate.serial);
    if kg == 0 && drawn > certificate.total_kg {
        // Nothing is left, not even for nothing.
        assert!([Outcome::Drawn, Outcome::Exceeded].contains(&outcome));
    } else {
        assert_eq!(outcome == Outcome::Drawn, fits);
    }
    if outcome == Outcome::Drawn {
        model.draws.push(Drawn {
            serial: certificate.serial,
            entry: drawer,
            kg,
            filed: true,
        });
    }
}

async fn assert_same(world: &World, model: &Model) {
    let listed = world
        .certificates()
        .list_certificates(wire::ListCertificatesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let told: Vec<_> = listed
        .states
        .into_iter()
        .map(|state| {
            let certificate = state.certificate.unwrap();
            (
                certificate.number,
                state.version,
                certificate.status,
                certificate.superseded_by,
                certificate.total_weight_kg,
                state.drawn_kg,
                state.draw_count,
            )
        })
        .collect();
    let mut known = model.known.clone();
    known.sort_by_key(|known| known.serial);
    let expected: Vec<_> = known
        .into_iter()
        .map(|known| {
            let (drawn_kg, draw_count) = model.drawn(known.serial);
            (
                number(known.serial),
                known.version,
                known.status.to_owned(),
                known.superseded_by.map(number).unwrap_or_default(),
                known.total_kg.to_string(),
                drawn_kg.to_string(),
                draw_count,
            )
        })
        .collect();
    assert_eq!(told, expected);
}

#[rstest]
#[tokio::test]
async fn random_lives_are_as_they_should_be(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    for seed in seeds() {
        println!("seed {seed}");
        let mut random = Random(seed);
        let world = World::new(engine).await;
        let mut model = Model::default();
        for step in 0..STEPS {
            println!("step {step}");
            let id = format!("step {step}");
            match below(&mut random, 10) {
                0 => issue_step(&world, &mut model, &id).await,
                1..=3 => import_step(&world, &mut model, &mut random).await,
                4 | 5 => amend_step(&world, &mut model, &mut random, &id).await,
                6 => void_step(&world, &mut model, &mut random, &id).await,
                _ if model.known.is_empty() => {}
                _ => file_step(&world, &mut model, &mut random, step).await,
            }
            assert_same(&world, &model).await;
            // Within the month, or what is asked for would have begun before its issue.
            let hours = i64::from(below(&mut random, 9)) - 4;
            world.clock.advance(TimeDelta::hours(hours));
        }
        let database = Database::open(&world.database.location).await;
        assert_eq!(database.backwards().await, (0, 0, 0), "seed {seed}");
    }
}
