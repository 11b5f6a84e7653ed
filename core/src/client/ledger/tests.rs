use super::*;

/// A change of one number.
type Change = fn(&mut Ledger);

#[test]
fn numbers_at_their_end_are_not_counted_on_from() {
    assert!(Ledger::default().is_sound());
    let changes: [(&str, Change); 8] = [
        ("position", |ledger| ledger.last_position = Position(u64::MAX)),
        ("trimmed", |ledger| ledger.trimmed = Position(u64::MAX)),
        ("reserved", |ledger| ledger.reserved = u64::MAX),
        ("outbox", |ledger| ledger.next_outbox = OutboxId(IMPOSSIBLE)),
        ("verdict", |ledger| ledger.next_verdict = u64::MAX),
        ("roster", |ledger| ledger.next_roster = u64::MAX),
        ("returned more than assigned", |ledger| ledger.returned = Position(1)),
        ("acknowledged more than returned", |ledger| ledger.acked = Position(1)),
    ];
    for (what, change) in changes {
        let mut ledger = Ledger::default();
        change(&mut ledger);
        assert!(!ledger.is_sound(), "{what}");
    }
}
