//! Padding hides how long a record is, up to a few bits.
//!
//! PADMÉ rounds a length up so that only its leading bits remain: at most 12 % longer, far less for large records. Records below
//! 256 bytes all look alike.

/// How a sealed record is lengthened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Padding {
    /// PADMÉ with a floor of 256 bytes.
    #[default]
    Padme,
    /// None: a relay sees exact lengths.
    None,
}

/// Shortest padded record, bytes.
pub const FLOOR: usize = 256;

impl Padding {
    /// The length of record and padding together; never below `record_len`.
    pub const fn padded_len(self, record_len: usize) -> usize {
        match self {
            Self::None => record_len,
            Self::Padme if record_len <= FLOOR => FLOOR,
            Self::Padme => {
                // Of a number with exponent e, PADMÉ keeps as many bits as it takes to write e.
                let exponent = record_len.ilog2();
                let hidden = exponent - (exponent.ilog2() + 1);
                let mask = (1 << hidden) - 1;
                (record_len + mask) & !mask
            }
        }
    }
}

#[cfg(test)]
mod tests;
