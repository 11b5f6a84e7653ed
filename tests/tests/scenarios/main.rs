//! Two or more devices and a relay in virtual time: what users see, rule by rule.

mod common;
mod pairing;
