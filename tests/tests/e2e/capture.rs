//! C14: canaries in what must stay secret, and a search of everything that leaves or is kept.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use rusqlite::Connection;
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;
use zerok_core::{
    ids::GroupId,
    seal::{keys::StoreKey, rest::open_at_rest},
};

use crate::process::{PATIENCE, RelayProcess, Transport, found, moment, open};

const PAYLOAD: &str = "CANARY-the-payload-nobody-else-may-read";
const UPPER: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const NAME: &str = "CANARY-laptop-of-a-person";

/// Bytes from many threads.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<Vec<u8>>>);

impl Write for Recording {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Recording {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_c14_no_canary_is_on_the_wire_in_a_database_or_in_a_trace_log() {
    let logs = Recording::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(logs.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).expect("the only test of its process");
    for transport in [Transport::Tcp, Transport::Iroh] {
        logs.0.lock().expect("no writer panics").clear();
        nothing_is_found(transport, &logs).await;
    }
}

/// Over TCP by the typed code, through a proxy that records; over iroh by the URL. What is on iroh's wire is the same link once more
/// encrypted and is not recorded; there its logs are what is to be searched.
async fn nothing_is_found(transport: Transport, logs: &Recording) {
    let home = tempfile::tempdir().expect("a directory");
    let wire = Recording::default();
    let relay_data = home.path().join("relay");
    let relay = RelayProcess::start(&relay_data, transport);
    let mut address = relay.address.clone();
    if transport == Transport::Tcp {
        let upstream = address.tcp[0].parse().expect("loopback");
        address.tcp = vec![proxy(upstream, wire.clone()).to_string()];
    }

    let first = found(home.path(), NAME, &address, transport).await;
    let invitation = first.create_invite().await.expect("an invite");
    let second = open(home.path(), "CANARY-phone-of-a-person", &address, transport).await;
    let typed = match transport {
        Transport::Tcp => invitation.code.to_string(),
        Transport::Iroh => invitation.url.clone(),
    };
    second.join_invite(&typed).await.expect("a good invite joins");
    first.push(PAYLOAD, None).await.expect("the relay holds it");
    let arrives = async {
        loop {
            if let Some(blob) = second.pull(None, 1 << 20, false).await.expect("a pull").blobs.pop() {
                break blob;
            }
            moment().await;
        }
    };
    assert_eq!(timeout(PATIENCE, arrives).await.expect("it arrives").data, PAYLOAD);

    // While everything is open, so that write-ahead logs are still there.
    let secret = in_url(&invitation.url);
    let mut other = invitation.qr.clone();
    other.secret.fill(7);
    assert!(!other.to_url("zerok").contains(&secret), "it is the secret's part");
    let mut canaries = vec![
        ("the payload", PAYLOAD.as_bytes().to_vec()),
        ("a name", b"CANARY-".to_vec()),
        ("the code", invitation.code.to_string().into_bytes()),
        ("the code without dashes", invitation.code.to_string().replace('-', "").into_bytes()),
        ("the code's bytes", invitation.code.as_bytes().to_vec()),
        ("the QR secret", invitation.qr.secret.to_vec()),
        ("the QR secret as the URL has it", secret.clone().into_bytes()),
        ("the QR secret in capitals", secret.to_uppercase().into_bytes()),
    ];
    for name in [NAME, "CANARY-phone-of-a-person"] {
        canaries.extend(secrets(&home.path().join(name)));
    }
    let mut places = vec![
        ("the devices' trace log".to_owned(), logs.0.lock().expect("no writer panics").clone()),
        ("the relay's trace log".to_owned(), fs::read(relay_data.with_extension("log")).expect("a log")),
    ];
    if transport == Transport::Tcp {
        places.push(("the wire".to_owned(), wire.0.lock().expect("no writer panics").clone()));
    }
    for directory in ["relay", NAME, "CANARY-phone-of-a-person"] {
        places.extend(files(&home.path().join(directory)));
    }
    assert!(places.iter().any(|(place, _)| place.ends_with("-wal")), "write-ahead logs were searched");
    assert!(places.iter().all(|(_, bytes)| !bytes.is_empty()), "an empty place proves nothing");
    for (place, bytes) in &places {
        let text = String::from_utf8_lossy(bytes);
        for (what, canary) in &canaries {
            assert!(!contains(bytes, canary), "{what} is in {place}, over {transport:?}");
            for form in forms(canary) {
                assert!(!text.contains(&form), "{what} is in {place} as {form}, over {transport:?}");
            }
        }
    }
    // The search itself works: what is written in one of these forms is found in the log, and what a relay must know in its database.
    let control: [u8; 32] = std::array::from_fn(|at| (at * 37 + 11) as u8);
    tracing::trace!("{:?} {:02x?} {:02X?} {}", control, control, control, GroupId(control));
    let log = String::from_utf8_lossy(&logs.0.lock().expect("no writer panics")).into_owned();
    let found = forms(&control).iter().filter(|form| log.contains(*form)).count();
    assert_eq!(found, 4, "three lists and the hex of an id");
    assert_eq!(base32(b"fooba", UPPER), "MZXW6YTB", "RFC 4648, section 10");
    let group = first.inspect().await.expect("a report").identity.expect("a group").group;
    let database = places.iter().any(|(place, bytes)| place.contains("relay") && contains(bytes, &group.0));
    assert!(database, "the group id is in the relay's database");
    first.close().await;
    second.close().await;
}

/// The characters of an invite's URL that stand for nothing but its secret.
fn in_url(url: &str) -> String {
    let payload = url.split("i=").last().expect("a payload");
    // version ‖ the creator's sign key ‖ the secret ‖ the relay's address, five bits a character
    let secret = (1 + 32)..(1 + 32 + 32);
    payload[(secret.start * 8_usize).div_ceil(5)..secret.end * 8 / 5].to_owned()
}

/// What bytes look like in a log. Their beginnings are enough: an abbreviated secret is one too.
fn forms(secret: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8], form: &dyn Fn(&u8) -> String, between: &str| {
        bytes.iter().map(form).collect::<Vec<_>>().join(between)
    };
    let start = &secret[..secret.len().min(10)];
    let lower = |byte: &u8| format!("{byte:02x}");
    let upper = |byte: &u8| format!("{byte:02X}");
    vec![
        text(start, &lower, ""),
        text(start, &upper, ""),
        text(start, &lower, ", "),
        text(start, &upper, ", "),
        text(start, &|byte| byte.to_string(), ", "),
        base32(start, UPPER),
        base32(start, UPPER).to_lowercase(),
        base32(start, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
    ]
}

/// Five bits a character, as far as there are whole ones.
fn base32(bytes: &[u8], alphabet: &[u8; 32]) -> String {
    let bit = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
    let letter = |at: usize| alphabet[usize::from((0..5).fold(0, |letter, bits| letter << 1 | bit(at * 5 + bits)))];
    (0..bytes.len() * 8 / 5).map(|at| char::from(letter(at))).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Every file of a directory but the key file, which is where the store key belongs, and the lock, which is empty.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let wanted = entries.filter(|path| path.extension().is_some_and(|kind| kind.to_string_lossy().starts_with("db")));
    wanted.map(|path| (path.display().to_string(), fs::read(&path).expect("a file"))).collect()
}

/// The secrets of a device, read as only its owner can: with its store key.
fn secrets(directory: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let key: [u8; 32] = fs::read(directory.join("store.key")).expect("a key file")[1..33].try_into().expect("32 bytes");
    let database = Connection::open(directory.join("client.db")).expect("a database");
    let mut cells = database.prepare("SELECT value FROM cell").expect("a table");
    let cells = cells.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("rows");
    let vault = cells
        .filter_map(Result::ok)
        .find_map(|cell| open_at_rest(&StoreKey::new(key), "vault", &cell))
        .expect("the vault opens with the store key");
    // identity present ‖ length of keys ‖ sign ‖ link ‖ box ‖ group ‖ access ‖ genesis ‖ count of epochs ‖ secret
    assert_eq!((vault[0], vault[1]), (1, 96), "the vault holds an identity");
    let epoch = 2 + 96 + 96 + 1;
    vec![
        ("a signing key", vault[2..34].to_vec()),
        ("a link key", vault[34..66].to_vec()),
        ("a box key", vault[66..98].to_vec()),
        ("the group secret", vault[epoch..epoch + 32].to_vec()),
        ("a store key", key.to_vec()),
    ]
}

/// Passes bytes both ways and records them.
fn proxy(upstream: SocketAddr, wire: Recording) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for device in listener.incoming().map_while(Result::ok) {
            let Ok(relay) = TcpStream::connect(upstream) else { continue };
            for (from, to) in [(&device, &relay), (&relay, &device)] {
                let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                let wire = wire.clone();
                thread::spawn(move || pass(from, to, wire));
            }
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut wire: Recording) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(len) = from.read(&mut buffer)
        && len > 0
        && wire.write_all(&buffer[..len]).is_ok()
        && to.write_all(&buffer[..len]).is_ok()
    {}
    let _gone = to.shutdown(std::net::Shutdown::Write);
}
