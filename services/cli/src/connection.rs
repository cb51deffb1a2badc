//! Where a command's calls go: to a running server, or to the same services opened in this process.

mod key;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use nopic_chassis::metrics::Metrics;
use nopic_chassis::part::Process;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::roles::Protected;
use nopic_chassis::tls::tls_of;
use nopic_chassis::transport::{MAX_MESSAGE_BYTES, OWNER_KEY, in_memory};
use nopic_chassis::windows::with_windows;
use nopic_domain::principal::Principal;
use nopic_host::{
    Deployment, Identity, Opening, PARTS, Settings, Storage, built_in_caller, identity, read_policy,
};
use nopic_proto::access::access_service_client::AccessServiceClient;
use nopic_proto::audit::audit_service_client::AuditServiceClient;
use nopic_proto::certificate::certificate_life_service_client::CertificateLifeServiceClient;
use nopic_proto::certificate::certificate_service_client::CertificateServiceClient;
use nopic_proto::certificate::ledger_service_client::LedgerServiceClient;
use nopic_proto::entry_validation::ExplainPolicyRequest;
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::entry_trail_service_client::EntryTrailServiceClient;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use tonic::codegen::http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use self::key::key;
use crate::acting::Acting;
use crate::context::Context;
use crate::failure::{Failure, from_status};
use crate::lock::{self, Acquired, DataLock};

/// Services of this process, in words.
const IN_THIS_PROCESS: &str = "nopic";

/// Which services a command calls. Only these are opened.
pub(crate) mod need {
    /// The registry alone.
    pub(crate) const REGISTRY: &[&str] = &["registry"];
    /// The certificates alone.
    pub(crate) const CERTIFICATES: &[&str] = &["certificate"];
    /// The certificates with their life, which asks the registry.
    pub(crate) const CERTIFICATE_LIFE: &[&str] = &["registry", "certificate"];
    /// Who may come in, and nothing else.
    pub(crate) const ACCESS: &[&str] = &["gateway"];
    /// Every one, such as entry validation, which asks the others.
    pub(crate) const ALL: &[&str] = &[];
}

/// What a command does with the services that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// What it is for.
    Work,
    /// It verifies the audit logs, and leaves everything as it is.
    Verify,
}

/// A channel that says who calls.
pub(crate) type Wire = InterceptedService<Channel, Caller>;

/// Says who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Our own services, in this process or in one that works on our folder: the person at this machine.
    Local(AttachPrincipal, Option<OwnerProof>),
    /// A server that knows callers by key.
    Key(MetadataValue<Ascii>),
    /// A server that is content without.
    Nobody,
}

/// What the process that works on our folder has written there for nobody but us.
#[derive(Clone)]
pub(crate) struct OwnerProof(MetadataValue<Ascii>);

impl std::fmt::Debug for OwnerProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnerProof")
    }
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        match self {
            Self::Local(principal, proof) => {
                if let Some(proof) = proof {
                    request.metadata_mut().insert(OWNER_KEY, proof.0.clone());
                }
                return principal.call(request);
            }
            Self::Key(key) => {
                request.metadata_mut().insert("authorization", key.clone());
            }
            Self::Nobody => {}
        }
        Ok(request)
    }
}

impl Context {
    /// The services that a command needs: those of a running server, or opened here.
    pub(crate) async fn connect(&self, need: &[&str]) -> Result<Services, Failure> {
        Services::connect(self, need, Purpose::Work).await
    }

    /// Every service, to verify what was noted.
    pub(crate) async fn connect_to_verify(&self) -> Result<Services, Failure> {
        Services::connect(self, need::ALL, Purpose::Verify).await
    }
}

/// The services, wherever they are.
#[derive(Debug)]
pub(crate) struct Services {
    channel: Channel,
    caller: Caller,
    target: String,
    is_remote: bool,
    /// Held for as long as the services of this process work on the folder.
    _lock: Option<Arc<DataLock>>,
}

