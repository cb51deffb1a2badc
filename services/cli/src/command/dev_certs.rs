//! `nopic dev-certs`: certificates and configurations to try separate services with.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::{Datelike as _, Days};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use nopic_host::{PARTS, trial};

use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output;

/// For how long they are good.
const DAYS: u64 = 90;
/// Make certificates and configurations to try services in processes of their own
///
/// Writes an authority, a certificate for each service, the gateway among them, and for an operator, and a configuration
/// for each service. For trying only: the keys lie beside the certificates, and end after 90 days.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic dev-certs try\n  nopic serve registry --config try/registry.toml &\n  \
        nopic serve certificate --config try/certificate.toml &\n  \
        nopic serve entry-validation --config try/entry-validation.toml &\n  nopic serve gateway --config try/gateway.toml"
)]
pub(crate) struct Arguments {
    /// Folder to write to; nothing in it is overwritten
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Done, Failure> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder).map_err(|error| Failure::writing(folder, &error))?;
    let making = |error: rcgen::Error| Failure::new(format!("A certificate cannot be made: {error}."));
    let authority = authority(context).map_err(making)?;
    write(folder, "authority.pem", authority.pem().as_bytes())?;
    write_secret(folder, "authority.key", &authority.key().serialize_pem())?;
    let names: Vec<_> = trial::names(PARTS).collect();
    for name in &names {
        let key = KeyPair::generate().map_err(making)?;
        let certificate = leaf(context, name)
            .and_then(|params| params.signed_by(&key, &authority))
            .map_err(making)?;
        write(folder, &format!("{name}.pem"), certificate.pem().as_bytes())?;
        write_secret(folder, &format!("{name}.key"), &key.serialize_pem())?;
    }
    let configurations = trial::configurations(PARTS);
    for (name, text) in &configurations {
        write(folder, &format!("{name}.toml"), text.as_bytes())?;
    }
    let mut out = output::results();
    writeln!(
        out,
        "{}: an authority, {} certificates and {} configurations",
        folder.display(),
        names.len(),
        configurations.len()
    )?;
    out.flush()?;
    Ok(Done::Well)
}

/// Good from yesterday, so that clocks may differ.
fn params(context: &Context, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let day = |date: chrono::NaiveDate| {
        // A month and a day of month fit.
        date_time_ymd(
            date.year(),
            u8::try_from(date.month()).unwrap_or(1),
            u8::try_from(date.day()).unwrap_or(1),
        )
    };
    let today = context.clock.today();
    params.not_before = day(today - Days::new(1));
    params.not_after = day(today + Days::new(DAYS));
    Ok(params)
}

fn authority(context: &Context) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = params(context, Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "nopic development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn leaf(context: &Context, name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params(
        context,
        [name, "localhost", "127.0.0.1"].map(ToOwned::to_owned).to_vec(),
    )?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

fn write(folder: &Path, name: &str, content: &[u8]) -> Result<(), Failure> {
    write_new(&mut fs::OpenOptions::new(), &folder.join(name), content)
}

/// For the eyes of this user only.
fn write_secret(folder: &Path, name: &str, content: &str) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write_new(&mut options, &folder.join(name), content.as_bytes())
}

fn write_new(options: &mut fs::OpenOptions, path: &Path, content: &[u8]) -> Result<(), Failure> {
    options
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(|error| {
            Failure::writing(path, &error).advice("Name another folder, or remove what is in it.")
        })
}
