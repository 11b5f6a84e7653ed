//! Messages to bytes and back.
//!
//! The layout is postcard's, written out by hand so that a blob is never copied on the way in, every count and size is bounded before
//! anything is allocated, and there is one encoding of each message: a tag byte, then the fields in order; numbers as the shortest
//! LEB128; fixed arrays raw; byte strings and lists behind their length; options and booleans as 0 or 1. The first two flights carry
//! their messages without tags, because a handshake has room for nothing else.
//!
//! Never judges: cursors that make no sense, a blob above a relay's limit or a message out of turn are the machines' to refuse.
//!
//! Invariants: `decode(encode(m)) == m` for every message within the limits; what decodes encodes to the same bytes. Unknown tags and
//! unknown [`WireCode`]s are refused: both are fixed within a version, and a newer version has a preamble of its own.

use bytes::{Buf, Bytes};

use super::message::{Hello, News, Page, Pull, Refusal, Request, Signature, ToDevice, ToRelay, Welcome, WireCode};
use crate::{
    error::Misbehaviour,
    ids::{AccessKey, Cursor, Digest, GroupId, Kid, Lane, MailboxId, RelayId, Tag},
    limits::{
        MAX_CHAIN, MAX_ENTRIES, MAX_FIRST_FLIGHT, MAX_INLINE, MAX_MAILBOX_MESSAGE, MAX_MESSAGE, MAX_SECOND_FLIGHT,
    },
};

/// A message that has an encoding of its own.
pub trait Encode {
    /// Appends the encoding.
    fn write(&self, out: &mut Vec<u8>);

    /// At least as many bytes as [`write`](Self::write) appends, so that a message is allocated once.
    fn bound(&self) -> usize;
}

/// The bytes of a message.
pub fn encode<M: Encode>(message: &M) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.bound());
    message.write(&mut out);
    out
}

/// Reads what a device says. Blobs are slices of `bytes`.
///
/// # Errors
/// [`Misbehaviour::TooLarge`] above a limit, [`Misbehaviour::BadMessage`] for anything else that is not exactly one message.
pub fn decode_to_relay(bytes: Bytes) -> Result<ToRelay, Misbehaviour> {
    Reader::over(bytes, MAX_MESSAGE)?.whole(Reader::device_says)
}

/// Reads what a relay says. Blobs are slices of `bytes`.
///
/// # Errors
/// As [`decode_to_relay`].
pub fn decode_to_device(bytes: Bytes) -> Result<ToDevice, Misbehaviour> {
    Reader::over(bytes, MAX_MESSAGE)?.whole(Reader::relay_says)
}

/// The payload of handshake message 1.
pub fn encode_first_flight(hello: &Hello, pull: &Pull) -> Vec<u8> {
    let mut out = Vec::with_capacity(hello_bound(hello) + PULL_BOUND);
    write_hello(&mut out, hello);
    write_pull(&mut out, pull);
    out
}

/// Reads the payload of handshake message 1.
///
/// # Errors
/// As [`decode_to_relay`].
pub fn decode_first_flight(bytes: Bytes) -> Result<(Hello, Pull), Misbehaviour> {
    Reader::over(bytes, MAX_FIRST_FLIGHT)?.whole(|reader| Ok((reader.hello()?, reader.pull()?)))
}

/// The payload of handshake message 2.
pub fn encode_second_flight(welcome: &Welcome, page: &Page) -> Vec<u8> {
    let mut out = Vec::with_capacity(WELCOME_BOUND + page_bound(page));
    write_welcome(&mut out, welcome);
    write_page(&mut out, page);
    out
}

/// Reads the payload of handshake message 2.
///
/// # Errors
/// As [`decode_to_relay`].
pub fn decode_second_flight(bytes: Bytes) -> Result<(Welcome, Page), Misbehaviour> {
    Reader::over(bytes, MAX_SECOND_FLIGHT)?.whole(|reader| Ok((reader.welcome()?, reader.page()?)))
}

// Upper bounds of encoded sizes: 10 bytes a u64, 5 a u32 or a length.
const PULL_BOUND: usize = 10 + Tag::LEN + 5;
const WELCOME_BOUND: usize = RelayId::LEN + 10 + 10 + 1 + 10 + Digest::LEN + 5;
const PAGE_HEAD_BOUND: usize = 10 + 10 + 1 + 5 + 10 + 1;
const ENTRY_BOUND: usize = 10 + 5;
const SMALL_BOUND: usize = 48;

