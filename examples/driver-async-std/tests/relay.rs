//! Two devices on async-std, paired and in sync over a real relay process, which is killed on the way.

#![allow(clippy::unwrap_used, reason = "what these helpers cannot have, no test can go on without")]

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

use async_std::channel::{Receiver, Sender};
use bytes::Bytes;
use driver_async_std::{drive, now, seed};
use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    client::{
        Client, ClientConfig,
        command::{ClientCommand, ClientEvent, Rejection, Reply},
        io::{ClientInput, ClientOutput},
    },
    ids::CommandId,
    limits::ClientLimits,
    pairing::invite::Invite,
    seal::{padding::Padding, rest::StoreKey},
};
use zerok_testkit::store::client::MemoryClientStore;

struct Device {
    calls: Sender<ClientInput>,
    told: Receiver<ClientOutput>,
    last: CommandId,
    arrived: usize,
}

impl Device {
    fn new(number: u8, relay: &RelayAddress) -> Self {
        let config = ClientConfig {
            store_key: StoreKey::new([number; 32]),
            kind: ChannelKind::Noise,
            limits: ClientLimits::default(),
            padding: Padding::Padme,
        };
        let mut store = MemoryClientStore::default();
        let (calls, told) = drive(Client::new(config, seed().unwrap(), now()), move |job| store.perform(job));
        let mut device = Self { calls, told, last: CommandId(0), arrived: 0 };
        device.call(ClientCommand::Configure(relay.clone())).unwrap();
        device
    }

    fn call(&mut self, command: ClientCommand) -> Result<Reply, Rejection> {
        self.last = self.last.next();
        self.calls.try_send(ClientInput::Command(self.last, command)).unwrap();
        loop {
            match self.hear() {
                ClientOutput::Done { command, result } if command == self.last => return result,
                _ => {}
            }
        }
    }

    fn hear(&mut self) -> ClientOutput {
        let output = self.told.recv_blocking().unwrap();
        self.arrived += usize::from(matches!(output, ClientOutput::Event(ClientEvent::BlobAvailable { .. })));
        output
    }

    fn push(&mut self, text: &'static str) -> Result<Reply, Rejection> {
        self.call(ClientCommand::Push { data: Bytes::from_static(text.as_bytes()), key: None, detached: false })
    }

    /// Waits until so many blobs have come in all, and reads what was not read.
    fn read(&mut self, count: usize) -> Vec<Bytes> {
        while self.arrived < count {
            self.hear();
        }
        let pull = |after| ClientCommand::Pull { after, max_bytes: 1 << 20, own: false };
        let Ok(Reply::Pulled(pulled)) = self.call(pull(None)) else { panic!("no pull") };
        self.call(pull(Some(pulled.max_cursor))).unwrap();
        pulled.blobs.into_iter().map(|blob| blob.data).collect()
    }
}

struct Relay(Child);

impl Relay {
    fn start(data: &Path, port: SocketAddr) -> (Self, RelayAddress) {
        let here = std::env::current_exe().unwrap();
        let built = here.ancestors().nth(2).unwrap().join("zerok-relay");
        assert!(built.exists(), "zerok-relay is not built; run the tests of the whole workspace");
        let mut command = Command::new(built);
        command.arg("serve").arg("--data").arg(data).args(["--no-http", "--no-iroh", "--tcp", &port.to_string()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let line = out.lines().map_while(Result::ok).find_map(|line| line.strip_prefix("address: ").map(str::to_owned));
        (Self(child), line.expect("it prints its address").parse().unwrap())
    }
}

impl Drop for Relay {
    /// With -9.
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn kill_two_devices_on_async_std_stay_in_sync_over_a_relay_that_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (relay, address) = Relay::start(home.path(), port);
    let mut laptop = Device::new(1, &address);
    laptop.call(ClientCommand::Enable { name: "laptop".into() }).unwrap();
    laptop.call(ClientCommand::SyncNow).unwrap();
    let Ok(Reply::Invited { code, .. }) = laptop.call(ClientCommand::CreateInvite) else { panic!("no invite") };
    let mut phone = Device::new(2, &address);
    let invite: Invite = code.to_string().parse().unwrap();
    phone.call(ClientCommand::Join { invite, name: "phone".into() }).unwrap();

    assert!(matches!(laptop.push("milk"), Ok(Reply::Pushed { .. })));
    assert_eq!(phone.read(1), ["milk"]);

    drop(relay);
    // Offline, or not noticed yet: queued either way.
    assert!(laptop.push("bread").is_err());
    let (_relay, again) = Relay::start(home.path(), port);
    assert_eq!(again, address);
    assert!(matches!(phone.push("eggs"), Ok(Reply::Pushed { .. }) | Err(_)));
    assert_eq!(phone.read(2), ["bread"]);
    assert_eq!(laptop.read(1), ["eggs"]);
}
