//! What to do about a code, beyond what its own sentence says.

use zerok_core::error::Code;

/// One sentence or two.
pub(crate) const fn advice(code: Code) -> &'static str {
    use Code as C;
    match code {
        C::Offline => {
            "Check that the relay runs and that this network lets it through. If its address changed: `zerok set-relay ADDR`."
        }
        C::Pending => "They leave with the next command that reaches the relay: `zerok sync`.",
        C::NotEnabled => "`zerok init` makes a new group, `zerok join CODE` joins one.",
        C::NoRelay => "`zerok set-relay ADDR`, with the address that the relay prints when it starts.",
        C::AlreadyRunning => {
            "Find the other `zerok` or the application that uses this directory and stop it, or use --data. The lock goes with the process."
        }
        C::StorageFull => "Free some space on the disk of the data directory.",
        C::StorageFailed => {
            "Look at the directory's owner and permissions and at the disk. Damaged databases are kept aside, never deleted."
        }
        C::KeyLost => {
            "Restore the keychain item or the key file from where it went. Otherwise remove the data directory and pair again: what had not reached the relay is lost."
        }
        C::KeychainLocked => {
            "Unlock the keychain of this user. Where there is none, a new device can use --key-storage file."
        }
        C::RelayUnverified => {
            "Compare this device's relay address with what the relay prints now. Set the new one only if you know why its key changed."
        }
        C::RelayIncompatible | C::UpdateNeeded => "Update zerok here, and the relay.",
        C::RelayFull => "Ask whoever runs the relay for a higher quota or more disk.",
        C::RateLimited | C::Busy => "Wait a while.",
        C::NotMember => "Use the relay that the other devices use. If it is the same, leave the group and pair again.",
        C::OutboxFull => "Reach the relay: `zerok sync`.",
        C::InboxFull => "Read it: `zerok pull`.",
        C::RelayMismatch => "`zerok set-relay ADDR` if the other one is wanted.",
        C::Gap => {
            "If another device still has what is missing, let it push its state again. `zerok doctor --settle` once that is done."
        }
        C::Tampered | C::Fork | C::Equivocation => {
            "Compare the devices. The relay or a device is broken or dishonest; do not trust what differs. `zerok doctor --settle` forgets the finding."
        }
        C::RelayReset => "Nothing: the devices refill it. `zerok doctor --settle` forgets the finding.",
        C::UnknownDevice => {
            "If nobody admitted that device, do not trust what comes from it. Else leave the group here and pair again: `zerok leave`, then an invite of another device."
        }
        C::RestoredTooOften => "On that device: `zerok leave`, then pair it again.",
        C::MissingEpoch => "Update zerok here; if that does not help, pair this device again.",
        _ => "See docs/cli.md.",
    }
}