impl Tag {
    const LEN: usize = 8;
}

fn hello_bound(hello: &Hello) -> usize {
    GroupId::LEN + Kid::LEN + AccessKey::LEN + 32 + 5 + hello.chain.len() * (AccessKey::LEN + 64) + 64
}

fn page_bound(page: &Page) -> usize {
    PAGE_HEAD_BOUND + page.entries.iter().map(|(_, blob)| ENTRY_BOUND + blob.len()).sum::<usize>()
}

impl Encode for ToRelay {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                out.push(0);
                write_hello(out, hello);
            }
            Self::Pull(pull) => {
                out.push(1);
                write_pull(out, pull);
            }
            Self::Push { lane, blobs } => {
                out.extend_from_slice(&[2, *lane as u8]);
                write_len(out, blobs.len());
                for blob in blobs {
                    write_blob(out, blob);
                }
            }
            Self::Ack { cursor } => {
                out.push(3);
                write_number(out, cursor.0);
            }
            Self::Ping => out.push(4),
            Self::Bye => out.push(5),
            Self::MailboxOpen { code, qr } => {
                out.push(6);
                out.extend_from_slice(&code.0);
                out.extend_from_slice(&qr.0);
            }
            Self::MailboxClaim { id } => {
                out.push(7);
                out.extend_from_slice(&id.0);
            }
            Self::MailboxSend { id, body } => {
                out.push(8);
                out.extend_from_slice(&id.0);
                write_blob(out, body);
            }
            Self::MailboxClose { id } => {
                out.push(9);
                out.extend_from_slice(&id.0);
            }
            Self::Rotate => out.push(10),
            Self::Forget => out.push(11),
        }
    }

    fn bound(&self) -> usize {
        SMALL_BOUND
            + match self {
                Self::Hello(hello) => hello_bound(hello),
                Self::Push { blobs, .. } => blobs.iter().map(|blob| 5 + blob.len()).sum(),
                Self::MailboxSend { body, .. } => body.len(),
                _ => 0,
            }
    }
}

impl Encode for ToDevice {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Welcome(welcome) => {
                out.push(0);
                write_welcome(out, welcome);
            }
            Self::Page(page) => {
                out.push(1);
                write_page(out, page);
            }
            Self::Pushed { stored } => {
                out.push(2);
                write_len(out, stored.len());
                for (digest, cursor) in stored {
                    out.extend_from_slice(&digest.0);
                    write_number(out, cursor.0);
                }
            }
            Self::News(news) => {
                out.push(3);
                write_number(out, news.prev.0);
                write_number(out, news.cursor.0);
                out.extend_from_slice(&news.digest.0);
                out.push(u8::from(news.blob.is_some()));
                if let Some(blob) = &news.blob {
                    write_blob(out, blob);
                }
            }
            Self::Pong => out.push(4),
            Self::Bye { retry_after } => {
                out.push(5);
                write_number(out, u64::from(*retry_after));
            }
            Self::MailboxOpened { id } => {
                out.push(6);
                out.extend_from_slice(&id.0);
            }
            Self::MailboxMessage { id, body } => {
                out.push(7);
                out.extend_from_slice(&id.0);
                write_blob(out, body);
            }
            Self::MailboxClosed { id } => {
                out.push(8);
                out.extend_from_slice(&id.0);
            }
            Self::Error(refusal) => {
                out.push(9);
                write_refusal(out, refusal);
            }
        }
    }

    fn bound(&self) -> usize {
        SMALL_BOUND
            + match self {
                Self::Welcome(_) => WELCOME_BOUND,
                Self::Page(page) => page_bound(page),
                Self::Pushed { stored } => stored.len() * (Digest::LEN + 10),
                Self::News(news) => 5 + news.blob.as_ref().map_or(0, Bytes::len),
                Self::MailboxMessage { body, .. } => body.len(),
                _ => 0,
            }
    }
}

