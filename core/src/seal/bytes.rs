//! Fixed fields from front to back. Every refusal is [`SealFault::Structure`]; nothing is allocated here.

use super::SealFault;
use crate::ids::Lane;

/// What is left to read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], SealFault> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(SealFault::Structure)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SealFault> {
        let (head, tail) = self.0.split_first_chunk().ok_or(SealFault::Structure)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, SealFault> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, SealFault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, SealFault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, SealFault> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn lane(&mut self) -> Result<Lane, SealFault> {
        match self.u8()? {
            0 => Ok(Lane::Data),
            1 => Ok(Lane::Control),
            _ => Err(SealFault::Structure),
        }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    /// Refuses trailing bytes.
    pub(crate) fn end(&self) -> Result<(), SealFault> {
        if self.0.is_empty() { Ok(()) } else { Err(SealFault::Structure) }
    }
}
