//! Asking for certificates, through the client.

use nopic_sql::testing::Engine;
use rstest::rstest;
use std::collections::BTreeSet;

use crate::support::sample::{Random, certificate, draws, entry, number};
use crate::support::{Deployment, cases, file_of, import, principal, stated};
use nopic_domain::certificate::{Certificate, CertificateView, Draw, DrawnBy};
use nopic_domain::principal::{Principal, Role};
use nopic_domain::weight::Weight;
use nopic_proto::certificate as wire;
use tonic::Code;

type Stated = Vec<(Certificate, Option<Vec<Draw>>)>;

fn sample(count: u32, seed: u64) -> Stated {
    let mut random = Random(seed);
    (0..count)
        .map(|serial| {
            (
                certificate(serial, &mut random),
                (random.below(3) > 0).then(|| draws(6, &mut random)),
            )
        })
        .collect()
}

/// What validation should see, computed one by one.
fn naive_view(certificate: &Certificate, draws: &[Draw]) -> CertificateView {
    CertificateView {
        certificate: std::sync::Arc::new(certificate.clone()),
        version: 1,
        drawn: draws
            .iter()
            .fold(Weight::ZERO, |sum, draw| sum.saturating_add(draw.weight_kg)),
        drawn_by: draws
            .iter()
            .fold(DrawnBy::None, |drawn_by, draw| drawn_by.with(draw.entry_number)),
    }
}

