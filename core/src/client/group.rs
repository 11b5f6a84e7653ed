//! The group this device belongs to: its keys, its epochs, its roster and every chain in it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    address::RelayAddress,
    client::{
        Client, Load, Phase,
        command::{Device, Identity, Reply, Report},
        gaps::Gaps,
        inbox::Inbox,
        ledger::{Ledger, Sealed, StoredIdentity, StoredKeys, Vault, encode},
        outbox::Outbox,
        roster::{Roster, RosterChange},
        store::{ClientImage, ClientOp, ClientQuery, RosterRow},
        stream::Stream,
        verdict::Verdict,
    },
    error::Code,
    ids::{AccessKey, CommandId, DeviceId, GroupId, Incarnation, Kid, Lane, RecordHash, StreamId},
    limits::{MAX_ADD_BLOB, MAX_RENAME_BLOB},
    seal::{
        keys::{DeviceKeys, Epoch, EpochSecret, Genesis, group_id},
        record::{self, Kind},
    },
};

/// A group and this device's place in it.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Group {
    pub(super) keys: DeviceKeys,
    pub(super) device: DeviceId,
    pub(super) id: GroupId,
    pub(super) access: AccessKey,
    pub(super) genesis: [u8; 32],
    secrets: Vec<EpochSecret>,
    epochs: Vec<Epoch>,
    pub(super) roster: Roster,
    /// Sealed roster records in order of acceptance, for newcomers. Those that changed nothing are not among them.
    chain: Vec<Kept>,
    /// The row of a record that was withdrawn, for the one that takes its place.
    vacant: Option<u64>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
}

/// A roster record as it is kept.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Kept {
    number: u64,
    hash: RecordHash,
    blob: Bytes,
}

impl Group {
    pub(super) fn new(
        keys: DeviceKeys,
        id: GroupId,
        access: AccessKey,
        genesis: [u8; 32],
        secrets: Vec<EpochSecret>,
    ) -> Self {
        let epochs = secrets.iter().map(|secret| Epoch::derive(secret, &id)).collect();
        let device = keys.id();
        let (roster, chain, streams) = (Roster::default(), Vec::new(), BTreeMap::new());
        Self { keys, device, id, access, genesis, secrets, epochs, roster, chain, vacant: None, streams }
    }

    /// The epoch that seals new records.
    pub(super) fn epoch(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    /// The epoch a blob names.
    pub(super) fn epoch_of(&self, kid: Kid) -> Option<&Epoch> {
        self.epochs.iter().find(|epoch| epoch.kid == kid)
    }

    pub(super) fn secrets(&self) -> Vec<EpochSecret> {
        self.secrets.clone()
    }

    /// Whether this device is alone.
    pub(super) fn is_solo(&self) -> bool {
        self.roster.len() <= 1
    }

    pub(super) fn own(&self, inc: Incarnation, lane: Lane) -> StreamId {
        StreamId { device: self.device, inc, lane }
    }

    pub(super) fn stored(&self) -> StoredIdentity {
        StoredIdentity {
            keys: self.keys.to_bytes().to_vec(),
            group: self.id,
            access: self.access,
            genesis: self.genesis,
            epochs: self.secrets.iter().map(|secret| *secret.as_bytes()).collect(),
        }
    }

    fn restore(stored: &StoredIdentity) -> Option<Self> {
        let keys = DeviceKeys::from_bytes(stored.keys.as_slice().try_into().ok()?);
        if group_id(&stored.access, &stored.genesis) != stored.group {
            return None;
        }
        let secrets = stored.epochs.iter().map(|secret| EpochSecret::new(*secret)).collect();
        Some(Self::new(keys, stored.group, stored.access, stored.genesis, secrets))
    }
}

impl Client {
    /// The store was read: become what it says.
    pub(super) fn opened(&mut self, image: ClientImage) {
        let reserved = image.reserved;
        if let Err(code) = self.adopt_image(image) {
            self.phase = Phase::Ready;
            self.stop_with(code);
            return;
        }
        self.phase = Phase::Ready;
        self.redate_lost_log();
        self.reopening.under_way = true;
        self.remember_opening();
        if self.group.is_some() && reserved > self.ledger.reserved {
            // D11: the counter beside the key is ahead, so this database is an older copy.
            self.counter_is_ahead(reserved);
        }
        self.resume_refill();
        self.offer_held_again();
        self.prune();
        for (id, command) in std::mem::take(&mut self.early) {
            self.command(id, command);
        }
    }

