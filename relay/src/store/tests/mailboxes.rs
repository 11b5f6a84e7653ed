//! Pairing mailboxes: one claim, one twin, one lifetime.

use super::*;

const CODE: u8 = 1;
const QR: u8 = 2;
const ENDS: u64 = NOON + 600_000;

fn open_op(id: u8, twin: u8, group: u8, limit: u32) -> RelayOp {
    RelayOp::OpenMailbox {
        id: mailbox_id(id),
        twin: mailbox_id(twin),
        group: group_id(group),
        expires: UnixMillis(ENDS),
        limit,
    }
}

fn invite(rig: &mut Rig) {
    let both = rig.persist(vec![open_op(CODE, QR, 1, 8), open_op(QR, CODE, 1, 8)]);
    assert_eq!(both, [RelayOutcome::Mailbox(Ok(())), RelayOutcome::Mailbox(Ok(()))]);
}

#[test]
fn b10_a_group_has_a_bounded_number_of_mailboxes_open_and_ended() {
    let mut rig = rig();
    assert_eq!(rig.mailbox(open_op(1, 2, 1, 2)), Ok(()));
    assert_eq!(rig.mailbox(open_op(2, 1, 1, 2)), Ok(()));
    assert_eq!(rig.mailbox(open_op(3, 4, 1, 2)), Err(WireCode::MailboxFull));
    assert_eq!(rig.mailbox(open_op(3, 4, 2, 2)), Ok(()), "another group");
    assert_eq!(rig.mailbox(open_op(1, 2, 1, 2)), Ok(()), "its own, again");
    assert_eq!(rig.mailbox(open_op(1, 2, 2, 2)), Err(WireCode::InviteUnknown), "never someone else's");
    rig.persist(vec![RelayOp::CloseMailbox { id: mailbox_id(1) }]);
    for n in 10..136 {
        assert_eq!(rig.mailbox(open_op(n, n, 1, 2)), Ok(()));
        rig.persist(vec![RelayOp::CloseMailbox { id: mailbox_id(n) }]);
    }
    assert_eq!(rig.mailbox(open_op(200, 201, 1, 2)), Err(WireCode::MailboxFull), "opening and closing is bounded too");
}

#[test]
fn expired_mailboxes_are_purged_by_a_sweep_and_at_the_start() {
    let mut rig = rig();
    invite(&mut rig);
    rig.mailbox(send(CODE, Side::Creator, b"x", NOON)).unwrap();
    rig.sweep(NOON, Duration::from_secs(3600));
    let rows = |rig: &Rig| (super::log::count(rig, "mailboxes"), super::log::count(rig, "mailbox_messages"));
    assert_eq!(rows(&rig), (2, 1));
    rig.sweep(ENDS, Duration::from_secs(3600));
    assert_eq!(rows(&rig), (0, 0));
    invite(&mut rig);
    let mut rig = rig.reopen();
    rig.load(RelayQuery::Open);
    assert_eq!(rows(&rig), (0, 0), "the expiry clock stands at their end");
}

#[test]
fn more_expired_mailboxes_than_one_transaction_takes_all_go() {
    let mut rig = rig();
    let pairs = u8::try_from(crate::store::mailbox::CHUNK).unwrap();
    for n in 0..pairs {
        let id = |side: u8| MailboxId([[n; 8], [side; 8]].concat().try_into().unwrap());
        for (id, twin) in [(id(1), id(2)), (id(2), id(1))] {
            let group = GroupId([n; 32]);
            let open = RelayOp::OpenMailbox { id, twin, group, expires: UnixMillis(ENDS), limit: 8 };
            assert_eq!(rig.mailbox(open), Ok(()));
        }
    }
    rig.sweep(ENDS, Duration::from_secs(3600));
    // What the sweep leaves goes between other work; a question is answered behind it.
    while super::log::count(&rig, "mailboxes") > 0 {
        rig.load(RelayQuery::Open);
    }
}
