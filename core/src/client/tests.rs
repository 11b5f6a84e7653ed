//! A driver's mistakes: named, and without effect. What users see is tested with whole worlds, in the testkit.

use super::*;
use crate::{
    client::store::ClientAnswer,
    ids::BatchId,
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
