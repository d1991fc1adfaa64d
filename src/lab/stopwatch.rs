//! How long something takes: run again and again, warmed up, told as a median and a spread.
//!
//! Knows nothing of what is measured.

use std::time::{Duration, Instant};

/// Runs before the measured ones, so that caches are filled and a processor that was idle is at its speed.
const WARM_UP: u32 = 3;
/// The fewest measured runs, however long they take, so that a median is one.
const LEAST_RUNS: usize = 5;
/// The most: more would only take memory.
const MOST_RUNS: usize = 100_000;

/// The durations of all runs, shortest first.
#[derive(Clone, Debug)]
pub struct Times {
    sorted: Vec<Duration>,
    /// The median of the runs in the first quarter of the time, and of those in the last.
    first: Duration,
    last: Duration,
}

impl Times {
    /// Runs `work` for about `span`, five times at least, after three times that do not count.
    ///
    /// # Errors
    /// The first error of `work`.
    pub fn measure<E>(span: Duration, mut work: impl FnMut() -> Result<(), E>) -> Result<Times, E> {
        for _ in 0..WARM_UP {
            work()?;
        }
        let mut taken = Vec::new();
        let begin = Instant::now();
        while taken.len() < LEAST_RUNS || begin.elapsed() < span && taken.len() < MOST_RUNS {
            let start = Instant::now();
            work()?;
            taken.push(start.elapsed());
        }
        Ok(Times::of(taken))
    }

    /// Durations in the order in which they were taken; at least one.
    fn of(taken: Vec<Duration>) -> Times {
        let total: Duration = taken.iter().sum();
        let mut before = Duration::ZERO;
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for &run in &taken {
            if before <= total / 4 {
                first.push(run);
            }
            before += run;
            if before >= total / 4 * 3 {
                last.push(run);
            }
        }
        let sorted = |mut runs: Vec<Duration>| {
            runs.sort_unstable();
            runs
        };
        let (first, last) = (share(&sorted(first), 0.5), share(&sorted(last), 0.5));
        Times { sorted: sorted(taken), first, last }
    }

    /// How many runs count.
    pub fn runs(&self) -> usize {
        self.sorted.len()
    }

    /// Half of the runs took no longer.
    pub fn median(&self) -> Duration {
        self.at(0.5)
    }

    /// What that share of the runs, from 0 to 1, did not exceed.
    pub fn at(&self, part: f64) -> Duration {
        share(&self.sorted, part)
    }

    /// How many times as long a run took in the last quarter of the time as in the first: 1 on a machine that keeps its speed.
    pub fn slowdown(&self) -> f64 {
        self.last.as_secs_f64() / self.first.as_secs_f64().max(1e-9)
    }
}

/// The smallest value that `part` of the values do not exceed (the nearest rank).
fn share(sorted: &[Duration], part: f64) -> Duration {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[u64]) -> Vec<Duration> {
        values.iter().map(|ms| Duration::from_millis(*ms)).collect()
    }

    #[test]
    fn median_and_spread_are_of_all_runs() {
        let times = Times::of(ms(&[5, 1, 3, 2, 4, 100, 6, 7, 8, 9]));
        assert_eq!((times.runs(), times.median()), (10, Duration::from_millis(5)));
        assert_eq!((times.at(0.1), times.at(0.9), times.at(1.0)), (ms(&[1])[0], ms(&[9])[0], ms(&[100])[0]));
        assert_eq!(times.at(0.0), Duration::from_millis(1));
    }

    #[test]
    fn a_machine_that_gets_slower_is_seen() {
        let steady = Times::of(ms(&[10; 40]));
        assert!((steady.slowdown() - 1.0).abs() < 1e-9);
        let tired = Times::of([ms(&[10; 40]), ms(&[20; 40])].concat());
        assert!((tired.slowdown() - 2.0).abs() < 1e-9, "{}", tired.slowdown());
    }

    #[test]
    fn the_first_runs_do_not_count_and_some_always_do() {
        let mut calls = 0;
        let times = Times::measure(Duration::ZERO, || {
            calls += 1;
            Ok::<_, ()>(())
        });
        assert_eq!((times.unwrap().runs(), calls), (5, 8));
        assert_eq!(Times::measure(Duration::ZERO, || Err("no")).err(), Some("no"));
    }
}
