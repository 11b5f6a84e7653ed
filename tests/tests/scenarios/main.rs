//! Two or more devices and a relay in virtual time: what users see, rule by rule.

mod clocks;
mod common;
mod lifecycle;
mod moving;
mod networks;
mod pairing;
mod pushing;
mod reading;
mod refusing;
mod storage;
mod syncing;
