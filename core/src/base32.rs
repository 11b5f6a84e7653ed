//! Five bits a character, in two alphabets: RFC 4648 for addresses and QR payloads, Crockford's for what people type.
//!
//! Decoding takes either case and exactly one form: no padding characters, and the bits left over are zeros.

/// RFC 4648, lower case.
pub(crate) const RFC4648: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Crockford: no I, L, O, U.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Writes `bytes` in `alphabet`.
pub(crate) fn encode(alphabet: &[u8; 32], bytes: &[u8]) -> String {
    let mut out = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut pending, mut bits) = (0_u16, 0_u32);
    for byte in bytes {
        pending = pending << 8 | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(alphabet[usize::from(pending >> bits & 31)]));
        }
        pending &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(char::from(alphabet[usize::from(pending << (5 - bits) & 31)]));
    }
    out
}

/// Reads `text`, or `None` when it is not the one form of some bytes.
pub(crate) fn decode(alphabet: &[u8; 32], text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut pending, mut bits) = (0_u16, 0_u32);
    for c in text.bytes() {
        let value = alphabet.iter().position(|symbol| symbol.eq_ignore_ascii_case(&c))?;
        pending = pending << 5 | u16::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(pending >> bits & 0xff).ok()?);
            pending &= (1 << bits) - 1;
        }
    }
    // A whole unused character, or bits that say something, would be a second form of the same bytes.
    (bits < 5 && pending == 0).then_some(out)
}

#[cfg(test)]
mod tests;
