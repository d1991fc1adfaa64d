//! Timing: runs something repeatedly after a warm-up; the result is a median and a spread.

use std::time::{Duration, Instant};

/// Unmeasured runs at the beginning, so that caches are filled and the processor has left its idle frequency.
const WARM_UP: u32 = 3;
/// The fewest measured runs, however long they take.
const MIN_RUNS: usize = 5;
/// The most measured runs; bounds the memory.
const MAX_RUNS: usize = 100_000;

/// The durations of all runs, shortest first.
#[derive(Clone, Debug)]
pub struct Times {
    sorted: Vec<Duration>,
    /// Medians of the runs in the first and in the last quarter of the time.
    first: Duration,
    last: Duration,
}

impl Times {
    /// Runs `work` for about `span`, at least five times, after three unmeasured runs.
    ///
    /// # Errors
    /// The first error of `work`.
    pub fn measure<E>(span: Duration, mut work: impl FnMut() -> Result<(), E>) -> Result<Times, E> {
        for _ in 0..WARM_UP {
            work()?;
        }
        let mut taken = Vec::new();
        let begin = Instant::now();
        while taken.len() < MIN_RUNS || begin.elapsed() < span && taken.len() < MAX_RUNS {
            let start = Instant::now();
            work()?;
            taken.push(start.elapsed());
        }
        Ok(Times::of(taken))
    }

    /// From durations in the order of the runs; at least one.
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
        let (first, last) = (quantile(&sorted(first), 0.5), quantile(&sorted(last), 0.5));
        Times { sorted: sorted(taken), first, last }
    }

    /// The number of measured runs.
    pub fn runs(&self) -> usize {
        self.sorted.len()
    }

    /// The median duration.
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// The quantile `part`, from 0 to 1, of the durations.
    pub fn quantile(&self, part: f64) -> Duration {
        quantile(&self.sorted, part)
    }

    /// Median duration in the last quarter of the time relative to the first: 1 on a machine that keeps its speed.
    pub fn slowdown(&self) -> f64 {
        self.last.as_secs_f64() / self.first.as_secs_f64().max(1e-9)
    }
}

/// The quantile `part` by the nearest-rank method; zero without values.
fn quantile(sorted: &[Duration], part: f64) -> Duration {
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
        assert_eq!(
            (times.quantile(0.1), times.quantile(0.9), times.quantile(1.0)),
            (ms(&[1])[0], ms(&[9])[0], ms(&[100])[0])
        );
        assert_eq!(times.quantile(0.0), Duration::from_millis(1));
    }

    #[test]
    fn a_machine_that_becomes_slower_is_detected() {
        let steady = Times::of(ms(&[10; 40]));
        assert!((steady.slowdown() - 1.0).abs() < 1e-9);
        let slowing = Times::of([ms(&[10; 40]), ms(&[20; 40])].concat());
        assert!((slowing.slowdown() - 2.0).abs() < 1e-9, "{}", slowing.slowdown());
    }

    #[test]
    fn warm_up_runs_do_not_count_and_a_minimum_is_measured() {
        let mut calls = 0;
        let times = Times::measure(Duration::ZERO, || {
            calls += 1;
            Ok::<_, ()>(())
        });
        assert_eq!((times.unwrap().runs(), calls), (5, 8));
        assert_eq!(Times::measure(Duration::ZERO, || Err("no")).err(), Some("no"));
    }
}