    fn adopt_image(&mut self, image: ClientImage) -> Result<(), Code> {
        let key = &self.config.store_key;
        let vault = image.vault.as_ref().map_or(Ok(Vault::default()), |sealed| Vault::open(key, sealed))?;
        *self.ledger = image.ledger.as_ref().map_or(Ok(Ledger::default()), |sealed| Ledger::open(key, sealed))?;
        if !self.ledger.is_sound() {
            return Err(Code::StorageFailed);
        }
        let streams = image
            .streams
            .iter()
            .map(|(id, sealed)| Stream::open(key, sealed).map(|stream| (*id, stream)))
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        self.verdicts = image
            .verdicts
            .iter()
            .map(|(id, sealed)| Verdict::open(key, sealed).map(|verdict| (*id, verdict)))
            .collect::<Result<_, _>>()?;
        self.relay = match &vault.relay {
            Some(address) => Some(address.parse().map_err(|_| Code::StorageFailed)?),
            None => None,
        };
        self.candidate = match &vault.candidate {
            Some(StoredKeys(keys)) => {
                Some(DeviceKeys::from_bytes(keys.as_slice().try_into().map_err(|_| Code::StorageFailed)?))
            }
            None => None,
        };
        // D13: a member's rows without the member's keys, or the reverse, must never lead to a new identity.
        match (vault.identity.is_some(), self.ledger.inc() != Incarnation([0; 8])) {
            (false, true) => return Err(Code::KeyLost),
            (true, false) => return Err(Code::StorageFailed),
            _ => {}
        }
        self.outbox = Outbox::open(image.outbox);
        self.batch.ledger = encode(&*self.ledger);
        self.inbox = Inbox::open(image.inbox, self.ledger.acked, self.now);
        self.gaps = Gaps::default();
        self.group = match &vault.identity {
            None => None,
            Some(identity) => {
                let mut group = Group::restore(identity).ok_or(Code::StorageFailed)?;
                group.replay(&image.roster)?;
                group.streams = streams;
                group.streams.values_mut().for_each(|stream| stream.claims.resume(self.now));
                Some(group)
            }
        };
        image.held.into_iter().for_each(|row| self.gaps.restore(row));
        // A newer build may have a use for what an older one had no room for.
        self.gaps.look_again();
        Ok(())
    }

    /// Writes the vault as it is now.
    pub(super) fn keep_vault(&mut self) {
        let identity = self.group.as_ref().map(Group::stored);
        let candidate = self.candidate.as_ref().map(|keys| StoredKeys(keys.to_bytes().to_vec()));
        let vault = Vault { identity, relay: self.relay.as_ref().map(ToString::to_string), candidate };
        let sealed = vault.seal(&self.config.store_key, &mut self.draws.rest);
        self.batch.ops.push(ClientOp::Vault(sealed));
    }

    /// Makes device keys and a group of one. Works offline.
    pub(super) fn found_group(&mut self, name: &str) -> Result<(), Code> {
        let keys = DeviceKeys::generate(&mut self.draws.keys);
        let secret = EpochSecret::generate(&mut self.draws.keys);
        let genesis = Genesis::create(&keys, name, &secret, &mut self.draws.keys);
        let access = secret.access();
        let hash = genesis.hash();
        let group = Group::new(keys, group_id(&access, &hash), access, hash, vec![secret]);
        self.ledger.greeted.insert(group.device);
        self.group = Some(group);
        self.ledger.inc = self.draws.keys.bytes();
        self.keep_vault();
        self.write_record(Kind::Genesis, Bytes::from(genesis.encode()), None).map_err(|_| Code::StorageFailed)?;
        self.begin_opening();
        Ok(())
    }

    /// Applies a roster record that its author signed, and keeps it for newcomers if it changed anything.
    pub(super) fn apply_roster(&mut self, opened: &record::Opened, blob: Bytes) -> RosterChange {
        let Some(group) = &mut self.group else { return RosterChange::Nothing };
        let change = group.apply_roster(opened, &blob);
        if change != RosterChange::Nothing {
            let number = group.number_of(change).unwrap_or_else(|| self.ledger.assign_roster());
            group.keep(Kept { number, hash: opened.hash, blob: blob.clone() });
            self.batch.ops.push(ClientOp::Roster(RosterRow { number, blob }));
        }
        change
    }

    /// Writes the roster of a group that was handed over.
    pub(super) fn keep_handed(&mut self, group: &mut Group) {
        for kept in &mut group.chain {
            kept.number = self.ledger.assign_roster();
            self.batch.ops.push(ClientOp::Roster(RosterRow { number: kept.number, blob: kept.blob.clone() }));
        }
    }

    pub(super) fn inspect(&mut self, id: CommandId) {
        let report = self.report();
        self.done(id, Ok(Reply::Report(Box::new(report))));
    }

