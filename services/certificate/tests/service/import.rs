//! Importing certificates, through the client.

use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres};
use rstest::rstest;

use crate::support::sample::{Random, certificate, draws, entry, number};
use crate::support::{Deployment, cases, chunks, file_of, import, options, principal, send, stated};
use nopic_domain::certificate::{Certificate, Draw};
use nopic_domain::principal::Role;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::import_certificates_request::Part as Request;
use tonic::Code;

fn draw(entry_serial: u32, units: i64) -> Draw {
    Draw {
        entry_number: entry(entry_serial),
        line_number: 1,
        pga_line_number: 1,
        weight_kg: nopic_domain::weight::Weight::from_units(units),
    }
}

fn one(total_units: i64) -> Certificate {
    Certificate {
        total_weight_kg: nopic_domain::weight::Weight::from_units(total_units),
        ..certificate(1, &mut Random(1))
    }
}

async fn state(deployment: &Deployment, serial: u32) -> (wire::CertificateState, Vec<wire::Draw>) {
    let answer = deployment
        .operator()
        .get_certificate(wire::GetCertificateRequest {
            number: number(serial).to_string(),
            with_draws: true,
        })
        .await
        .unwrap()
        .into_inner();
    assert!(answer.complete);
    (answer.state.unwrap(), answer.draws)
}

#[rstest]
#[tokio::test]
async fn the_shared_cases_are_imported_and_given_back(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let Some(file) = cases() else { return };
    let deployment = Deployment::new(engine).await;
    let answers = deployment.import(&file).await;
    let expected = stated(&file);
    assert_eq!(answers.rejects, []);
    assert_eq!(answers.duplicates, []);
    assert_eq!(answers.result.added as usize, expected.len());
    assert_eq!(
        answers.result.draws as usize,
        expected.iter().flat_map(|(_, draws)| draws).flatten().count()
    );
    let states = deployment.all().await;
    assert_eq!(states.len(), expected.len());
    for (certificate, _) in expected {
        let wire = wire::Certificate::from(&certificate);
        assert!(
            states
                .iter()
                .any(|state| state.certificate.as_ref() == Some(&wire))
        );
    }
}

#[rstest]
#[tokio::test]
async fn importing_again_changes_nothing_and_survives_reopening(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut random = Random(7);
    let certificates: Vec<_> = (0..2_500)
        .map(|serial| {
            (
                certificate(serial, &mut random),
                (random.below(3) > 0).then(|| draws(6, &mut random)),
            )
        })
        .collect();
    let file = file_of(&certificates);
    let deployment = Deployment::new(engine).await;
    let first = deployment.import(&file).await.result;
    assert_eq!((first.certificates, first.added), (2_500, 2_500));
    let before = deployment.all().await;

    let second = deployment.import(&file).await.result;
    assert_eq!(
        (second.added, second.changed, second.unchanged, second.draws),
        (0, 0, 2_500, first.draws)
    );
    assert_eq!(deployment.all().await, before);

    let deployment = deployment.reopen().await;
    assert_eq!(deployment.all().await, before);
    assert!(before.iter().all(|state| state.version == 1));
}

#[rstest]
#[tokio::test]
async fn a_changed_certificate_gets_a_version_and_its_draws_are_replaced(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    deployment
        .import(&file_of(&[(one(100), Some(vec![draw(1, 40), draw(2, 30)]))]))
        .await;
    let changed = Certificate {
        product: Some("Almonds".into()),
        ..one(100)
    };
    let result = deployment
        .import(&file_of(&[(changed.clone(), Some(vec![draw(3, 10)]))]))
        .await
        .result;
    assert_eq!((result.added, result.changed, result.unchanged), (0, 1, 0));
    let (now, draws) = state(&deployment, 1).await;
    assert_eq!(now.version, 2);
    assert_eq!(now.certificate, Some((&changed).into()));
    assert_eq!(
        (now.drawn_kg.as_str(), now.left_kg.as_str(), now.draw_count),
        ("0.001", "0.009", 1)
    );
    assert_eq!(draws, [wire::Draw::from(&draw(3, 10))]);

    // Only the draws differ: the certificate states what it stated, so its version stays.
    let result = deployment
        .import(&file_of(&[(changed, Some(vec![draw(3, 20)]))]))
        .await
        .result;
    assert_eq!(result.changed, 1);
    let (now, _) = state(&deployment, 1).await;
    assert_eq!((now.version, now.drawn_kg.as_str()), (2, "0.002"));
}

#[rstest]
#[tokio::test]
async fn absent_draws_say_nothing_and_empty_ones_say_none(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    deployment
        .import(&file_of(&[(one(100), Some(vec![draw(1, 40)]))]))
        .await;
    let result = deployment.import(&file_of(&[(one(100), None)])).await.result;
    assert_eq!(result.unchanged, 1);
    assert_eq!(state(&deployment, 1).await.1.len(), 1);
    let result = deployment
        .import(&file_of(&[(one(100), Some(Vec::new()))]))
        .await
        .result;
    assert_eq!(result.changed, 1);
    let (now, draws) = state(&deployment, 1).await;
    assert_eq!((now.draw_count, now.drawn_kg.as_str(), draws.len()), (0, "0", 0));
}

