//! Device ids as a person knows them.

use std::collections::BTreeMap;

use zerok_core::ids::DeviceId;
use zerok_tokio::SyncClient;

use crate::exit::Outcome;

/// The names of a group's devices, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<DeviceId, String>);

impl Names {
    /// Learns those of these senders that are not known yet. A later rename is not noticed.
    pub(crate) async fn learn(
        &mut self,
        client: &SyncClient,
        mut senders: impl Iterator<Item = DeviceId>,
    ) -> Outcome<()> {
        if senders.any(|sender| !self.0.contains_key(&sender)) {
            let report = client.inspect().await?;
            self.0.extend(report.devices.into_iter().map(|device| (device.id, device.name)));
        }
        Ok(())
    }

    /// The device's name.
    pub(crate) fn of(&self, device: DeviceId) -> Option<&str> {
        self.0.get(&device).map(String::as_str)
    }
}
