//! What will happen in a run, drawn from its seed before it begins.
//!
//! Every act carries its own numbers, so that leaving one out changes nothing about the others: a failing plan can be cut down to
//! the acts that matter ([`super::shrink`]) and printed as a list a person can read.

use std::fmt;

use zerok_core::rng::{Draw, Seed};

macro_rules! kinds {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident = $name:literal, $weight:literal, $sentence:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $enum { $(#[doc = $sentence] $variant,)* }

        impl $enum {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn weight(self) -> u32 {
                match self { $(Self::$variant => $weight,)* }
            }
        }
    };
}

kinds! {
    /// Something that goes wrong.
    Fault {
        Delay = "delay", 6, "Bytes of a device take up to five seconds, not the same each way.";
        Jitter = "jitter", 6, "Bytes take longer or shorter each time.";
        Pieces = "pieces", 6, "Bytes arrive in other pieces.";
        Trickle = "trickle", 5, "Bytes arrive a few at a time, with pauses.";
        Narrow = "narrow", 5, "A path carries few bytes a second.";
        Stall = "stall", 6, "A path stands still and nobody hears of it.";
        Hole = "black hole", 5, "A path swallows everything.";
        HalfOpen = "half-open", 6, "A link ends and only the relay hears of it.";
        Reset = "reset", 6, "A link breaks.";
        Tear = "torn frame", 6, "A link breaks within what is being sent.";
        Damage = "damaged bytes", 5, "A bit changes on the way.";
        Refused = "dial refused", 7, "Nobody listens at the relay's address.";
        SlowDial = "slow dial", 9, "Connecting takes up to nine seconds.";
        Offline = "offline", 6, "A device has no network.";
        Partition = "partition", 4, "Nobody has any.";
        DiskSlow = "slow disk", 6, "A device's disk takes up to three seconds a batch.";
        DiskStalled = "stalled disk", 5, "A device's disk answers nothing.";
        DiskFull = "full disk", 6, "A device's disk is full, its keychain locked, or its database held by another process.";
        DiskFailed = "failed disk", 4, "A device's disk fails.";
        Crash = "kill -9, some batches written", 8, "A device's process is killed while its disk is at work.";
        Kill = "kill -9", 5, "A device's process is killed.";
        Restored = "restored store", 5, "An older copy of a device's database is put back.";
        Cloned = "cloned device", 4, "A device runs twice, from one database and one keychain.";
        WrongKey = "lost key", 4, "A device's process is started without the key of its store.";
        Clock = "clock jump", 5, "A device's wall clock jumps: by hours, by days, now and then by years.";
        Suspend = "suspend", 5, "A device sleeps with everything open.";
        Signal = "stray signal", 8, "A platform signals something else than what is.";
        Eager = "eager driver", 4, "A device's driver ticks after every input.";
        Sluggish = "sluggish driver", 4, "A device's driver wakes late and drains late.";
        RelayKill = "relay kill -9", 5, "A relay's process is killed.";
        RelayCrash = "relay kill -9, some batches written", 5, "A relay's process is killed while its disk is at work.";
        RelayDrain = "relay drained", 4, "A relay ends in good order.";
        RelayDiskSlow = "relay slow disk", 4, "A relay's disk takes up to two seconds a batch.";
        RelayDiskStalled = "relay stalled disk", 4, "A relay's disk answers nothing.";
        RelayDiskFull = "relay full disk", 5, "A relay's disk is full.";
        RelayDiskFailed = "relay failed disk", 4, "A relay's disk fails.";
        RelayClock = "relay clock jump", 4, "A relay's wall clock jumps.";
        RolledBack = "relay rolled back", 5, "An older copy of a relay's database is put back.";
        Wiped = "relay wiped", 4, "A relay begins with an empty database.";
        Announcement = "lost announcement", 4, "A relay's machines miss what another of them announced.";
        Mailboxes = "lost mailboxes", 4, "A relay restarts without its mailboxes.";
        RowRotted = "rotten row at the relay", 5, "A bit of a stored blob flips.";
        RowLost = "lost row at the relay", 5, "A stored blob is gone.";
        Expired = "early expiry", 4, "A relay has expired what somebody had not read.";
        Liar = "lying member", 5, "A member signs what no honest device would.";
        Impostor = "refusing relay", 9, "Whoever has a relay's key lets a device in and sends it away, for no reason.";
    }
}

kinds! {
    /// Something that applications and their users do.
    Work {
        Push = "push", 30, "Push something.";
        PushMany = "push many", 4, "Push ten things at once.";
        Read = "read", 20, "Pull what is new and acknowledge what was before.";
        AckWild = "ack", 2, "Acknowledge any position.";
        SyncNow = "sync now", 5, "Ask for a complete sync.";
        Rename = "rename", 2, "Give a device another name.";
        Cancel = "cancel", 3, "Give up on the last command.";
        Invite = "invite", 4, "One device invites, another joins.";
        CancelInvite = "cancel invite", 1, "End an open invite.";
        Leave = "leave", 1, "Leave the group.";
        Disable = "disable", 1, "Switch syncing off.";
        Enable = "enable", 3, "Switch it on.";
        Move = "move", 1, "Move to the other relay.";
        Copy = "copy", 12, "Keep a copy of a database.";
        Nonsense = "nonsense", 5, "Ask for what cannot be.";
        Start = "start", 10, "Start what does not run.";
        Calm = "calm", 10, "Mend one device and its path.";
        CalmRelay = "calm relay", 6, "Mend a relay.";
        Wait = "wait", 3, "Let minutes pass.";
    }
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Somebody does something.
    Do(Work),
    /// Something goes wrong.
    Break(Fault),
}

/// One thing that happens, to whom, and after how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Its number in the plan.
    pub number: usize,
    /// Virtual milliseconds before it.
    pub wait: u32,
    /// What.
    pub what: What,
    /// To which device; any number, taken modulo how many there are.
    pub who: u32,
    /// How much, where that means anything.
    pub much: u32,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Do(work) => work.name(),
            What::Break(fault) => fault.name(),
        };
        write!(f, "{:>3}  +{:>7} ms  {what} (who {}, much {})", self.number, self.wait, self.who, self.much)
    }
}

