//! Every method of the contract has its row in the table of roles, every row its method, and whoever a row leaves out is
//! refused.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::ready;

use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::roles::{AUDIT, CheckRoles, EVENTS, RoleTable, Row};
use nopic_domain::principal::{Principal, Role};
use prost_reflect::DescriptorPool;
use tonic::body::Body;
use tonic::codegen::{Service as _, http};
use tonic::service::Interceptor as _;
use tonic::{Code, Request, Status};
use tower::Layer as _;

const TABLES: &[&[Row]] = &[
    nopic_registry::ROLES,
    nopic_certificate::ROLES,
    nopic_entry_validation::ROLES,
    nopic_notification::ROLES,
    nopic_gateway::ROLES,
    AUDIT,
    EVENTS,
];

fn methods() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(nopic_proto::DESCRIPTORS).expect("the contract can be read");
    pool.services()
        .flat_map(|service| {
            let name = service.full_name().to_owned();
            service
                .methods()
                .map(|method| format!("{name}/{}", method.name()))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().copied().flatten()
}

#[test]
fn every_method_has_one_row_and_every_row_a_method() {
    RoleTable::new(TABLES).expect("a method has one row");
    let rows: BTreeSet<String> = rows().map(|row| row.method.to_owned()).collect();
    let methods = methods();
    let without_row: Vec<_> = methods.difference(&rows).collect();
    assert!(without_row.is_empty(), "who may call {without_row:?}?");
    let without_method: Vec<_> = rows.difference(&methods).collect();
    assert!(without_method.is_empty(), "there is no {without_method:?}");
}

/// Calls a method of a server that answers everything, as this role; the code of the refusal.
async fn refusal(check: &CheckRoles, method: &str, role: Role, client: Option<&str>) -> Option<Code> {
    let principal = Principal {
        role,
        ..Principal::built_in("somebody")
    };
    let called = AttachPrincipal::new(&principal)
        .call(Request::new(()))
        .expect("a principal is attached");
    let mut request = http::Request::builder()
        .uri(format!("/{method}"))
        .body(())
        .expect("a method is a path");
    *request.headers_mut() = called.into_parts().0.into_headers();
    request.extensions_mut().insert(nopic_chassis::incoming::Peer {
        name: client.map(Into::into),
        address: None,
        usage: None,
    });
    let mut server = check.layer(tower::service_fn(|_: http::Request<()>| {
        ready(Ok::<_, Infallible>(http::Response::new(Body::empty())))
    }));
    let answer = server.call(request).await.expect("it answers");
    Status::from_header_map(answer.headers()).map(|status| status.code())
}

#[tokio::test]
async fn whoever_a_row_leaves_out_is_refused() {
    let table = RoleTable::new(TABLES).expect("a method has one row");
    let check = CheckRoles::new(table, None);
    for row in rows() {
        let listed = row.clients.map(|clients| clients[0]);
        for role in Role::ALL {
            let refused = refusal(&check, row.method, role, listed.or(Some("gateway"))).await;
            let expected = (!row.roles.contains(&role)).then_some(Code::PermissionDenied);
            assert_eq!(refused, expected, "{} as {role:?}", row.method);
        }
        if row.clients.is_some() {
            for client in [None, Some("gateway"), Some("command-line")] {
                let refused = refusal(&check, row.method, row.roles[0], client).await;
                assert_eq!(
                    refused,
                    Some(Code::PermissionDenied),
                    "{} of {client:?}",
                    row.method
                );
            }
        }
    }
}

#[test]
fn what_changes_the_deployment_needs_an_operator_and_draws_come_from_entry_validation() {
    let row = |method: &str| rows().find(|row| row.method == method).expect("it has a row");
    for method in [
        "nopic.registry.v1.RegistryService/ImportSnapshot",
        "nopic.registry.v1.RegistryService/ReleaseSnapshot",
        "nopic.registry.v1.RegistryService/DiscardSnapshot",
        "nopic.certificate.v1.CertificateService/ImportCertificates",
        "nopic.entry_validation.v1.EntryValidationService/ImportFlags",
    ] {
        assert_eq!(row(method).roles, [Role::Operator], "{method}");
    }
    let set_draws = row("nopic.certificate.v1.LedgerService/SetDraws");
    assert_eq!(set_draws.clients, Some(&["entry-validation"][..]));
}
