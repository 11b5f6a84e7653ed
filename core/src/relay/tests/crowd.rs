//! A crowd of devices on two machines, with a slow store, slow readers, lost announcements and broken links: once things calm
//! down, everyone has everything, once and in order.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::world::*;
use crate::{
    ids::{Cursor, Digest, Lane},
    limits::RelayLimits,
    relay::io::RelayInput,
    rng::{Draw, Seed},
    time::Duration,
    wire::message::{Page, ToDevice, ToRelay},
};

/// A device that follows the protocol's rule for cursors and nothing else.
struct Follower {
    device: Device,
    peer: Peer,
    cursor: Cursor,
    log: Vec<(Cursor, Digest)>,
    own: BTreeMap<Digest, Bytes>,
    acked: BTreeMap<Digest, Cursor>,
    pulling: bool,
    wants: bool,
    pulls: usize,
}

impl Follower {
    fn new(world: &mut World, device: Device) -> Self {
        let peer = world.join(0, &device, 0);
        let (own, acked) = (BTreeMap::new(), BTreeMap::new());
        Self { device, peer, cursor: Cursor(0), log: Vec::new(), own, acked, pulling: false, wants: false, pulls: 0 }
    }

    fn reconnect(&mut self, world: &mut World, node: usize) {
        world.hang_up(&self.peer);
        let waited = core::mem::take(&mut world.store_waits);
        self.peer = world.dial(node, &self.device, self.cursor.0);
        let (_, page) = world.welcome(&mut self.peer);
        (self.pulling, self.wants) = (false, false);
        self.page(&page);
        world.say(&mut self.peer, &ToRelay::Ack { cursor: self.cursor });
        let again: Vec<_> = self.own.iter().filter(|(digest, _)| !self.acked.contains_key(digest)).collect();
        let blobs: Vec<_> = again.into_iter().map(|(_, blob)| blob.clone()).collect();
        if !blobs.is_empty() {
            world.say(&mut self.peer, &ToRelay::Push { lane: Lane::Data, blobs });
        }
        world.store_waits = waited;
    }

    fn push(&mut self, world: &mut World, blobs: Vec<Bytes>) {
        self.own.extend(blobs.iter().map(|blob| (Digest::of(blob), blob.clone())));
        world.say(&mut self.peer, &ToRelay::Push { lane: Lane::Data, blobs });
    }

    fn listen(&mut self, world: &mut World) {
        for message in world.hear(&mut self.peer) {
            match message {
                ToDevice::Page(page) => {
                    self.pulling = false;
                    self.page(&page);
                }
                ToDevice::News(news) if news.prev == self.cursor => match news.blob {
                    Some(blob) => {
                        assert_eq!(Digest::of(&blob), news.digest);
                        self.apply(news.cursor, news.digest);
                    }
                    None if self.own.contains_key(&news.digest) => self.pass(news.cursor),
                    None => self.wants = true,
                },
                ToDevice::News(news) => self.wants |= news.cursor > self.cursor,
                ToDevice::Pushed { stored } => self.acked.extend(stored),
                ToDevice::Pong => {}
                other => panic!("{other:?}"),
            }
        }
        if self.wants && !self.pulling {
            (self.wants, self.pulling) = (false, true);
            self.pulls += 1;
            world.say(&mut self.peer, &pull(self.cursor.0));
        }
        if !world.wire(&self.peer).stuck {
            world.say(&mut self.peer, &ToRelay::Ack { cursor: self.cursor });
        }
    }

    /// M9: what lies up to there is a run of own blobs, each of them acknowledged before.
    fn pass(&mut self, to: Cursor) {
        let known: BTreeMap<_, _> = self.acked.iter().map(|(digest, cursor)| (*cursor, *digest)).collect();
        let run: Vec<_> = known.range(self.cursor.next()..=to).collect();
        assert_eq!(run.len() as u64, to.0 - self.cursor.0, "nobody else's blob lies between");
        run.into_iter().for_each(|(cursor, digest)| self.apply(*cursor, *digest));
    }

    fn page(&mut self, page: &Page) {
        if page.after == self.cursor {
            for (cursor, blob) in &page.entries {
                self.apply(*cursor, Digest::of(blob));
            }
            self.wants |= page.more;
        }
    }

    fn apply(&mut self, cursor: Cursor, digest: Digest) {
        assert!(cursor > self.cursor);
        self.cursor = cursor;
        self.log.push((cursor, digest));
    }
}

fn turmoil(seed: u8) {
    let mut draw = Seed::new([seed; 32]).draw("crowd");
    let bounds = RelayLimits { window: 8 * 1024, page_bytes: 20_000, uncommitted_link: 20_000, ..limits() };
    let mut world = World::with(2, bounds);
    let founder = world.founder();
    let mut crowd: Vec<_> = (0..4)
        .map(|_| {
            let device = world.member_of(&founder);
            Follower::new(&mut world, device)
        })
        .collect();
    for step in 0..120 {
        upset(&mut world, &mut crowd, &mut draw, step);
        let at = draw.below(4) as usize;
        if !world.wire(&crowd[at].peer).stuck {
            crowd[at].listen(&mut world);
        }
    }
    world.store_waits = false;
    world.store_answers();
    world.announcing = true;
    (0..2).for_each(|node| world.input(node, RelayInput::AnnouncedUnknown));
    for _ in 0..60 {
        for follower in &mut crowd {
            world.unstick(&follower.peer);
            follower.listen(&mut world);
        }
    }
    let log: Vec<_> = world.store.log(&founder.group.id);
    let log: Vec<_> = log.iter().map(|(cursor, blob)| (*cursor, Digest::of(blob))).collect();
    for follower in &crowd {
        assert_eq!(follower.log, log, "seed {seed}: each has everything, once and in order");
        assert!(!follower.pulling);
        for (digest, cursor) in &follower.acked {
            assert!(log.contains(&(*cursor, *digest)), "seed {seed}: what was acknowledged is there");
        }
        assert_eq!(follower.acked.len(), follower.own.len(), "seed {seed}: every push was acknowledged");
    }
    for node in 0..2 {
        assert_eq!(world.stats(node).misbehaved, 0);
        for wire in world.nodes[node].links.values() {
            assert!(wire.most_unwritten <= 8 * 1024 + 24 * 1024, "at most a window and one message are unwritten");
        }
    }
}

fn upset(world: &mut World, crowd: &mut [Follower], draw: &mut Draw, step: u32) {
    let at = draw.below(4) as usize;
    match draw.below(12) {
        0..4 => {
            let count = 1 + draw.below(12);
            let size = |draw: &mut Draw| if draw.below(8) == 0 { 6000 } else { 10 + draw.below(200) as usize };
            let blobs = (0..count).map(|n| format!("{step} {at} {n} {}", "x".repeat(size(draw))).into()).collect();
            crowd[at].push(world, blobs);
        }
        4 => world.store_waits = true,
        5 => {
            world.store_answers_one();
        }
        6 => {
            world.store_waits = false;
            world.store_answers();
        }
        7 => world.wire(&crowd[at].peer).stuck = true,
        8 => world.unstick(&crowd[at].peer),
        9 => {
            let node = draw.below(2) as usize;
            crowd[at].reconnect(world, node);
        }
        10 => {
            world.announcing = !world.announcing;
            if world.announcing {
                (0..2).for_each(|node| world.input(node, RelayInput::AnnouncedUnknown));
            }
        }
        _ => world.advance(Duration::from_millis(u64::from(draw.below(2000)))),
    }
}

#[test]
fn e6_whatever_happens_every_device_ends_with_the_whole_log_in_order() {
    (0..10).for_each(turmoil);
}
