//! [`Random`]: a small seeded generator (SplitMix64).
//!
//! In: a seed. Out: numbers that are the same for the same seed. Good enough to
//! spread requests and fill bodies; never for secrets.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A generator of numbers that only look random.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator of its own for the part `index`, independent of the others.
    pub(crate) fn part(seed: u64, index: u64) -> Self {
        let mut mixed = Self::new(seed ^ index.wrapping_mul(0xA24B_AED4_963E_E407));
        Self::new(mixed.number())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A fraction, 0 <= x < 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.number() >> 32).unwrap_or(u32::MAX);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.fraction() < share
    }

    /// A size within `range`; its start if the range is empty.
    pub(crate) fn size(&mut self, range: &RangeInclusive<usize>) -> usize {
        let span = range.end().saturating_sub(*range.start()) as u64;
        let offset = if span == u64::MAX { self.number() } else { self.number() % (span + 1) };
        range.start() + usize::try_from(offset).unwrap_or(0)
    }

    pub(crate) fn duration(&mut self, shortest: Duration, longest: Duration) -> Duration {
        shortest + longest.saturating_sub(shortest).mul_f64(self.fraction())
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        assert_eq!(Random::new(7).bytes(100), Random::new(7).bytes(100));
        assert_ne!(Random::part(7, 1).number(), Random::part(7, 2).number());
    }

    #[test]
    fn sizes_stay_within_their_range_and_reach_its_ends() {
        let mut random = Random::new(1);
        let sizes: Vec<usize> = (0..200).map(|_| random.size(&(3..=5))).collect();
        assert!(sizes.iter().all(|size| (3..=5).contains(size)));
        assert!(sizes.contains(&3) && sizes.contains(&5));
        assert_eq!(random.size(&(4..=4)), 4);
    }
}
