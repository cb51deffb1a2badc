//! Compiles the contract without `protoc`, and keeps its descriptors for gRPC reflection, JSON and OpenAPI.

use std::path::PathBuf;

use prost_build::{Service, ServiceGenerator};

/// Methods whose server answers with verdicts that are encoded already (`answers.rs`). Their clients read messages as
/// those of any other method.
const ANSWERED_BY_VERDICTS: [&str; 4] = [
    "ValidateEntry",
    "ValidateEntries",
    "ValidateStream",
    "ValidateDocument",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "nopic/common/v1/common.proto",
        "nopic/access/v1/access.proto",
        "nopic/audit/v1/audit.proto",
        "nopic/events/v1/events.proto",
        "nopic/notification/v1/notification.proto",
        "nopic/notification/v1/case.proto",
        "nopic/registry/v1/registry.proto",
        "nopic/certificate/v1/certificate.proto",
        "nopic/certificate/v1/ledger.proto",
        "nopic/certificate/v1/life.proto",
        "nopic/entry_validation/v1/entry_validation.proto",
        "nopic/entry_validation/v1/filing.proto",
        "nopic/entry_validation/v1/trail.proto",
        // What refusals carry, so that it can be said in JSON.
        "google/rpc/status.proto",
        "google/rpc/error_details.proto",
    ];
    println!("cargo:rerun-if-changed=nopic");
    println!("cargo:rerun-if-changed=google");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // As the compiler keeps them: with the paths of plain HTTP, which are extensions, and with every comment.
    std::fs::write(
        out.join("nopic.descriptors"),
        compiler.encode_file_descriptor_set(),
    )?;
    let mut descriptors = compiler.file_descriptor_set();
    // What describes the contract is no part of it.
    descriptors
        .file
        .retain(|file| file.package().starts_with("nopic."));
    prost_build::Config::new()
        // Bytes in requests are passed on, not copied.
        .bytes(["."])
        .service_generator(Box::new(ClientsAndServers {
            clients: tonic_prost_build::configure()
                .build_server(false)
                .service_generator(),
            servers: tonic_prost_build::configure()
                .build_client(false)
                .service_generator(),
        }))
        .compile_fds(descriptors)?;
    Ok(())
}

/// Clients as the contract has them, servers with types of ours for some answers.
struct ClientsAndServers {
    clients: Box<dyn ServiceGenerator>,
    servers: Box<dyn ServiceGenerator>,
}

impl ServiceGenerator for ClientsAndServers {
    fn generate(&mut self, mut service: Service, code: &mut String) {
        self.clients.generate(service.clone(), code);
        for method in &mut service.methods {
            if ANSWERED_BY_VERDICTS.contains(&method.proto_name.as_str()) {
                method.output_type = format!("crate::answers::WithVerdicts<super::{}>", method.output_type);
            }
        }
        self.servers.generate(service, code);
    }
}