impl Services {
    /// Decides where to go, and goes there.
    async fn connect(context: &Context, need: &[&str], purpose: Purpose) -> Result<Self, Failure> {
        if let Some(url) = &context.options.endpoint {
            if context.options.database.is_some() {
                return Err(Failure::new(format!("The server at {url} has its own database."))
                    .advice("Leave out --database (and NOPIC_DATABASE), or leave out --endpoint to use the database."));
            }
            let services = Self::remote(url).await?;
            services.require_policy(context, need, url).await?;
            return Ok(services);
        }
        let data = context.options.data();
        let storage = context.options.storage()?;
        match take_folder(context)? {
            Acquired::Held(lock) => Self::embedded(context, need, purpose, storage, Arc::new(lock)).await,
            Acquired::Busy(holder) => {
                let Some(url) = &holder.endpoint else {
                    return Err(busy(data, &holder));
                };
                if let Some(wanted) = storage.server()
                    && holder.database.as_ref() != Some(&wanted)
                {
                    let other = holder.database.as_deref().unwrap_or("the files in it");
                    return Err(Failure::new(format!(
                        "{} is used by the server at {url}, which works on {other}, not on {wanted}.",
                        data.display()
                    ))
                    .advice(
                        "Leave out --database, or name another folder for temporary files with --data.",
                    ));
                }
                context.terminal.note(&format!(
                    "{} is served by process {}: asking it at {url}",
                    data.display(),
                    number(&holder)
                ));
                let services = if url.starts_with("https://") {
                    // It knows its callers, on this machine, too.
                    let remote = Self::remote(url).await?;
                    Self {
                        is_remote: false,
                        ..remote
                    }
                } else {
                    Self {
                        channel: connect(url, None).await?,
                        caller: Caller::Local(by_person(), holder.owner_proof()),
                        target: format!("the server at {url}"),
                        is_remote: false,
                        _lock: None,
                    }
                };
                services.require_policy(context, need, url).await?;
                Ok(services)
            }
        }
    }

