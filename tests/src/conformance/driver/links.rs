//! D4 and D5: what becomes of links and of the bytes on them.

use std::{
    io::{Read, Write},
    thread,
    time::Instant,
};

use bytes::Bytes;
use zerok_core::{
    client::io::ClientOutput,
    machine::{LinkFailure, LinkOutput},
};

use super::{Driver, MOMENT, PATIENCE, Peer, probe::Trial};

/// More than any transport takes before somebody reads.
const FLOOD: usize = 24 << 20;

/// Bytes that show where they belong.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8)) as u8).collect()
}

/// D4.
pub fn d4_bytes_keep_their_order_both_ways_and_written_sums_up<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    let all = pattern((0..300).sum());
    let mut at = 0;
    let pieces = (1..300).map(|len| {
        let bytes = Bytes::copy_from_slice(&all[at..at + len]);
        at += len;
        ClientOutput::Link(LinkOutput::Transmit { link, bytes })
    });
    trial.say(pieces);
    let mut read = vec![0; all.len()];
    peer.read_exact(&mut read).unwrap();
    assert!(read == all, "outwards");
    peer.write_all(&all).unwrap();
    peer.flush().unwrap();
    assert!(trial.received(link, all.len()) == all, "inwards");
    trial.wait("all is reported written", |state| (state.links[&link].written == all.len()).then_some(()));
    trial.end();
}

/// Bytes may be cut anywhere.
pub fn d4_a_byte_at_a_time_arrives_like_any_other<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    let all = pattern(200);
    for byte in &all {
        peer.write_all(&[*byte]).unwrap();
        peer.flush().unwrap();
    }
    assert_eq!(trial.received(link, all.len()), all);
    trial.end();
}

/// D4: a close is a request to finish, not to forget.
pub fn d4_a_close_writes_out_what_was_queued_and_ends_the_link_once<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    let all = pattern(300_000);
    trial.transmit(link, all.clone());
    trial.close(link);
    trial.close(link);
    let mut read = Vec::new();
    let _end = peer.read_to_end(&mut read);
    assert!(read == all, "{} of {} bytes", read.len(), all.len());
    assert_eq!(trial.ended(link), LinkFailure::Local);
    assert_eq!(trial.set(|state| state.links[&link].written), all.len());
    thread::sleep(MOMENT);
    trial.end();
}

/// D4: the end is the last word, after everything that was said.
pub fn d4_the_peers_end_comes_after_its_bytes_and_once<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    let all = pattern(200_000);
    peer.write_all(&all).unwrap();
    peer.finish();
    assert_eq!(trial.ended(link), LinkFailure::Eof);
    assert!(trial.set(|state| state.links[&link].received == all));
    thread::sleep(MOMENT);
    trial.end();
}

/// D4: with bytes under way in both directions.
pub fn d4_a_peer_that_vanishes_in_the_middle_ends_the_link_once<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    trial.transmit(link, pattern(FLOOD));
    peer.write_all(b"half a fra").unwrap();
    peer.flush().unwrap();
    let mut some = [0; 1000];
    peer.read_exact(&mut some).unwrap();
    drop(peer);
    trial.ended(link);
    let (other, mut peer) = trial.connect();
    peer.write_all(b"next").unwrap();
    peer.flush().unwrap();
    assert_eq!(trial.received(other, 4), b"next");
    trial.end();
}

/// D4.
pub fn d4_a_failed_dial_ends_in_one_open_failed<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let nowhere = trial.driver.nowhere();
    let link = trial.dial(&nowhere);
    trial.ended(link);
    assert!(!trial.set(|state| state.links[&link].opened));
    thread::sleep(MOMENT);
    trial.end();
}

/// D4: whichever wins, the link ends once.
pub fn d4_a_dial_that_is_closed_at_once_ends_once<D: Driver>() {
    let mut trial = Trial::<D>::new();
    for target in [trial.driver.address(), trial.driver.nowhere()] {
        for _ in 0..20 {
            let link = trial.dial(&target);
            trial.close(link);
            trial.ended(link);
        }
    }
    trial.end();
}

