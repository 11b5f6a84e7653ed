//! Runs that a person can read: one scenario a snapshot, on the plain channel, in virtual time.
//!
//! A line is who, and `<` asked by its application, `>` answered, `!` told, `=` on its disk, `→` said over the link, `.` happened to it;
//! `─────` is a remark of whoever makes things happen. Blobs are called by their writer and number: `laptop/1`.
//!
//! # Layout
//! - [`pairing`]: from an invite to a member. [`syncing`]: a usual day. [`faults`]: links, processes, disks and relays that fail.
//! - [`lies`]: a relay or a copied disk that tells another story, and what an application hears of it.

#[path = "../scenarios/common.rs"]
#[allow(dead_code, reason = "shared with the scenarios, which use all of it")]
mod common;
mod faults;
mod lies;
mod pairing;
mod syncing;

/// The longest a scenario may be and still be read.
const LINES: usize = 120;

/// Compares the story with the one that was read.
macro_rules! told {
    ($world:expr) => {{
        let text = $world.transcript.text();
        assert!(text.lines().count() <= crate::LINES, "too long to be read:\n{text}");
        insta::assert_snapshot!(text);
    }};
}
pub(crate) use told;

/// A remark in the story.
fn remark(world: &mut zerok_testkit::sim::World, what: &str) {
    let now = world.now();
    world.transcript.remark(now, what);
}
