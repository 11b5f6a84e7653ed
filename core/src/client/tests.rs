//! A driver's mistakes: named, and without effect; and bounds that take many members to reach. What users see is tested with whole
//! worlds, in the testkit.

use super::*;
use crate::{
    client::store::ClientAnswer,
    ids::{BatchId, Cursor, DeviceId, Incarnation, Lane, RecordHash},
    limits::{MAX_CHAINS, MAX_VERDICTS, MAX_VERDICTS_OF_ONE},
    machine::{LinkInput, StoreInput},
};

fn client() -> Client {
    let config = ClientConfig {
        store_key: StoreKey::new([1; 32]),
        kind: ChannelKind::Noise,
        limits: ClientLimits::default(),
        padding: Padding::Padme,
    };
    Client::new(config, Seed::new([2; 32]), Time(0))
}

fn refuses(client: &mut Client, input: ClientInput, misuse: Misuse) {
    let before = format!("{client:?}");
    assert_eq!(client.handle(Time::from_secs(9), input), Err(misuse));
    assert_eq!(format!("{client:?}"), before, "the machine changed");
}

#[test]
fn a_command_id_that_does_not_increase_is_misuse_and_changes_nothing() {
    let mut client = client();
    client.handle(Time(1), ClientInput::Command(CommandId(5), ClientCommand::Inspect)).expect("the first");
    for id in [5, 4, 0] {
        refuses(&mut client, ClientInput::Command(CommandId(id), ClientCommand::Inspect), Misuse::IdReused);
    }
}

#[test]
fn answers_to_what_was_never_asked_are_misuse_and_change_nothing() {
    let mut client = client();
    let persisted = StoreInput::Persisted { batch: BatchId(1), outcomes: Vec::new() };
    refuses(&mut client, ClientInput::Store(persisted), Misuse::UnknownAnswer);
    let loaded = StoreInput::Loaded { load: LoadId(2), answer: Ok(ClientAnswer::Inbox(Vec::new())) };
    refuses(&mut client, ClientInput::Store(loaded), Misuse::UnknownAnswer);
    let wrong = StoreInput::Loaded { load: LoadId(1), answer: Ok(ClientAnswer::Inbox(Vec::new())) };
    refuses(&mut client, ClientInput::Store(wrong), Misuse::WrongAnswer);
    let written = LinkInput::Written { link: LinkId(1), len: 1 };
    refuses(&mut client, ClientInput::Link(written), Misuse::UnknownAnswer);
}

#[test]
fn an_empty_store_is_opened_without_a_write() {
    let mut client = client();
    let answer = Ok(ClientAnswer::Opened(Box::default()));
    client.handle(Time(1), ClientInput::Store(StoreInput::Loaded { load: LoadId(1), answer })).expect("asked for");
    while let Some(output) = client.poll() {
        let write = matches!(output, ClientOutput::Store(crate::machine::StoreOutput::Persist { .. }));
        assert!(!write, "{output:?}");
    }
}

#[test]
fn findings_on_one_members_word_leave_room_for_the_others() {
    let mut client = client();
    let gap = |sender, by, from| Verdict::Gap {
        sender: DeviceId([sender; 8]),
        inc: Incarnation([0; 8]),
        lane: Lane::Data,
        from,
        to: from,
        expired: false,
        by,
    };
    let (liar, honest) = (DeviceId([1; 8]), DeviceId([2; 8]));
    (0..400).for_each(|from| client.verdict(gap(9, Some(liar), from)));
    assert_eq!(client.verdicts.len(), MAX_VERDICTS_OF_ONE);
    client.verdict(gap(9, Some(honest), 1));
    client.verdict(gap(9, None, 1));
    assert_eq!(client.verdicts.len(), MAX_VERDICTS_OF_ONE + 2);
    (3..20).for_each(|sender| (0..300).for_each(|from| client.verdict(gap(sender, None, from))));
    client.verdict(Verdict::RelayReset);
    assert!(client.verdicts.values().any(|verdict| *verdict == Verdict::RelayReset));
    assert!(client.verdicts.len() <= MAX_VERDICTS);
}

#[test]
fn chains_that_one_member_invents_take_no_room_from_what_another_names() {
    let (liar, honest, about) = (DeviceId([1; 8]), DeviceId([2; 8]), DeviceId([9; 8]));
    let id = |inc: u16| {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&inc.to_le_bytes());
        StreamId { device: about, inc: Incarnation(bytes), lane: Lane::Data }
    };
    let mut streams = BTreeMap::new();
    for inc in 0..1000 {
        if receive::may_name(&streams, id(inc), liar) {
            streams.entry(id(inc)).or_insert_with(stream::Stream::default).named(liar, u64::MAX, [1; 8], Time(0));
        }
    }
    assert_eq!(streams.len(), MAX_CHAINS);
    assert!(receive::may_name(&streams, id(2000), honest), "another member's word has room of its own");
    assert!(receive::may_follow(&streams, id(2000)), "and so have records");
    for inc in 3000..4000 {
        if receive::may_follow(&streams, id(inc)) {
            let stream = streams.entry(id(inc)).or_insert_with(stream::Stream::default);
            stream.accept(1, RecordHash([1; 16]), Cursor(1));
        }
    }
    assert_eq!(streams.len(), 2 * MAX_CHAINS);
    assert!(receive::may_follow(&streams, id(3000)), "what is followed stays so");
}

#[test]
fn calls_that_wait_are_bounded_and_the_next_is_told_so() {
    let config = ClientConfig {
        store_key: StoreKey::new([1; 32]),
        kind: ChannelKind::Noise,
        limits: ClientLimits { commands: 4, ..ClientLimits::default() },
        padding: Padding::Padme,
    };
    let mut client = Client::new(config, Seed::new([2; 32]), Time(0));
    let answer = Ok(ClientAnswer::Opened(Box::default()));
    client.handle(Time(1), ClientInput::Store(StoreInput::Loaded { load: LoadId(1), answer })).expect("asked for");
    let key = crate::ids::RelayKey([5; 32]);
    let relay = RelayAddress { key, tcp: vec!["relay.test:7040".into()], iroh: None };
    let commands = [ClientCommand::Configure(relay), ClientCommand::Enable { name: "laptop".into() }];
    for (id, command) in (1..).zip(commands.into_iter().chain(std::iter::repeat_n(ClientCommand::SyncNow, 9))) {
        client.handle(Time(1), ClientInput::Command(CommandId(id), command)).expect("a command");
    }
    let mut refused = Vec::new();
    while let Some(output) = client.poll() {
        match output {
            ClientOutput::Store(crate::machine::StoreOutput::Persist { batch, .. }) => {
                let durable = StoreInput::Persisted { batch, outcomes: Vec::new() };
                client.handle(Time(1), ClientInput::Store(durable)).expect("it was asked for");
            }
            ClientOutput::Done { command, result: Err(rejection) } => refused.push((command.0, rejection.code)),
            _ => {}
        }
    }
    assert_eq!(client.syncs.waiting(), 4);
    assert_eq!(refused, (7..=11).map(|id| (id, Code::Busy)).collect::<Vec<_>>());
}
