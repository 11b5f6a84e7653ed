//! A member that lies in `seen` about what it holds: it hides nothing that others tell, and answers for its words by name.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{command::ClientCommand, verdict::Verdict},
    ids::{Cursor, DeviceId, Digest, Incarnation, Lane, RecordHash, RelayId},
    limits::ClientLimits,
    seal::record::{Kind, Record, SeenEntry},
    wire::message::ToRelay,
};
use zerok_testkit::{
    hostile::{Insider, Scripted, page, welcome},
    store::relay::MemoryRelayStore,
};

use crate::{
    common::{joiner, pull, push, texts},
    scene::Scene,
};

/// A third member whose keys are in the wrong hands.
struct Liar {
    insider: Insider,
    last: Option<Record>,
    inc: Incarnation,
}

impl Liar {
    /// Pairs it with the laptop, and takes its keys.
    fn join(scene: &mut Scene) -> Self {
        let tablet = joiner(&mut scene.world, scene.laptop, "tablet");
        scene.world.run(Duration::from_secs(20));
        let insider = Insider::of(&scene.world.devices[tablet]);
        scene.world.kill_device(tablet);
        let log = scene.world.relay.store.log(&scene.group);
        let inc = insider.own(&log, Kind::Heads).last().expect("it has said that it is there").record.inc;
        Self { insider, last: None, inc }
    }

    fn id(&self) -> DeviceId {
        self.insider.keys.id()
    }

    /// Its next data record, with these words about a device's chain, goes into the relay's log.
    fn say(&mut self, scene: &mut Scene, device: DeviceId, inc: Incarnation, seq: u64) {
        let (number, prev) = match &self.last {
            None => (1, RecordHash([0; 16])),
            Some(last) => {
                let sealed = self.insider.seal(last);
                (last.seq + 1, self.insider.open(&sealed).hash)
            }
        };
        let seen = vec![SeenEntry { device, inc, lane: Lane::Data, seq, hash: [9; 8] }];
        let record = Record { inc: self.inc, seq: number, prev, seen, ..self.insider.first(0, "a lie") };
        let mut forgery = scene.forge();
        forgery.append(self.insider.seal(&record));
        scene.serve(&forgery);
        self.last = Some(record);
    }
}

/// The runs of its counters in which the phone has written data.
fn runs(scene: &Scene) -> Vec<Incarnation> {
    let phone = Insider::of(&scene.world.devices[scene.phone]);
    let log = scene.world.relay.store.log(&scene.group);
    let mut runs: Vec<_> = phone.own(&log, Kind::Data).iter().map(|opened| opened.record.inc).collect();
    runs.dedup();
    runs
}

#[test]
fn a8_a_member_that_names_the_end_of_numbers_hides_no_withheld_record() {
    let mut scene = Scene::new(&["one"]);
    let mut liar = Liar::join(&mut scene);
    let (laptop, inc) = scene.laptop_stream();
    scene.push(&["two", "three"]);
    liar.say(&mut scene, laptop, inc, u64::MAX);
    scene.minutes(1);
    // The laptop's heads, behind the liar's record, say where its chain ends. The relay withholds that end.
    let mut forgery = scene.forge();
    for text in ["three", "two"] {
        forgery.drop_entry(scene.blob(text).0);
    }
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one", "a lie"]);
    scene.minutes(12);
    let found = scene.verdicts();
    assert!(found.contains(&scene.gap_by(laptop, 3, 4, false)), "{found:?}");
    assert!(found.contains(&scene.gap_by(liar.id(), 5, u64::MAX, false)), "{found:?}");
    assert_eq!(found.len(), 2);
    // Long after its words were told, the next withheld record shows all the same.
    scene.world.kill_device(scene.phone);
    scene.world.start_device(scene.laptop);
    scene.push(&["four"]);
    let inc_of_four = scene.insider.open(&scene.blob("four").1).record.inc;
    liar.say(&mut scene, laptop, inc_of_four, u64::MAX);
    scene.minutes(1);
    let (index, blob) = scene.blob("four");
    let Record { sender, inc, seq, .. } = scene.insider.open(&blob).record;
    let mut forgery = scene.forge();
    forgery.drop_entry(index);
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    scene.minutes(22);
    let found = scene.verdicts();
    let four = Verdict::Gap { sender, inc, lane: Lane::Data, from: seq, to: seq, expired: false, by: Some(laptop) };
    assert!(found.contains(&four), "{found:?}");
    assert!(found.iter().all(|verdict| matches!(verdict, Verdict::Gap { by: Some(_), .. })), "{found:?}");
}