#[rstest]
#[tokio::test]
async fn imported_draws_may_pass_the_limit(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = Deployment::new(engine).await;
    deployment
        .import(&file_of(&[(one(100), Some(vec![draw(1, 80), draw(2, 50)]))]))
        .await;
    assert_eq!(state(&deployment, 1).await.0.left_kg, "-0.003");
    // A new version that allows less, and says nothing of draws.
    deployment.import(&file_of(&[(one(60), None)])).await;
    assert_eq!(state(&deployment, 1).await.0.left_kg, "-0.007");
    deployment.import(&file_of(&[(one(500), None)])).await;
    assert_eq!(state(&deployment, 1).await.0.left_kg, "0.037");
}

#[rstest]
#[tokio::test]
async fn what_is_refused_is_named_and_its_neighbours_are_imported(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut random = Random(3);
    let mut file = file_of(&[(certificate(1, &mut random), None)]);
    file.extend_from_slice(b"{\"number\": \"what\"}\n");
    file.extend(file_of(&[(
        certificate(2, &mut random),
        Some(vec![
            Draw {
                weight_kg: nopic_domain::weight::Weight::MAX,
                ..draw(1, 0)
            };
            1
        ]),
    )]));
    file.extend_from_slice(b"nothing\n");
    file.extend(file_of(&[(certificate(3, &mut random), None)]));
    let deployment = Deployment::new(engine).await;
    let mut parts = vec![options()];
    // Cut in the middle of everything.
    parts.extend(chunks(&file, 7));
    parts.push(Request::End(wire::ImportEnd {}));
    let answers = send(&mut deployment.operator(), parts).await.unwrap();
    let told: Vec<_> = answers
        .rejects
        .iter()
        .map(|reject| (reject.file.as_str(), reject.record, reject.field.as_str()))
        .collect();
    assert_eq!(
        told,
        [("certificates.jsonl", 2, "number"), ("certificates.jsonl", 4, "")]
    );
    assert_eq!((answers.result.added, answers.result.rejected), (3, 2));
    assert_eq!(deployment.all().await.len(), 3);
}

#[rstest]
#[tokio::test]
async fn draws_past_what_a_sum_can_hold_are_refused(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let draws = (0..101)
        .map(|entry| Draw {
            weight_kg: nopic_domain::weight::Weight::MAX,
            ..draw(entry, 0)
        })
        .collect();
    let deployment = Deployment::new(engine).await;
    let answers = deployment.import(&file_of(&[(one(5), Some(draws))])).await;
    assert_eq!(answers.rejects[0].field, "draws");
    assert_eq!(answers.rejects[0].key, number(1).to_string());
    assert_eq!(answers.result.certificates, 0);
}

#[rstest]
#[tokio::test]
async fn what_is_overdrawn_is_taken_and_said(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = Deployment::new(engine).await;
    let file =
        |total: i64, first: i64| file_of(&[(one(total), Some(vec![draw(1, first), draw(2, 500_000)]))]);
    let exact = deployment.import(&file(1_000_000, 500_000)).await;
    assert_eq!((exact.result.added, exact.overdrawn), (1, Vec::new()));
    let more = deployment.import(&file(1_000_000, 600_001)).await;
    assert_eq!(more.result.changed, 1);
    assert_eq!(
        more.overdrawn,
        [wire::OverdrawnCertificate {
            number: number(1).to_string(),
            record: 1,
            total_kg: "100".into(),
            excess_kg: "10.0001".into(),
        }]
    );
    let (now, _) = state(&deployment, 1).await;
    assert_eq!(now.left_kg, "-10.0001");
}

#[rstest]
#[tokio::test]
async fn of_two_records_with_one_number_the_later_counts(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    let other = certificate(2, &mut Random(2));
    let file = file_of(&[
        (one(100), Some(vec![draw(1, 40)])),
        (other, None),
        (one(200), Some(vec![draw(1, 50)])),
    ]);
    let answers = deployment.import(&file).await;
    assert_eq!(
        answers.duplicates,
        [wire::DuplicateCertificate {
            number: number(1).to_string(),
            lost_record: 1,
            won_record: 3,
        }]
    );
    let result = answers.result;
    assert_eq!(
        (result.certificates, result.added, result.duplicates, result.draws),
        (2, 2, 1, 1)
    );
    let (now, _) = state(&deployment, 1).await;
    assert_eq!((now.version, now.left_kg.as_str()), (1, "0.015"));
}

