//! Every attack that a relay can commit, at every one of the things it says in a conversation, in every manner.
//!
//! The conversation: a phone joins, both push, the phone reads and acknowledges, is away while the laptop pushes on, and comes back.
//! During it the relay commits one attack; then it is honest for a quarter of an hour, or a day if a log was lost, and both push once more. Whatever was done
//! where: applications are given nothing but what members wrote, in its author's order and once; what they are not given was named to
//! them as missing; whatever findings they meet are those of the attack; both reach each other at the end, and nobody dials without
//! pause.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Rejection, Reply},
        verdict::Verdict,
    },
    error::Code,
    ids::{Incarnation, Lane},
    pairing::invite::Invite,
    seal::record::Kind,
    wire::message::WireCode,
};
use zerok_testkit::{
    hostile::{Attack, HostileRelay, Insider, Manner, Script},
    sim::World,
};

use crate::common::{drain, founder, join};

/// What the relay says in the honest conversation; each kind must be among the positions.
const SAID: [&str; 8] = [
    "open",
    "welcome with a page",
    "page",
    "pushed",
    "news",
    "news without its blob",
    "mailbox opened",
    "mailbox message",
];

/// A blob of this many bytes is not told inline, and fits no second flight together with another.
const LARGE: usize = 40_000;

struct Run {
    world: World,
    laptop: usize,
    phone: usize,
    /// Where each text stands in its author's chain.
    places: Vec<(&'static str, Incarnation, u64)>,
    /// What the phone, and the laptop, were given.
    read: [Vec<String>; 2],
    /// Links dialled while the relay was hostile.
    dials: u64,
    /// How long that was.
    minutes: u64,
    /// How much the relay had said by then.
    positions: usize,
    /// Codes that calls were refused with.
    codes: BTreeSet<&'static str>,
}

fn text(name: &str) -> Bytes {
    let mut bytes = name.as_bytes().to_vec();
    if name.ends_with('L') {
        bytes.resize(LARGE, b'.');
    }
    bytes.into()
}

fn short(text: &str) -> String {
    text.trim_end_matches('.').to_owned()
}

impl Run {
    /// The whole conversation, with an attack or without.
    fn new(script: Option<Script>) -> Self {
        Self::told(script, false)
    }

    /// The same; should it fail, its story is printed.
    fn told(script: Option<Script>, loud: bool) -> Self {
        let mut world = World::new(ChannelKind::Plain);
        if !loud {
            world.transcript.silence();
        }
        let laptop = founder(&mut world, "laptop");
        world.run_until("the laptop is connected", |world| world.devices[laptop].is_synced());
        let own = || Insider::of(&world.devices[laptop]);
        // As it was before anything was done to it.
        let address = world.relay.address();
        let relay = match script {
            Some(script) => HostileRelay::new(own(), script),
            None => HostileRelay::honest(own()),
        };
        world.set_hostile(relay);
        // Its own links begin.
        world.run(Duration::from_secs(30));
        let phone = world.add_device("phone");
        world.call(phone, ClientCommand::Configure(address)).expect("a first relay is adopted");
        let (read, codes) = ([vec![], vec![]], BTreeSet::new());
        let mut run = Self { world, laptop, phone, places: vec![], read, dials: 0, minutes: 0, positions: 0, codes };
        run.converse();
        (run.dials, run.minutes) = (run.world.dials, run.world.now().0 / 60_000_000);
        run.positions = run.world.hostile().map_or(0, |relay| relay.said().len());
        run.be_honest();
        run
    }

    fn converse(&mut self) {
        self.push(self.laptop, "l1");
        self.pair();
        self.push(self.laptop, "l2");
        self.seconds(5);
        self.push(self.phone, "p1");
        self.seconds(5);
        self.read();
        self.world.break_link(self.phone);
        self.world.set_online(self.phone, false);
        for name in ["l3L", "l4L", "l5"] {
            self.push(self.laptop, name);
        }
        self.seconds(5);
        self.world.set_online(self.phone, true);
        self.seconds(30);
        self.push(self.phone, "p2");
        self.push(self.laptop, "l6L");
        self.seconds(20);
        self.read();
    }

