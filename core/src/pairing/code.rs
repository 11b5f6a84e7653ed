//! The code a person reads on one device and types on the other: 80 random bits as `XXXX-XXXX-XXXX-XXXX`.
//!
//! Crockford's alphabet has no I, L, O or U; typing I or L for 1, O for 0, lower case, spaces and dashes is forgiven. Never derived
//! from a key of the group.

use core::{fmt, str::FromStr};

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::PairingSecret;
use crate::{base32, ids::RelayKey, rng::Draw, seal::keys::same};

/// Characters of a code without dashes.
const SYMBOLS: usize = 16;

/// An invite to type.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairingCode([u8; 10]);

impl PairingCode {
    /// Draws a fresh one.
    pub fn generate(draw: &mut Draw) -> Self {
        Self(draw.bytes())
    }

    /// Takes stored bytes.
    pub fn new(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// The bytes it stands for.
    pub fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }

    /// Mailbox and shared key at one relay.
    pub fn secret(&self, relay: &RelayKey) -> PairingSecret {
        PairingSecret::derive(&self.0, relay)
    }
}

/// Writes the code itself: this is how it is shown to a person.
impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Zeroizing::new(base32::encode(base32::CROCKFORD, &self.0));
        for (i, c) in text.chars().enumerate() {
            if i > 0 && i % 4 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode(..)")
    }
}

impl PartialEq for PairingCode {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for PairingCode {}

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum CodeFault {
    /// Not 16 characters besides spaces and dashes.
    #[error("a code has 16 characters")]
    Length,
    /// A character that no code has.
    #[error("a code has only digits and letters, and no U")]
    Alphabet,
}

impl FromStr for PairingCode {
    type Err = CodeFault;

    fn from_str(text: &str) -> Result<Self, CodeFault> {
        // Room for all that is kept, so that no copy stays behind in freed memory.
        let mut symbols = Zeroizing::new(String::with_capacity(SYMBOLS));
        for c in text.chars().filter(|c| !c.is_whitespace() && !is_dash(*c)) {
            if symbols.len() == SYMBOLS {
                return Err(CodeFault::Length);
            }
            symbols.push(match c {
                'o' | 'O' => '0',
                'i' | 'I' | 'l' | 'L' => '1',
                c if c.is_ascii() => c,
                _ => return Err(CodeFault::Alphabet),
            });
        }
        if symbols.len() != SYMBOLS {
            return Err(CodeFault::Length);
        }
        let bytes = Zeroizing::new(base32::decode(base32::CROCKFORD, &symbols).ok_or(CodeFault::Alphabet)?);
        bytes.first_chunk().map(|bytes| Self(*bytes)).ok_or(CodeFault::Length)
    }
}

/// Keyboards and chat programs make longer dashes of short ones.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '_')
}

#[cfg(test)]
mod tests;
