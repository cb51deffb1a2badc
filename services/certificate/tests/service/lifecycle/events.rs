//! What others hear of certificates: whom it concerns, once, and of nothing else.

use nopic_proto::certificate as wire;
use nopic_proto::events::Event;
use nopic_proto::events::event::What;
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres, sqlite};
use prost::Message as _;
use rstest::rstest;

use super::support::{EXPORTER, IMPORTER, World, void};
use crate::support::ledger::{added, draw, replaced, request};

/// Imported: its serial is 3.
const NUMBER: &str = "015-0150000001-000003";
/// Units of a kilogram.
const KG: i64 = 10_000;

fn certificate(serial: u32, status: &str, kind: &str) -> String {
    format!(
        "{{\"number\":\"015-0150000001-{serial:06}\",\"status\":\"{status}\",\"certifierId\":\"015\",\
         \"exporterNopId\":\"{EXPORTER}\",\"importerNopId\":\"{IMPORTER}\",\"product\":\"almonds\",\
         \"htsCode\":\"080212\",\"kind\":\"{kind}\",\"issuedOn\":\"2026-01-15\",\"validFrom\":\"2026-01-20\",\
         \"validTo\":\"2026-07-20\",\"totalWeightKg\":\"1000\"}}\n"
    )
}

/// Everything that was told so far, by tenant.
async fn events(world: &World) -> Vec<(String, String, What)> {
    const MESSAGES: &str = "SELECT tenant, subject, content FROM outbox ORDER BY outbox_id";
    let schema = &nopic_certificate::SCHEMA;
    macro_rules! messages {
        ($engine:ident, $place:expr) => {{
            let database = $engine::Database::open($place, schema, SchemaUpdate::Refuse)
                .await
                .unwrap();
            let messages = sqlx::query_as(MESSAGES)
                .fetch_all(database.readers())
                .await
                .unwrap();
            database.close().await;
            messages
        }};
    }
    let messages: Vec<(String, String, Vec<u8>)> = match &world.database.location {
        Location::Folder(folder) => messages!(sqlite, folder),
        Location::Postgres(options) => messages!(postgres, options),
    };
    messages
        .into_iter()
        .map(|(tenant, subject, content)| {
            let what = Event::decode(&content[..]).unwrap().what.unwrap();
            (tenant, subject, what)
        })
        .collect()
}

/// The same behind the first so many, in words.
async fn told(world: &World, known: &mut usize) -> Vec<String> {
    let events = events(world).await.split_off(*known);
    *known += events.len();
    events
        .into_iter()
        .map(|(tenant, subject, what)| match what {
            What::CertificateStepTaken(step) => format!("{tenant}: {} of {subject}", step.step),
            What::CertificateRunningOut(left) => {
                format!("{tenant}: {} of {} kg of {subject}", left.left_kg, left.limit_kg)
            }
            other => panic!("{other:?} is not of certificates"),
        })
        .collect()
}

/// Draws kilograms for lines of an entry, as a tenant.
async fn draw_kg(world: &World, tenant: &str, id: &str, serial: u32, entry: u32, version: u32, kg: &[i64]) {
    let number: u64 = format!("0150150000001{serial:06}").parse().unwrap();
    let judged = wire::JudgedCertificate {
        number,
        version: 1,
        tolerance_units: 0,
    };
    let lines: Vec<wire::LineDraw> = (1..)
        .zip(kg)
        .map(|(line, kg)| wire::LineDraw {
            number,
            ..draw(line, 1, kg * KG)
        })
        .collect();
    let entries = if version == 1 {
        added(entry, version, &lines)
    } else {
        replaced(entry, version, &lines)
    };
    let request = request(id, &[judged], &[entries]);
    let answer = world
        .ledger_of(tenant)
        .set_draws(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.changed, []);
}

#[rstest]
#[tokio::test]
async fn each_step_of_a_request_is_told_to_who_asked_and_to_who_took_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (world, mut known) = (World::new(engine).await, 0);
    let number = world.requested("r").await;
    let subject = format!("request {number}");
    assert_eq!(
        told(&world, &mut known).await,
        [format!("nuts: REQUEST of {subject}")]
    );
    // The same request again is the same.
    assert_eq!(world.requested("r").await, number);
    assert_eq!(told(&world, &mut known).await, [""; 0]);
    let all = events(&world).await;
    let What::CertificateStepTaken(step) = &all[0].2 else {
        panic!("{all:?}");
    };
    assert_eq!(
        (
            step.request,
            step.certificate_number.as_str(),
            step.certifier_id.as_str()
        ),
        (i64::try_from(number).unwrap(), "", "015")
    );
    assert_eq!(
        (step.exporter_nop_id.as_str(), step.importer_nop_id.as_str()),
        (EXPORTER, IMPORTER)
    );
    assert_eq!(step.due_on.len(), "2026-03-01".len());

    let issued = world.issued("other").await;
    let told_of = |step: &str, subject: &str| {
        ["certifier 015", "nuts"].map(|tenant| format!("{tenant}: {step} of {subject}"))
    };
    let other = format!("request {}", number + 1);
    let mut expected = vec![format!("nuts: REQUEST of {other}")];
    expected.extend(told_of("START_REVIEW", &other));
    expected.extend(told_of("APPROVE", &other));
    assert_eq!(told(&world, &mut known).await, expected);
    let all = events(&world).await;
    let Some((_, _, What::CertificateStepTaken(approved))) = all.last() else {
        panic!("{all:?}");
    };
    assert_eq!(
        (&approved.certificate_number, approved.due_on.as_str()),
        (&issued, "")
    );

    let start = wire::StartReviewRequest {
        request_id: "start".into(),
        request: number,
        expected_version: 1,
    };
    world.certifier().start_review(start).await.unwrap();
    let reject = wire::RejectCertificateRequest {
        request_id: "reject".into(),
        request: number,
        expected_version: 2,
        reasons: "the lots are not known".into(),
    };
    world.certifier().reject_certificate(reject).await.unwrap();
    let mut expected = told_of("START_REVIEW", &subject).to_vec();
    expected.extend(told_of("REJECT", &subject));
    assert_eq!(told(&world, &mut known).await, expected);
    // A step that is refused is told to nobody.
    world
        .certifier()
        .void_certificate(void("void", &issued, 7))
        .await
        .unwrap_err();
    assert_eq!(told(&world, &mut known).await, [""; 0]);
    // Who asked for it hears of its end, too.
    world
        .certifier()
        .void_certificate(void("void", &issued, 1))
        .await
        .unwrap();
    assert_eq!(told(&world, &mut known).await, told_of("VOID", &issued));
    // By now it is known who works for the certifier: they hear of what is asked next.
    let third = world.requested("third").await;
    assert_eq!(
        told(&world, &mut known).await,
        told_of("REQUEST", &format!("request {third}"))
    );
}

