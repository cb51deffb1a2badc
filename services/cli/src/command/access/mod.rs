//! Who may come in at a server: tenants, their people and jobs, and the keys of those.

pub(crate) mod key;
pub(crate) mod person;
pub(crate) mod tenant;
pub(crate) mod whoami;

use crate::failure::Failure;

/// Rows asked for at once.
const PAGE: u32 = 1_000;

/// Naming a change, so that it is not made twice
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Naming {
    /// Name of the change: with the same name it is made once [default: a new one]
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    request_id: Option<String>,
}

impl Naming {
    /// The name that was given, or one that nothing has yet: what was undone may be done again.
    pub(crate) fn id(&self) -> Result<String, Failure> {
        if let Some(id) = &self.request_id {
            return Ok(id.clone());
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::new(format!("The system has no randomness: {error}.")))?;
        Ok(format!("command-{}", hex::encode(bytes)))
    }
}
