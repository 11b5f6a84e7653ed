//! The bounds that are part of the protocol, and those that may be set. Each is tested at its edge.
//!
//! What one module alone remembers is bounded at the top of that module. Protocol constants are fixed for version 1; [`ClientLimits`] and [`RelayLimits`] are a machine's own and may be set.

use crate::time::Duration;

/// Largest application payload of one record, bytes.
pub const MAX_PAYLOAD: usize = 960 * 1024;
/// Largest sealed blob, bytes.
pub const MAX_BLOB: usize = 1024 * 1024;
/// Largest message after reassembly, bytes: one largest blob and its envelope.
pub const MAX_MESSAGE: usize = MAX_BLOB + 64 * 1024;
/// Largest Noise message, bytes; a frame is two bytes longer.
pub const MAX_NOISE: usize = 65_535;
/// Largest payload of handshake message 2, bytes after its own overhead.
pub const MAX_SECOND_FLIGHT: usize = 60_000;
/// Largest payload of handshake message 1, bytes after its own overhead.
pub const MAX_FIRST_FLIGHT: usize = 4 * 1024;
/// Most blobs in one push or page and most receipts in one `Pushed`; a sender starts another message there.
pub const MAX_ENTRIES: usize = 8192;
/// Most later access keys in a `Hello`. Reserved: version 1 sends none.
pub const MAX_CHAIN: usize = 32;
/// Largest blob carried inside a `News`, bytes.
pub const MAX_INLINE: usize = 4 * 1024;
/// Largest mailbox message, bytes.
pub const MAX_MAILBOX_MESSAGE: usize = 16 * 1024;
/// Most mailbox messages a side may send.
pub const MAX_MAILBOX_MESSAGES: u32 = 64;
/// Largest device name, bytes of UTF-8.
pub const MAX_NAME: usize = 64;
/// Most `seen` entries in one record.
pub const MAX_SEEN: usize = 1024;
/// Most chains of one device that are followed, i.e. eight incarnations with two lanes; and as many more on each member's word.
pub const MAX_CHAINS: usize = 16;
/// Findings kept until the application settles them.
pub const MAX_VERDICTS: usize = 1024;
/// Of these, findings of each kind that a relay or member makes up at will: they must not crowd out what it would rather hide.
pub const MAX_CHEAP_VERDICTS: usize = 64;
/// Of these, findings that rest on one member's word or chains: it must not crowd out what others say.
pub const MAX_VERDICTS_OF_ONE: usize = 256;
/// Most devices of a group: nobody admits another.
pub const MAX_DEVICES: usize = 128;
/// Most devices that stand in a roster: members may admit the last ones at the same moment.
pub const MAX_MEMBERS: usize = MAX_DEVICES + 8;
/// Largest blob of a genesis or an ADD, bytes. An ADD names the lanes of at most all admissions.
pub const MAX_ADD_BLOB: usize = 5 * 1024;
/// Largest blob of a RENAME, bytes.
pub const MAX_RENAME_BLOB: usize = 512;

/// A new handshake is due after this long on one channel.
pub const CHANNEL_AGE: Duration = Duration::from_secs(12 * 3600);
/// A new handshake is due after so many bytes on one channel.
pub const CHANNEL_BYTES: u64 = 1 << 30;
/// A new handshake is due after so many frames on one channel.
pub const CHANNEL_FRAMES: u64 = 1 << 24;
/// Total time to finish a handshake, on both sides.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long an invite lives, on the creator's clock including suspend.
pub const INVITE_TTL: Duration = Duration::from_secs(600);