/// D4, a thousand times, ended by either side in turn.
pub fn d4_many_reconnects_each_end_once<D: Driver>() {
    let mut trial = Trial::<D>::new();
    for round in 0..D::RECONNECTS {
        let (link, mut peer) = trial.connect();
        trial.transmit(link, &b"hello"[..]);
        let mut read = [0; 5];
        peer.read_exact(&mut read).unwrap();
        peer.write_all(&read).unwrap();
        peer.flush().unwrap();
        assert_eq!(trial.received(link, 5), b"hello");
        if round % 2 == 0 {
            trial.close(link);
        } else {
            drop(peer);
        }
        trial.ended(link);
        trial.set(|state| state.links.remove(&link));
    }
    trial.end();
}

/// D4: the machine may speak of a link whose end it has not heard of yet.
pub fn d4_bytes_for_a_link_that_is_over_harm_no_other<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (over, peer) = trial.connect();
    let (link, mut other) = trial.connect();
    drop(peer);
    trial.ended(over);
    trial.transmit(over, &b"too late"[..]);
    trial.say([ClientOutput::Link(LinkOutput::SetReading { link: over, on: false })]);
    trial.close(over);
    trial.transmit(link, &b"in time"[..]);
    let mut read = [0; 7];
    other.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"in time");
    trial.settle();
    trial.end();
}

/// D5.
pub fn d5_a_peer_that_never_reads_is_still_read_from<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    trial.transmit(link, pattern(FLOOD));
    let said = pattern(500_000);
    peer.write_all(&said).unwrap();
    peer.flush().unwrap();
    assert!(trial.received(link, said.len()) == said);
    assert!(trial.set(|state| state.links[&link].written < FLOOD), "the peer has read nothing, and it was written");
    drop(peer);
    trial.end();
}

/// D5: the peer writes all before it reads anything, as a driver that mixes both up would.
pub fn d5_floods_in_both_directions_pass_each_other<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    let all = pattern(FLOOD);
    trial.transmit(link, all.clone());
    peer.write_all(&all).unwrap();
    peer.flush().unwrap();
    let mut read = vec![0; all.len()];
    peer.read_exact(&mut read).unwrap();
    assert!(read == all, "outwards");
    assert!(trial.received(link, all.len()) == all, "inwards");
    trial.end();
}

/// D5: what waits to be written takes no room from what is read.
pub fn d5_peers_that_never_read_keep_nobody_from_being_heard<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let stuck: Vec<_> = (0..20).map(|_| trial.connect()).collect();
    for (link, _) in &stuck {
        trial.transmit(*link, pattern(FLOOD / 4));
    }
    let (link, mut peer) = trial.connect();
    peer.write_all(b"heard").unwrap();
    peer.flush().unwrap();
    assert_eq!(trial.received(link, 5), b"heard");
    drop(stuck);
    trial.end();
}

/// Whoever does not take the last bytes is given up.
pub fn d5_a_close_towards_a_peer_that_never_reads_ends_all_the_same<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, peer) = trial.connect();
    trial.transmit(link, pattern(FLOOD));
    trial.close(link);
    assert_eq!(trial.ended(link), LinkFailure::Local);
    drop(peer);
    trial.end();
}

/// `SetReading` reaches the transport, so that the peer is slowed down and not the memory filled.
pub fn d5_reading_stops_and_goes_on_when_asked<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    let reading = |on| ClientOutput::Link(LinkOutput::SetReading { link, on });
    trial.say([reading(false)]);
    trial.settle();
    let said = pattern(FLOOD);
    let expected = said.clone();
    let writing = thread::spawn(move || {
        peer.write_all(&said).unwrap();
        peer.flush().unwrap();
        peer
    });
    thread::sleep(MOMENT);
    let received = trial.set(|state| state.links[&link].received.len());
    // One read may have been under way.
    assert!(received <= 256 << 10, "{received} bytes although reading is off");
    assert!(!writing.is_finished(), "somebody else keeps what is not read");
    trial.say([reading(true)]);
    assert!(trial.received(link, expected.len()) == expected);
    let began = Instant::now();
    drop(writing.join().unwrap());
    assert!(began.elapsed() < PATIENCE);
    trial.end();
}
