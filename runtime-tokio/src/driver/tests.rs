use std::collections::VecDeque;

use bytes::Bytes;
use zerok_core::{
    client::{command::Lifecycle, io::ClientOutput},
    error::{CloseReason, LocalReason},
    ids::{BatchId, LinkId},
    machine::{LinkFailure, LinkOutput, Misuse},
};

use super::*;

/// Notes what it hears, and says what it is told to when it hears it.
#[derive(Default)]
struct Scripted {
    heard: Vec<String>,
    at: Vec<Time>,
    says: VecDeque<ClientOutput>,
    wakes: Option<Time>,
    refuses: bool,
    answers: Option<fn(&ClientInput) -> Vec<ClientOutput>>,
}

impl Machine for Scripted {
    type Input = ClientInput;
    type Output = ClientOutput;

    fn handle(&mut self, now: Time, input: ClientInput) -> Result<(), Misuse> {
        if !matches!(input, ClientInput::WallClock(_)) {
            self.heard.push(match &input {
                ClientInput::Link(LinkInput::Bytes { bytes, .. }) => format!("bytes {}", bytes.len()),
                ClientInput::Store(StoreInput::Persisted { batch, .. }) => format!("durable {}", batch.0),
                ClientInput::Lifecycle(signal) => format!("{signal:?}"),
                ClientInput::Link(LinkInput::Closed { cause, .. }) => format!("closed {cause:?}"),
                other => format!("{other:?}"),
            });
            self.at.push(now);
        }
        if self.wakes.is_some_and(|due| due <= now) {
            self.wakes = None;
            self.says.push_back(ClientOutput::Stopped);
        }
        if let Some(answers) = self.answers {
            self.says.extend(answers(&input));
        }
        if self.refuses { Err(Misuse::IdReused) } else { Ok(()) }
    }

    fn poll(&mut self) -> Option<ClientOutput> {
        self.says.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        self.wakes
    }
}

/// The plainest station: requests are inputs.
struct Bare {
    links: Links,
    performed: usize,
    stopped: bool,
}

impl Host<ClientOutput> for Bare {
    fn perform(&mut self, output: ClientOutput) {
        self.performed += 1;
        match output {
            ClientOutput::Link(output) => self.links.perform(output),
            ClientOutput::Stopped => self.stopped = true,
            _ => {}
        }
    }
}

impl Station<Scripted> for Bare {
    type Request = ClientInput;

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn admit(&mut self, request: ClientInput) -> Option<ClientInput> {
        Some(request)
    }

    fn abandoned(&mut self) -> Option<ClientInput> {
        Some(ClientInput::Lifecycle(Lifecycle::Closing))
    }

    fn stopped(&self) -> bool {
        self.stopped
    }
}

struct Ends {
    store: mpsc::UnboundedSender<StoreInput<ClientStore>>,
    links: mpsc::Sender<LinkInput>,
    requests: mpsc::UnboundedSender<ClientInput>,
}

fn set() -> (Bare, Sources<ClientStore, mpsc::UnboundedReceiver<ClientInput>>, Ends) {
    let (store, store_end) = mpsc::unbounded_channel();
    let (links, links_end) = mpsc::channel(LINK_INPUTS);
    let (requests, requests_end) = mpsc::unbounded_channel();
    let bare = Bare { links: Links::new(links.clone()), performed: 0, stopped: false };
    (bare, Sources { store: store_end, links: links_end, requests: requests_end }, Ends { store, links, requests })
}

fn stop_on_closing(input: &ClientInput) -> Vec<ClientOutput> {
    if matches!(input, ClientInput::Lifecycle(Lifecycle::Closing)) { vec![ClientOutput::Stopped] } else { Vec::new() }
}