async fn views_are_as_stated(engine: Engine, stated: &Stated, seed: u64) {
    let deployment = Deployment::new(engine).await;
    deployment.import(&file_of(stated)).await;
    let mut random = Random(seed);
    for _ in 0..20 {
        let asked: Vec<_> = (0..random.below(60))
            .map(|_| &stated[usize::try_from(random.below(stated.len() as u64)).unwrap()])
            .collect();
        let mut own = BTreeSet::new();
        let mut expected_own = BTreeSet::new();
        for (certificate, draws) in &asked {
            let draws = draws.as_deref().unwrap_or_default();
            let entry_number = match draws.first() {
                Some(draw) if random.below(2) == 0 => draw.entry_number,
                _ => entry(u32::try_from(random.below(4)).unwrap()),
            };
            own.insert((certificate.number, entry_number));
            let own_draws = draws.iter().filter(|draw| draw.entry_number == entry_number);
            expected_own.extend(own_draws.map(|draw| {
                (
                    certificate.number.number(),
                    draw.entry_number.to_string(),
                    draw.line_number,
                    draw.pga_line_number,
                    draw.weight_kg.units(),
                )
            }));
        }
        let mut numbers: Vec<u64> = asked
            .iter()
            .map(|(certificate, _)| certificate.number.number())
            .collect();
        // One that nobody knows.
        numbers.push(number(999_999).number());
        let answer = deployment
            .operator()
            .batch_get_for_validation(wire::BatchGetForValidationRequest {
                numbers: numbers.clone(),
                own_draws: own
                    .iter()
                    .map(|(number, entry)| wire::OwnDrawsQuestion {
                        number: number.number(),
                        entry_number: entry.to_string(),
                    })
                    .collect(),
            })
            .await
            .unwrap()
            .into_inner();
        let views: Vec<CertificateView> = answer
            .views
            .into_iter()
            .map(|view| view.try_into().unwrap())
            .collect();
        let mut seen = BTreeSet::new();
        let expected: Vec<CertificateView> = asked
            .iter()
            .filter(|(certificate, _)| seen.insert(certificate.number))
            .map(|(certificate, draws)| naive_view(certificate, draws.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(views, expected, "seed {seed}");
        let own_draws: Vec<_> = answer
            .own_draws
            .into_iter()
            .map(|own| {
                (
                    own.number,
                    own.entry_number,
                    own.line_number,
                    own.pga_line_number,
                    own.weight_units,
                )
            })
            .collect();
        assert_eq!(own_draws.len(), expected_own.len(), "seed {seed}");
        assert_eq!(BTreeSet::from_iter(own_draws), expected_own, "seed {seed}");
    }
}

#[rstest]
#[tokio::test]
async fn views_for_validation_are_those_of_a_naive_computation(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    for seed in 0..8 {
        views_are_as_stated(engine, &sample(40, seed), seed).await;
    }
    if let Some(file) = cases() {
        views_are_as_stated(engine, &stated(&file), 99).await;
    }
}

#[rstest]
#[tokio::test]
async fn pages_of_every_size_give_the_same_list(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = Deployment::new(engine).await;
    let mut sample = sample(83, 11);
    deployment.import(&file_of(&sample)).await;
    sample.sort_by_key(|(certificate, _)| certificate.number);
    for page_size in [1, 5, 16, 82, 83, 84, 100, 0] {
        let request = wire::ListCertificatesRequest {
            page_size,
            ..Default::default()
        };
        let listed: Vec<_> = deployment
            .list(request)
            .await
            .into_iter()
            .map(|state| state.certificate.unwrap())
            .collect();
        let expected: Vec<_> = sample.iter().map(|(certificate, _)| certificate.into()).collect();
        assert_eq!(listed, expected, "pages of {page_size}");
    }
}

#[rstest]
#[tokio::test]
async fn filters_find_what_they_name(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = Deployment::new(engine).await;
    let sample = sample(400, 12);
    deployment.import(&file_of(&sample)).await;
    let listed = |request: wire::ListCertificatesRequest| async {
        deployment
            .list(wire::ListCertificatesRequest {
                page_size: 7,
                ..request
            })
            .await
            .into_iter()
            .map(|state| state.certificate.unwrap().number)
            .collect::<Vec<_>>()
    };
    let expected = |matches: &dyn Fn(&Certificate) -> bool| {
        let mut numbers: Vec<_> = sample
            .iter()
            .filter(|(certificate, _)| matches(certificate))
            .map(|(certificate, _)| certificate.number.to_string())
            .collect();
        numbers.sort();
        assert!(!numbers.is_empty());
        numbers
    };
    let any = wire::ListCertificatesRequest::default;
    let first = &sample[0].0;
    assert_eq!(
        listed(wire::ListCertificatesRequest {
            status: "VOIDED".into(),
            ..any()
        })
        .await,
        expected(&|certificate| certificate.status.as_str() == "VOIDED")
    );
    assert_eq!(
        listed(wire::ListCertificatesRequest {
            certifier_id: first.certifier_id.to_string(),
            ..any()
        })
        .await,
        expected(&|certificate| certificate.certifier_id == first.certifier_id)
    );
    assert_eq!(
        listed(wire::ListCertificatesRequest {
            exporter_nop_id: first.exporter_nop_id.to_string(),
            ..any()
        })
        .await,
        expected(&|certificate| certificate.exporter_nop_id == first.exporter_nop_id)
    );
    let importer = first.importer_nop_id;
    assert_eq!(
        listed(wire::ListCertificatesRequest {
            importer_nop_id: importer.to_string(),
            status: first.status.as_str().into(),
            ..any()
        })
        .await,
        expected(&|certificate| certificate.importer_nop_id == importer && certificate.status == first.status)
    );
    for (valid_on, some) in [
        ("2025-01-19", false),
        ("2025-01-20", true),
        ("2025-07-20", true),
        ("2025-07-21", false),
    ] {
        let found = listed(wire::ListCertificatesRequest {
            valid_on: valid_on.into(),
            ..any()
        })
        .await;
        if some {
            assert_eq!(
                found,
                expected(&|certificate| certificate.status.as_str() == "ISSUED")
            );
        } else {
            assert_eq!(found, [] as [String; 0], "{valid_on}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn wrong_fields_and_limits_are_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = Deployment::new(engine).await;
    let mut client = deployment.operator();
    let any = wire::ListCertificatesRequest::default;
    for (request, named) in [
        (
            wire::ListCertificatesRequest {
                status: "ISSUE".into(),
                ..any()
            },
            "status",
        ),
        (
            wire::ListCertificatesRequest {
                certifier_id: "1".into(),
                ..any()
            },
            "certifier_id",
        ),
        (
            wire::ListCertificatesRequest {
                valid_on: "today".into(),
                ..any()
            },
            "valid_on",
        ),
        (
            wire::ListCertificatesRequest {
                page_size: 1_001,
                ..any()
            },
            "1000",
        ),
        (
            wire::ListCertificatesRequest {
                page_token: "x".into(),
                ..any()
            },
            "page_token",
        ),
    ] {
        let refused = client.list_certificates(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(named), "{refused}");
    }
    let question = wire::OwnDrawsQuestion {
        number: 1,
        entry_number: entry(1).to_string(),
    };
    for (request, named) in [
        (
            wire::BatchGetForValidationRequest {
                numbers: vec![1; 10_001],
                own_draws: Vec::new(),
            },
            "numbers: 10001 given, at most 10000",
        ),
        (
            wire::BatchGetForValidationRequest {
                numbers: Vec::new(),
                own_draws: vec![question.clone(); 10_001],
            },
            "own_draws: 10001 given, at most 10000",
        ),
        (
            wire::BatchGetForValidationRequest {
                numbers: vec![1, u64::MAX],
                own_draws: Vec::new(),
            },
            "numbers[1]",
        ),
        (
            wire::BatchGetForValidationRequest {
                numbers: Vec::new(),
                own_draws: vec![wire::OwnDrawsQuestion {
                    entry_number: "B76".into(),
                    ..question
                }],
            },
            "own_draws[0].entry_number",
        ),
    ] {
        let refused = client.batch_get_for_validation(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(named), "{refused}");
    }
    let refused = client
        .batch_get_certificates(wire::BatchGetCertificatesRequest {
            numbers: vec![number(1).to_string(); 10_001],
        })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("10000"), "{refused}");
    let refused = client
        .get_certificate(wire::GetCertificateRequest {
            number: number(1).to_string(),
            with_draws: false,
        })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains(&number(1).to_string()), "{refused}");
}

#[rstest]
#[tokio::test]
async fn a_batch_answers_in_the_order_of_its_numbers(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    deployment.import(&file_of(&sample(20, 13))).await;
    let numbers: Vec<String> = vec![
        number(7).to_string(),
        "nonsense".into(),
        number(3).to_string(),
        number(500).to_string(),
        number(7).to_string(),
    ];
    let items = deployment
        .operator()
        .batch_get_certificates(wire::BatchGetCertificatesRequest {
            numbers: numbers.clone(),
        })
        .await
        .unwrap()
        .into_inner()
        .items;
    let answered: Vec<_> = items.iter().map(|item| item.number.clone()).collect();
    assert_eq!(answered, numbers);
    let found: Vec<_> = items
        .iter()
        .map(|item| {
            item.state
                .as_ref()
                .map(|state| &state.certificate.as_ref().unwrap().number)
        })
        .collect();
    assert_eq!(
        found,
        [
            Some(&numbers[0]),
            None,
            Some(&numbers[2]),
            None,
            Some(&numbers[0])
        ]
    );
    assert!(items[1].error.contains("nonsense"));
    assert!(
        items
            .iter()
            .enumerate()
            .all(|(place, item)| place == 1 || item.error.is_empty())
    );
}

#[rstest]
#[tokio::test]
async fn other_tenants_see_what_is_left_and_not_who_drew(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    let certificate = certificate(1, &mut Random(1));
    let draw = Draw {
        entry_number: entry(1),
        line_number: 1,
        pga_line_number: 1,
        weight_kg: Weight::from_units(5),
    };
    let ours = principal("ours", Role::Operator);
    import(
        &mut deployment.client(&ours),
        &file_of(&[(certificate.clone(), Some(vec![draw]))]),
    )
    .await
    .unwrap();
    let see = |principal: Principal| {
        let mut client = deployment.client(&principal);
        let number = certificate.number;
        async move {
            let answer = client
                .batch_get_for_validation(wire::BatchGetForValidationRequest {
                    numbers: vec![number.number()],
                    own_draws: vec![wire::OwnDrawsQuestion {
                        number: number.number(),
                        entry_number: entry(1).to_string(),
                    }],
                })
                .await
                .unwrap()
                .into_inner();
            let view = CertificateView::try_from(answer.views[0].clone()).unwrap();
            let detail = client
                .get_certificate(wire::GetCertificateRequest {
                    number: number.to_string(),
                    with_draws: true,
                })
                .await
                .unwrap()
                .into_inner();
            assert_eq!((view.drawn, detail.complete), (Weight::from_units(5), true));
            assert_eq!(detail.state.unwrap().drawn_kg, "0.0005");
            (view.drawn_by, answer.own_draws.len(), detail.draws.len())
        }
    };
    let all = (DrawnBy::One(entry(1)), 1, 1);
    assert_eq!(see(principal("ours", Role::Broker)).await, all);
    assert_eq!(see(principal("others", Role::Operator)).await, all);
    assert_eq!(
        see(principal("others", Role::Broker)).await,
        (DrawnBy::Several, 0, 0)
    );
}

#[rstest]
#[tokio::test]
async fn a_long_list_of_draws_is_cut_and_says_so(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = Deployment::new(engine).await;
    let certificate = certificate(1, &mut Random(1));
    for (count, complete) in [(1_000, true), (1_001, false)] {
        let draws = (1..=count)
            .map(|line_number| Draw {
                entry_number: entry(1),
                line_number,
                pga_line_number: 1,
                weight_kg: Weight::ZERO,
            })
            .collect();
        deployment
            .import(&file_of(&[(certificate.clone(), Some(draws))]))
            .await;
        let answer = deployment
            .operator()
            .get_certificate(wire::GetCertificateRequest {
                number: certificate.number.to_string(),
                with_draws: true,
            })
            .await
            .unwrap()
            .into_inner();
        assert_eq!((answer.draws.len(), answer.complete), (1_000, complete));
        assert_eq!(answer.state.unwrap().draw_count, count);
    }
}