    /// The phone joins. Should a lie have ended the invite, it says so, and another one works once the relay is honest.
    fn pair(&mut self) {
        for attempt in 0..3 {
            match self.invite_and_join() {
                Ok(()) => return,
                Err(refused) => {
                    self.codes.insert(refused.code.name());
                    assert!(attempt < 2, "{refused:?}: an honest relay does not help");
                }
            }
            self.seconds(5);
            self.world.relent();
            // The invite that failed is over on its maker's side, too.
            let _ended_or_not = self.world.call(self.laptop, ClientCommand::CancelInvite);
            self.seconds(600);
        }
        panic!("no invite can be made");
    }

    fn invite_and_join(&mut self) -> Result<(), Rejection> {
        // A relay that never says that the mailboxes are open keeps the call waiting until the invite is over.
        let id = self.world.send(self.laptop, ClientCommand::CreateInvite);
        for _ in 0..610 {
            if self.world.devices[self.laptop].replies.contains_key(&id) {
                break;
            }
            self.seconds(1);
        }
        let Reply::Invited { code, .. } = self.world.devices[self.laptop].replies[&id].clone()? else {
            panic!("an invite is answered by an invite");
        };
        join(&mut self.world, self.phone, Invite::Code(code), "phone").map(drop)
    }

    fn be_honest(&mut self) {
        self.world.relent();
        self.quarter_or_day();
        self.push(self.laptop, "l7");
        self.push(self.phone, "p3");
        self.quarter_or_day();
        self.read();
    }

    fn push(&mut self, device: usize, name: &'static str) {
        let push = ClientCommand::Push { data: text(name), key: None, detached: true };
        self.world.call(device, push).expect("it is kept");
        let rows = self.world.devices[device].store.outbox();
        let row = rows.filter(|row| row.kind == Kind::Data as u8).max_by_key(|row| row.id).expect("it is queued");
        self.places.push((name, row.inc, row.seq));
    }

    fn read(&mut self) {
        for (device, read) in [self.phone, self.laptop].into_iter().zip(&mut self.read) {
            let blobs = drain(&mut self.world, device);
            read.extend(blobs.iter().map(|blob| short(&String::from_utf8_lossy(&blob.data))));
        }
    }

    /// A gap in a log that was lost is not told before everybody has had a day to refill it.
    fn quarter_or_day(&mut self) {
        self.seconds(15 * 60);
        if self.verdicts().contains(&Verdict::RelayReset) {
            self.seconds(26 * 3600);
        }
    }

    fn seconds(&mut self, seconds: u64) {
        self.world.run(Duration::from_secs(seconds));
    }

    fn verdicts(&self) -> Vec<Verdict> {
        [self.phone, self.laptop].iter().flat_map(|device| self.world.devices[*device].verdicts()).collect()
    }

    /// Every code that either application met.
    fn codes(&self) -> BTreeSet<&'static str> {
        let events = [self.phone, self.laptop].into_iter().flat_map(|device| &self.world.devices[device].events);
        let code = |event: &ClientEvent| match event {
            ClientEvent::Verdict { verdict, .. } => Some(verdict.code().name()),
            ClientEvent::Disconnected { code } | ClientEvent::Problem(code) | ClientEvent::InviteEnded { code } => {
                Some(code.name())
            }
            ClientEvent::Status(status) => status.last_error.map(Code::name),
            _ => None,
        };
        events.filter_map(code).chain(self.codes.iter().copied()).collect()
    }

