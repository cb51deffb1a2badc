//! Questions to other services.

use std::time::Duration;

use tonic::Status;

/// How long an answer is waited for.
const LONGEST: Duration = Duration::from_secs(30);

/// The answer, if it comes in time: a service that hangs keeps nothing else waiting for ever.
///
/// # Errors
/// What it said instead; `DEADLINE_EXCEEDED` where it said nothing.
pub(crate) async fn in_time<T>(asked: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(LONGEST, asked).await.unwrap_or_else(|_| {
        Err(Status::deadline_exceeded(format!(
            "no answer within {} s",
            LONGEST.as_secs()
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_never_answers_is_given_up() {
        let never = in_time(std::future::pending::<Result<(), Status>>()).await;
        assert_eq!(never.unwrap_err().code(), tonic::Code::DeadlineExceeded);
        assert_eq!(in_time(std::future::ready(Ok(7))).await.unwrap(), 7);
    }
}
