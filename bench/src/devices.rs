//! Real devices for loads, with their disks, over any transport.

use std::path::PathBuf;

use zerok_core::{address::RelayAddress, seal::padding::Padding};
use zerok_tokio::{Options, SyncClient, secrets::KeyStorageChoice};

use crate::{bridge::Over, trouble::Trouble};

/// What all devices of a load have in common.
#[derive(Debug, Clone)]
pub(crate) struct Devices {
    /// A folder for their data, each in one of its own.
    pub(crate) folder: PathBuf,
    /// Their relay.
    pub(crate) relay: RelayAddress,
    /// How they reach it.
    pub(crate) over: Over,
    /// How they hide sizes.
    pub(crate) padding: Padding,
}

impl Devices {
    /// Opens one, new or as it was left. Nothing is dialled yet.
    pub(crate) async fn open(&self, name: &str) -> Result<SyncClient, Trouble> {
        let mut options = Options::new(self.folder.join(name), name, self.over.dialer()?);
        options.relay = Some(self.relay.clone());
        options.padding = self.padding;
        options.key_storage = KeyStorageChoice::File;
        Ok(SyncClient::open(options).await?)
    }

    /// One that founds a group and is connected.
    pub(crate) async fn founder(&self, name: &str) -> Result<SyncClient, Trouble> {
        let device = self.open(name).await?;
        device.enable().await?;
        device.sync_now().await?;
        Ok(device)
    }

    /// One that joins the group of another and is connected.
    pub(crate) async fn joiner(&self, of: &SyncClient, name: &str) -> Result<SyncClient, Trouble> {
        let invitation = of.create_invite().await?;
        let device = self.open(name).await?;
        device.join_invite(&invitation.code.to_string()).await?;
        device.sync_now().await?;
        Ok(device)
    }
}
