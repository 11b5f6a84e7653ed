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

fn claim(id: u8, by: u8, now: u64) -> RelayOp {
    RelayOp::ClaimMailbox { id: mailbox_id(id), link: link(by), now: UnixMillis(now) }
}

fn invite(rig: &mut Rig) {
    let both = rig.persist(vec![open_op(CODE, QR, 1, 8), open_op(QR, CODE, 1, 8)]);
    assert_eq!(both, [RelayOutcome::Mailbox(Ok(())), RelayOutcome::Mailbox(Ok(()))]);
}

fn read(rig: &mut Rig, id: u8, side: Side, after: u32) -> (Vec<Bytes>, bool, bool) {
    match rig.load(RelayQuery::Mailbox { id: mailbox_id(id), side, after }) {
        RelayAnswer::Mailbox { messages, open, claimed } => (messages, open, claimed),
        other => panic!("not a mailbox: {other:?}"),
    }
}

#[test]
fn messages_reach_the_other_side_in_order_and_from_where_it_left_off() {
    let mut rig = rig();
    invite(&mut rig);
    rig.mailbox(claim(CODE, 7, NOON)).unwrap();
    rig.mailbox(send(CODE, Side::Joiner, b"e", NOON)).unwrap();
    rig.mailbox(send(CODE, Side::Creator, b"one", NOON)).unwrap();
    rig.mailbox(send(CODE, Side::Creator, b"two", NOON)).unwrap();
    let (messages, open, claimed) = read(&mut rig, CODE, Side::Joiner, 0);
    assert_eq!((messages, open, claimed), (vec![Bytes::from("one"), Bytes::from("two")], true, true));
    assert_eq!(read(&mut rig, CODE, Side::Joiner, 1).0, ["two"]);
    assert_eq!(read(&mut rig, CODE, Side::Creator, 0).0, ["e"]);
    assert_eq!(read(&mut rig, CODE, Side::Creator, 1).0, [""; 0]);
}

#[test]
fn b5_a_mailbox_is_claimed_once_and_the_same_joiner_may_come_back() {
    let mut rig = rig();
    invite(&mut rig);
    assert_eq!(rig.mailbox(claim(QR, 7, NOON)), Ok(()));
    assert_eq!(rig.mailbox(claim(QR, 8, NOON)), Err(WireCode::InviteUsed));
    assert_eq!(rig.mailbox(claim(QR, 7, NOON)), Ok(()));
}

#[test]
fn b5_a_claim_closes_the_other_half_of_the_invite_for_good() {
    let mut rig = rig();
    invite(&mut rig);
    rig.mailbox(claim(QR, 7, NOON)).unwrap();
    assert_eq!(rig.mailbox(claim(CODE, 8, NOON)), Err(WireCode::InviteUnknown));
    let mut rig = rig.reopen();
    let again = rig.persist(vec![open_op(CODE, QR, 1, 8), open_op(QR, CODE, 1, 8)]);
    assert_eq!(
        again,
        [RelayOutcome::Mailbox(Err(WireCode::InviteUsed)), RelayOutcome::Mailbox(Ok(()))],
        "a creator that reconnects attaches to the claimed one only"
    );
    assert_eq!(rig.mailbox(claim(CODE, 8, NOON)), Err(WireCode::InviteUnknown));
    rig.persist(vec![RelayOp::CloseMailbox { id: mailbox_id(QR) }]);
    assert_eq!(rig.mailbox(open_op(CODE, QR, 1, 8)), Err(WireCode::InviteUnknown), "an ended invite stays ended");
}

#[test]
fn b6_unknown_closed_and_expired_answer_alike() {
    let mut rig = rig();
    invite(&mut rig);
    assert_eq!(rig.mailbox(claim(CODE, 7, ENDS)), Err(WireCode::InviteUnknown), "expired");
    assert_eq!(rig.mailbox(send(CODE, Side::Creator, b"x", ENDS)), Err(WireCode::InviteUnknown));
    assert_eq!(rig.mailbox(claim(9, 7, NOON)), Err(WireCode::InviteUnknown), "unknown");
    assert_eq!(rig.mailbox(send(9, Side::Joiner, b"x", NOON)), Err(WireCode::InviteUnknown));
    assert_eq!(read(&mut rig, 9, Side::Joiner, 0), (vec![], false, false));
    assert_eq!(rig.mailbox(claim(CODE, 7, ENDS - 1)), Ok(()), "until the last moment");
    rig.persist(vec![RelayOp::CloseMailbox { id: mailbox_id(CODE) }]);
    assert_eq!(rig.mailbox(claim(CODE, 7, NOON)), Err(WireCode::InviteUnknown), "closed");
    assert_eq!(rig.mailbox(claim(QR, 7, NOON)), Err(WireCode::InviteUnknown), "and its twin");
}

#[test]
fn a_last_word_before_the_end_can_still_be_read() {
    let mut rig = rig();
    invite(&mut rig);
    rig.mailbox(claim(CODE, 7, NOON)).unwrap();
    rig.persist(vec![send(CODE, Side::Joiner, b"done", NOON), RelayOp::CloseMailbox { id: mailbox_id(CODE) }]);
    assert_eq!(read(&mut rig, CODE, Side::Creator, 0), (vec![Bytes::from("done")], false, true));
    rig.mailbox(open_op(5, 6, 1, 8)).unwrap();
    assert_eq!(read(&mut rig, CODE, Side::Creator, 0).0, [""; 0], "until the group's next invite");
}

#[test]
fn nobody_writes_as_a_joiner_before_a_claim() {
    let mut rig = rig();
    invite(&mut rig);
    assert_eq!(rig.mailbox(send(CODE, Side::Joiner, b"x", NOON)), Err(WireCode::InviteUnknown));
    assert_eq!(rig.mailbox(send(CODE, Side::Creator, b"x", NOON)), Ok(()));
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
fn b10_a_side_sends_a_bounded_number_of_bounded_messages() {
    let mut rig = rig();
    invite(&mut rig);
    for _ in 0..64 {
        rig.mailbox(send(CODE, Side::Creator, b"x", NOON)).unwrap();
    }
    assert_eq!(rig.mailbox(send(CODE, Side::Creator, b"x", NOON)), Err(WireCode::MailboxFull));
    rig.mailbox(claim(CODE, 7, NOON)).unwrap();
    let body = |len| RelayOp::SendMailbox {
        id: mailbox_id(CODE),
        side: Side::Joiner,
        body: Bytes::from(vec![0; len]),
        now: UnixMillis(NOON),
    };
    assert_eq!(rig.mailbox(body(16 * 1024)), Ok(()));
    assert_eq!(rig.mailbox(body(16 * 1024 + 1)), Err(WireCode::MailboxFull));
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
