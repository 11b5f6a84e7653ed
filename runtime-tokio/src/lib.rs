//! Drives the 0k-Sync core on tokio over any byte stream.