    /// Whether a device was told that a text of the other's is missing, or that its place is disputed. What a relay lost before a
    /// newcomer came nobody can name to it: the application that admitted it is asked to push its whole state.
    fn is_named(&self, reader: usize, text: &str) -> bool {
        let asked = |event: &ClientEvent| matches!(event, ClientEvent::DeviceJoined { wants_full_push: true, .. });
        if text == BEFORE && self.world.devices[self.laptop].events.iter().any(asked) {
            return true;
        }
        let places: Vec<_> = self.places.iter().filter(|(name, ..)| *name == text).collect();
        self.world.devices[reader].verdicts().iter().any(|verdict| {
            places.iter().any(|(_, own, number)| match *verdict {
                Verdict::Gap { inc, lane: Lane::Data, from, to, .. } => inc == *own && (from..=to).contains(number),
                Verdict::Equivocation { inc, lane: Lane::Data, seq, .. }
                | Verdict::Fork { inc, lane: Lane::Data, seq, .. } => (inc, seq) == (*own, *number),
                _ => false,
            })
        })
    }

    /// Blobs that a device said again under another name, because somebody with its keys wrote as if it were this device.
    fn reissued(&self, device: usize) -> usize {
        let events = &self.world.devices[device].events;
        events.iter().filter(|event| matches!(event, ClientEvent::BlobReissued { .. })).count()
    }
}

const BY_LAPTOP: [&str; 7] = ["l1", "l2", "l3L", "l4L", "l5", "l6L", "l7"];
/// What the laptop pushed before the phone joined.
const BEFORE: &str = BY_LAPTOP[0];
const BY_PHONE: [&str; 3] = ["p1", "p2", "p3"];
/// Most links dialled by both devices during the conversation, besides one each in 15 seconds; without an attack it is four.
const DIALS: u64 = 12;

/// Findings that an attack may cause, and of these the ones that some position must show. A lie about cursors is found out as a log that
/// is not the one that was read.
fn findings(attack: Attack) -> (&'static [Code], &'static [Code]) {
    use Code::{Equivocation, Fork, Gap, MissingEpoch, RelayReset, Tampered, UnknownDevice};
    match attack {
        Attack::FlipBit => (&[Tampered, MissingEpoch, RelayReset], &[Tampered, MissingEpoch]),
        Attack::Resize | Attack::Foreign | Attack::Forge | Attack::Probe | Attack::Relabel => {
            (&[Tampered, RelayReset], &[Tampered])
        }
        Attack::Swap | Attack::Repeat | Attack::Reorder => (&[RelayReset], &[]),
        Attack::Roster => (&[Tampered, RelayReset, UnknownDevice], &[Tampered]),
        Attack::Omit | Attack::Withhold => (&[Gap, UnknownDevice], &[]),
        Attack::Fork | Attack::Equivocate => (&[Equivocation, Fork, Gap, RelayReset], &[Equivocation]),
        Attack::RollBack | Attack::Wipe => (&[RelayReset, Gap], &[RelayReset]),
        Attack::Cursors => (&[RelayReset], &[]),
        Attack::Expire => (&[Gap, UnknownDevice], &[]),
        Attack::Acknowledge | Attack::EmptyPage | Attack::Storm | Attack::Refuse => (&[], &[]),
        Attack::RefusePushes | Attack::OtherKey | Attack::Intercept => (&[], &[]),
    }
}

/// Codes besides findings that some position must show the application.
fn told(attack: Attack) -> Vec<Code> {
    match attack {
        Attack::RefusePushes => vec![Code::RelayFull],
        Attack::OtherKey => vec![Code::RelayUnverified],
        Attack::Refuse => WireCode::ALL.iter().map(|code| Code::from(*code)).collect(),
        _ => vec![],
    }
}

