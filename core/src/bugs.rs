//! Seeded bugs: mistakes that are easy to make here, each of which the simulator or the model checker must find.
//!
//! Without the feature `bugs`, which no published crate and no default enables, [`bug!`] is the constant `false` and nothing of this
//! is compiled. With it one bug at a time is switched on for the whole process: it is the only global of this crate, so that one
//! build serves every bug.
//!
//! A check that catches none of them proves nothing; docs/verification.md says which check catches which.

/// Whether this bug is switched on.
#[cfg(feature = "bugs")]
macro_rules! bug {
    ($bug:ident) => {
        $crate::bugs::is_seeded($crate::bugs::Bug::$bug)
    };
}

/// Whether this bug is switched on: never, in what anybody ships.
#[cfg(not(feature = "bugs"))]
macro_rules! bug {
    ($bug:ident) => {
        false
    };
}

#[cfg(feature = "bugs")]
macro_rules! bugs {
    ($($variant:ident = $name:literal, $sentence:literal;)*) => {
        /// A mistake, and where it is made.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Bug {
            $(#[doc = $sentence] $variant,)*
        }

        impl Bug {
            /// Every bug there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name on command lines and in tables.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What is done wrong.
            pub const fn mistake(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

#[cfg(feature = "bugs")]
bugs! {
    VisibleBeforeDurable = "visible-before-durable", "The client lets answers, events and pushes out before their batch is durable.";
    AckBeforeCommit = "ack-before-commit", "The relay acknowledges a push before its store has committed it.";
    TornBatch = "torn-batch", "The client writes what belongs together in two batches.";
    CursorFromPushed = "cursor-from-pushed", "The client moves its relay cursor on an acknowledgement of its own push.";
    CursorOutsideInsert = "cursor-outside-insert", "The relay's store takes the cursor apart from the insert: a reader sees n+1 without n.";
    NewsOutOfStep = "news-out-of-step", "The client processes news that does not follow its cursor.";
    ResetIgnored = "reset-ignored", "The client keeps its cursor in a log that was rolled back.";
    SealAgain = "seal-again", "The client seals a record anew when a push is retried.";
    PushedOutOfOrder = "pushed-out-of-order", "The client pushes its newest record first.";
    ForgetOnSend = "forget-on-send", "The client drops a record from its outbox when it is sent, not when it is acknowledged.";
    PrunedUnseen = "pruned-unseen", "The client drops a record from its outbox before every device has it.";
    LaneGoesOn = "lane-goes-on", "The relay stores later pushes of a lane after it refused one.";
    RelayForgetsDuplicates = "relay-forgets-duplicates", "The relay's store gives a blob it has a second cursor.";
    SkipUnopenable = "skip-unopenable", "The client passes over what it cannot open or attribute, and says nothing.";
    HeldDelivered = "held-delivered", "The client delivers a record before its predecessors.";
    KnownDelivered = "known-delivered", "The client delivers a record again when it comes again.";
    GapUntold = "gap-untold", "The client passes over missing records and says nothing.";
    KeysBeforeAdd = "keys-before-add", "The creator of an invite hands out keys before the record that admits the device is durable.";
    RestoreUnnoticed = "restore-unnoticed", "The client does not notice that its store is older than what others have of it.";
    PositionReused = "position-reused", "The client assigns positions by its store alone, which may have been restored.";
    AckBeyondReturned = "ack-beyond-returned", "The client takes an acknowledgement of what no pull has returned.";
    SyncedTooSoon = "synced-too-soon", "The client shows that all is synced while records wait.";
    InboxUnbounded = "inbox-unbounded", "The client pulls on although its inbox is full.";
    DeadLinkTrusted = "dead-link-trusted", "The client never gives up a link that has fallen silent.";
}

#[cfg(feature = "bugs")]
mod switch {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::Bug;

    /// Zero for none, else one more than the bug's place.
    static SEEDED: AtomicUsize = AtomicUsize::new(0);

    /// Switches a bug on, and every other off.
    pub fn seed(bug: Option<Bug>) {
        SEEDED.store(bug.map_or(0, |bug| bug as usize + 1), Ordering::SeqCst);
    }

    /// Whether it is switched on.
    pub fn is_seeded(bug: Bug) -> bool {
        SEEDED.load(Ordering::Relaxed) == bug as usize + 1
    }
}

#[cfg(feature = "bugs")]
pub use switch::{is_seeded, seed};
