//! Ids of messages.

/// One that no other message has: `msg_` and 32 hexadecimal digits.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn message_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("msg_{}", hex::encode(bytes)))
}