/// Bounds of a client machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// Unwritten bytes a link may have before the machine stops sealing frames.
    pub window: usize,
    /// Bytes of pushed but unacknowledged blobs.
    pub push_window: usize,
    /// Bytes asked for with one pull.
    pub page_bytes: u32,
    /// Unsent bytes the outbox holds; then `outboxFull`.
    pub outbox_unsent: u64,
    /// Acknowledged bytes kept for devices that have not seen them.
    pub outbox_acked: u64,
    /// Unread bytes the inbox holds; then pulling stops with `inboxFull`.
    pub inbox_unread: u64,
    /// Bytes of read blobs kept readable.
    pub inbox_read: u64,
    /// How long read blobs stay readable.
    pub inbox_read_age: Duration,
    /// Records and bytes held for a key, a roster record or a gap.
    pub held: (usize, usize),
    /// Commands in flight.
    pub commands: usize,
    /// How long `push` waits for the relay before it answers `pending`.
    pub push_timeout: Duration,
    /// Without a byte written for this long while some are waiting, the link is dead.
    pub stall: Duration,
    /// Quiet time after which a heads record goes out.
    pub heads_after: Duration,
    /// How long a record named by another device may be missing before it is a gap.
    pub seen_gap: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            window: 256 * 1024,
            push_window: 2 * MAX_BLOB,
            page_bytes: 512 * 1024,
            outbox_unsent: 64 << 20,
            outbox_acked: 64 << 20,
            inbox_unread: 64 << 20,
            inbox_read: 16 << 20,
            inbox_read_age: Duration::from_secs(24 * 3600),
            held: (64, 1 << 20),
            commands: 4096,
            push_timeout: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            heads_after: Duration::from_secs(5),
            seen_gap: Duration::from_secs(600),
        }
    }
}

/// Bounds of a relay machine. A relay's configuration file sets every one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayLimits {
    /// Unwritten bytes a link may have before the machine stops sealing frames.
    pub window: usize,
    /// Largest page, bytes, whatever a pull asks for.
    pub page_bytes: u32,
    /// Links in all.
    pub links: usize,
    /// Links before their first proven frame.
    pub half_open: usize,
    /// Links per [`Origin`](crate::machine::Origin).
    pub links_per_origin: usize,
    /// Handshakes per origin: bucket size and refill per second.
    pub handshakes: (u32, u32),
    /// Pushed bytes per proven device and lane, and mailbox bytes per origin: bucket size and refill per second.
    pub push_bytes: (u64, u64),
    /// Stored bytes per group.
    pub group_bytes: u64,
    /// Stored blobs per group.
    pub group_blobs: u64,
    /// New groups per origin and day.
    pub groups_per_day: u32,
    /// Open mailboxes per group.
    pub mailboxes_per_group: u32,
    /// Mailboxes an origin may open at one machine within the lifetime of an invite, ended ones included.
    pub mailboxes_per_origin: usize,
    /// Mailboxes all origins together may.
    pub mailboxes: usize,
    /// How long a blob is kept.
    pub retention: Duration,
    /// Time between expiry sweeps.
    pub sweep: Duration,
    /// A sweep moves the expiry clock forward by at most this much.
    pub sweep_clamp: Duration,
    /// Without a byte written for this long while some are waiting, the link is closed.
    pub stall: Duration,
    /// A link without any message for this long is pinged away.
    pub idle: Duration,
    /// What a draining relay asks its clients to wait.
    pub drain_retry: Duration,
    /// Bytes of one link that the store has not committed yet; then the link is not read.
    pub uncommitted_link: usize,
    /// Bytes of all links that the store has not committed yet; then whoever sends is not read.
    pub uncommitted: usize,
    /// Origins, and apart from them devices, whose rates are remembered.
    pub rates: usize,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            window: 256 * 1024,
            page_bytes: 512 * 1024,
            links: 20_000,
            half_open: 2_000,
            links_per_origin: 512,
            handshakes: (512, 64),
            push_bytes: (64 << 20, 16 << 20),
            group_bytes: 1 << 30,
            group_blobs: 1_000_000,
            groups_per_day: 256,
            mailboxes_per_group: 8,
            mailboxes_per_origin: 256,
            mailboxes: 4096,
            retention: Duration::from_secs(30 * 24 * 3600),
            sweep: Duration::from_secs(600),
            sweep_clamp: Duration::from_secs(3600),
            stall: Duration::from_secs(30),
            idle: Duration::from_secs(15 * 60),
            drain_retry: Duration::from_secs(2),
            uncommitted_link: 4 * MAX_BLOB,
            uncommitted: 64 * MAX_BLOB,
            rates: 16_384,
        }
    }
}