#[rstest]
#[tokio::test]
async fn who_draws_on_a_certificate_hears_of_its_end(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (world, mut known) = (World::new(engine).await, 0);
    for serial in 3..=5 {
        world.import(&certificate(serial, "ISSUED", "TIME_FRAME")).await;
        draw_kg(&world, "acme", &format!("a{serial}"), serial, serial, 1, &[10]).await;
        draw_kg(
            &world,
            "brokers",
            &format!("b{serial}"),
            serial,
            serial,
            1,
            &[10, 10],
        )
        .await;
        // Given back: it is no business of theirs any more.
        draw_kg(&world, "former", &format!("c{serial}"), serial, serial, 1, &[10]).await;
        draw_kg(&world, "former", &format!("d{serial}"), serial, serial, 2, &[]).await;
    }
    assert_eq!(told(&world, &mut known).await, [""; 0]);
    let to_all = |acting: &str, step: &str, subject: &str| {
        let mut tenants = ["acme", "brokers", acting];
        tenants.sort_unstable();
        tenants.map(|tenant| format!("{tenant}: {step} of {subject}"))
    };
    world
        .certifier()
        .void_certificate(void("void", NUMBER, 1))
        .await
        .unwrap();
    assert_eq!(
        told(&world, &mut known).await,
        to_all("certifier 015", "VOID", NUMBER)
    );
    let number = "015-0150000001-000004";
    let amend = wire::AmendCertificateRequest {
        request_id: "amend".into(),
        number: number.into(),
        expected_version: 1,
        reason: "the weight was wrong".into(),
        total_weight_kg: "2000".into(),
        ..wire::AmendCertificateRequest::default()
    };
    world.certifier().amend_certificate(amend).await.unwrap();
    assert_eq!(
        told(&world, &mut known).await,
        to_all("certifier 015", "AMEND", number)
    );
    let all = events(&world).await;
    let Some((_, _, What::CertificateStepTaken(amended))) = all.last() else {
        panic!("{all:?}");
    };
    assert!(
        amended.superseded_by.starts_with("015-0150000001-"),
        "{amended:?}"
    );
    assert_eq!(amended.reason, "the weight was wrong");
    // An import ends one, too; the same again is nothing new, nor is one that was never heard of.
    let number = "015-0150000001-000005";
    for _ in 0..2 {
        world.import(&certificate(5, "VOIDED", "TIME_FRAME")).await;
        world.import(&certificate(9, "VOIDED", "TIME_FRAME")).await;
    }
    assert_eq!(told(&world, &mut known).await, to_all("default", "VOID", number));
}

#[rstest]
#[tokio::test]
async fn that_a_certificate_runs_out_is_told_when_a_draw_passes_the_mark(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (world, mut known) = (World::new(engine).await, 0);
    world.import(&certificate(3, "ISSUED", "TIME_FRAME")).await;
    draw_kg(&world, "acme", "1", 3, 1, 1, &[850, 50]).await;
    // A tenth is left, and no less.
    assert_eq!(told(&world, &mut known).await, [""; 0]);
    draw_kg(&world, "brokers", "2", 3, 2, 1, &[4]).await;
    let expected = format!("brokers: 96 of 1000 kg of {NUMBER}");
    assert_eq!(told(&world, &mut known).await, [expected]);
    draw_kg(&world, "acme", "3", 3, 3, 1, &[5]).await;
    assert_eq!(told(&world, &mut known).await, [""; 0]);
    // Given back and drawn again, it passes again.
    draw_kg(&world, "acme", "4", 3, 1, 2, &[100]).await;
    assert_eq!(told(&world, &mut known).await, [""; 0]);
    draw_kg(&world, "acme", "5", 3, 1, 3, &[891]).await;
    assert_eq!(told(&world, &mut known).await, [""; 0]);
    draw_kg(&world, "acme", "6", 3, 1, 4, &[892]).await;
    assert_eq!(
        told(&world, &mut known).await,
        [format!("acme: 99 of 1000 kg of {NUMBER}")]
    );
    // One shipment takes what there is.
    world.import(&certificate(4, "ISSUED", "SINGLE_SHIPMENT")).await;
    draw_kg(&world, "acme", "7", 4, 7, 1, &[1_000]).await;
    assert_eq!(told(&world, &mut known).await, [""; 0]);
}