/// What a run must have kept, whatever was done.
fn judge(run: &Run, script: Script) {
    let twin = matches!(script.attack, Attack::Fork | Attack::Equivocate);
    for (reader, author, read, all) in
        [(run.phone, run.laptop, &run.read[0], &BY_LAPTOP[..]), (run.laptop, run.phone, &run.read[1], &BY_PHONE[..])]
    {
        let mut given: Vec<&str> = read.iter().map(String::as_str).collect();
        if twin {
            given.retain(|text| *text != HostileRelay::twin_text());
            // Whoever finds a record of its own that it never wrote counts anew, and what was under way gets another name.
            let mut again = run.reissued(author);
            let mut seen = BTreeSet::new();
            given.retain(|text| {
                let repeated = !seen.insert(*text) && again > 0;
                again -= usize::from(repeated);
                !repeated
            });
        }
        let in_order: Vec<&str> = all.iter().copied().filter(|name| given.contains(name)).collect();
        assert_eq!(given, in_order, "{script:?}: something else, out of order, or twice");
        let loses = matches!(script.attack, Attack::RollBack | Attack::Wipe | Attack::Expire);
        assert!(loses || twin || author != run.laptop || given.contains(&BEFORE), "{script:?}: nothing was lost");
        for missing in all.iter().filter(|name| !given.contains(name)) {
            assert!(run.is_named(reader, missing), "{script:?}: {missing} is missing and nobody says so");
        }
        assert_eq!(given.last(), all.last(), "{script:?}: an honest relay is of no use any more");
    }
    let (may, _) = findings(script.attack);
    for verdict in run.verdicts() {
        assert!(may.contains(&verdict.code()), "{script:?}: {verdict:?}");
    }
    assert!(run.dials <= DIALS + run.minutes * 8, "{script:?}: {} links in {} minutes", run.dials, run.minutes);
    for device in [run.laptop, run.phone] {
        assert!(run.world.devices[device].is_synced(), "{script:?}: device {device} is not in sync");
    }
}

/// One attack at every position: alone, and in one of the other manners, another one at each.
fn sweep(attack: Attack) {
    let honest = Run::new(None);
    let (mut codes, mut failed) = (BTreeSet::new(), Vec::new());
    for position in 0..honest.positions {
        for manner in [Manner::Instead, Manner::ALL[1 + position % 6]] {
            let script = Script { attack, position, manner };
            let outcome = std::panic::catch_unwind(|| {
                let run = Run::new(Some(script));
                assert!(run.world.hostile().is_some_and(HostileRelay::is_done), "{script:?} was never carried out");
                judge(&run, script);
                run.codes()
            });
            match outcome {
                Ok(met) => codes.extend(met),
                Err(_) => failed.push(script),
            }
        }
    }
    if let Some(first) = failed.first() {
        judge(&Run::told(Some(*first), true), *first);
    }
    assert!(failed.is_empty(), "{failed:?}");
    let (_, must) = findings(attack);
    for code in must.iter().copied().chain(told(attack)) {
        assert!(codes.contains(code.name()), "{attack:?}: no application ever meets {}, only {codes:?}", code.name());
    }
}

#[test]
fn a1_a_flipped_bit_at_every_position() {
    sweep(Attack::FlipBit);
}

#[test]
fn a2_another_length_at_every_position() {
    sweep(Attack::Resize);
}

#[test]
fn a3_blobs_that_change_places_at_every_position() {
    sweep(Attack::Swap);
}

#[test]
fn a4_a_blob_of_another_group_at_every_position() {
    sweep(Attack::Foreign);
}

#[test]
fn a5_an_old_blob_at_every_position() {
    sweep(Attack::Repeat);
}

#[test]
fn a6_the_other_order_at_every_position() {
    sweep(Attack::Reorder);
}

#[test]
fn a7_a_blob_left_out_at_every_position() {
    sweep(Attack::Omit);
}

#[test]
fn a8_the_newest_withheld_from_every_position_on() {
    sweep(Attack::Withhold);
}

#[test]
fn a9_another_history_at_every_position() {
    sweep(Attack::Fork);
}

#[test]
fn a11_a_second_record_at_every_position() {
    sweep(Attack::Equivocate);
}

#[test]
fn a12_a_log_rolled_back_at_every_position() {
    sweep(Attack::RollBack);
}

