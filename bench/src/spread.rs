//! Rounds, and what becomes of their numbers.
//!
//! A number from a shared machine is worth little alone. The two sides of a comparison are measured in turns, A B A B, so that whatever
//! else the machine does meets both; what counts is the ratio of their medians, and how far the rounds' own ratios lie apart is shown.

use serde::{Deserialize, Serialize};

use crate::trouble::Trouble;

/// Some numbers, by their middle and their ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; with an even count the mean of the middle two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of at least one number.
    ///
    /// # Errors
    /// None, or one that is no number.
    pub fn of(numbers: &[f64]) -> Result<Self, Trouble> {
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        match sorted[..] {
            [min, .., max] | [min @ max] if numbers.iter().all(|number| number.is_finite()) => {
                let half = sorted.len() / 2;
                let median =
                    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) };
                Ok(Self { median, min, max })
            }
            _ => Err(Trouble::Absurd(format!("a spread of {numbers:?}"))),
        }
    }

    /// A number that was counted, or measured once.
    pub const fn one(number: f64) -> Self {
        Self { median: number, min: number, max: number }
    }
}

/// What two sides did, round by round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Duel {
    /// Ours.
    pub ours: Spread,
    /// The other side's.
    pub base: Spread,
    /// Ours by the other side's: of the medians, and its ends over the rounds.
    pub ratio: Spread,
}

impl Duel {
    /// Measures both sides in turns, so many rounds. Each is told the number of the round.
    ///
    /// # Errors
    /// The first of either side.
    pub fn fight(
        rounds: usize,
        mut ours: impl FnMut(usize) -> Result<f64, Trouble>,
        mut base: impl FnMut(usize) -> Result<f64, Trouble>,
    ) -> Result<Self, Trouble> {
        let mut pairs = Vec::with_capacity(rounds);
        for round in 0..rounds {
            // Who comes first takes turns, too.
            if round % 2 == 0 {
                let ours = ours(round)?;
                pairs.push((ours, base(round)?));
            } else {
                let base = base(round)?;
                pairs.push((ours(round)?, base));
            }
        }
        Self::of(&pairs)
    }

    /// Of numbers that were measured in turns, ours first.
    ///
    /// # Errors
    /// There are none, or they make no ratio.
    pub fn of(pairs: &[(f64, f64)]) -> Result<Self, Trouble> {
        let ours = Spread::of(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>())?;
        let base = Spread::of(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>())?;
        let ends = Spread::of(&pairs.iter().map(|pair| pair.0 / pair.1).collect::<Vec<_>>())?;
        let median = Spread::of(&[ours.median / base.median])?.median;
        Ok(Self { ours, base, ratio: Spread { median, ..ends } })
    }
}

/// The middle of many measurements of one thing, such as latencies.
///
/// # Errors
/// There are none.
pub fn median(numbers: &[f64]) -> Result<f64, Trouble> {
    Spread::of(numbers).map(|spread| spread.median)
}

/// The number below which so many hundredths of all lie.
///
/// # Errors
/// There are none.
pub fn percentile(numbers: &[f64], hundredths: usize) -> Result<f64, Trouble> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().ok_or_else(|| Trouble::Absurd("a percentile of nothing".to_owned()))
}

#[cfg(test)]
mod tests;