#[test]
fn d11_a_member_that_lies_about_a_devices_own_records_is_believed_twice_and_named() {
    let mut scene = Scene::new(&["one"]);
    let mut liar = Liar::join(&mut scene);
    scene.wake();
    let phone = Insider::of(&scene.world.devices[scene.phone]).keys.id();
    for time in 1..=5 {
        let text = format!("run {time}");
        push(&mut scene.world, scene.phone, &text).expect("the relay holds it");
        scene.minutes(1);
        let inc = *runs(&scene).last().expect("it has pushed");
        liar.say(&mut scene, phone, inc, u64::MAX);
        scene.minutes(1);
        scene.world.kill_device(scene.phone);
        scene.wake();
    }
    assert_eq!(runs(&scene).len(), 3, "the first run, and one for each of the words that were believed");
    scene.minutes(30);
    let named = |verdict: &&Verdict| matches!(verdict, Verdict::Gap { sender, by: Some(by), .. } if *sender == phone && *by == liar.id());
    let found = scene.verdicts();
    assert_eq!(found.iter().filter(named).count(), found.len(), "{found:?}");
    assert_eq!(found.len(), 3, "one for each run it lied about");
    // An honest member's word still counts: the relay loses everything, and the phone's database is put back.
    let copy = scene.world.devices[scene.phone].store.clone();
    for text in ["lost 1", "lost 2"] {
        push(&mut scene.world, scene.phone, text).expect("the relay holds it");
    }
    scene.minutes(1);
    scene.world.kill_device(scene.phone);
    let before = runs(&scene);
    scene.world.swap_relay(MemoryRelayStore::new(RelayId([7; 16])));
    scene.minutes(1);
    scene.world.restore_device(scene.phone, copy);
    scene.wake();
    push(&mut scene.world, scene.phone, "after").expect("the relay holds it");
    scene.minutes(1);
    let after = runs(&scene);
    assert!(!before.contains(after.last().expect("it has pushed")), "it counts anew");
    let read = texts(&pull(&mut scene.world, scene.laptop, None).blobs);
    assert!(read.ends_with(&["lost 1".into(), "lost 2".into(), "after".into()]), "{read:?}");
    let laptop = scene.world.devices[scene.laptop].verdicts();
    assert!(!laptop.iter().any(|verdict| matches!(verdict, Verdict::Equivocation { .. })), "{laptop:?}");
}

#[test]
fn a9_a_member_that_names_a_record_that_never_was_is_named_in_the_fork() {
    let mut scene = Scene::new(&["one"]);
    let mut liar = Liar::join(&mut scene);
    let (laptop, inc) = scene.laptop_stream();
    liar.say(&mut scene, laptop, inc, 2);
    scene.world.kill_device(scene.laptop);
    scene.wake();
    assert_eq!(scene.read(), ["one", "a lie"]);
    let fork = Verdict::Fork { sender: laptop, inc, lane: Lane::Data, seq: 2, by: liar.id() };
    assert_eq!(scene.verdicts(), [fork]);
}

#[test]
fn d11_a_relay_that_names_blobs_a_device_never_wrote_is_believed_twice() {
    let mut scene = Scene::new(&[]);
    scene.world.kill_device(scene.laptop);
    let (laptop, relay) = (&scene.world.devices[scene.laptop], &scene.world.relay);
    let mut store = laptop.store.clone();
    let mut runs = Vec::new();
    for process in 0..6_u8 {
        let (key, secret) = (laptop.store_key(), relay.secret());
        let mut lie = Scripted::with_store(ChannelKind::Plain, store, key, secret, ClientLimits::default());
        lie.await_dial();
        let pull = lie.accept();
        let own = Some((Cursor(1000), Digest::of(&[process])));
        lie.welcome(&welcome(pull.after.0, own), &page(pull.after, pull.after.0, &[]));
        let data = Bytes::from_static(b"milk");
        lie.command(ClientCommand::Push { data, key: None, detached: true });
        lie.run(Duration::from_secs(2));
        let blobs = lie.heard().into_iter().flat_map(|message| match message {
            ToRelay::Push { blobs, .. } => blobs,
            _ => Vec::new(),
        });
        runs.extend(blobs.map(|blob| scene.insider.open(&blob).record.inc));
        store = lie.store;
    }
    runs.sort_unstable();
    runs.dedup();
    assert_eq!(runs.len(), 2, "one for each word that was believed");
}