#[rstest]
#[tokio::test]
async fn a_call_that_breaks_off_leaves_nothing(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut random = Random(4);
    let certificates: Vec<_> = (0..300)
        .map(|serial| (certificate(serial, &mut random), None))
        .collect();
    let file = file_of(&certificates);
    let deployment = Deployment::new(engine).await;
    let mut client = deployment.operator();

    // The caller's stream ends cleanly, but without the word that it is whole.
    let mut parts = vec![options()];
    parts.extend(chunks(&file, 10_000));
    let refused = send(&mut client, parts.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("nothing was imported"), "{refused}");

    // The caller goes away: on the server that looks like a clean end. What is refused last tells that all before it
    // was read.
    parts.push(Request::Chunk(b"nothing\n".to_vec().into()));
    let (requests, rest) = tokio::sync::mpsc::channel(parts.len());
    for part in parts {
        let request = wire::ImportCertificatesRequest { part: Some(part) };
        requests.send(request).await.unwrap();
    }
    let mut call = client
        .import_certificates(tokio_stream::wrappers::ReceiverStream::new(rest))
        .await
        .unwrap()
        .into_inner();
    let answer = call.message().await.unwrap().unwrap();
    assert!(matches!(
        answer.part,
        Some(wire::import_certificates_response::Part::Reject(_))
    ));
    drop(call);
    drop(requests);
    // Told over the same connection, behind the end of that call.
    assert_eq!(deployment.all().await, []);

    // Nothing is left behind that would hold up the next.
    assert_eq!(deployment.import(&file).await.result.added, 300);
}

#[rstest]
#[tokio::test]
async fn messages_out_of_order_and_other_content_are_refused(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    let mut client = deployment.operator();
    let end = Request::End(wire::ImportEnd {});
    for (parts, reason) in [
        (vec![], "the options"),
        (chunks(b"{}", 9), "the options"),
        (vec![options(), options()], "twice"),
        (vec![options(), end.clone()], "empty"),
        (
            vec![
                options(),
                Request::Chunk(b"PK\x03\x04\n".to_vec().into()),
                end.clone(),
            ],
            "ZIP",
        ),
        (
            vec![options(), Request::Chunk(vec![b' '; (1 << 20) + 1].into()), end],
            "1048576",
        ),
    ] {
        let refused = send(&mut client, parts).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(reason), "{refused}");
    }
}

#[rstest]
#[tokio::test]
async fn only_an_operator_imports(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = Deployment::new(engine).await;
    for role in Role::ALL {
        let answer = import(
            &mut deployment.client(&principal("default", role)),
            &file_of(&[(one(1), None)]),
        )
        .await;
        match role {
            Role::Operator => assert!(answer.is_ok()),
            _ => assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied),
        }
    }
}

#[rstest]
#[tokio::test]
async fn readers_are_served_while_an_import_is_under_way(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut random = Random(5);
    let old = file_of(&[(one(100), None)]);
    let deployment = Deployment::new(engine).await;
    deployment.import(&old).await;
    let new: Vec<_> = (1..5_000)
        .map(|serial| (certificate(serial, &mut random), None))
        .collect();
    let file = file_of(&new);
    let importing = deployment.import(&file);
    let reading = async {
        // Whole: what is seen is one certificate or all.
        loop {
            let seen = deployment
                .list(wire::ListCertificatesRequest {
                    page_size: 1_000,
                    ..Default::default()
                })
                .await;
            match seen.len() {
                1 => assert_eq!(seen[0].certificate, Some((&one(100)).into())),
                // A list of several pages may begin before and end after.
                _ if seen.len() < 4_999 => {}
                _ => return,
            }
            tokio::task::yield_now().await;
        }
    };
    let (answers, ()) = tokio::join!(importing, reading);
    assert_eq!((answers.result.added, answers.result.changed), (4_998, 1));
}

/// Whoever draws on a certificate holds it meanwhile, and is not in the way of a file that states it as it is.
#[tokio::test]
async fn what_is_as_it_was_is_not_waited_for() {
    let deployment = Deployment::new(Engine::Postgres).await;
    let all: Vec<_> = (1..=20)
        .map(|serial| (certificate(serial, &mut Random(serial.into())), None))
        .collect();
    deployment.import(&file_of(&all)).await;

    let Location::Postgres(options) = &deployment.database.location else {
        panic!("the engine is PostgreSQL");
    };
    let database = postgres::Database::open(options, &nopic_certificate::SCHEMA, SchemaUpdate::Refuse)
        .await
        .unwrap();
    let mut holder = database.write("test").await.unwrap();
    let held: Vec<i64> =
        sqlx::query_scalar("SELECT certificate FROM certificate ORDER BY certificate LIMIT 10 FOR UPDATE")
            .fetch_all(&mut *holder)
            .await
            .unwrap();
    assert_eq!(held.len(), 10);

    // The last one is new, and is written.
    let with_new: Vec<_> = (1..=21)
        .map(|serial| (certificate(serial, &mut Random(serial.into())), None))
        .collect();
    let file = file_of(&with_new);
    let importing = tokio::time::timeout(std::time::Duration::from_secs(20), deployment.import(&file));
    let imported = importing.await.unwrap();
    assert_eq!((imported.result.added, imported.result.unchanged), (1, 20));
    holder.commit().await.unwrap();
}
