//! Figures of one slice, and of many: percentiles of the calls, medians over the rounds.
//!
//! Owns: what is computed from nanoseconds and counts; it reads no clock.

use std::time::Duration;

use super::usage::Usage;
use crate::measure::{median, median_of_ratios};

/// What one slice showed; the fields are per call where they say so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    pub calls_per_second: f64,
    /// Of the round trips, in nanoseconds.
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// CPU time per call in nanoseconds, voluntary context switches per call.
    pub client: PerCall,
    pub server: PerCall,
}

/// What one process spent on a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerCall {
    /// Nanoseconds.
    pub cpu: f64,
    /// How often it went to sleep.
    pub sleeps: f64,
}

impl Figures {
    /// The figures of the calls in `samples`, each the nanoseconds of a round trip, which leaves them sorted.
    pub fn new(samples: &mut [u32], elapsed: Duration, client: Usage, server: Usage) -> Self {
        samples.sort_unstable();
        let calls = samples.len() as f64;
        let per_call =
            |usage: Usage| PerCall { cpu: usage.cpu.as_nanos() as f64 / calls, sleeps: usage.sleeps as f64 / calls };
        Self {
            calls_per_second: calls / elapsed.as_secs_f64(),
            mean: samples.iter().map(|&sample| f64::from(sample)).sum::<f64>() / calls,
            p50: percentile(samples, 500),
            p99: percentile(samples, 990),
            p999: percentile(samples, 999),
            client: per_call(client),
            server: per_call(server),
        }
    }

    /// CPU time of both processes per call, in nanoseconds.
    pub fn cpu(&self) -> f64 {
        self.client.cpu + self.server.cpu
    }
}

/// The smallest of `sorted` that at least `per_mille` thousandths of them do not exceed; NaN of nothing.
pub fn percentile(sorted: &[u32], per_mille: usize) -> f64 {
    let rank = (sorted.len() * per_mille).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |&sample| f64::from(sample))
}

/// The median of one figure over the rounds.
pub fn median_of(rounds: &[Figures], figure: fn(&Figures) -> f64) -> f64 {
    median(rounds.iter().map(figure).collect())
}

/// The median over the rounds of how one figure of `these` compares with that of `those` in the same round.
pub fn ratio_of(these: &[Figures], those: &[Figures], figure: fn(&Figures) -> f64) -> f64 {
    let [these, those] = [these, those].map(|rounds| rounds.iter().map(figure).collect::<Vec<_>>());
    median_of_ratios(&these, &those)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(samples: &mut [u32]) -> Figures {
        let client = Usage { cpu: Duration::from_nanos(4_000), sleeps: 2 };
        let server = Usage { cpu: Duration::from_nanos(1_000), sleeps: 8 };
        Figures::new(samples, Duration::from_micros(1), client, server)
    }

    #[test]
    fn a_percentile_is_a_sample_that_so_many_do_not_exceed() {
        let thousand: Vec<u32> = (1..=1000).collect();
        let found = [0, 1, 500, 990, 999, 1000].map(|per_mille| percentile(&thousand, per_mille));
        assert_eq!(found, [1.0, 1.0, 500.0, 990.0, 999.0, 1000.0]);
        assert_eq!([500, 501, 999].map(|per_mille| percentile(&[7, 9], per_mille)), [7.0, 9.0, 9.0]);
        assert_eq!(percentile(&[5], 999), 5.0);
        assert!(percentile(&[], 500).is_nan());
    }

    #[test]
    fn figures_do_not_depend_on_the_order_of_the_samples_and_count_per_call() {
        let mut samples = [400, 100, 300, 200];
        let found = figures(&mut samples);
        assert_eq!(found, figures(&mut [100, 200, 300, 400]));
        assert_eq!((found.mean, found.p50, found.p99, found.p999), (250.0, 200.0, 400.0, 400.0));
        assert_eq!(found.calls_per_second, 4e6);
        assert_eq!(found.client, PerCall { cpu: 1_000.0, sleeps: 0.5 });
        assert_eq!(found.server, PerCall { cpu: 250.0, sleeps: 2.0 });
        assert_eq!(found.cpu(), 1_250.0);
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_the_medians() {
        let of = |means: [u32; 3]| means.map(|mean| figures(&mut [mean]));
        let (these, those) = (of([200, 2_000, 900]), of([100, 1_000, 100]));
        assert_eq!(ratio_of(&these, &those, |figures| figures.mean), 2.0);
        assert_eq!(median_of(&these, |figures| figures.mean), 900.0);
        assert_eq!(ratio_of(&these, &those, Figures::cpu), 1.0);
    }
}
