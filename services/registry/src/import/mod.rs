//! Importing a snapshot: whole or not at all.
//!
//! ```text
//! upload → spool → reader (thread) → packer (thread) → blocks → database, in one transaction
//!                                                    ↓ at the end: what it says about each operation
//!                              place it among the snapshots → check → observations → commit → serve
//! ```
//!
//! Until the commit readers see the old content only; an import that is given up at any point leaves nothing.

mod check;
mod finish;
mod pack;
mod place;
mod plan;
mod spool;

use std::sync::Arc;

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_formats::oid::{
    OidEvent, OidForm, OidProblem, OidReject, OidSource, OidSummary, Stopped, date_from_file_name, detect,
    read,
};
use tokio::sync::{OwnedMutexGuard, mpsc};

use crate::current::Core;
use crate::error::Error;
use crate::store::{SnapshotRow, Who, Writing};
use check::MaxRejects;
use pack::{Gone, Known, Packed, Packer};
use spool::{Spool, Spooled};

pub(crate) use finish::{Change, Next, Outcome, commit};
pub(crate) use spool::remove_leftovers;

/// Events that go from the reader to the packer at once.
const BATCH: usize = 128;
/// Batches, and blocks, under way before the faster side waits.
const UNDER_WAY: usize = 4;

/// What the caller says about the content.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) published_on: Option<Date>,
    /// `None`: not said.
    pub(crate) is_full: Option<bool>,
    /// As text; empty: 1.
    pub(crate) max_rejects_percent: String,
    pub(crate) source_url: String,
    pub(crate) entity_tag: String,
    pub(crate) last_modified: String,
    pub(crate) imported_by: Who,
}

/// What an import tells on the way.
#[derive(Debug)]
pub(crate) enum Event {
    Progress {
        rows: u32,
        items: u32,
    },
    Reject {
        file: String,
        reject: Box<OidReject>,
    },
    Duplicate {
        nop_id: NopId,
        lost_record: u32,
        won_record: u32,
    },
}

/// How an import ended.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) outcome: Outcome,
    pub(crate) snapshot: SnapshotRow,
    pub(crate) held_because: Vec<String>,
    pub(crate) added: u32,
    pub(crate) changed: u32,
    pub(crate) unlisted: u32,
    pub(crate) duplicates: u32,
}

/// The place that only one import has; freed when its last holder is dropped.
pub(crate) type Place = Arc<OwnedMutexGuard<()>>;

/// The refusal of a change while another process has one under way.
pub(crate) const IMPORT_ELSEWHERE: &str =
    "an import is running on another server of this registry: wait until it has ended";

/// An import under way.
#[derive(Debug)]
pub(crate) struct Import {
    core: Arc<Core>,
    options: Options,
    max_rejects: MaxRejects,
    spool: Spool,
    writing: Box<dyn Writing>,
    place: Place,
}

impl Import {
    /// Begins an import; refused while another one runs or a snapshot is held.
    pub(crate) async fn begin(core: &Arc<Core>, options: Options) -> Result<Self, Error> {
        let max_rejects = MaxRejects::parse(&options.max_rejects_percent).ok_or_else(|| {
            Error::Invalid(format!(
                "{:?} is no share of refused rows: write percent from 0 to 100, such as 1 or 0.5",
                options.max_rejects_percent
            ))
        })?;
        let place = Arc::clone(&core.changing)
            .try_lock_owned()
            .map(Place::new)
            .map_err(|_| Error::NotNow("another import is running: wait until it has ended".to_owned()))?;
        // From here on nobody else changes the snapshots, so what is known now stays so.
        let writing = core
            .store
            .begin()
            .await?
            .ok_or_else(|| Error::NotNow(IMPORT_ELSEWHERE.to_owned()))?;
        core.refresh().await?;
        if let Some(held) = core.current.load().held() {
            return Err(Error::NotNow(format!(
                "the snapshot published {} is held: look at it, then release it (`nopic registry release`) or throw \
                 it away (`nopic registry discard`)",
                held.published_on
            )));
        }
        let spool = Spool::new(&core.config.spool, Arc::clone(&place))?;
        Ok(Self {
            core: Arc::clone(core),
            options,
            max_rejects,
            spool,
            writing,
            place,
        })
    }

    /// Begins the next file of the content.
    pub(crate) async fn file(&mut self, name: String) -> Result<(), Error> {
        self.spool.start(name).await
    }

    /// Takes bytes of the file last begun.
    pub(crate) async fn chunk(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.spool.write(bytes).await
    }

    /// Reads what came and makes it the next revision. Dropped before it ends, it leaves nothing.
    pub(crate) async fn run(self, events: mpsc::Sender<Event>) -> Result<Imported, Error> {
        let spooled = Arc::new(self.spool.finish().await?);
        let form = {
            let spooled = Arc::clone(&spooled);
            tokio::task::spawn_blocking(move || form_of(&spooled)).await??
        };
        let is_full = completeness(form, self.options.is_full)?;
        let names: Vec<String> = spooled.files.iter().map(|file| file.name.clone()).collect();
        let source = {
            let spooled = Arc::clone(&spooled);
            move |sink: &mut dyn FnMut(OidEvent) -> Result<(), Stopped>| {
                let mut sink = |event| sink(event);
                read(OidSource::from_paths(spooled.paths()), &mut sink)
                    .map_err(|error| named(error, &spooled))
            }
        };
        let run = Run {
            core: self.core,
            options: self.options,
            max_rejects: self.max_rejects,
            form,
            is_full,
            names,
            events,
            place: self.place,
        };
        run.import(self.writing, source).await
    }
}

