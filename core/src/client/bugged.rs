//! The one seeded bug that takes more than a line. See [`crate::bugs`]; compiled only with the feature `bugs`.

use crate::{
    client::{
        Client,
        store::{ClientOp, OutboxRow},
    },
    ids::OutboxId,
    seal::record::{self, Kind, SealedRecord},
};

impl Client {
    /// What flew and was not acknowledged is sealed anew, as whoever keeps plaintext in a queue would do: same number, other bytes.
    pub(super) fn seal_again(&mut self) {
        if !bug!(SealAgain) {
            return;
        }
        let data = |id: &OutboxId| self.outbox.get(*id).is_some_and(|row| row.kind == Kind::Data as u8);
        let ids: Vec<OutboxId> = self.outbox.cached().filter(data).collect();
        for id in ids {
            let (Some(group), Some(entry), Some(blob)) =
                (self.group.as_ref(), self.outbox.get(id).copied(), self.outbox.bytes(id))
            else {
                continue;
            };
            let Some(epoch) = group.epoch() else { continue };
            let Ok(opened) = record::open(&blob, &group.id, epoch) else { continue };
            let mut record = opened.record;
            record.ms = self.wall();
            let SealedRecord { blob, digest, hash } =
                record::seal(&record, &group.keys, &group.id, epoch, self.config.padding, &mut self.draws.seal);
            let entry = crate::client::store::OutboxEntry { digest, hash, ..entry };
            self.outbox.replace(entry, blob.clone());
            self.batch.ops.push(ClientOp::Enqueue(OutboxRow { entry, blob }));
        }
    }
}
