//! What goes wrong with one importer keeps nothing from the others.

use super::IntakeError;

/// What was passed over.
#[derive(Debug, Default)]
pub(super) struct Troubles(Option<IntakeError>);

impl Troubles {
    /// Passes over what concerns one importer alone.
    ///
    /// # Errors
    /// A store that cannot be reached concerns all.
    pub(super) fn pass_over(
        &mut self,
        (tenant, importer): (&str, &str),
        error: IntakeError,
    ) -> Result<(), IntakeError> {
        if matches!(&error, IntakeError::Store(error) if error.is_transient()) {
            return Err(error);
        }
        tracing::error!(
            tenant,
            importer,
            error = &error as &dyn std::error::Error,
            "the cases of an importer are passed over"
        );
        self.0.get_or_insert(error);
        Ok(())
    }

    /// Fails with the first that was passed over.
    pub(super) fn end(self) -> Result<(), IntakeError> {
        self.0.map_or(Ok(()), Err)
    }
}
