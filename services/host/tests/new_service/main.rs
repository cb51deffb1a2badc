//! A service that nobody here knows moves in: one file with its part, and its line in a list. It is served, migrated,
//! healthy, listed by reflection, and refused to those who are not listed.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod toy;

use std::sync::Arc;

use nopic_chassis::clock::SystemClock;
use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::{Principal, Role};
use nopic_host::{
    Deployment, LogFallback, Observability, Opening, PARTS, Part, Reserved, Serving, Settings, Storage, find,
};
use nopic_testing::certificates::Authority;
use tokio_stream::StreamExt as _;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Interceptor as _;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

/// The list with the line.
fn parts() -> Vec<Part> {
    let known = PARTS.iter().map(|part| Part { ..*part });
    known.chain([toy::PART]).collect()
}

/// A channel that shows the certificate of a name.
fn channel(authority: &Authority, url: &str, name: &str) -> Channel {
    let (certificate, key) = authority.sign(name);
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.pem()))
        .identity(Identity::from_pem(certificate, key))
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
    endpoint.tls_config(tls).unwrap().connect_lazy()
}

/// A call in the name of somebody of this role.
async fn greet(channel: &Channel, role: Role) -> Result<String, Status> {
    let principal = Principal {
        role,
        ..Principal::built_in("tester")
    };
    let request = AttachPrincipal::new(&principal).call(Request::new(()))?;
    let (metadata, extensions, ()) = request.into_parts();
    let request = Request::from_parts(metadata, extensions, "broker".to_owned());
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    client
        .unary(
            request,
            PathAndQuery::from_static(toy::GREET),
            ProstCodec::<String, String>::default(),
        )
        .await
        .map(tonic::Response::into_inner)
}

/// The services that reflection lists.
async fn listed(channel: &Channel) -> Vec<String> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel.clone())
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let ServerReflectionResponse {
        message_response: Some(MessageResponse::ListServicesResponse(listed)),
        ..
    } = answers.next().await.unwrap().unwrap()
    else {
        panic!("no list of services");
    };
    listed.service.into_iter().map(|service| service.name).collect()
}

#[tokio::test]
async fn a_service_of_one_file_and_one_line_is_at_home() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts();
    let authority = Authority::new();
    let _written = authority.files(folder.path(), "toy");
    let file = folder.path().join("toy.toml");
    std::fs::write(
        &file,
        "[server]\nlisten = \"127.0.0.1:0\"\n[tls]\ncertificate = \"toy.pem\"\nkey = \"toy.key\"\nauthority = \
         \"toy.authority.pem\"\n[callers]\ngateway = [\"toy.v1.ToyService/*\", \"grpc.reflection.v1.ServerReflection/*\"]\n[toy]\ngreeting = \"Good morning\"\n[admin]\n\
         listen = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    let part = find(&parts, "toy").unwrap();

    // Migrated, with all others.
    let storage = Storage::in_folder(folder.path());
    let mut migrated = Vec::new();
    for schema in parts.iter().filter_map(|part| part.schema) {
        migrated.push((schema.name, storage.migrate(schema).await.unwrap().len()));
    }
    assert_eq!(migrated.last(), Some(&("toy", 2)), "{migrated:?}");

    // Configured: what it is not told of is a problem.
    let settings = Settings::read(&parts, Some(&file)).unwrap();
    let wrong = std::fs::read_to_string(&file)
        .unwrap()
        .replace("greeting", "greting");
    let wrong_file = folder.path().join("wrong.toml");
    std::fs::write(&wrong_file, wrong).unwrap();
    let said = Settings::read(&parts, Some(&wrong_file)).unwrap_err().to_string();
    assert!(
        said.contains("toy.greting: there is no such key; toy.greeting is one"),
        "{said}"
    );

    // Served, alone.
    let address = settings.listen.unwrap();
    let options = settings.options(false, true, address).unwrap();
    let fallback = LogFallback::default();
    let observability =
        Observability::start("toy", true, &settings.observability, &storage.location, fallback).unwrap();
    let admin = observability
        .open_admin(&settings.observability)
        .await
        .unwrap()
        .unwrap();
    let stated = settings.stated();
    assert!(stated.contains("server.listen=127.0.0.1:0"), "{stated}");
    let deployment = Deployment::new(storage, None, Arc::new(SystemClock)).unwrap();
    let opening = Opening {
        parts: &parts,
        deployment: &deployment,
        settings,
        metrics: observability.metrics.clone(),
        caller: None,
    };
    let serving = Serving {
        opened: opening.alone(part).await.unwrap(),
        options: nopic_chassis::transport::ServerOptions {
            metrics: observability.metrics.clone(),
            ..options
        },
        observability,
        clock: Arc::new(SystemClock),
        settings: stated,
    };
    let (told, hears) = tokio::sync::oneshot::channel();
    let reserved = Reserved::new(address).unwrap();
    let served = tokio::spawn(serving.until_stopped(reserved, |url| {
        told.send(url.to_owned()).unwrap();
        Ok(())
    }));
    let url = hears.await.unwrap();

    let gateway = channel(&authority, &url, "gateway");
    assert_eq!(
        greet(&gateway, Role::Operator).await.unwrap(),
        "Good morning, broker"
    );
    let health = HealthClient::new(gateway.clone())
        .check(HealthCheckRequest {
            service: toy::SERVICE.to_owned(),
        })
        .await
        .unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);
    let services = listed(&channel(&authority, &url, "gateway")).await;
    assert!(services.contains(&toy::SERVICE.to_owned()), "{services:?}");
    assert!(
        !services.iter().any(|name| name.contains("registry")),
        "{services:?}"
    );

    // Refused: to who is not listed, and to who has not the role.
    let stranger = channel(&authority, &url, "stranger");
    let refused = greet(&stranger, Role::Operator).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let refused = greet(&gateway, Role::Broker).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert!(refused.message().contains("OPERATOR"), "{refused}");

    // Observed.
    let metrics = get(admin, "/metrics").await;
    assert!(metrics.contains("toy_greetings_total 1\n"), "{metrics}");
    assert!(get(admin, "/ready").await.starts_with("HTTP/1.1 200"));
    served.abort();
}

/// What the admin port answers.
async fn get(address: std::net::SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
