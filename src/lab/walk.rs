//! Work on many items on several threads: the results come in the order of the items, and few of them wait at any time.

use std::num::NonZeroUsize;
use std::sync::mpsc::sync_channel;

/// Results of one thread that may wait for their turn: enough that one slow item does not stall the other threads, and few enough that
/// results of a megabyte do not matter.
const WAITING: usize = 16;

/// The number of processors that this process may use.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The default number of threads that process photographs: one for each processor, limited by the available memory ([`BYTES_PER_THREAD`]).
pub fn default_threads() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    match available_bytes(&text) {
        Some(bytes) => all_cores().min((bytes / BYTES_PER_THREAD) as usize).max(1),
        None => all_cores(),
    }
}

/// Memory of a thread that detects faces in photographs of [`crate::photo::LARGE_PIXELS`], with some reserve.
pub const BYTES_PER_THREAD: u64 = 256 << 20;

/// `MemAvailable` in the text of `/proc/meminfo`.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Calls `work` on each of `items`, on one thread for each of `workers` (usually a [`crate::vision::Vision`]), and passes the results to `take`
/// on this thread, in the order of the items. At most 16 results per thread wait; a thread that is further ahead pauses. Without workers
/// nothing is done. If `work` panics, so does this function.
///
/// # Errors
/// The first that `take` returns. The threads then finish their current item, and the rest is skipped.
pub fn walk<T: Sync, W: Send, R: Send, E>(
    items: &[T],
    workers: &mut [W],
    work: impl Fn(&mut W, &T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let threads = workers.len();
    debug_assert!(threads > 0 || items.is_empty(), "items without workers");
    std::thread::scope(|scope| {
        // Thread i of n processes items i, i + n, i + 2n, …: taking results from the threads in turn gives the items' order.
        let results: Vec<_> = workers
            .iter_mut()
            .enumerate()
            .map(|(first, worker)| {
                let (sender, receiver) = sync_channel(WAITING);
                let work = &work;
                scope.spawn(move || {
                    for item in items.iter().skip(first).step_by(threads) {
                        // The receiver is gone: `take` failed.
                        if sender.send(work(worker, item)).is_err() {
                            break;
                        }
                    }
                });
                receiver
            })
            .collect();
        for (item, results) in items.iter().zip(results.iter().cycle()) {
            // A channel that closes early means that its thread panicked; the scope propagates the panic.
            let Ok(result) = results.recv() else { break };
            take(item, result)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn threads_are_limited_by_memory() {
        assert_eq!(available_bytes("MemTotal: 1 kB\nMemAvailable:  416512 kB\n"), Some(416_512 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
        assert!((1..=all_cores()).contains(&default_threads()));
    }

    #[test]
    fn few_results_wait() {
        let items: Vec<usize> = (0..500).collect();
        let (made, mut taken, mut most) = (AtomicUsize::new(0), 0, 0);
        walk(
            &items,
            &mut [(); 3],
            |(), &i| {
                made.fetch_add(1, Ordering::Relaxed);
                i
            },
            |_, _| {
                taken += 1;
                most = most.max(made.load(Ordering::Relaxed) - taken);
                // Lets the threads run ahead as far as they can.
                std::thread::sleep(std::time::Duration::from_micros(50));
                Ok::<_, ()>(())
            },
        )
        .unwrap();
        // For each thread a full channel, and one result that waits to be sent.
        assert!(most <= 3 * (WAITING + 1), "{most} waited");
    }

    #[test]
    fn the_first_error_ends_the_walk() {
        let items: Vec<usize> = (0..10_000).collect();
        let made = AtomicUsize::new(0);
        let end = walk(
            &items,
            &mut [(), ()],
            |(), &i| {
                made.fetch_add(1, Ordering::Relaxed);
                i
            },
            |_, i| if i == 20 { Err(i) } else { Ok(()) },
        );
        assert_eq!(end, Err(20));
        assert!(made.load(Ordering::Relaxed) < 100);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_items_on_any_number_of_threads(count in 0usize..200, threads in 1usize..6, seed in any::<u64>()) {
            let items: Vec<usize> = (0..count).collect();
            let mut taken = Vec::new();
            let work = |_: &mut (), &i: &usize| {
                // Some items take longer than others.
                for _ in 0..(seed.rotate_left(i as u32) % 7) * 50 { std::hint::spin_loop(); }
                i * 2
            };
            walk(&items, &mut vec![(); threads], work, |&i, r| { taken.push((i, r)); Ok::<_, ()>(()) }).unwrap();
            prop_assert_eq!(taken, items.iter().map(|&i| (i, i * 2)).collect::<Vec<_>>());
        }
    }
}
