//! A relay as a process of its own, and devices that reach it.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use zerok_core::address::RelayAddress;
use zerok_iroh::IrohDialer;
use zerok_tokio::{Options, SyncClient, link::Dialer, secrets::KeyStorageChoice, tcp::TcpDialer};

/// How devices reach the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Iroh,
}

/// A relay process on a data directory and port that outlive it.
pub(crate) struct RelayProcess {
    pub(crate) address: RelayAddress,
    data: PathBuf,
    port: SocketAddr,
    transport: Transport,
    child: Child,
}

impl RelayProcess {
    pub(crate) fn start(data: &Path, transport: Transport) -> Self {
        let port = match transport {
            Transport::Tcp => TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()),
            Transport::Iroh => UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()),
        };
        let port = port.expect("loopback has a free port");
        let (child, address) = spawn(data, transport, port);
        Self { address, data: data.to_owned(), port, transport, child }
    }

    /// Kill -9, and a new process on the same data and port.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        let (child, address) = spawn(&self.data, self.transport, self.port);
        assert_eq!(address, self.address, "a relay keeps its address");
        self.child = child;
    }

    /// Kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the relay can be killed");
        self.child.wait().expect("the relay is gone");
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
        }
    }
}

fn spawn(data: &Path, transport: Transport, port: SocketAddr) -> (Child, RelayAddress) {
    let mut command = Command::new(binary("zerok-relay"));
    command.arg("serve").arg("--data").arg(data).args(["--no-http", "--log", "trace"]);
    match transport {
        Transport::Tcp => command.args(["--no-iroh", "--tcp", &port.to_string()]),
        Transport::Iroh => command.args(["--no-tcp", "--iroh-bind", &port.to_string()]),
    };
    let log = File::options().create(true).append(true).open(data.with_extension("log")).expect("a log file");
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the relay starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let line = out.lines().map_while(Result::ok).find_map(|line| line.strip_prefix("address: ").map(str::to_owned));
    let address = line.expect("the relay prints its address").parse().expect("an address");
    (child, address)
}

/// A program of this workspace, built beside the test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let built = test.ancestors().nth(2).expect("target/profile/deps/test");
    let path = [built.join(name), built.join("examples").join(name)].into_iter().find(|path| path.exists());
    path.unwrap_or_else(|| panic!("{name} is not built; run the tests of the whole workspace"))
}

pub(crate) async fn open(data: &Path, name: &str, relay: &RelayAddress, transport: Transport) -> SyncClient {
    let dialer: Arc<dyn Dialer> = match transport {
        Transport::Tcp => Arc::new(TcpDialer),
        Transport::Iroh => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).expect("randomness");
            Arc::new(IrohDialer::new(zerok_iroh::Options::new(&secret)))
        }
    };
    let mut options = Options::new(data.join(name), name, dialer);
    options.relay = Some(relay.clone());
    options.key_storage = KeyStorageChoice::File;
    SyncClient::open(options).await.expect("a new device opens")
}

/// A device that founds a group and is connected.
pub(crate) async fn found(data: &Path, name: &str, relay: &RelayAddress, transport: Transport) -> SyncClient {
    let client = open(data, name, relay, transport).await;
    client.enable().await.expect("enabling works");
    client.sync_now().await.expect("the relay is up");
    client
}

/// A device that joins the group of another by a typed code.
pub(crate) async fn join(
    of: &SyncClient,
    data: &Path,
    name: &str,
    relay: &RelayAddress,
    transport: Transport,
) -> SyncClient {
    let invitation = of.create_invite().await.expect("an invite");
    let client = open(data, name, relay, transport).await;
    client.join_invite(&invitation.code.to_string()).await.expect("a good code joins");
    client
}

/// How long anything here may take, for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A moment between two looks; the only place where these tests wait for time to pass.
pub(crate) async fn moment() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
