//! Authenticated messages to a relay: whatever members of two groups, joiners and a thief of a proof can say through real channels.
//!
//! The store is a good one; everything that goes wrong is a peer's doing. See `relay_rig` for what must hold.

use zerok_core::{ids::LinkId, relay::io::RelayInput, time::Duration};

use super::{relay_rig::RelayRig, sayings, seen::Seen, source::Source};

/// Peers talk to a relay.
pub fn to_relay(data: &[u8]) -> Seen {
    let mut source = Source::new(data);
    let prompt = source.flag();
    let mut rig = RelayRig::new(&mut source, prompt);
    rig.start();
    for _ in 0..100 {
        if source.is_empty() || rig.stopped {
            break;
        }
        step(&mut source, &mut rig);
    }
    rig.finish()
}

fn step(source: &mut Source<'_>, rig: &mut RelayRig) {
    let Some(link) = rig.any_link(source) else { return rig.dial(source) };
    match source.below(16) {
        0 | 1 => rig.dial(source),
        2 => rig.run(Duration::from_millis(source.number())),
        3 => rig.run(Duration::from_secs(source.number())),
        4 => (0..=source.below(4)).for_each(|_| rig.store_answers(None)),
        5 => rig.written(link, usize::MAX),
        6 => rig.written(link, source.place(4096)),
        7 if source.below(4) == 3 => rig.hang_up(link),
        7 => raw(source, rig, link),
        8 if source.below(32) == 31 => rig.tell(RelayInput::Drain),
        _ => {
            let message = sayings::to_relay(source, &rig.pool);
            rig.say(link, &message);
        }
    }
}

/// A plaintext that no codec made, sealed well.
fn raw(source: &mut Source<'_>, rig: &mut RelayRig, link: LinkId) {
    let message = sayings::to_relay(source, &rig.pool);
    let plain = source.edited(&zerok_core::wire::codec::encode(&message));
    rig.say_plain(link, &plain);
}
