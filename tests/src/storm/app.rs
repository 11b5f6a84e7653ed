//! A model application: it pushes texts that name themselves, reads, processes and acknowledges, and believes nothing it is told.
//!
//! Its own database survives a crash of the process, and goes back with the device's when a copy is restored.

use std::collections::{BTreeMap, BTreeSet};

use zerok_core::{
    client::{command::Pulled, verdict::Verdict},
    ids::{BlobId, CommandId, DeviceId, IdempotencyKey, Position},
    time::Time,
};

/// What became of a push, as far as its application knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not answered.
    Asked,
    /// Refused, and not stored: it must never arrive.
    Refused,
    /// Durable: it must arrive.
    Promised,
    /// Never answered, or given up: it may arrive.
    Unknown,
}

/// One push.
#[derive(Debug, Clone)]
pub(super) struct Push {
    pub(super) text: String,
    pub(super) size: usize,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) command: CommandId,
    pub(super) fate: Fate,
    pub(super) blob: Option<BlobId>,
    pub(super) at: Time,
    /// It was sent more than once.
    pub(super) retried: bool,
    /// What it was called before it was sealed anew.
    pub(super) before: Option<BlobId>,
}

/// What the application keeps by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Database {
    /// What it has read, by text, and the position of it.
    pub(super) texts: BTreeMap<String, Position>,
    /// Up to here it has processed everything.
    pub(super) cursor: Position,
    /// The last number read of each sender's era.
    last: BTreeMap<(usize, u32), u64>,
}

/// One application on one device.
#[derive(Debug, Clone, Default)]
pub(super) struct App {
    pub(super) db: Database,
    pub(super) pushes: Vec<Push>,
    /// Raised when the device's past changes: order holds within an era.
    pub(super) era: u32,
    next: u64,
    /// What each position stood for, ever.
    pub(super) positions: BTreeMap<Position, String>,
    /// Pulls under way and where they began.
    pub(super) pulls: BTreeMap<CommandId, Position>,
    /// Everything it was told is wrong.
    pub(super) verdicts: Vec<Verdict>,
    /// When it was last told that the relay has another log.
    pub(super) reset: Option<Time>,
    /// When it was told of a new device.
    pub(super) greeted: BTreeMap<DeviceId, Time>,
    /// When this device last became a member of another group than before, or of none.
    pub(super) moved: Option<Time>,
    /// What it had read then is not readable any more.
    pub(super) forgot: Position,
    /// The newest that its store has had for it since then.
    pub(super) newest: Position,
    /// It began to count anew: others may hear of what it says then before what it had said.
    pub(super) reissued: bool,
    /// It has left a group.
    pub(super) left: bool,
    /// Groups it has been in.
    pub(super) memberships: u32,
    /// What its inviter held then: the rest is owed to it.
    pub(super) baseline: BTreeSet<BlobId>,
    /// When an older copy of its database was last put back.
    pub(super) restored: Option<Time>,
    /// It is, or was, one of two with one identity.
    pub(super) cloned: Option<Time>,
    /// Its wall clock once jumped so far that it may have given up too early what a relay had lost, or taken others for gone.
    pub(super) lost_time: bool,
}

impl Database {
    /// Another group, or the same one again: what was passed over in the last may come now.
    pub(super) fn begin_group(&mut self) {
        self.last.clear();
    }
}

impl App {
    /// A text that names its sender, era and number.
    pub(super) fn write(&mut self, device: usize) -> String {
        self.next += 1;
        format!("{device}.{}.{}.", self.era, self.next)
    }

    /// What a pull gave it, checked and processed.
    ///
    /// # Panics
    /// When the client broke a promise.
    pub(super) fn process(
        &mut self,
        who: &str,
        after: Position,
        pulled: &Pulled,
        is_two: impl Fn(usize) -> bool,
        counts_anew: impl Fn(usize) -> bool,
        said_twice: impl Fn(&str) -> bool,
    ) -> usize {
        assert!(
            !pulled.truncated || after <= self.forgot,
            "{who}: truncated after {}, though nothing unread is trimmed",
            after.0
        );
        let mut last = after;
        let mut read = 0;
        for blob in &pulled.blobs {
            assert!(blob.cursor > last, "{who}: position {} after {}", blob.cursor.0, last.0);
            last = blob.cursor;
            let text = name_of(&blob.data);
            let stood = self.positions.entry(blob.cursor).or_insert_with(|| text.clone());
            assert_eq!(*stood, text, "{who}: position {} was used twice", blob.cursor.0);
            // What a member in the wrong hands says has no name.
            let Some((device, era, number)) = parts(&text) else { continue };
            // Of two devices with one identity both say some of it.
            let two = is_two(device);
            match self.db.texts.get(&text) {
                // In another group, or again in the same one, it may come anew.
                Some(at) => {
                    let again = two || said_twice(&text);
                    assert!(again || *at == blob.cursor || *at <= self.forgot, "{who}: {text} was delivered twice");
                }
                None => {
                    read += 1;
                    let newest = self.db.last.entry((device, era)).or_default();
                    assert!(two || counts_anew(device) || number > *newest, "{who}: {text} came after {newest}");
                    *newest = number;
                    self.db.texts.insert(text, blob.cursor);
                }
            }
        }
        assert!(pulled.max_cursor >= last, "{who}: a pull ends before what it returned");
        self.db.cursor = self.db.cursor.max(pulled.max_cursor);
        read
    }

    /// The process has ended: what was not answered never will be.
    pub(super) fn ended(&mut self) {
        self.pulls.clear();
        for push in self.pushes.iter_mut().filter(|push| push.fate == Fate::Asked && push.key.is_none()) {
            push.fate = Fate::Unknown;
        }
    }
}

/// The name at the beginning of a payload.
pub(super) fn name_of(data: &[u8]) -> String {
    let end = data.iter().position(|byte| *byte == b' ').unwrap_or(data.len());
    String::from_utf8_lossy(&data[..end]).into_owned()
}

/// Sender, era and number of a text.
pub(super) fn parts(text: &str) -> Option<(usize, u32, u64)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
