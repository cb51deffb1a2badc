//! Where receivers are.

/// Where a receiver is: a host of its own, as receivers are.
pub(crate) fn url(receiver: usize, port: u16) -> String {
    format!(
        "http://127.1.{}.{}:{port}/r/{receiver}",
        receiver / 250,
        receiver % 250 + 1
    )
}
