//! The room in memory for documents, over all that are read at a time: each has lines under way that are read, judged and
//! answered, and a workbook is kept whole beside.

use std::sync::LazyLock;

use nopic_chassis::messages::{Held, Pool};
use nopic_formats::entries::Form;
use tonic::Status;

/// Kilobytes of all, and of one tenant, which has room for the largest workbook.
const ALL: usize = 192 << 10;
const OF_A_TENANT: usize = 96 << 10;
/// Bytes of the lines of a document that are under way, and of their verdicts.
const UNDER_WAY: usize = 10 << 20;

static DOCUMENTS: LazyLock<Pool> = LazyLock::new(|| Pool::new(ALL, OF_A_TENANT));

/// Room for one more document of this tenant, until it is answered; waits for its turn.
pub(super) async fn document(tenant: &str) -> Result<Held, Status> {
    DOCUMENTS.turn(tenant, UNDER_WAY).await
}

/// What is kept of one file while it is read.
pub(super) struct Kept {
    tenant: String,
    bytes: usize,
    held: Option<Held>,
}

impl Kept {
    /// Nothing yet, for this tenant.
    pub(super) fn of(tenant: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            bytes: 0,
            held: None,
        }
    }

    /// So many bytes more, of a file of this form as far as it is known.
    pub(super) fn count(&mut self, form: Option<Form>, bytes: usize) -> Result<(), Status> {
        self.bytes += bytes;
        match form {
            Some(Form::Xlsx) => DOCUMENTS.grow(&self.tenant, &mut self.held, self.bytes),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn documents_are_counted_over_all_that_are_read() {
        let place = document("a").await.unwrap();
        let mut workbook = Kept::of("a");
        let mut text = Kept::of("a");
        for _ in 0..64 {
            workbook.count(Some(Form::Xlsx), 1 << 20).unwrap();
            text.count(Some(Form::Csv), 1 << 20).unwrap();
        }
        let others = (document("a").await.unwrap(), document("a").await.unwrap());
        // No fourth one beside the workbook, and no second workbook; another tenant is not concerned.
        assert_eq!(document("a").await.unwrap_err().code(), Code::ResourceExhausted);
        let refused = Kept::of("a").count(Some(Form::Xlsx), 20 << 20);
        assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
        assert!(document("b").await.is_ok());
        drop((place, workbook, others));
        assert!(document("a").await.is_ok());
    }
}
