//! What tells no two states of a machine apart, for a search that counts them. Compiled only with the feature `model`.
//!
//! Settings and secrets are the same in every state of a search, or follow from ids that count; randomness to come changes bytes and
//! not behaviour; nothing reads statistics; and no search forms a group, so that no pairing is under way in one.

use core::hash::{Hash, Hasher};

macro_rules! unhashed {
    ($($(#[doc = $why:literal])* $($type:path),+;)*) => {$($(
        impl Hash for $type {
            fn hash<H: Hasher>(&self, _: &mut H) {}
        }
    )+)*};
}

unhashed! {
    /// Settings.
    crate::client::ClientConfig, crate::relay::RelayConfig, crate::limits::RelayLimits;
    /// Secrets.
    crate::seal::keys::LinkSecret, crate::seal::keys::EpochSecret, crate::seal::keys::Epoch, crate::seal::keys::DeviceKeys;
    /// Randomness.
    crate::rng::Draw;
    /// Statistics.
    crate::relay::stats::RelayStats, crate::client::Tally;
    /// Pairings.
    crate::pairing::PairingSecret, crate::pairing::code::PairingCode, crate::pairing::invite::QrPayload;
    crate::pairing::exchange::Creator, crate::pairing::exchange::Joiner;
}
