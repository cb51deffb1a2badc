//! Where a command's calls go: to a running server, or to the same services opened in this process.

mod caller;
mod heard;
mod key;
mod way;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use nopic_chassis::metrics::Metrics;
use nopic_chassis::part::Process;
use nopic_chassis::roles::Protected;
use nopic_chassis::transport::{MAX_MESSAGE_BYTES, in_memory};
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
use nopic_proto::events::event_service_client::EventServiceClient;
use nopic_proto::notification::case_service_client::CaseServiceClient;
use nopic_proto::notification::notification_service_client::NotificationServiceClient;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};

use self::caller::{Caller, OwnerProof};
use self::key::key;
use self::way::{Way, is_this_machine};
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
    /// It asks who calls, and leaves everything as it is: also that there is no folder.
    Ask,
    /// It verifies the audit logs, and leaves everything as it is.
    Verify,
}

/// A channel that says who calls.
pub(crate) type Wire = InterceptedService<Channel, Caller>;

impl Context {
    /// The services that a command needs: those of a running server, or opened here.
    pub(crate) async fn connect(&self, need: &[&str]) -> Result<Services, Failure> {
        Services::connect(self, need, Purpose::Work).await
    }

    /// The services that tell who calls.
    pub(crate) async fn connect_to_ask(&self) -> Result<Services, Failure> {
        Services::connect(self, need::ACCESS, Purpose::Ask).await
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
    /// The way to those of a server; absent: they are in this process.
    way: Option<Way>,
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
        let key = key()?;
        if !data.exists() {
            if key.is_some() {
                return Err(nobody_knows_the_key(data));
            }
            if purpose == Purpose::Ask {
                return Err(Failure::new(format!(
                    "No server is named, and there is no data folder {}.",
                    data.display()
                ))
                .advice("Name the server to ask by --endpoint, or a folder by --data."));
            }
        }
        match take_folder(context)? {
            Acquired::Held(_) if key.is_some() => Err(nobody_knows_the_key(data)),
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
                let services = if url.starts_with("https://") || key.is_some() {
                    // It knows its callers, on this machine, too.
                    Self::remote(url).await?
                } else {
                    let (channel, way) = Way::to(url, None).await?;
                    Self::by_way(way, channel, Caller::local(OwnerProof::of(&holder)), url)
                };
                let services = Self {
                    is_remote: false,
                    ..services
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
            caller: Caller::local(None),
            target: IN_THIS_PROCESS.to_owned(),
            way: None,
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
            // It decides, whatever else is shown.
            Some(key) => {
                if !url.starts_with("https://") && !is_this_machine(url) {
                    return Err(Failure::new(format!(
                        "The API key is not sent to {url}: on the way everybody could read it."
                    ))
                    .advice("Use an address that begins with https://, or one of this machine."));
                }
                Caller::Key(key)
            }
            // Whoever shows a certificate says for whom it calls.
            None if matches!(identity, Some(Identity::Certificate(_))) => Caller::local(None),
            None => Caller::Nobody,
        };
        let (channel, way) = Way::to(url, identity.as_ref()).await?;
        Ok(Self::by_way(way, channel, caller, url))
    }

    fn by_way(way: Way, channel: Channel, caller: Caller, url: &str) -> Self {
        Self {
            channel,
            caller,
            target: format!("the server at {url}"),
            way: Some(way),
            is_remote: true,
            _lock: None,
        }
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
        let caller = self.caller.acting(acting)?;
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

    /// Calls to what happened.
    pub(crate) fn events(&self) -> EventServiceClient<Wire> {
        EventServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls to who is told what.
    pub(crate) fn notification(&self) -> NotificationServiceClient<Wire> {
        NotificationServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls to the cases of enforcement.
    pub(crate) fn cases(&self) -> CaseServiceClient<Wire> {
        CaseServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
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
        // Where our own side says so, it speaks of the connection, and it is no word of the server.
        if let (Some(way), Some(_)) = (&self.way, status.source()) {
            tracing::debug!(%status, "the connection ended");
            return way.explain().unwrap_or_else(|| way.ended(status.code()));
        }
        if status.code() == Code::Unauthenticated && matches!(self.caller, Caller::Key(_)) {
            return key::refused(target, status);
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

/// Nobody is asked who could say whose key is in hand, and without it the command would act as the folder's owner.
fn nobody_knows_the_key(data: &Path) -> Failure {
    Failure::new(format!(
        "An API key is in hand, but no server is asked: whose it is is not known on the folder {} alone.",
        data.display()
    ))
    .advice(
        "Name the server by --endpoint; or unset NOPIC_API_KEY and NOPIC_API_KEY_FILE to work on the folder as its \
         owner, an operator of the tenant default.",
    )
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
