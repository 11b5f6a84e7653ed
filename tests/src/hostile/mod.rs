//! A relay, a network or a member that lies.
//!
//! - [`Insider`]: the keys of a member, to seal records no honest device would write.
//! - [`Forgery`]: a group's log under the hands of whoever holds the relay's disk: drop, flip, swap, reorder, duplicate, insert.
//!   What the relay's own store can do besides (roll back: put a clone back; wipe: put an empty one) needs no help.
//! - [`Scripted`]: a relay that is played message by message through a real channel, to say anything at any position.
//!
//! Nothing here judges: tests say what honest devices must conclude.

mod forgery;
mod insider;
mod scripted;

pub use self::{
    forgery::Forgery,
    insider::Insider,
    scripted::{Scripted, page, welcome},
};
