//! Loads of bare devices: real links and messages, ready-made blobs, no machine and no sealing.
//!
//! A relay cannot tell, as it opens nothing. What they cost is a hash and the link's cipher, so that the relay is what is measured.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use zerok_core::{
    ids::{Cursor, Tag},
    rng::{Draw, Seed},
    seal::keys::DeviceKeys,
    wire::message::{Pull, ToDevice, ToRelay},
};
use zerok_testkit::blocking::{Device, Group, everything};

use super::{Bare, Done, Times};
use crate::{push::SEALED, trouble::Trouble};

/// Blobs of one message while a log is filled, where nothing is measured.
const FILL: usize = 512;

/// A device of a group that is always the same for the same number.
struct Member {
    group: Group,
    keys: DeviceKeys,
    draw: Draw,
}

impl Member {
    fn new(group: u8) -> Self {
        let mut seed = [group; 32];
        let mut group = Group::new(group);
        let keys = group.device();
        // Blobs are new in every process, though the group is the same.
        seed[..4].copy_from_slice(&std::process::id().to_le_bytes());
        Self { group, keys, draw: Seed::new(seed).draw("blobs") }
    }

    fn dial(&mut self, wish: &Bare, pull: Pull) -> Device {
        self.group.dial(&self.keys, &wish.relay, pull)
    }

    fn blob(&mut self) -> Bytes {
        let mut body = vec![0x5a; SEALED];
        self.draw.fill(&mut body[..16]);
        body.into()
    }

    /// Pushes so many, never more under way than the window.
    fn push(&mut self, device: &mut Device, count: usize, window: usize) {
        let (mut sent, mut done) = (0, 0);
        while done < count {
            let more = count.min(done + window) - sent;
            if more > 0 {
                device.push((0..more).map(|_| self.blob()).collect::<Vec<_>>());
                sent += more;
            }
            done += acknowledged(device);
        }
    }
}

/// How many blobs the next message acknowledges.
fn acknowledged(device: &mut Device) -> usize {
    match device.receive() {
        Some(ToDevice::Pushed { stored }) => stored.len(),
        Some(ToDevice::News(_)) => 0,
        other => panic!("not an acknowledgement: {other:?}"),
    }
}

/// Fills the group's log up to the backlog, then pushes what is measured.
pub(super) fn push(wish: &Bare) -> Result<Done, Trouble> {
    let mut member = Member::new(wish.group);
    let mut device = member.dial(wish, Pull::default());
    let held = usize::try_from(device.welcome.head.0).unwrap_or(usize::MAX);
    // At least one: the group is founded with it.
    member.push(&mut device, wish.backlog.max(1).saturating_sub(held), FILL);
    let began = Instant::now();
    member.push(&mut device, wish.count, wish.window);
    Ok(Done { seconds: began.elapsed().as_secs_f64(), sent_bytes: 0, received_bytes: 0 })
}

/// Dials again and again: from before the connection until the second flight is read. After the head, or from the beginning of the log.
pub(super) fn connect(wish: &Bare) -> Result<Times, Trouble> {
    let mut member = Member::new(wish.group);
    let head = member.dial(wish, everything()).welcome.head;
    let pull = if wish.first_page { everything() } else { Pull { after: head, tag: Tag::default(), ..everything() } };
    let micros = (0..wish.count).map(|_| {
        let began = Instant::now();
        let device = member.dial(wish, pull);
        let took = began.elapsed();
        drop(device);
        // The relay is done with one before the next comes.
        std::thread::sleep(Duration::from_millis(1));
        took.as_secs_f64() * 1e6
    });
    Ok(Times { micros: micros.collect() })
}

/// Several groups at once, each over a link of its own; each pushes a window whenever its last one was acknowledged.
pub(super) fn crowd(wish: &Bare) -> Result<Done, Trouble> {
    let mut links: VecDeque<(Member, Device)> = (0..wish.links)
        .map(|number| {
            let mut member = Member::new(wish.group.wrapping_add(number));
            let mut device = member.dial(wish, everything());
            member.push(&mut device, 1, 1);
            (member, device)
        })
        .collect();
    let began = Instant::now();
    let rounds = wish.count / wish.window / links.len().max(1);
    for _ in 0..rounds {
        for (member, device) in &mut links {
            device.push((0..wish.window).map(|_| member.blob()).collect::<Vec<_>>());
        }
        for (_, device) in &mut links {
            let mut done = 0;
            while done < wish.window {
                done += acknowledged(device);
            }
        }
    }
    Ok(Done { seconds: began.elapsed().as_secs_f64(), sent_bytes: 0, received_bytes: 0 })
}

/// Several links at once read the same log to its end, page by page.
pub(super) fn readers(wish: &Bare) -> Result<Done, Trouble> {
    let mut member = Member::new(wish.group);
    let mut devices: Vec<Device> = (0..wish.links)
        .map(|_| {
            let keys = member.group.device();
            member.group.dial(&keys, &wish.relay, Pull::default())
        })
        .collect();
    let mut after = vec![Cursor(0); devices.len()];
    let head = devices.first().map_or(Cursor(0), |device| device.welcome.head);
    let began = Instant::now();
    while after.iter().any(|after| *after < head) {
        for (device, after) in devices.iter_mut().zip(&after).filter(|(_, after)| **after < head) {
            device.send(&ToRelay::Pull(Pull { after: *after, tag: Tag::default(), max_bytes: 512 * 1024 }));
        }
        for (device, after) in devices.iter_mut().zip(&mut after).filter(|(_, after)| **after < head) {
            match device.receive() {
                Some(ToDevice::Page(page)) => *after = page.entries.last().map_or(*after, |(cursor, _)| *cursor),
                other => panic!("not a page: {other:?}"),
            }
        }
    }
    Ok(Done { seconds: began.elapsed().as_secs_f64(), sent_bytes: 0, received_bytes: 0 })
}
