//! The attacks that a relay can commit, each by its name in the catalogue, and the ways to place one in a conversation.
//!
//! Says nothing of how: `lies` has the words, `relay` says them.

/// One attack of the catalogue. Those that need a member's signature are committed together with one (see [`super::Insider`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attack {
    /// A1: a bit of a blob is flipped, in another field at each position.
    FlipBit,
    /// A2: a blob is cut short, made longer, or emptied.
    Resize,
    /// A3: two blobs change places.
    Swap,
    /// A4: a blob of another group.
    Foreign,
    /// A5: an old blob comes again, at a new cursor.
    Repeat,
    /// A6: the newest blobs come again, the other way round.
    Reorder,
    /// A7: a blob is left out.
    Omit,
    /// A8: from here on nothing new is shown.
    Withhold,
    /// A9: another record stands where others were shown the true one.
    Fork,
    /// A11: a second signed record for one place is shown beside the first.
    Equivocate,
    /// A12: the log goes back by two entries.
    RollBack,
    /// A13: the log, the mailboxes and the relay's name are gone.
    Wipe,
    /// A14: a record with the group's seal that no member signed.
    Forge,
    /// A15: cursors that make no sense.
    Cursors,
    /// A16: acknowledgements of what this device never sent, and none of what it did.
    Acknowledge,
    /// A17: a blob fails at its last check only, its signature.
    Probe,
    /// A18: a page that promises more and has nothing.
    EmptyPage,
    /// A19: an admission is withheld, or one is forged.
    Roster,
    /// A20: a true record is served as one of another kind.
    Relabel,
    /// A22: a storm of news.
    Storm,
    /// A23: a refusal, another code at each position, never to come back.
    Refuse,
    /// A24: everything expires before it was read.
    Expire,
    /// A25: from here on every push of the device is refused.
    RefusePushes,
    /// A26: another key answers at the relay's address.
    OtherKey,
    /// B3: a message of a pairing is changed on its way. Not among [`Attack::ALL`], which are the attacks on a group's log.
    Intercept,
}

impl Attack {
    /// Those on a group's log and its link, in the catalogue's order.
    pub const ALL: [Self; 24] = [
        Self::FlipBit,
        Self::Resize,
        Self::Swap,
        Self::Foreign,
        Self::Repeat,
        Self::Reorder,
        Self::Omit,
        Self::Withhold,
        Self::Fork,
        Self::Equivocate,
        Self::RollBack,
        Self::Wipe,
        Self::Forge,
        Self::Cursors,
        Self::Acknowledge,
        Self::Probe,
        Self::EmptyPage,
        Self::Roster,
        Self::Relabel,
        Self::Storm,
        Self::Refuse,
        Self::Expire,
        Self::RefusePushes,
        Self::OtherKey,
    ];

    /// Its name in the catalogue.
    pub const fn id(self) -> &'static str {
        match self {
            Self::FlipBit => "A1",
            Self::Resize => "A2",
            Self::Swap => "A3",
            Self::Foreign => "A4",
            Self::Repeat => "A5",
            Self::Reorder => "A6",
            Self::Omit => "A7",
            Self::Withhold => "A8",
            Self::Fork => "A9",
            Self::Equivocate => "A11",
            Self::RollBack => "A12",
            Self::Wipe => "A13",
            Self::Forge => "A14",
            Self::Cursors => "A15",
            Self::Acknowledge => "A16",
            Self::Probe => "A17",
            Self::EmptyPage => "A18",
            Self::Roster => "A19",
            Self::Relabel => "A20",
            Self::Storm => "A22",
            Self::Refuse => "A23",
            Self::Expire => "A24",
            Self::RefusePushes => "A25",
            Self::OtherKey => "A26",
            Self::Intercept => "B3",
        }
    }

    /// Whether it goes on until the relay relents, rather than once.
    pub const fn is_lasting(self) -> bool {
        matches!(self, Self::Withhold | Self::RefusePushes)
    }
}

/// How an attack is placed at a position: the honest words there, the lie, and the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Manner {
    /// The lie in place of the honest words.
    Instead,
    /// The lie, then the honest words.
    Before,
    /// The honest words, then the lie.
    After,
    /// The lie twice, and nothing honest.
    Twice,
    /// The link ends before the lie; it is told on the next one, at its first words.
    CutBefore,
    /// The link ends in the middle of the lie.
    CutWithin,
    /// The link ends when the lie has been told.
    CutAfter,
}

impl Manner {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Instead, Self::Before, Self::After, Self::Twice, Self::CutBefore, Self::CutWithin, Self::CutAfter];
}

/// One attack, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// What.
    pub attack: Attack,
    /// At which of the things the relay says, counted from 0 over all devices since it was set up.
    pub position: usize,
    /// How.
    pub manner: Manner,
}
