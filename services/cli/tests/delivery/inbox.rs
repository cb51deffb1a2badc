//! What came to receivers, and what each of them answers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::plan::{Failing, Manner, Plan};
use crate::source::notice_of;
use crate::tenants::tenant;

/// What came of one notice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Came {
    /// Under which it came first.
    pub(crate) message_id: String,
    /// Posts that were answered well.
    pub(crate) taken: usize,
    /// Posts at all.
    pub(crate) posts: usize,
}

/// What a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Taken,
    Status(u16),
    /// As of a receiver that fails.
    Fails(Failing),
}

/// What came to all receivers.
pub(crate) struct Inbox {
    manners: Vec<Manner>,
    /// The receiver of each notice.
    pub(crate) of_notice: Vec<usize>,
    came: Mutex<Vec<Came>>,
    /// Posts to each receiver that were answered.
    answered: Vec<AtomicUsize>,
    /// What should not have come.
    wrong: Mutex<Vec<String>>,
}

impl Inbox {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            manners: plan.manners.clone(),
            of_notice: plan.of_notice.clone(),
            came: Mutex::new(vec![Came::default(); plan.notices]),
            answered: plan.manners.iter().map(|_| AtomicUsize::new(0)).collect(),
            wrong: Mutex::default(),
        }
    }

    pub(crate) fn manner(&self, receiver: usize) -> Manner {
        self.manners[receiver]
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    /// Notes a post to a receiver; which notice it told, and what is answered.
    pub(crate) fn post(&self, receiver: usize, message_id: &str, body: &[u8]) -> (usize, Answer) {
        let event: serde_json::Value = serde_json::from_slice(body).unwrap();
        let told = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let notice = notice_of(&told("subject"));
        let mut wrong = Vec::new();
        if self.of_notice[notice] != receiver || !told("source").ends_with(&tenant(receiver)) {
            wrong.push(format!("notice {notice} came to receiver {receiver}"));
        }
        if told("id") != message_id || event["data"]["subject"] != event["subject"] {
            wrong.push(format!("notice {notice} came with two names"));
        }
        let mut came = self.came.lock().unwrap();
        let came = &mut came[notice];
        came.posts += 1;
        if came.message_id.is_empty() {
            message_id.clone_into(&mut came.message_id);
        } else if came.message_id != message_id {
            wrong.push(format!(
                "notice {notice} came as {} and as {message_id}",
                came.message_id
            ));
        }
        self.wrong.lock().unwrap().append(&mut wrong);
        let before = self.answered[receiver].fetch_add(1, Ordering::Relaxed);
        let answer = match self.manners[receiver] {
            Manner::Fails(failing, times) if before < times => Answer::Fails(failing),
            Manner::Refuses if Plan::is_refused(notice) => Answer::Status(400),
            Manner::Leaves(after) if before >= after => Answer::Status(410),
            Manner::Steady | Manner::Fails(..) | Manner::Refuses | Manner::Leaves(_) => Answer::Taken,
        };
        (notice, answer)
    }

    /// Notes that a notice is about to be answered well.
    pub(crate) fn taken(&self, notice: usize) {
        self.came.lock().unwrap()[notice].taken += 1;
    }

    /// Identifiers under which more than one notice came.
    pub(crate) fn shared_ids(&self) -> Vec<String> {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for came in self.came().into_iter().filter(|came| came.posts > 0) {
            *count.entry(came.message_id).or_default() += 1;
        }
        count.retain(|_, count| *count > 1);
        count.into_keys().collect()
    }
}