fn write_hello(out: &mut Vec<u8>, hello: &Hello) {
    out.extend_from_slice(&hello.group.0);
    out.extend_from_slice(&hello.kid.0);
    out.extend_from_slice(&hello.access.0);
    out.extend_from_slice(&hello.genesis);
    write_len(out, hello.chain.len());
    for (key, signature) in &hello.chain {
        out.extend_from_slice(&key.0);
        out.extend_from_slice(&signature.0);
    }
    out.extend_from_slice(&hello.proof.0);
}

fn write_pull(out: &mut Vec<u8>, pull: &Pull) {
    write_number(out, pull.after.0);
    out.extend_from_slice(&pull.tag.0);
    write_number(out, u64::from(pull.max_bytes));
}

fn write_welcome(out: &mut Vec<u8>, welcome: &Welcome) {
    out.extend_from_slice(&welcome.relay_id.0);
    write_number(out, welcome.head.0);
    write_number(out, welcome.floor.0);
    out.push(u8::from(welcome.own.is_some()));
    if let Some((cursor, digest)) = &welcome.own {
        write_number(out, cursor.0);
        out.extend_from_slice(&digest.0);
    }
    write_number(out, u64::from(welcome.max_blob));
}

fn write_page(out: &mut Vec<u8>, page: &Page) {
    write_number(out, page.after.0);
    write_number(out, page.floor.0);
    out.push(u8::from(page.reset));
    write_len(out, page.entries.len());
    for (cursor, blob) in &page.entries {
        write_number(out, cursor.0);
        write_blob(out, blob);
    }
    write_number(out, page.head.0);
    out.push(u8::from(page.more));
}

fn write_refusal(out: &mut Vec<u8>, refusal: &Refusal) {
    write_number(out, u64::from(refusal.code.number()));
    match refusal.request {
        Request::Link => out.push(0),
        Request::Push(lane) => out.extend_from_slice(&[1, lane as u8]),
        Request::Pull => out.push(2),
        Request::Mailbox(id) => {
            out.push(3);
            out.extend_from_slice(&id.0);
        }
    }
    write_number(out, u64::from(refusal.retry_after));
}

fn write_blob(out: &mut Vec<u8>, blob: &[u8]) {
    write_len(out, blob.len());
    out.extend_from_slice(blob);
}

