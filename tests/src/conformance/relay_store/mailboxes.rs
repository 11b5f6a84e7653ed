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

fn invite<T: RelayTrial>(rig: &mut T) {
    let both = rig.persist(vec![open_op(CODE, QR, 1, 8), open_op(QR, CODE, 1, 8)]);
    assert_eq!(both, [RelayOutcome::Mailbox(Ok(())), RelayOutcome::Mailbox(Ok(()))]);
}

fn read<T: RelayTrial>(rig: &mut T, id: u8, side: Side, after: u32) -> (Vec<Bytes>, bool, bool) {
    match rig.load(RelayQuery::Mailbox { id: mailbox_id(id), side, after }) {
        RelayAnswer::Mailbox { messages, open, claimed } => (messages, open, claimed),
        other => panic!("not a mailbox: {other:?}"),
    }
}

pub fn messages_reach_the_other_side_in_order_and_from_where_it_left_off<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn b5_a_mailbox_is_claimed_once_and_the_same_joiner_may_come_back<T: RelayTrial>() {
    let mut rig = T::new();
    invite(&mut rig);
    assert_eq!(rig.mailbox(claim(QR, 7, NOON)), Ok(()));
    assert_eq!(rig.mailbox(claim(QR, 8, NOON)), Err(WireCode::InviteUsed));
    assert_eq!(rig.mailbox(claim(QR, 7, NOON)), Ok(()));
}

pub fn b5_a_claim_closes_the_other_half_of_the_invite_for_good<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn b6_unknown_closed_and_expired_answer_alike<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn a_last_word_before_the_end_can_still_be_read<T: RelayTrial>() {
    let mut rig = T::new();
    invite(&mut rig);
    rig.mailbox(claim(CODE, 7, NOON)).unwrap();
    rig.persist(vec![send(CODE, Side::Joiner, b"done", NOON), RelayOp::CloseMailbox { id: mailbox_id(CODE) }]);
    assert_eq!(read(&mut rig, CODE, Side::Creator, 0), (vec![Bytes::from("done")], false, true));
    rig.mailbox(open_op(5, 6, 1, 8)).unwrap();
    assert_eq!(read(&mut rig, CODE, Side::Creator, 0).0, [""; 0], "until the group's next invite");
}

pub fn nobody_writes_as_a_joiner_before_a_claim<T: RelayTrial>() {
    let mut rig = T::new();
    invite(&mut rig);
    assert_eq!(rig.mailbox(send(CODE, Side::Joiner, b"x", NOON)), Err(WireCode::InviteUnknown));
    assert_eq!(rig.mailbox(send(CODE, Side::Creator, b"x", NOON)), Ok(()));
}

pub fn b10_a_side_sends_a_bounded_number_of_bounded_messages<T: RelayTrial>() {
    let mut rig = T::new();
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
