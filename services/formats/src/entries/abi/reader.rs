//! Reads entries from ABI records.
//!
//! An entry is kept until the record that ends it, and given only if all of it could be read: a record that cannot
//! be read refuses its whole entry, from its `10` or `SE10` to the next, and nothing else.

use super::entry::{Application, Entry};
use super::record::{Fault, RECORD_LENGTH, Record, Tag};
use crate::entries::EntryEvent;
use crate::lines::{RawLine, without_carriage_return};

/// The state between two records.
#[derive(Debug, Default)]
pub(in crate::entries) struct AbiDecoder {
    /// What batch and block header say that the entries are; bare entries say it themselves.
    application: Option<Application>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Before the first entry, or behind a block trailer.
    #[default]
    Outside,
    /// Within an entry that was refused.
    Refused {
        application: Application,
        is_ended: bool,
    },
    /// Within an entry.
    Entry(Box<Entry>),
}

impl State {
    const fn refused(application: Application) -> Self {
        Self::Refused {
            application,
            is_ended: false,
        }
    }
}

impl AbiDecoder {
    pub(in crate::entries) fn line(&mut self, number: u64, line: RawLine<'_>, out: &mut Vec<EntryEvent>) {
        let bytes = match line {
            RawLine::Whole(bytes) => without_carriage_return(bytes),
            RawLine::TooLong { start, length } => {
                let fault = Fault::new(
                    RECORD_LENGTH + 1,
                    format!("the record has {length} bytes, and 80 are the most: shorten it"),
                );
                return self.bad_record(number, start, fault, out);
            }
        };
        // Files that were put one behind another have a Ctrl-Z between them.
        if bytes
            .iter()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | 0x1a))
        {
            return;
        }
        match Record::read(bytes) {
            Ok(record) => {
                if let Err(fault) = self.record(number, &record, out) {
                    self.bad_record(number, bytes, fault, out);
                }
            }
            Err(fault) => self.bad_record(number, bytes, fault, out),
        }
    }

    pub(in crate::entries) fn finish(&mut self, out: &mut Vec<EntryEvent>) {
        self.close(out);
    }

    /// What the records are that come next, as far as it is known.
    fn current(&self) -> Option<Application> {
        match &self.state {
            State::Outside => self.application,
            State::Refused { application, .. } => Some(*application),
            State::Entry(entry) => Some(entry.application),
        }
    }

    /// Which application's entry begins with this record, if one does.
    ///
    /// An `SE10` within an entry summary is one of those that a summary carries along, unless the headers say that
    /// releases follow; behind the totals of a summary it begins an entry of its own. A header that is wrong loses no
    /// entry.
    fn begins(&self, tag: Tag) -> Option<Application> {
        match tag {
            Tag::EntryHeader => Some(Application::Summary),
            Tag::ReleaseHeader => {
                let is_within_a_summary = match &self.state {
                    State::Outside => false,
                    State::Refused {
                        application,
                        is_ended,
                    } => *application == Application::Summary && !is_ended,
                    State::Entry(entry) => entry.application == Application::Summary && !entry.is_ended,
                };
                let is_carried = is_within_a_summary && self.application != Some(Application::Release);
                (!is_carried).then_some(Application::Release)
            }
            _ => None,
        }
    }

    fn record(&mut self, number: u64, record: &Record, out: &mut Vec<EntryEvent>) -> Result<(), Fault> {
        let tag = record.tag;
        if let Some(application) = self.begins(tag) {
            self.close(out);
            record.check_fields()?;
            self.state = State::Entry(Box::new(Entry::read(number, record, application)?));
            return Ok(());
        }
        let current = self.current();
        if current == Some(Application::Summary) && tag.is_of_release() {
            return Ok(());
        }
        record.check_fields()?;
        if tag.is_envelope() {
            self.close(out);
            self.set_application(record);
            return Ok(());
        }
        match &mut self.state {
            State::Entry(entry) => entry.add(number, record),
            State::Refused { is_ended, .. } => {
                *is_ended |= tag == Tag::Totals;
                Ok(())
            }
            State::Outside => outside(tag, current),
        }
    }

    fn set_application(&mut self, record: &Record) {
        match record.tag {
            Tag::BatchHeader => self.application = Application::of(record.text(26, 27)),
            Tag::BlockHeader => {
                self.application = Application::of(record.text(11, 12)).or(self.application);
            }
            Tag::BatchTrailer => self.application = None,
            _ => {}
        }
    }

    /// Gives the entry that ends here.
    fn close(&mut self, out: &mut Vec<EntryEvent>) {
        if let State::Entry(entry) = std::mem::take(&mut self.state) {
            entry.give(out);
        }
    }

    /// Refuses what a record that cannot be read belongs to.
    fn bad_record(&mut self, number: u64, bytes: &[u8], fault: Fault, out: &mut Vec<EntryEvent>) {
        let tag = Tag::of(bytes);
        let begins = tag.and_then(|tag| self.begins(tag));
        let application = begins.or(self.current()).unwrap_or(match tag {
            Some(tag) if tag.is_of_release() => Application::Release,
            _ => Application::Summary,
        });
        let mut refuse = |entry, fault: Fault| {
            out.push(EntryEvent::Reject(fault.into_reject(number, entry, application)));
        };
        if let Some(application) = begins {
            self.close(out);
            let entry = application.entry_number(bytes);
            out.push(EntryEvent::Reject(fault.into_reject(number, entry, application)));
            self.state = State::refused(application);
        } else if tag.is_some_and(Tag::is_envelope) {
            self.close(out);
            out.push(EntryEvent::Reject(fault.into_reject(number, None, application)));
        } else {
            match std::mem::take(&mut self.state) {
                State::Entry(entry) => {
                    refuse(Some(entry.number), fault);
                    self.state = State::refused(application);
                }
                // Reported once, with its first bad record.
                refused @ State::Refused { .. } => self.state = refused,
                State::Outside => {
                    refuse(None, fault);
                    // Junk alone leaves what follows as it is; a record of an entry without its header takes those
                    // that belong to it along.
                    if tag.is_some() {
                        self.state = State::Refused {
                            application,
                            // Whichever header comes next begins an entry.
                            is_ended: true,
                        };
                    }
                }
            }
        }
    }
}

/// What becomes of a record that stands in no entry.
fn outside(tag: Tag, application: Option<Application>) -> Result<(), Fault> {
    let fault = |header: &str| {
        Err(Fault::new(
            1,
            format!("out of order: no {header} record stands above it; begin the entry with its {header}"),
        ))
    };
    match tag {
        Tag::ReleaseLine | Tag::ReleaseTariff => fault("SE10"),
        tag if tag.is_of_summary() && application == Some(Application::Release) => fault("SE10"),
        Tag::LineItem | Tag::Tariff => fault("10"),
        tag if tag.is_pga() => fault(application.unwrap_or(Application::Summary).header()),
        _ => Ok(()),
    }
}
