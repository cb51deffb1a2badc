//! Who is not listed, or shows no certificate that is good, is refused by every service for every method.

use std::path::Path;
use std::time::Duration;

use nopic_proto::DESCRIPTORS;
use prost_reflect::DescriptorPool;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::certificates::{Authority, Files};
use crate::support::{Place, Serving};

const SERVICES: [(&str, &[&str]); 3] = [
    ("registry", &["nopic.registry.v1", "nopic.audit.v1"]),
    ("certificate", &["nopic.certificate.v1", "nopic.audit.v1"]),
    (
        "entry-validation",
        &["nopic.entry_validation.v1", "nopic.audit.v1"],
    ),
];

/// The methods of packages, as paths.
fn methods(packages: &[&str]) -> Vec<String> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let paths: Vec<String> = pool
        .services()
        .filter(|service| packages.contains(&service.parent_file().package_name()))
        .flat_map(|service| {
            let name = service.full_name().to_owned();
            service
                .methods()
                .map(move |method| format!("/{name}/{}", method.name()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(paths.len() > 3, "{paths:?}");
    paths
}

fn serve(place: &Place, name: &str, files: &Files) -> Serving {
    place.file(
        &format!("{name}.toml"),
        format!("[server]\nlisten = \"127.0.0.1:0\"\n[storage]\ndata = \"data-{name}\"\n[callers]\noperator = [\"*\"]\n"),
    );
    let mut command = place.command(&["serve", name, "--config", &format!("{name}.toml")]);
    command
        .envs(files.environment())
        // Never asked here.
        .env("NOPIC_UPSTREAM_REGISTRY_ADDRESS", "127.0.0.1:9")
        .env("NOPIC_UPSTREAM_CERTIFICATE_ADDRESS", "127.0.0.1:9");
    place.serve_by(command)
}

/// A channel with a certificate, or without.
fn channel(serving: &Serving, authority: &Path, own: Option<&Files>) -> Channel {
    let read = |path: &Path| std::fs::read(path).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(authority)))
        .domain_name("localhost");
    let tls = match own {
        None => tls,
        Some(own) => tls.identity(Identity::from_pem(read(&own.certificate), read(&own.key))),
    };
    Endpoint::from_shared(serving.url.clone())
        .unwrap()
        .tls_config(tls)
        .unwrap()
        .connect_timeout(Duration::from_secs(5))
        .connect_lazy()
}

async fn call(channel: &Channel, path: &str) -> Result<(), Status> {
    let mut client = Grpc::new(channel.clone());
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path: PathAndQuery = path.parse().unwrap();
    client
        .unary(Request::new(()), path, ProstCodec::<(), ()>::default())
        .await
        .map(drop)
}

#[tokio::test]
async fn strangers_are_refused_by_every_service_for_every_method() {
    let place = Place::new();
    let folder = place.path().join("ours");
    let (ours, theirs) = (Authority::new(), Authority::new());
    let operator = ours.files(&folder, "operator");
    let strangers = [
        ("no certificate", None),
        (
            "another authority's",
            Some(theirs.files(&place.path().join("theirs"), "operator")),
        ),
        (
            "one that has ended",
            Some(ours.files_until(&place.path().join("ended"), "operator", 2021)),
        ),
    ];
    let unlisted = ours.files(&folder, "gateway");
    for (name, packages) in SERVICES {
        let files = ours.files(&folder, name);
        let serving = serve(&place, name, &files);
        let listed = channel(&serving, &files.authority, Some(&operator));
        let not_listed = channel(&serving, &files.authority, Some(&unlisted));
        let strangers: Vec<_> = strangers
            .iter()
            .map(|(who, own)| (who, channel(&serving, &files.authority, own.as_ref())))
            .collect();
        for path in methods(packages)
            .iter()
            .chain([&"/grpc.health.v1.Health/Check".to_owned()])
        {
            for (who, stranger) in &strangers {
                let refused = call(stranger, path).await.unwrap_err();
                // They get no connection, so nothing answers them.
                assert!(
                    matches!(
                        refused.code(),
                        Code::Unavailable | Code::Unknown | Code::Cancelled
                    ),
                    "{who} at {path}: {refused:?}"
                );
            }
            let refused = call(&not_listed, path).await.unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied, "{path}");
            assert_eq!(refused.message(), "this client may not call this method");
            // Whoever is listed gets as far as the method.
            if let Err(status) = call(&listed, path).await {
                assert_ne!(status.message(), "this client may not call this method", "{path}");
            }
        }
        assert_eq!(serving.stop(), Some(0));
    }
}

#[tokio::test]
async fn new_certificates_are_read_while_it_runs() {
    let place = Place::new();
    let folder = place.path().join("server");
    let (old, new) = (Authority::new(), Authority::new());
    let files = old.files(&folder, "registry");
    let serving = serve(&place, "registry", &files);
    let old_client = old.files(&place.path().join("old"), "operator");
    let new_client = new.files(&place.path().join("new"), "operator");
    let health = "/grpc.health.v1.Health/Check";
    let by_old = channel(&serving, &old_client.authority, Some(&old_client));
    call(&by_old, health).await.unwrap();
    call(
        &channel(&serving, &new_client.authority, Some(&new_client)),
        health,
    )
    .await
    .unwrap_err();

    new.files(&folder, "registry");
    tokio::time::timeout(Duration::from_secs(30), async {
        while call(
            &channel(&serving, &new_client.authority, Some(&new_client)),
            health,
        )
        .await
        .is_err()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the new certificates are read");
    // An open connection goes on; a new one with the old certificate is refused.
    call(&by_old, health).await.unwrap();
    call(
        &channel(&serving, &old_client.authority, Some(&old_client)),
        health,
    )
    .await
    .unwrap_err();
}
