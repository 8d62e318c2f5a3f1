//! [`Histogram`]: latencies, in buckets that are at most 1/32 wide.
//!
//! In: durations. Out: quantiles, as the upper end of their bucket. Holds a
//! fixed amount of memory, however long a load runs.

use std::time::Duration;

const PRECISION_BITS: u32 = 5;
const STEPS: u64 = 1 << PRECISION_BITS;
const BUCKETS: usize = 64 * (1 << PRECISION_BITS);

/// How often each latency was seen.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], total: 0, longest: Duration::ZERO }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let index = index(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += 1;
        }
        self.total += 1;
        self.longest = self.longest.max(latency);
    }

    /// The latency that `per_mille` of 1000 answers did not exceed; zero if there was none.
    pub(crate) fn quantile(&self, per_mille: u64) -> Duration {
        let rank = (self.total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper_end(index)).min(self.longest);
            }
        }
        self.longest
    }

    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }
}

fn index(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(PRECISION_BITS + 1);
    usize::try_from(u64::from(shift) * STEPS + (value >> shift)).unwrap_or(BUCKETS)
}

fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / STEPS).saturating_sub(1);
    ((index - shift * STEPS + 1) << shift).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_a_bucket_that_ends_at_most_a_32nd_above_it() {
        for value in (0..5000).chain([123_456, 1 << 30, (1 << 40) + 17]) {
            let end = upper_end(index(value));
            assert!(end >= value && end - value <= value / 32, "{value} ends at {end}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values_recorded() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(500), Duration::ZERO);
        for millis in 1..=1000 {
            histogram.record(Duration::from_millis(millis));
        }
        for (per_mille, millis) in [(500, 500), (990, 990), (999, 999), (1000, 1000)] {
            let (low, found) = (Duration::from_millis(millis), histogram.quantile(per_mille));
            assert!(found >= low && found <= low + low / 32, "{per_mille}: {found:?}");
        }
        assert_eq!(histogram.longest(), Duration::from_secs(1));
    }
}
