//! How many file descriptors connections may use, so that enough are left for everything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections of the control socket.
const CONTROL: usize = 64;
/// The most connections to the address of the metrics.
const METRICS: usize = 32;
/// The most connections to the page.
const WEB: usize = 64;
/// The descriptors that a request on the control socket may need besides its connection: a backup's file.
const PER_REQUEST: usize = 1;
/// Reserved for the store, the journal, the broker, the log and the system's libraries.
const DAEMON: usize = 48;
/// Reserved for each camera and each door: a device is reopened while the old one is still being closed.
const DEVICE: usize = 8;
/// The limit is never raised beyond this.
const ENOUGH: u64 = 65_536;

/// The most open connections of each listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub control: usize,
    pub metrics: usize,
    pub web: usize,
}

impl Budget {
    /// Raises this process's limit on descriptors as far as possible, and shares out what `devices` cameras and doors leave of it.
    pub fn claim(devices: usize) -> Budget {
        let limit = raise_limit();
        let used = std::fs::read_dir("/proc/self/fd").map_or(DAEMON, |open| open.count());
        let budget = Budget::of(limit, used, devices);
        if budget != Budget::of(u64::MAX, used, devices) {
            tracing::warn!(
                limit,
                control = budget.control,
                metrics = budget.metrics,
                web = budget.web,
                "this process may open few files, so it accepts fewer connections: raise LimitNOFILE= of the unit, or `ulimit -n`"
            );
        }
        budget
    }

    /// `limit` descriptors, of which `used` are open already.
    fn of(limit: u64, used: usize, devices: usize) -> Budget {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let kept = used.saturating_add(DAEMON).saturating_add(DEVICE.saturating_mul(devices));
        let left = limit.saturating_sub(kept);
        // Half is for the control socket, since the others can wait. Each gets a few in any case: without them nobody could connect.
        let control = (left / 2) / (1 + PER_REQUEST);
        let web = (left / 4) / (1 + PER_REQUEST);
        Budget { control: control.clamp(4, CONTROL), metrics: (left / 4).clamp(2, METRICS), web: web.clamp(4, WEB) }
    }
}

fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let now = current.unwrap_or(u64::MAX);
    let wanted = maximum.unwrap_or(u64::MAX).min(ENOUGH);
    if now >= wanted {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::debug!(%error, "the limit on open files cannot be raised");
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_high_limit_allows_all_connections() {
        assert_eq!(Budget::of(1024, 60, 4), Budget { control: 64, metrics: 32, web: 64 });
        assert_eq!(Budget::of(0, 60, 4), Budget { control: 4, metrics: 2, web: 4 });
    }

    proptest! {
        #[test]
        fn the_reserve_stays_free(limit in 0u64..3000, used in 0usize..500, devices in 0usize..20) {
            let budget = Budget::of(limit, used, devices);
            let taken = (budget.control + budget.web) * (1 + PER_REQUEST) + budget.metrics;
            let kept = used + DAEMON + DEVICE * devices;
            // Below that there is no room for the least that is needed.
            if limit as usize >= kept + 36 {
                prop_assert!(taken + kept <= limit as usize, "{budget:?}");
            }
            prop_assert!(budget.control <= CONTROL && budget.metrics <= METRICS && budget.web <= WEB);
        }
    }
}
