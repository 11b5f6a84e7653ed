//! Dials and accepts 0k-Sync links over iroh.
