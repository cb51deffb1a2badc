//! What happened, as services keep it until it is told: by a word, and as the event that holds nothing else.

use prost::Message as _;

use crate::events::Event;
use crate::events::event::What;

impl What {
    /// By which word it is kept: the name of its field in `Event`.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::EntryRecorded(_) => "entry_recorded",
            Self::EmergencyActionNoticeRecorded(_) => "emergency_action_notice_recorded",
            Self::FlagsChanged(_) => "flags_changed",
            Self::CertificateStepTaken(_) => "certificate_step_taken",
            Self::CertificateRunningOut(_) => "certificate_running_out",
            Self::RevisionPublished(_) => "revision_published",
            Self::OperationStatusChanged(_) => "operation_status_changed",
            Self::SnapshotHeld(_) => "snapshot_held",
        }
    }

    /// As it is kept. Who tells it, of whom, where and when is added when it is told.
    #[must_use]
    pub fn into_content(self) -> Vec<u8> {
        let event = Event {
            what: Some(self),
            ..Event::default()
        };
        event.encode_to_vec()
    }
}
