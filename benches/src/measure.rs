//! Timing in turns: one sample of each row per round, so that a slow moment of the machine hits all rows alike.

use crate::contender::{Contender, Operation};
use std::hint::black_box;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// A contender behind a vtable; the loop is inside, so the indirect call is paid once per sample.
pub trait Row {
    fn name(&self) -> &'static str;

    /// The length of the encoded message.
    fn encoded_len(&mut self) -> usize;

    /// The checksums that decoding in both ways gives; `None` where a row decodes nothing.
    fn checksums(&mut self) -> Option<[u64; 2]>;

    /// How long `iterations` of `operation` take.
    fn time(&mut self, operation: Operation, iterations: u64) -> Duration;
}

/// A row that carries the messages of `pool` in turn, each through a contender of its own.
///
/// With one message, branch predictors learn its lengths by heart within a few rounds; several show what a program pays
/// whose messages differ.
pub fn row<D: 'static, C: Contender<D> + 'static>(pool: &[D]) -> Box<dyn Row> {
    struct Entry<D, C>(Vec<C>, usize, PhantomData<D>);
    impl<D, C> Entry<D, C> {
        #[inline]
        fn next(&mut self) -> &mut C {
            self.1 = if self.1 + 1 < self.0.len() { self.1 + 1 } else { 0 };
            &mut self.0[self.1]
        }
    }
    impl<D, C: Contender<D>> Row for Entry<D, C> {
        fn name(&self) -> &'static str {
            C::NAME
        }

        fn encoded_len(&mut self) -> usize {
            self.next().encode()
        }

        fn checksums(&mut self) -> Option<[u64; 2]> {
            let contender = self.next();
            Some([contender.touch(), C::checksum(&contender.owned())])
        }

        fn time(&mut self, operation: Operation, iterations: u64) -> Duration {
            match operation {
                Operation::Encode => repeat(iterations, || self.next().encode()),
                Operation::Prove => repeat(iterations, || self.next().prove()),
                Operation::Touch => repeat(iterations, || self.next().touch()),
                Operation::Owned => repeat(iterations, || self.next().owned()),
            }
        }
    }
    Box::new(Entry::<D, C>(pool.iter().map(C::new).collect(), 0, PhantomData))
}

/// The baseline: the bytes of the message in Netdata's layout, copied between two hot buffers, whatever the operation.
pub fn copy_row(bytes: Vec<u8>) -> Box<dyn Row> {
    struct Copy(Vec<u8>, Vec<u8>);
    impl Row for Copy {
        fn name(&self) -> &'static str {
            "memcpy"
        }

        fn encoded_len(&mut self) -> usize {
            self.0.len()
        }

        fn checksums(&mut self) -> Option<[u64; 2]> {
            None
        }

        fn time(&mut self, _: Operation, iterations: u64) -> Duration {
            repeat(iterations, || {
                black_box(&mut self.1).copy_from_slice(black_box(&self.0));
                black_box(&self.1).len()
            })
        }
    }
    let target = vec![1; bytes.len()];
    Box::new(Copy(bytes, target))
}

#[inline]
fn repeat<R>(iterations: u64, mut work: impl FnMut() -> R) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        black_box(work());
    }
    start.elapsed()
}

/// The samples of one operation: a row's nanoseconds per iteration, round by round.
#[derive(Debug)]
pub struct Samples(Vec<Vec<f64>>);

/// Times `operation` on all rows in turn, `rounds` times, each sample about `target` long.
pub fn interleave(rows: &mut [Box<dyn Row>], operation: Operation, rounds: usize, target: Duration) -> Samples {
    let iterations: Vec<u64> = rows.iter_mut().map(|row| calibrate(row.as_mut(), operation, target)).collect();
    let mut samples = vec![Vec::with_capacity(rounds); rows.len()];
    for _ in 0..rounds {
        for (row, (&iterations, samples)) in rows.iter_mut().zip(iterations.iter().zip(&mut samples)) {
            samples.push(row.time(operation, iterations).as_nanos() as f64 / iterations as f64);
        }
    }
    Samples(samples)
}

fn calibrate(row: &mut dyn Row, operation: Operation, target: Duration) -> u64 {
    let mut iterations = 1;
    while row.time(operation, iterations) < target && iterations < 1 << 24 {
        iterations *= 2;
    }
    iterations
}

impl Samples {
    /// The median of a row, in nanoseconds per iteration.
    pub fn median(&self, row: usize) -> f64 {
        median(self.0[row].clone())
    }

    /// The median over the rounds of how much longer `row` took than `other` in the same round.
    pub fn ratio(&self, row: usize, other: usize) -> f64 {
        median_of_ratios(&self.0[row], &self.0[other])
    }
}

/// The middle one, the upper of two; NaN of nothing.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median over the rounds of `these` divided by `those` in the same round.
pub fn median_of_ratios(these: &[f64], those: &[f64]) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| this / that).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_the_medians() {
        let samples = Samples(vec![vec![2.0, 20.0, 9.0], vec![1.0, 10.0, 1.0]]);
        assert_eq!(samples.ratio(0, 1), 2.0);
        assert_eq!(samples.median(0), 9.0);
    }
}
