//! The group this device belongs to: its keys, its epochs, its roster and every chain in it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    address::RelayAddress,
    client::{
        Client, Load, Phase,
        command::{ClientEvent, Device, Identity, Report},
        gaps::Gaps,
        inbox::Inbox,
        ledger::{Ledger, Sealed, StoredIdentity, StoredKeys, Vault, encode},
        outbox::Outbox,
        roster::Roster,
        store::{ClientImage, ClientOp, ClientQuery, RosterRow},
        stream::Stream,
        verdict::Verdict,
    },
    error::Code,
    ids::{AccessKey, DeviceId, GroupId, Incarnation, Kid, Lane, StreamId},
    seal::{
        keys::{DeviceKeys, Epoch, EpochSecret, Genesis, group_id},
        record::{self, Kind},
    },
};

/// A group and this device's place in it.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone))]
pub(super) struct Group {
    pub(super) keys: DeviceKeys,
    pub(super) device: DeviceId,
    pub(super) id: GroupId,
    pub(super) access: AccessKey,
    pub(super) genesis: [u8; 32],
    secrets: Vec<EpochSecret>,
    epochs: Vec<Epoch>,
    pub(super) roster: Roster,
    /// Sealed roster records in order of acceptance, for newcomers.
    pub(super) chain: Vec<Bytes>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
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
        Self { keys, device, id, access, genesis, secrets, epochs, roster, chain, streams }
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
        if let Err(code) = self.adopt_image(image) {
            self.phase = Phase::Ready;
            self.stop_with(code);
            return;
        }
        self.phase = Phase::Ready;
        self.remember_opening();
        self.resume_refill();
        self.offer_held_again();
        self.repeat_wishes();
        self.prune();
        for (id, command) in std::mem::take(&mut self.early) {
            self.command(id, command);
        }
    }

    fn adopt_image(&mut self, image: ClientImage) -> Result<(), Code> {
        let key = &self.config.store_key;
        let vault = image.vault.as_ref().map_or(Ok(Vault::default()), |sealed| Vault::open(key, sealed))?;
        self.ledger = image.ledger.as_ref().map_or(Ok(Ledger::default()), |sealed| Ledger::open(key, sealed))?;
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
        self.batch.ledger = encode(&self.ledger);
        self.inbox = Inbox::open(image.inbox, self.ledger.acked, self.now);
        self.gaps = Gaps::default();
        self.group = match &vault.identity {
            None => None,
            Some(identity) => {
                let mut group = Group::restore(identity).ok_or(Code::StorageFailed)?;
                group.replay(&image.roster)?;
                group.streams = streams;
                group.streams.values_mut().for_each(|stream| stream.resume(self.now));
                Some(group)
            }
        };
        image.held.into_iter().for_each(|row| self.gaps.restore(row));
        // A newer build may have a use for what an older one had no room for.
        self.gaps.look_again();
        if self.group.is_some() && image.reserved > self.ledger.reserved && !bug!(RestoreUnnoticed) {
            // D11: the counter beside the key is ahead, so this database is an older copy.
            self.start_incarnation(image.reserved);
        }
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

    /// A wish for a full push stands until something was pushed: whoever was told and crashed is told again.
    fn repeat_wishes(&mut self) {
        let wishes: Vec<_> = self.ledger.wants_full_push.intersection(&self.ledger.greeted).copied().collect();
        for device in wishes {
            let name = self.group.as_ref().and_then(|group| group.roster.get(device)).map(|member| member.name.clone());
            if let Some(name) = name {
                self.event(ClientEvent::DeviceJoined { device, name, wants_full_push: true });
            }
        }
    }

    /// Makes device keys and a group of one. Works offline.
    pub(super) fn found_group(&mut self, name: &str) -> Result<(), Code> {
        let keys = DeviceKeys::generate(&mut self.draws.keys);
        let secret = EpochSecret::generate(&mut self.draws.keys);
        let genesis = Genesis::create(&keys, name, &secret, &mut self.draws.keys);
        let access = secret.access();
        let hash = genesis.hash();
        let mut group = Group::new(keys, group_id(&access, &hash), access, hash, vec![secret]);
        group.roster = Roster::founded(&genesis);
        self.ledger.greeted.insert(group.device);
        self.group = Some(group);
        self.ledger.inc = self.draws.keys.bytes();
        self.keep_vault();
        self.write_record(Kind::Genesis, Bytes::from(genesis.encode()), None).map_err(|_| Code::StorageFailed)?;
        self.begin_opening();
        Ok(())
    }

    /// Keeps a roster record for newcomers.
    pub(super) fn keep_roster(&mut self, blob: Bytes) {
        let number = self.ledger.assign_roster();
        self.batch.ops.push(ClientOp::Roster(RosterRow { number, blob: blob.clone() }));
        if let Some(group) = &mut self.group {
            group.chain.push(blob);
        }
    }

    pub(super) fn report(&self) -> Report {
        let identity = self.group.as_ref().and_then(|group| {
            group.epoch().map(|epoch| Identity { group: group.id, device: group.device, kid: epoch.kid })
        });
        let devices = self.group.as_ref().map_or_else(Vec::new, |group| {
            let describe = |(id, member): (DeviceId, &super::roster::Member)| Device {
                id,
                name: member.name.clone(),
                own: id == group.device,
                last_heard: self.ledger.heard.get(&id).copied(),
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
            relay_cursor: self.ledger.place.map(|place| place.cursor).unwrap_or_default(),
            wall_clock: self.wall(),
        }
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
    pub(super) fn replay(&mut self, rows: &[RosterRow]) -> Result<(), Code> {
        for RosterRow { blob, .. } in rows {
            let epoch = record::kid_of(blob).and_then(|kid| self.epoch_of(kid)).ok_or(Code::StorageFailed)?;
            let opened = record::open(blob, &self.id, epoch).map_err(|_| Code::StorageFailed)?;
            self.apply_roster(&opened);
            self.chain.push(blob.clone());
        }
        Ok(())
    }

    /// Applies a verified roster record.
    pub(super) fn apply_roster(&mut self, opened: &record::Opened) -> super::roster::RosterChange {
        let record = &opened.record;
        match Kind::of(record.kind) {
            Some(Kind::Genesis) => {
                let genesis = Genesis::decode(&record.payload).ok().filter(|genesis| genesis.hash() == self.genesis);
                if let Some(genesis) = genesis.filter(|_| self.roster.len() == 0) {
                    self.roster = Roster::founded(&genesis);
                }
                super::roster::RosterChange::Nothing
            }
            Some(Kind::Add) => self.roster.add(record.sender, opened.hash, &record.payload),
            Some(Kind::Rename) => {
                self.roster.rename(record);
                super::roster::RosterChange::Nothing
            }
            _ => super::roster::RosterChange::Nothing,
        }
    }
}
