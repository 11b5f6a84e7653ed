//! The 0k-Sync relay.