    fn report(&self) -> Report {
        let identity = self.group.as_ref().and_then(|group| {
            group.epoch().map(|epoch| Identity { group: group.id, device: group.device, kid: epoch.kid })
        });
        let devices = self.group.as_ref().map_or_else(Vec::new, |group| {
            let describe = |(id, member): (DeviceId, &super::roster::Member)| Device {
                id,
                name: member.name.clone(),
                own: id == group.device,
                // A device that was admitted counts as active from then on, but has not been heard before it says something itself.
                last_heard: self.ledger.heard.get(&id).copied().filter(|_| self.ledger.greeted.contains(&id)),
                last_written: self.ledger.written.get(&id).copied(),
            };
            group.roster.iter().map(describe).collect()
        });
        Report {
            status: self.judge_status(),
            identity,
            relay: self.relay.clone(),
            devices,
            verdicts: self.verdicts.iter().map(|(id, verdict)| (*id, *verdict)).collect(),
            pending: self.outbox.unsent_ids(),
            head: self.ledger.last_position,
            acked: self.ledger.acked,
            wants_full_push: self.wants_full_push(),
            relay_cursor: self.ledger.place.map(|place| place.cursor).unwrap_or_default(),
            wall_clock: self.wall(),
        }
    }

    /// A chain this device follows or was told of.
    pub(super) fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.group.as_ref().and_then(|group| group.streams.get(&id))
    }

    pub(super) fn stream_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.group.as_mut().and_then(|group| group.streams.get_mut(&id))
    }

    /// Remembers the relay to use.
    pub(super) fn keep_relay(&mut self, relay: RelayAddress) {
        self.relay = Some(relay);
        self.keep_vault();
    }

    /// Loads bytes of outbox rows for a purpose.
    pub(super) fn load_rows(&mut self, ids: Vec<crate::ids::OutboxId>, purpose: Load) {
        self.load(ClientQuery::Outbox(ids), purpose);
    }
}

impl Group {
    /// Rebuilds the roster from the records that were accepted once, in that order. They are not judged again.
    fn replay(&mut self, rows: &[RosterRow]) -> Result<(), Code> {
        for RosterRow { number, blob } in rows {
            let epoch = record::kid_of(blob).and_then(|kid| self.epoch_of(kid)).ok_or(Code::StorageFailed)?;
            let opened = record::open(blob, &self.id, epoch).map_err(|_| Code::StorageFailed)?;
            self.apply_roster(&opened, blob);
            self.chain.push(Kept { number: *number, hash: opened.hash, blob: blob.clone() });
        }
        Ok(())
    }

    /// Applies a roster record that was handed over. It is numbered when all of them are written.
    pub(super) fn take_handed(&mut self, opened: &record::Opened, blob: &Bytes) {
        if self.apply_roster(opened, blob) != RosterChange::Nothing {
            self.chain.push(Kept { number: 0, hash: opened.hash, blob: blob.clone() });
        }
    }

    fn apply_roster(&mut self, opened: &record::Opened, blob: &Bytes) -> RosterChange {
        let kind = Kind::of(opened.record.kind);
        // What everybody is handed must fit a handover, whoever wrote it.
        let most = if kind == Some(Kind::Rename) { MAX_RENAME_BLOB } else { MAX_ADD_BLOB };
        match kind {
            _ if blob.len() > most => RosterChange::Nothing,
            Some(Kind::Genesis) => {
                let genesis = Genesis::decode(&opened.record.payload).ok();
                let genesis = genesis.filter(|genesis| genesis.hash() == self.genesis);
                genesis.map_or(RosterChange::Nothing, |genesis| self.roster.found(&genesis, opened.hash))
            }
            Some(Kind::Add) => self.roster.add(opened),
            Some(Kind::Rename) => self.roster.rename(opened),
            _ => RosterChange::Nothing,
        }
    }

    /// The number of the row that this change makes void: a device's new name takes the place of the one before, so that rows do not
    /// grow with names, and an admission that is said again that of the one that was withdrawn.
    fn number_of(&mut self, change: RosterChange) -> Option<u64> {
        let RosterChange::Renamed { before: Some(before) } = change else { return self.vacant.take() };
        self.chain.iter().find(|kept| kept.hash == before).map(|kept| kept.number)
    }

    /// A record of this device's own never left it, and is about to be said again in another run of its counters.
    pub(super) fn withdraw(&mut self, hash: RecordHash) {
        self.roster.withdraw(hash);
        self.vacant = self.chain.iter().find(|kept| kept.hash == hash).map(|kept| kept.number);
    }

    fn keep(&mut self, kept: Kept) {
        match self.chain.iter_mut().find(|known| known.number == kept.number) {
            Some(known) => *known = kept,
            None => self.chain.push(kept),
        }
    }

    /// The records that make up the roster, for a newcomer.
    pub(super) fn roster_blobs(&self) -> Vec<Bytes> {
        let standing = self.roster.standing();
        self.chain.iter().filter(|kept| standing.contains(&kept.hash)).map(|kept| kept.blob.clone()).collect()
    }
}