/// The form of an upload. Several files must all be JSON pages.
fn form_of(spooled: &Spooled) -> Result<OidForm, Error> {
    let mut form = OidForm::Json;
    for file in &spooled.files {
        form = detect(file.path()).map_err(|error| named(error, spooled))?;
        if spooled.files.len() > 1 && form != OidForm::Json {
            return Err(Error::Content(format!(
                "{}: {}",
                file.name,
                OidProblem::MixedForms { found: form.as_str() }
            )));
        }
    }
    Ok(form)
}

/// Errors name the file as the caller named it, not our copy.
fn named(mut error: nopic_formats::oid::OidError, spooled: &Spooled) -> Error {
    if let Some(file) = spooled
        .files
        .iter()
        .find(|file| file.path().display().to_string() == error.file)
    {
        error.file.clone_from(&file.name);
    }
    Error::File(error)
}

fn completeness(form: OidForm, stated: Option<bool>) -> Result<bool, Error> {
    match (form.is_always_full(), stated) {
        (true, Some(false)) => Err(Error::Invalid(format!(
            "{} always holds every operation and cannot be imported as partial",
            form.as_str()
        ))),
        (true, _) | (false, Some(true)) => Ok(true),
        (false, Some(false)) => Ok(false),
        (false, None) => Err(Error::Invalid(
            "a file of JSON pages does not say whether it holds every operation: import it as full (`--full`: what it \
             leaves out becomes unlisted) or as partial (`--partial`: updates only, nothing becomes unlisted)"
                .to_owned(),
        )),
    }
}

/// What is known once the files are there.
pub(crate) struct Run {
    pub(crate) core: Arc<Core>,
    pub(crate) options: Options,
    max_rejects: MaxRejects,
    form: OidForm,
    is_full: bool,
    names: Vec<String>,
    events: mpsc::Sender<Event>,
    place: Place,
}

/// Everything that was read, before it is decided what becomes of it.
pub(crate) struct Content {
    packer: Packer,
    summary: OidSummary,
    revision: u32,
    writing: Box<dyn Writing>,
}

impl Run {
    async fn import<S>(self, mut writing: Box<dyn Writing>, source: S) -> Result<Imported, Error>
    where
        S: FnOnce(&mut dyn FnMut(OidEvent) -> Result<(), Stopped>) -> Result<OidSummary, Error>
            + Send
            + 'static,
    {
        let current = self.core.current.load_full();
        let revision = current.revision + 1;
        let store = &self.core.store;
        let known = Known {
            operations: store.latest(&current.order, current.revision).await?,
            items: store.item_lists(&current.order).await?,
        };
        let first_block = store.next_block().await?;

        let (batches, mut to_pack) = mpsc::channel::<Vec<OidEvent>>(UNDER_WAY);
        let reader = tokio::task::spawn_blocking(move || read_all(source, &batches));
        let (packed, mut to_write) = mpsc::channel::<Packed>(UNDER_WAY);
        let packer = tokio::task::spawn_blocking(move || {
            let mut packer = Packer::new(known, first_block);
            let mut out = |what| packed.blocking_send(what).map_err(|_| Gone);
            while let Some(batch) = to_pack.blocking_recv() {
                for event in batch {
                    packer.event(event, &mut out)?;
                }
            }
            packer.finish(&mut out)?;
            Ok::<_, Gone>(packer)
        });
        while let Some(packed) = to_write.recv().await {
            match packed {
                Packed::Block(block) => writing.block(revision, block).await?,
                Packed::Progress { rows, items } => self.tell(Event::Progress { rows, items }).await?,
                Packed::Duplicate {
                    nop_id,
                    lost_record,
                    won_record,
                } => {
                    self.tell(Event::Duplicate {
                        nop_id,
                        lost_record,
                        won_record,
                    })
                    .await?;
                }
                Packed::Reject(reject) => {
                    let file = self.names.get(reject.part as usize).cloned().unwrap_or_default();
                    self.tell(Event::Reject { file, reject }).await?;
                }
            }
        }
        let summary = reader.await??;
        let packer = packer.await?.map_err(|Gone| Error::Closing)?;
        finish::finish(
            self,
            Content {
                packer,
                summary,
                revision,
                writing,
            },
        )
        .await
    }

    /// A caller that has gone away ends the import.
    async fn tell(&self, event: Event) -> Result<(), Error> {
        self.events.send(event).await.map_err(|_| Error::Closing)
    }

    /// The publication date: as stated, else of the content, else of a file's name.
    fn published_on(&self, latest_in_content: Option<Date>) -> Result<Date, Error> {
        self.options
            .published_on
            .or(latest_in_content)
            .or_else(|| self.names.iter().filter_map(|name| date_from_file_name(name)).max())
            .ok_or_else(|| {
                Error::Invalid(
                    "the publication date is unknown: no row has a Pub_Date and no file's name has a date; state it \
                     (`--published YYYY-MM-DD`)"
                        .to_owned(),
                )
            })
    }
}

/// Sends the events of a source in batches.
fn read_all<S>(source: S, batches: &mpsc::Sender<Vec<OidEvent>>) -> Result<OidSummary, Error>
where
    S: FnOnce(&mut dyn FnMut(OidEvent) -> Result<(), Stopped>) -> Result<OidSummary, Error>,
{
    let mut batch = Vec::with_capacity(BATCH);
    let gone = || Stopped::from("the import was given up");
    let summary = source(&mut |event| {
        batch.push(event);
        if batch.len() >= BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            batches.blocking_send(full).map_err(|_| gone())?;
        }
        Ok(())
    })?;
    // The packer has gone only if the import was given up, which ends elsewhere.
    let _ = batches.blocking_send(batch);
    Ok(summary)
}

#[cfg(test)]
mod model_tests;