    /// Refuses a policy of this command, if it has one, that is another than the server judges by. A command that judges
    /// nothing has no use for one.
    async fn require_policy(&self, context: &Context, need: &[&str], url: &str) -> Result<(), Failure> {
        let Some(path) = &context.options.policy else {
            return Ok(());
        };
        if [need::REGISTRY, need::CERTIFICATES, need::ACCESS].contains(&need) {
            return Ok(());
        }
        let (policy, _) = read_policy(Some(path))?;
        let request = ExplainPolicyRequest {
            on: context.clock.today().to_string(),
        };
        let served = self.answer(self.entry_validation().explain_policy(request).await)?;
        if served.policy_version == policy.version() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "The server at {url} judges by another policy than {}: by version {}, the file is version {}.",
            path.display(),
            served.policy_version,
            policy.version()
        ))
        .advice(
            "Leave out --policy (and NOPIC_POLICY) to be judged by the server's, or start the server with this policy.",
        ))
    }

    /// Opens services in this process, on a folder that is held.
    async fn embedded(
        context: &Context,
        need: &[&str],
        purpose: Purpose,
        storage: Storage,
        lock: Arc<DataLock>,
    ) -> Result<Self, Failure> {
        let deployment = Deployment::new(storage, context.options.policy.as_deref(), context.clock.clone())?;
        let opening = Opening {
            parts: PARTS,
            deployment: &deployment,
            settings: Settings::of_command(PARTS)?,
            metrics: Metrics::default(),
            caller: Some(built_in_caller()),
        };
        let mut opened = opening.together(need, Process::Command).await?;
        if purpose == Purpose::Work {
            opened.recover().await;
            context.seal_at_end(opened.audits, Arc::clone(&lock));
        }
        let mut services = Self::in_this_process(opened.served.calls);
        services._lock = Some(lock);
        Ok(services)
    }

    /// Services of this process that are open already.
    pub(crate) fn in_this_process(services: Protected) -> Self {
        Self {
            channel: in_memory(services, "command-line"),
            caller: local_caller(),
            target: IN_THIS_PROCESS.to_owned(),
            is_remote: false,
            _lock: None,
        }
    }

    async fn remote(url: &str) -> Result<Self, Failure> {
        let identity = if url.starts_with("https://") {
            identity()?
        } else {
            None
        };
        let caller = match key()? {
            // Whoever shows a certificate says for whom it calls.
            _ if matches!(identity, Some(Identity::Certificate(_))) => local_caller(),
            Some(key) => {
                if !url.starts_with("https://") && !is_this_machine(url) {
                    return Err(Failure::new(format!(
                        "The API key is not sent to {url}: on the way everybody could read it."
                    ))
                    .advice("Use an address that begins with https://, or one of this machine."));
                }
                Caller::Key(key)
            }
            None => Caller::Nobody,
        };
        Ok(Self {
            channel: connect(url, identity.as_ref()).await?,
            caller,
            target: format!("the server at {url}"),
            is_remote: true,
            _lock: None,
        })
    }

    /// Whether they run on another machine, for all we know.
    pub(crate) fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// Whether they run in this process, and so for as long as the command.
    pub(crate) fn is_in_this_process(&self) -> bool {
        self.target == IN_THIS_PROCESS
    }

    /// Calls to the registry.
    pub(crate) fn registry(&self) -> RegistryServiceClient<Wire> {
        RegistryServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls to the certificates.
    pub(crate) fn certificates(&self) -> CertificateServiceClient<Wire> {
        CertificateServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls to the ledger of the certificates.
    pub(crate) fn ledger(&self) -> LedgerServiceClient<Wire> {
        LedgerServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls about a certificate's life, in the name of a certifier or an exporter.
    pub(crate) fn certificate_life(
        &self,
        acting: &Acting,
    ) -> Result<CertificateLifeServiceClient<Wire>, Failure> {
        let mut caller = self.caller.clone();
        if acting.is_given() {
            let Caller::Local(_, proof) = &self.caller else {
                return Err(Failure::new(
                    "A server takes who acts from the API key, not from the command line.",
                )
                .advice("Leave out --as-certifier and --as-exporter, and use a key of that person."));
            };
            caller = Caller::Local(AttachPrincipal::new(&acting.principal(&person())), proof.clone());
        }
        Ok(
            CertificateLifeServiceClient::with_interceptor(self.channel.clone(), caller)
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
        )
    }

    /// Calls to entry validation.
    pub(crate) fn entry_validation(&self) -> EntryValidationServiceClient<Wire> {
        EntryValidationServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls to the entries on record.
    pub(crate) fn records(&self) -> EntryRecordServiceClient<Wire> {
        EntryRecordServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls about who may come in.
    pub(crate) fn access(&self) -> AccessServiceClient<Wire> {
        AccessServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls about the audit logs.
    pub(crate) fn audit(&self) -> AuditServiceClient<Wire> {
        AuditServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls to the trails of entries.
    pub(crate) fn trails(&self) -> EntryTrailServiceClient<Wire> {
        EntryTrailServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// A call's status as a failure that a user understands.
    pub(crate) fn failure(&self, status: &Status) -> Failure {
        let mut target = self.target.clone();
        target[..1].make_ascii_uppercase();
        let target = if self.target == IN_THIS_PROCESS {
            &self.target
        } else {
            &target
        };
        // It is our own side that says so: what it says is of the connection, and no word of the server.
        if !self.is_in_this_process()
            && std::error::Error::source(status).is_some()
            && status.code() != Code::Unavailable
        {
            tracing::debug!(%status, "the connection ended");
            return Failure::new(format!("{target} stopped answering before the call was over.")).advice(
                "See that `nopic serve all` runs there, and run the command again: a file that is sent again is not \
                 recorded twice.",
            );
        }
        from_status(status, target)
    }

    /// The message of an answer, or the failure.
    pub(crate) fn answer<T>(&self, answer: Result<tonic::Response<T>, Status>) -> Result<T, Failure> {
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.failure(&status))
    }
}

/// Makes the data folder where there is none, and tries to take it.
pub(crate) fn take_folder(context: &Context) -> Result<Acquired, Failure> {
    let data = context.options.data();
    if !data.exists() {
        std::fs::create_dir_all(data).map_err(|error| Failure::writing(data, &error))?;
        context
            .terminal
            .note(&format!("made the data folder {}", data.display()));
    }
    lock::acquire(data).map_err(|error| Failure::writing(data, &error))
}

/// Another process works on the folder and cannot be asked.
pub(crate) fn busy(data: &Path, holder: &lock::Holder) -> Failure {
    Failure::new(format!(
        "{} is in use by process {}.",
        data.display(),
        number(holder)
    ))
    .advice("Wait until it has ended, or name another folder with --data.")
}

fn number(holder: &lock::Holder) -> String {
    holder
        .process
        .map_or_else(|| "of unknown number".to_owned(), |process| process.to_string())
}

/// The person at this machine, by the name that the system gives.
fn person() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "command line".to_owned())
}

fn local_caller() -> Caller {
    Caller::Local(by_person(), None)
}

fn by_person() -> AttachPrincipal {
    AttachPrincipal::new(&Principal::built_in(&person()))
}

impl lock::Holder {
    /// Shows the process that it is asked by whoever can read the folder.
    fn owner_proof(&self) -> Option<OwnerProof> {
        self.owner.as_ref()?.0.parse().ok().map(OwnerProof)
    }
}

async fn connect(url: &str, identity: Option<&Identity>) -> Result<Channel, Failure> {
    let wrong = || {
        Failure::new(format!("{url} is not the address of a server."))
            .advice("Give scheme, host and port, such as http://127.0.0.1:50051.")
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(wrong());
    }
    let endpoint = with_windows(Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?)
        .connect_timeout(std::time::Duration::from_secs(5))
        .tcp_nodelay(true)
        .user_agent(concat!("nopic/", env!("CARGO_PKG_VERSION")))
        .map_err(|_| wrong())?;
    let endpoint = match (url.starts_with("https://"), identity) {
        (false, _) => endpoint,
        (true, None) => {
            return Err(
                Failure::new(format!("{url}: this program does not know whose certificate to trust there.")).advice(
                    "Name the authority of the server's by NOPIC_CLIENT_AUTHORITY (on many systems the file \
                     /etc/ssl/certs/ca-certificates.crt), and where the server asks for a certificate, ours by \
                     NOPIC_CLIENT_CERTIFICATE and NOPIC_CLIENT_KEY.",
                ),
            );
        }
        (true, Some(identity)) => {
            let name = endpoint.uri().host().unwrap_or_default().to_owned();
            let tls = match identity {
                Identity::Certificate(files) => tls_of(files, &name).map_err(|error| error.to_string()),
                Identity::Authority(authority) => Ok(ClientTlsConfig::new()
                    .ca_certificate(Certificate::from_pem(authority))
                    .domain_name(name)),
            };
            tls.and_then(|tls| endpoint.tls_config(tls).map_err(|error| error.to_string()))
                .map_err(|error| Failure::new(format!("{url}: the certificates cannot be used: {error}.")))?
        }
    };
    endpoint.connect().await.map_err(|error| {
        tracing::debug!(error = &error as &dyn std::error::Error, "no connection");
        let innermost = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .last()
            .map(ToString::to_string)
            .unwrap_or_default();
        if innermost.contains("certificate") {
            return Failure::new(format!("The server at {url} does not show a certificate that fits: {innermost}."))
                .advice("Use the host name that stands in its certificate, and the authority that signed it.");
        }
        Failure::new(format!("The server at {url} cannot be reached.")).advice(
            "Check the address and that `nopic serve all` runs there, or leave out --endpoint to work on a folder of \
             your own.",
        )
    })
}

/// Whether an address is one of this machine, which nothing leaves.
fn is_this_machine(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_loopback_is_this_machine() {
        for url in [
            "http://127.0.0.1:50051",
            "http://localhost",
            "http://[::1]:1",
            "http://127.8.8.8",
        ] {
            assert!(is_this_machine(url), "{url}");
        }
        for url in [
            "http://127.0.0.1.example",
            "http://localhost.example:50051",
            "http://127.0.0.1@nopic.example",
            "http://10.0.0.1",
            "http://[::2]:1",
            "nowhere at all",
        ] {
            assert!(!is_this_machine(url), "{url}");
        }
    }

    #[tokio::test]
    async fn wrong_addresses_are_explained() {
        for url in ["127.0.0.1:50051", "ftp://x", "http://"] {
            let said = connect(url, None).await.unwrap_err().to_string();
            assert!(said.contains("such as http://"), "{said}");
        }
        let said = connect("https://nopic.example", None).await.unwrap_err();
        assert!(said.to_string().contains("NOPIC_CLIENT_CERTIFICATE"), "{said}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let said = connect(&url, None).await.unwrap_err().to_string();
        assert!(
            said.contains(&url) && said.contains("cannot be reached"),
            "{said}"
        );
    }
}
