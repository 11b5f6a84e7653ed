//! Bounds bind at the bound: what fits passes, one more does not, and room that was given back is room.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use zerok_core::{
    channel::ChannelKind,
    client::command::ClientCommand,
    error::{Capacity, CloseReason, Code},
    ids::{LinkId, RelayId, TransportId},
    limits::{ClientLimits, MAX_PAYLOAD, RelayLimits},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine as _, Origin},
    relay::{
        Relay, RelayConfig,
        io::{RelayInput, RelayOutput},
    },
    rng::Seed,
    seal::keys::LinkSecret,
    time::{Time, UnixMillis},
};
use zerok_testkit::{
    sim::{Path, World},
    store::relay::MemoryRelayStore,
};

use crate::{player::closes, run::Run, tapes::cases};

/// A bound of a relay on its links.
#[derive(Debug, Clone, Copy)]
enum Bound {
    All,
    HalfOpen,
    OfOneOrigin,
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn law_a_device_has_so_many_commands_in_flight_and_no_more(bound in 1..24_usize, reads: bool) {
        commands_bind(bound, reads);
    }

    #[test]
    fn law_an_outbox_takes_what_fits_and_no_byte_more(room in 4000..40_000_u64, len in 1..4000_usize) {
        outbox_binds(room, len);
    }

    #[test]
    fn law_a_payload_may_have_so_many_bytes_and_no_more(beyond in 0..3_usize) {
        let mut run = pair(ClientLimits::default());
        let data = Bytes::from(vec![1; MAX_PAYLOAD - 1 + beyond]);
        let reply = run.world.call(0, ClientCommand::Push { data, key: None, detached: true });
        prop_assert_eq!(reply.err().map(|rejection| rejection.code), (beyond == 2).then_some(Code::BlobTooLarge));
    }

    #[test]
    fn law_a_relay_has_so_many_links_and_no_more(
        bound in prop_oneof![Just(Bound::All), Just(Bound::HalfOpen), Just(Bound::OfOneOrigin)],
        most in 1..40_usize,
        leaves in any::<prop::sample::Index>(),
    ) {
        links_bind(bound, most, leaves.index(most));
    }
}

/// Two devices with these bounds, and nobody who listens to their story.
fn pair(limits: ClientLimits) -> Run {
    let mut world = World::with_limits(ChannelKind::Plain, limits, RelayLimits::default(), 1);
    world.transcript.silence();
    Run::pair(world)
}

/// What waits counts, whichever of the two kinds it is; what is answered does not.
fn commands_bind(bound: usize, reads: bool) {
    let limits = ClientLimits { commands: bound, ..ClientLimits::default() };
    let mut run = pair(limits);
    run.world.set_path(0, Path { stalled: true, ..Path::default() });
    let command = |number: usize| match reads && number.is_multiple_of(2) {
        true => ClientCommand::SyncNow,
        false => ClientCommand::Push { data: Bytes::from_static(b"milk"), key: None, detached: false },
    };
    let ids: Vec<_> = (0..bound).map(|number| run.world.send(0, command(number))).collect();
    run.world.run(Duration::from_millis(500));
    assert_eq!(run.world.devices[0].unanswered(), ids, "they wait for the relay");
    for number in 0..2 {
        let refused = run.world.call(0, command(number)).expect_err("one too many");
        assert_eq!((refused.code, refused.blob_id), (Code::Busy, None));
    }
    run.world.set_path(0, Path::default());
    run.world.run_until("answered", |world| world.devices[0].unanswered().is_empty());
    run.world.call(0, command(0)).expect("there is room again");
}

fn outbox_binds(room: u64, len: usize) {
    let limits = ClientLimits { outbox_unsent: room, ..ClientLimits::default() };
    let mut run = pair(limits);
    run.world.set_online(0, false);
    let push = |run: &mut Run| {
        let data = Bytes::from(vec![7; len]);
        run.world.call(0, ClientCommand::Push { data, key: None, detached: true })
    };
    let unsent = |run: &Run| -> u64 {
        let rows = run.world.devices[0].store.image().outbox;
        rows.iter().filter(|row| !row.acked).map(|row| u64::from(row.size)).sum()
    };
    for _ in 0..room {
        let fits = unsent(&run) + len as u64 <= room;
        match push(&mut run) {
            Ok(_) => assert!(fits, "{} of {room} bytes and {len} more", unsent(&run)),
            Err(refused) => {
                assert_eq!(refused.code, Code::OutboxFull);
                assert!(!fits, "{} of {room} bytes, and {len} would have fitted", unsent(&run));
                break;
            }
        }
    }
    run.world.set_online(0, true);
    run.world.run_until("sent", |world| world.devices[0].is_synced());
    push(&mut run).expect("there is room again");
}

fn links_bind(bound: Bound, most: usize, leaves: usize) {
    let limits = match bound {
        Bound::All => RelayLimits { links: most, ..RelayLimits::default() },
        Bound::HalfOpen => RelayLimits { half_open: most, ..RelayLimits::default() },
        Bound::OfOneOrigin => RelayLimits { links_per_origin: most, ..RelayLimits::default() },
    };
    let capacity = match bound {
        Bound::All => Capacity::Links,
        Bound::HalfOpen => Capacity::HalfOpen,
        Bound::OfOneOrigin => Capacity::Origin,
    };
    let config = RelayConfig { secret: LinkSecret::new([99; 32]), kind: ChannelKind::Plain, limits };
    let mut relay = Relay::new(config, Seed::new([1; 32]), Time(0));
    let mut store = MemoryRelayStore::new(RelayId([7; 16]));
    let mut tell = move |input: RelayInput| {
        assert_eq!(relay.handle(Time(0), input), Ok(()));
        let mut outputs = Vec::new();
        while let Some(output) = relay.poll() {
            match output {
                RelayOutput::Store(request) => {
                    let answer = RelayInput::Store(store.perform(request));
                    assert_eq!(relay.handle(Time(0), answer), Ok(()));
                }
                other => outputs.push(other),
            }
        }
        outputs
    };
    assert!(tell(RelayInput::WallClock(UnixMillis(1_767_225_600_000))).is_empty());
    let opened = |number: usize| {
        let (link, transport, origin) = (LinkId(number as u64), TransportId::TCP, Origin::default());
        RelayInput::Link(LinkInput::Opened { link, transport, origin })
    };
    for number in 1..=most {
        assert!(tell(opened(number)).iter().all(|output| closes::<Relay>(output).is_none()), "{number} of {most}");
    }
    let refused = tell(opened(most + 1));
    let full =
        RelayOutput::Link(LinkOutput::Close { link: LinkId(most as u64 + 1), reason: CloseReason::Limit(capacity) });
    assert_eq!(format!("{refused:?}"), format!("{:?}", [full]));
    let (link, cause) = (LinkId(leaves as u64 + 1), LinkFailure::Eof);
    tell(RelayInput::Link(LinkInput::Closed { link, cause }));
    assert!(tell(opened(most + 2)).is_empty(), "there is room again");
}