/// What kind of world it is. Some faults make sense in some worlds only, since they change what may be expected at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Members from the beginning.
    pub members: u32,
    /// Devices that are groups of one, and may join.
    pub spares: u32,
    /// Machines of each relay.
    pub machines: u32,
    /// Bounds are small, so that they are reached.
    pub tight: bool,
    /// Relays lose their databases or go back to older ones; devices move between relays.
    pub disasters: bool,
    /// Devices are restored from copies or cloned.
    pub copies: bool,
    /// The relay's disk rots, and one member is in the wrong hands.
    pub lossy: bool,
}

/// A run before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// In which world.
    pub shape: Shape,
    /// What happens.
    pub acts: Vec<Act>,
}

/// Faults of a plan. Some take no effect: what is dead cannot be killed.
const FAULTS: usize = 140;

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut draw = Seed::new(bytes).draw("storm");
        let shape = Shape {
            members: 2 + draw.below(2),
            spares: 1 + draw.below(2),
            machines: 1 + draw.below(2),
            tight: draw.below(3) == 0,
            disasters: seed % 4 == 1,
            copies: seed % 4 == 2,
            lossy: seed % 4 == 3,
        };
        let mut acts = Vec::new();
        for _ in 0..FAULTS {
            for _ in 0..draw.below(3) {
                let work = pick(&mut draw, Work::ALL, |work| if shape.allows_work(*work) { work.weight() } else { 0 });
                acts.push(act(&mut draw, What::Do(work)));
            }
            let fault =
                pick(&mut draw, Fault::ALL, |fault| if shape.allows(*fault) { shape.weight(*fault) } else { 0 });
            let broken = act(&mut draw, What::Break(fault));
            acts.push(broken);
            if draw.below(4) > 0 {
                // Most things are mended soon: in a world where nothing works nothing can go wrong.
                let relay = fault >= Fault::RelayKill && fault <= Fault::RelayClock;
                let mend = if relay { Work::CalmRelay } else { Work::Calm };
                // Not at once: what is mended before it did harm was never broken.
                let most = if draw.below(4) == 0 { 20_000 } else { 1_500 };
                let wait = 40 + draw.below(most);
                acts.push(Act { who: broken.who, wait, ..act(&mut draw, What::Do(mend)) });
            }
        }
        acts.iter_mut().enumerate().for_each(|(number, act)| act.number = number);
        Self { seed, shape, acts }
    }

    /// The same with some acts only, by number.
    #[must_use]
    pub fn keep(&self, numbers: &[usize]) -> Self {
        let acts = self.acts.iter().filter(|act| numbers.contains(&act.number)).copied().collect();
        Self { acts, ..self.clone() }
    }
}

impl Shape {
    fn allows(&self, fault: Fault) -> bool {
        match fault {
            Fault::RolledBack | Fault::Wiped => self.disasters,
            Fault::Restored | Fault::Cloned => self.copies,
            Fault::RowRotted | Fault::RowLost | Fault::Expired | Fault::Liar => self.lossy,
            Fault::Announcement => self.machines > 1,
            _ => true,
        }
    }

    /// What only some worlds have must be seen often enough over all of them.
    fn weight(&self, fault: Fault) -> u32 {
        match fault {
            Fault::Cloned => fault.weight() * 4,
            Fault::Expired => fault.weight() * 8,
            Fault::Restored => fault.weight() * 6,
            Fault::Wiped => fault.weight() * 3,
            Fault::RolledBack | Fault::RowRotted | Fault::RowLost | Fault::Liar | Fault::Announcement => {
                fault.weight() * 2
            }
            _ => fault.weight(),
        }
    }

    fn allows_work(&self, work: Work) -> bool {
        match work {
            Work::Move => self.disasters,
            Work::Copy => self.copies,
            Work::Leave => !self.copies,
            _ => true,
        }
    }
}

fn pick<T: Copy>(draw: &mut Draw, all: &[T], weight: impl Fn(&T) -> u32) -> T {
    let total: u32 = all.iter().map(&weight).sum();
    let mut at = draw.below(total);
    for one in all {
        match at.checked_sub(weight(one)) {
            None => return *one,
            Some(rest) => at = rest,
        }
    }
    all[0]
}

fn act(draw: &mut Draw, what: What) -> Act {
    let wait = match draw.below(20) {
        0..=5 => 0,
        6..=11 => draw.below(60),
        12..=16 => draw.below(1_500),
        17 | 18 => draw.below(12_000),
        _ => draw.below(60_000),
    };
    Act { number: 0, wait, what, who: draw.below(1 << 16), much: draw.below(1 << 30) }
}
