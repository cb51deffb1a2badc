//! Letters as files, until a server for mail is configured.

use std::path::Path;

use crate::channels::{MessageId, Outcome};

/// Writes a letter. One that is tried again takes the place of the first, and nobody sees half of one.
pub(super) async fn keep(folder: &Path, id: &MessageId, letter: &[u8]) -> Outcome {
    let path = folder.join(format!("{id}.eml"));
    let new = folder.join(format!(".{id}.eml.new"));
    let written = async {
        tokio::fs::create_dir_all(folder).await?;
        tokio::fs::write(&new, letter).await?;
        tokio::fs::rename(&new, &path).await
    };
    match written.await {
        Ok(()) => Outcome::Delivered,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                path = %path.display(),
                "a letter was not written"
            );
            Outcome::ours("The letter could not be written into the folder for mail.")
        }
    }
}