fn write_len(out: &mut Vec<u8>, len: usize) {
    write_number(out, len as u64);
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What has not been read yet of one message.
struct Reader {
    rest: Bytes,
}

type Read<T> = Result<T, Misbehaviour>;

const BAD: Misbehaviour = Misbehaviour::BadMessage;

impl Reader {
    fn over(bytes: Bytes, limit: usize) -> Read<Self> {
        if bytes.len() > limit { Err(Misbehaviour::TooLarge) } else { Ok(Self { rest: bytes }) }
    }

    /// Reads one thing and refuses bytes left over.
    fn whole<T>(mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let value = read(&mut self)?;
        if self.rest.is_empty() { Ok(value) } else { Err(BAD) }
    }

    fn device_says(&mut self) -> Read<ToRelay> {
        Ok(match self.byte()? {
            0 => ToRelay::Hello(Box::new(self.hello()?)),
            1 => ToRelay::Pull(self.pull()?),
            2 => ToRelay::Push { lane: self.lane()?, blobs: self.list(MAX_ENTRIES, 1, |r| r.blob(MAX_MESSAGE))? },
            3 => ToRelay::Ack { cursor: self.cursor()? },
            4 => ToRelay::Ping,
            5 => ToRelay::Bye,
            6 => ToRelay::MailboxOpen { code: self.mailbox()?, qr: self.mailbox()? },
            7 => ToRelay::MailboxClaim { id: self.mailbox()? },
            8 => ToRelay::MailboxSend { id: self.mailbox()?, body: self.blob(MAX_MAILBOX_MESSAGE)? },
            9 => ToRelay::MailboxClose { id: self.mailbox()? },
            10 => ToRelay::Rotate,
            11 => ToRelay::Forget,
            _ => return Err(BAD),
        })
    }

    fn relay_says(&mut self) -> Read<ToDevice> {
        Ok(match self.byte()? {
            0 => ToDevice::Welcome(self.welcome()?),
            1 => ToDevice::Page(self.page()?),
            2 => ToDevice::Pushed {
                stored: self.list(MAX_ENTRIES, Digest::LEN + 1, |r| Ok((Digest(r.array()?), r.cursor()?)))?,
            },
            3 => ToDevice::News(News {
                prev: self.cursor()?,
                cursor: self.cursor()?,
                digest: Digest(self.array()?),
                blob: if self.flag()? { Some(self.blob(MAX_INLINE)?) } else { None },
            }),
            4 => ToDevice::Pong,
            5 => ToDevice::Bye { retry_after: self.number32()? },
            6 => ToDevice::MailboxOpened { id: self.mailbox()? },
            7 => ToDevice::MailboxMessage { id: self.mailbox()?, body: self.blob(MAX_MAILBOX_MESSAGE)? },
            8 => ToDevice::MailboxClosed { id: self.mailbox()? },
            9 => ToDevice::Error(self.refusal()?),
            _ => return Err(BAD),
        })
    }

    fn hello(&mut self) -> Read<Hello> {
        Ok(Hello {
            group: GroupId(self.array()?),
            kid: Kid(self.array()?),
            access: AccessKey(self.array()?),
            genesis: self.array()?,
            chain: self.list(MAX_CHAIN, AccessKey::LEN + 64, |r| Ok((AccessKey(r.array()?), Signature(r.array()?))))?,
            proof: Signature(self.array()?),
        })
    }

    fn pull(&mut self) -> Read<Pull> {
        Ok(Pull { after: self.cursor()?, tag: Tag(self.array()?), max_bytes: self.number32()? })
    }

    fn welcome(&mut self) -> Read<Welcome> {
        Ok(Welcome {
            relay_id: RelayId(self.array()?),
            head: self.cursor()?,
            floor: self.cursor()?,
            own: if self.flag()? { Some((self.cursor()?, Digest(self.array()?))) } else { None },
            max_blob: self.number32()?,
        })
    }

    fn page(&mut self) -> Read<Page> {
        Ok(Page {
            after: self.cursor()?,
            floor: self.cursor()?,
            reset: self.flag()?,
            entries: self.list(MAX_ENTRIES, 2, |r| Ok((r.cursor()?, r.blob(MAX_MESSAGE)?)))?,
            head: self.cursor()?,
            more: self.flag()?,
        })
    }

    fn refusal(&mut self) -> Read<Refusal> {
        Ok(Refusal {
            code: u16::try_from(self.number()?).ok().and_then(WireCode::from_number).ok_or(BAD)?,
            request: match self.byte()? {
                0 => Request::Link,
                1 => Request::Push(self.lane()?),
                2 => Request::Pull,
                3 => Request::Mailbox(self.mailbox()?),
                _ => return Err(BAD),
            },
            retry_after: self.number32()?,
        })
    }

    fn cursor(&mut self) -> Read<Cursor> {
        self.number().map(Cursor)
    }

    fn mailbox(&mut self) -> Read<MailboxId> {
        self.array().map(MailboxId)
    }

    fn lane(&mut self) -> Read<Lane> {
        match self.byte()? {
            0 => Ok(Lane::Data),
            1 => Ok(Lane::Control),
            _ => Err(BAD),
        }
    }

    fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(BAD),
        }
    }

    /// A list of at most `most` items of at least `least` bytes each, so that a claimed count costs no more than the bytes behind it.
    fn list<T>(&mut self, most: usize, least: usize, item: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = usize::try_from(self.number()?).map_err(|_| BAD)?;
        if count > most {
            return Err(Misbehaviour::TooLarge);
        }
        if count * least > self.rest.len() {
            return Err(BAD);
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn blob(&mut self, most: usize) -> Read<Bytes> {
        let len = usize::try_from(self.number()?).map_err(|_| BAD)?;
        if len > most {
            return Err(Misbehaviour::TooLarge);
        }
        if len > self.rest.len() { Err(BAD) } else { Ok(self.rest.split_to(len)) }
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let array = *self.rest.first_chunk::<N>().ok_or(BAD)?;
        self.rest.advance(N);
        Ok(array)
    }

    fn number32(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| BAD)
    }

    /// A LEB128 number. One encoding each: a last byte of zero after others is refused, as is anything above 64 bits.
    fn number(&mut self) -> Read<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 || byte == 0 && shift > 0 {
                return Err(BAD);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BAD)
    }

    fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }
}

#[cfg(test)]
mod tests;
