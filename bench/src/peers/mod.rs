//! Other systems, beside ours in the same run.
//!
//! Programs as their makers publish them, from the registries they publish to, each as it comes: its own store, its own durability, its
//! own protocol, loaded by its own library where it has one. They do other work than we do, and no number here says that one is
//! better. Where they encrypt, that is done before the clock starts; on our side sealing and verifying are in the time.
//!
//! `cargo xtask bench --peers` sets them up under `target/peers`, once. One that is not there is left out with the reason.
//!
//! # Layout
//! - [`evolu`]: Evolu's relay, on Node. [`atuin`]: Atuin's server.
//! - `http`: the little that Atuin's server needs to be spoken to.

pub mod atuin;
pub mod evolu;
mod http;

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::{run::Run, trouble::Trouble};

/// Where a peer was set up.
fn set_up(run: &Run, name: &str, proof: &str) -> Result<PathBuf, Trouble> {
    let peers = run.peers.as_ref().ok_or_else(|| Trouble::Missing("asked for by --peers only".to_owned()))?;
    let folder = peers.join(name);
    if folder.join(proof).exists() {
        return Ok(folder);
    }
    // Left by whoever tried to set it up.
    let why = std::fs::read_to_string(folder.with_extension("failed")).unwrap_or_default();
    Err(Trouble::Missing(format!("{name} is not set up: {}", if why.is_empty() { "nobody tried" } else { why.trim() })))
}

/// A peer's process. Ends with the value.
struct Peer(Child);

impl Peer {
    fn start(command: &mut Command) -> Result<Self, Trouble> {
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        child.map(Self).map_err(Trouble::io("starting a peer"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
