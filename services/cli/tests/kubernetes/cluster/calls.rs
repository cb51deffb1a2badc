//! Calls of every service through the gateways, one after the other, by callers who leave the machine to the servers now
//! and then.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nopic_chassis::balance::Balancer;
use nopic_proto::access::WhoAmIRequest;
use nopic_proto::access::access_service_client::AccessServiceClient;
use nopic_proto::certificate::ListCertificatesRequest;
use nopic_proto::certificate::certificate_service_client::CertificateServiceClient;
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::{EntryLine, FileEntriesRequest, ValidateEntriesRequest};
use nopic_proto::notification::ListNoticesRequest;
use nopic_proto::notification::notification_service_client::NotificationServiceClient;
use nopic_proto::registry::SearchOperationsRequest;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::{Request, Status};

use crate::support::{Place, lines_of_sample};

/// Callers leave the machine to the servers.
const BETWEEN: Duration = Duration::from_millis(20);
/// Entries of the sample are to last.
const BETWEEN_FILINGS: Duration = Duration::from_millis(100);
/// How long a caller waits for an answer: what a client allows by default.
const PATIENCE: Duration = Duration::from_secs(30);
/// Callers of each kind of call.
const CALLERS: usize = 2;

/// What is asked: of each service something, and of entry validation what changes nothing and what is for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    Gateway,
    Registry,
    Certificate,
    Validation,
    Filing,
    Notification,
}

impl Asked {
    pub(crate) const ALL: [Self; 6] = [
        Self::Gateway,
        Self::Registry,
        Self::Certificate,
        Self::Validation,
        Self::Filing,
        Self::Notification,
    ];
}

/// The entries that are filed, each once.
struct Entries {
    all: Vec<Vec<EntryLine>>,
    next: AtomicUsize,
}

impl Entries {
    /// Those behind the first so many.
    fn of(place: &Place, first: usize) -> Self {
        let mut all: Vec<Vec<EntryLine>> = Vec::new();
        for line in lines_of_sample(place) {
            match all.last_mut() {
                Some(lines) if lines[0].entry_number == line.entry_number => lines.push(line),
                _ => all.push(vec![line]),
            }
        }
        Self {
            all,
            next: AtomicUsize::new(first),
        }
    }

    fn next(&self) -> (String, Vec<EntryLine>) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let lines = self.all.get(turn).expect("the sample is long enough");
        (format!("filing-{turn}"), lines.clone())
    }
}

/// How often what was answered, and why not.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: BTreeMap<Asked, usize>,
    pub(crate) failed: Vec<(Asked, String)>,
}

impl Tally {
    pub(crate) fn least(&self) -> usize {
        let of = |asked| self.answered.get(asked).copied().unwrap_or_default();
        Asked::ALL.iter().map(of).min().unwrap_or_default()
    }
}

/// Callers who ask until they are told to end.
pub(crate) struct Calls {
    tally: Arc<Mutex<Tally>>,
    is_over: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

impl Calls {
    /// Of every kind, by lines of the sample; entries are filed behind the first so many.
    pub(crate) fn begin(balancer: &Balancer, place: &Place, first: usize) -> Self {
        let tally = Arc::<Mutex<Tally>>::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let entries = Arc::new(Entries::of(place, first));
        let mut callers = JoinSet::new();
        for asked in Asked::ALL.into_iter().flat_map(|asked| [asked; CALLERS]) {
            let (tally, is_over) = (Arc::clone(&tally), Arc::clone(&is_over));
            let (entries, balancer) = (Arc::clone(&entries), balancer.clone());
            callers.spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    let answered = ask(balancer.clone(), asked, &entries).await;
                    {
                        let mut tally = tally.lock().unwrap();
                        match answered {
                            Ok(()) => *tally.answered.entry(asked).or_default() += 1,
                            Err(status) => {
                                let why = format!("{:?}: {}", status.code(), status.message());
                                tally.failed.push((asked, why));
                            }
                        }
                    }
                    sleep(if asked == Asked::Filing {
                        BETWEEN_FILINGS
                    } else {
                        BETWEEN
                    })
                    .await;
                }
            });
        }
        Self {
            tally,
            is_over,
            callers,
        }
    }

    /// Calls that were answered so far, of the kind that was least.
    pub(crate) fn least(&self) -> usize {
        self.tally.lock().unwrap().least()
    }

    /// Lets every call end.
    pub(crate) async fn end(self) -> Tally {
        self.is_over.store(true, Ordering::SeqCst);
        self.callers.join_all().await;
        std::mem::take(&mut *self.tally.lock().unwrap())
    }
}

fn request<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

async fn ask(balancer: Balancer, asked: Asked, entries: &Entries) -> Result<(), Status> {
    match asked {
        Asked::Gateway => {
            let message = request(WhoAmIRequest {});
            AccessServiceClient::new(balancer).who_am_i(message).await?;
        }
        Asked::Registry => {
            let message = request(SearchOperationsRequest {
                page_size: 5,
                ..SearchOperationsRequest::default()
            });
            RegistryServiceClient::new(balancer)
                .search_operations(message)
                .await?;
        }
        Asked::Certificate => {
            let message = request(ListCertificatesRequest {
                page_size: 5,
                ..ListCertificatesRequest::default()
            });
            CertificateServiceClient::new(balancer)
                .list_certificates(message)
                .await?;
        }
        Asked::Validation => {
            let message = request(ValidateEntriesRequest {
                lines: entries.all[0].clone(),
                freshness: None,
                finding_detail: 0,
            });
            EntryValidationServiceClient::new(balancer)
                .validate_entries(message)
                .await?;
        }
        Asked::Filing => {
            let (request_id, lines) = entries.next();
            let message = request(FileEntriesRequest {
                request_id,
                lines,
                ..FileEntriesRequest::default()
            });
            EntryRecordServiceClient::new(balancer)
                .file_entries(message)
                .await?;
        }
        Asked::Notification => {
            let message = request(ListNoticesRequest {
                page_size: 5,
                ..ListNoticesRequest::default()
            });
            NotificationServiceClient::new(balancer)
                .list_notices(message)
                .await?;
        }
    }
    Ok(())
}
