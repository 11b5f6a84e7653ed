//! A relay, a network or a member that lies.
//!
//! - [`Insider`]: the keys of a member, to seal records no honest device would write.
//! - [`Forgery`]: a group's log under the hands of whoever holds the relay's disk: drop, flip, swap, reorder, duplicate, insert.
//!   What the relay's own store can do besides (roll back: put a clone back; wipe: put an empty one) needs no help.
//! - [`HostileRelay`]: the real relay machine in a world, with one [`Attack`] at any one of the things it says, in any [`Manner`].
//! - [`Scripted`]: a relay that is played message by message through a real channel, to say anything at any position.
//!
//! Nothing here judges: tests say what honest devices must conclude.

mod attack;
mod forgery;
mod insider;
mod lies;
mod relay;
mod scripted;
mod speech;

pub use self::{
    attack::{Attack, Manner, Script},
    forgery::Forgery,
    insider::Insider,
    relay::HostileRelay,
    scripted::{Scripted, page, welcome},
};
pub(crate) use self::{relay::Step, speech::Speech};