#[tokio::test]
async fn d9_the_stores_answers_pass_every_byte_that_waits() {
    let (bare, sources, ends) = set();
    for _ in 0..200 {
        ends.links.try_send(LinkInput::Bytes { link: LinkId(1), bytes: Bytes::from_static(b"flood") }).unwrap();
    }
    for batch in 1..4 {
        ends.store.send(StoreInput::Persisted { batch: BatchId(batch), outcomes: Vec::new() }).unwrap();
    }
    drop(ends.requests);
    let machine = Scripted { answers: Some(stop_on_closing), ..Scripted::default() };
    let (shell, _) = run(machine, bare, Clock::new(), sources).await;
    assert_eq!(shell.machine().heard[..4], ["Tick", "durable 1", "durable 2", "durable 3"]);
}

#[tokio::test]
async fn links_and_application_do_not_starve_each_other() {
    let (bare, sources, ends) = set();
    for _ in 0..200 {
        ends.links.try_send(LinkInput::Bytes { link: LinkId(1), bytes: Bytes::from_static(b"flood") }).unwrap();
        ends.requests.send(ClientInput::Lifecycle(Lifecycle::Started)).unwrap();
    }
    ends.requests.send(ClientInput::Lifecycle(Lifecycle::Closing)).unwrap();
    let machine = Scripted { answers: Some(stop_on_closing), ..Scripted::default() };
    let (shell, _) = run(machine, bare, Clock::new(), sources).await;
    let early = &shell.machine().heard[1..101];
    let bytes = early.iter().filter(|heard| heard.starts_with("bytes")).count();
    assert!((20..80).contains(&bytes), "{bytes} of the first 100 were bytes");
}

#[tokio::test]
async fn d3_the_machine_is_woken_at_its_deadline_and_not_before() {
    let (bare, sources, _ends) = set();
    let clock = Clock::new();
    let due = clock.now() + Duration::from_millis(30);
    let (shell, _) = run(Scripted { wakes: Some(due), ..Scripted::default() }, bare, clock, sources).await;
    let machine = shell.machine();
    assert_eq!(machine.heard, ["Tick", "Tick"]);
    assert!(machine.at[0] < due && machine.at[1] >= due);
}

#[tokio::test]
async fn d2_everything_is_drained_also_when_the_input_was_refused() {
    let (bare, sources, _ends) = set();
    let says = (0..50).map(|_| ClientOutput::Stopped).collect();
    let machine = Scripted { says, refuses: true, ..Scripted::default() };
    let (_, bare) = run(machine, bare, Clock::new(), sources).await;
    assert_eq!(bare.performed, 50);
}

#[tokio::test]
async fn a_machine_nobody_can_reach_any_more_is_told_to_end() {
    let (bare, sources, ends) = set();
    drop(ends);
    let machine = Scripted { answers: Some(stop_on_closing), ..Scripted::default() };
    let (shell, _) = run(machine, bare, Clock::new(), sources).await;
    assert_eq!(shell.machine().heard, ["Tick", "Closing"]);
}

#[tokio::test]
async fn a_link_is_forgotten_with_its_last_word() {
    let (mut bare, sources, ends) = set();
    let (here, _there) = tokio::io::duplex(16);
    let opened = crate::link::Opened {
        io: Box::new(here),
        transport: zerok_core::ids::TransportId::TCP,
        origin: zerok_core::machine::Origin::default(),
    };
    let announced = bare.links.accepted(LinkId(1), opened);
    ends.requests.send(ClientInput::Link(announced)).unwrap();
    let machine = Scripted {
        answers: Some(|input| match input {
            ClientInput::Link(LinkInput::Opened { link, .. }) => {
                vec![ClientOutput::Link(LinkOutput::Close {
                    link: *link,
                    reason: CloseReason::Local(LocalReason::Done),
                })]
            }
            ClientInput::Link(LinkInput::Closed { cause: LinkFailure::Local, .. }) => vec![ClientOutput::Stopped],
            _ => Vec::new(),
        }),
        ..Scripted::default()
    };
    let (shell, bare) = run(machine, bare, Clock::new(), sources).await;
    assert_eq!(shell.machine().heard.last().map(String::as_str), Some("closed Local"));
    assert!(bare.links.is_empty());
}
