//! Rules of docs/protocol.md that no other test shows: each test names its rule.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test's helpers fail like the test itself")]

mod device;
mod hand;
mod link;
