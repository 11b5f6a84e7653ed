//! How fast 0k-Sync is, and why one should believe it.
//!
//! Every figure is a ratio inside one run: ours against a floor that is built in (what the disk, the loopback or the cipher alone would
//! do), against a deliberately naive relay of our own, or against another system. The two sides take turns, round by round; medians are
//! compared and the spread is shown. Nothing here asserts an absolute time.
//!
//! Relays under test are the real program, in the release profile, in processes of their own; so is whoever loads them: this program
//! starts itself again as `bench load …`, on a single-threaded runtime. Loopback only, ports from the operating system, and everything
//! lies in one folder that is removed in the end.
//!
//! # Layout
//! - [`figure`]: what a figure is, and the list of all. [`spread`]: rounds and their numbers.
//! - [`push`], [`pull`], [`open`], [`visible`], [`backlog`], [`overhead`], [`machines`], [`losses`], [`allocations`], [`network`], [`idle`], [`large`]: the
//!   figures.
//! - [`floors`], [`naive`], [`peers`]: what they are held against.
//! - [`table`], [`report`], [`chart`], [`page`]: the result as text for people, as JSON for later, as a picture, and in the documentation.
//! - [`load`]: what loads a relay. [`bridge`]: links of any transport for loads that wait. `devices`:
//!   whole devices for them.
//! - [`run`]: one run of figures and what it has at hand. [`relay_process`]: a relay in a process of its own.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(rustdoc::private_intra_doc_links, reason = "the layout names the private modules too")]

pub mod allocations;
pub mod backlog;
pub mod bridge;
pub mod chart;
mod devices;
pub mod figure;
pub mod floors;
pub mod idle;
pub mod large;
pub mod load;
pub mod losses;
pub mod machines;
pub mod naive;
pub mod network;
pub mod open;
pub mod overhead;
pub mod page;
pub mod peers;
pub mod pull;
pub mod push;
pub mod relay_process;
pub mod report;
pub mod run;
pub mod spread;
pub mod table;
pub mod trouble;
pub mod visible;
