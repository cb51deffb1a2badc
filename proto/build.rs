//! Compiles the contract without `protoc`, and keeps its descriptors for gRPC reflection and ProtoJSON.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "nopic/common/v1/common.proto",
        "nopic/audit/v1/audit.proto",
        "nopic/registry/v1/registry.proto",
        "nopic/certificate/v1/certificate.proto",
        "nopic/certificate/v1/ledger.proto",
        "nopic/certificate/v1/life.proto",
        "nopic/entry_validation/v1/entry_validation.proto",
        "nopic/entry_validation/v1/filing.proto",
        "nopic/entry_validation/v1/trail.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("nopic.descriptors"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Bytes in requests are passed on, not copied.
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
