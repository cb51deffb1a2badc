//! HTTP/2 windows of clients and servers alike: room for a few batches, so that the reader paces the writer.

use tonic::transport::Endpoint;

/// Bytes under way on a stream.
pub(crate) const STREAM: u32 = 2 << 20;
/// Bytes under way on a connection.
pub(crate) const CONNECTION: u32 = 8 << 20;

/// The windows of every client: as the servers', so that answers flow while the next are decoded.
#[must_use]
pub fn with_windows(endpoint: Endpoint) -> Endpoint {
    endpoint
        .initial_stream_window_size(STREAM)
        .initial_connection_window_size(CONNECTION)
}