#[test]
fn a13_a_wiped_relay_at_every_position() {
    sweep(Attack::Wipe);
}

#[test]
fn a14_a_forged_record_at_every_position() {
    sweep(Attack::Forge);
}

#[test]
fn a15_senseless_cursors_at_every_position() {
    sweep(Attack::Cursors);
}

#[test]
fn a16_false_acknowledgements_at_every_position() {
    sweep(Attack::Acknowledge);
}

#[test]
fn a17_a_probe_at_every_position() {
    sweep(Attack::Probe);
}

#[test]
fn a18_an_empty_page_that_promises_more_at_every_position() {
    sweep(Attack::EmptyPage);
}

#[test]
fn a19_a_roster_forged_or_withheld_at_every_position() {
    sweep(Attack::Roster);
}

#[test]
fn a20_another_kind_at_every_position() {
    sweep(Attack::Relabel);
}

#[test]
fn a22_a_storm_of_news_at_every_position() {
    sweep(Attack::Storm);
}

#[test]
fn a23_a_refusal_at_every_position() {
    sweep(Attack::Refuse);
}

#[test]
fn a24_an_early_expiry_at_every_position() {
    sweep(Attack::Expire);
}

#[test]
fn a25_pushes_refused_from_every_position_on() {
    sweep(Attack::RefusePushes);
}

#[test]
fn a26_another_key_at_every_position() {
    sweep(Attack::OtherKey);
}

#[test]
fn the_honest_conversation_has_every_kind_of_message_and_no_finding() {
    let run = Run::new(None);
    let said = &run.world.hostile().expect("it is set").said()[..run.positions];
    for kind in SAID {
        assert!(said.contains(&kind), "{kind}");
    }
    assert!(said.len() >= 45, "{} positions", said.len());
    assert_eq!(run.read[0], BY_LAPTOP);
    assert_eq!(run.read[1], BY_PHONE);
    assert_eq!(run.verdicts(), []);
}

/// What probing could learn: whether a device goes on otherwise after another check has failed.
#[test]
fn a17_a_device_says_the_same_whichever_check_a_blob_failed_at_any_position() {
    let honest = Run::new(None);
    for position in 0..honest.positions {
        let heard = [Attack::Foreign, Attack::Probe].map(|attack| {
            let run = Run::new(Some(Script { attack, position, manner: Manner::Instead }));
            run.world.hostile().expect("it is set").heard().to_vec()
        });
        assert_eq!(heard[0], heard[1], "at {position}");
    }
}

/// The relay in the middle of a pairing can change what passes; it learns nothing, and both sides hear that it ended.
#[test]
fn b3_a_pairing_message_changed_on_its_way_ends_the_invite_and_its_maker_is_told() {
    let honest = Run::new(None);
    let said = &honest.world.hostile().expect("it is set").said()[..honest.positions];
    let messages: Vec<usize> = (0..said.len()).filter(|at| said[*at] == "mailbox message").collect();
    let mut ended = 0;
    for position in messages {
        let script = Script { attack: Attack::Intercept, position, manner: Manner::Instead };
        let run = Run::new(Some(script));
        judge(&run, script);
        let creator = &run.world.devices[run.laptop].events;
        let told = creator.contains(&ClientEvent::InviteEnded { code: Code::PairingFailed });
        // Behind the last word of the joiner the creator has admitted it, and its application knows; a retry leaves one entry (B7).
        let admitted = creator.iter().any(|event| matches!(event, ClientEvent::InviteUsed { .. }));
        assert!(told || admitted, "at {position}: {:?}", run.codes());
        // Who did not find the change itself hears that the invite is over.
        let over = [Code::PairingFailed.name(), Code::InviteUnknown.name()];
        assert!(run.codes.iter().all(|code| over.contains(code)), "at {position}: {:?}", run.codes);
        ended += usize::from(told);
    }
    assert!(ended > 0, "no message of a pairing matters");
}
