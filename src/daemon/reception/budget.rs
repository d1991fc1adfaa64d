//! How many file descriptors connections may use, so that enough are left for everything else.
//!
//! Knows nothing of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most connections of the control socket at once.
const CONTROL: usize = 64;
/// Most connections to the figures' address at once.
const FIGURES: usize = 32;
/// What a request on the control socket may need besides its connection: a backup's file.
const A_REQUEST: usize = 1;
/// Kept for the store, the journal, the broker, the log and the system's own libraries.
const HOUSE: usize = 48;
/// Kept for each camera and each door: a device is opened anew while the old one is still being closed.
const DEVICE: usize = 8;
/// More descriptors than this are never asked for.
const ENOUGH: u64 = 65_536;

/// How many connections each listener may have open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub control: usize,
    pub figures: usize,
}

impl Budget {
    /// Raises this process's limit on descriptors as far as it may, and shares out what is left of it beside `devices` cameras and
    /// doors.
    pub fn claim(devices: usize) -> Budget {
        let limit = raise_limit();
        let used = std::fs::read_dir("/proc/self/fd").map_or(HOUSE, |open| open.count());
        let budget = Budget::of(limit, used, devices);
        if budget != Budget::of(u64::MAX, used, devices) {
            tracing::warn!(
                limit,
                control = budget.control,
                figures = budget.figures,
                "this process may open few files, so it takes fewer connections: raise LimitNOFILE= of the unit, or `ulimit -n`"
            );
        }
        budget
    }

    /// `limit` descriptors, of which `used` are open already.
    fn of(limit: u64, used: usize, devices: usize) -> Budget {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let kept = used.saturating_add(HOUSE).saturating_add(DEVICE.saturating_mul(devices));
        let left = limit.saturating_sub(kept);
        // Two thirds for the control socket; the figures can wait. A few of each in any case: without them nobody could look.
        let control = (left / 3).saturating_mul(2) / (1 + A_REQUEST);
        Budget { control: control.clamp(4, CONTROL), figures: (left / 3).clamp(2, FIGURES) }
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
            tracing::debug!(%error, "the limit on open files stays as it is");
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn where_there_is_room_everybody_gets_all() {
        assert_eq!(Budget::of(1024, 60, 4), Budget { control: 64, figures: 32 });
        assert_eq!(Budget::of(0, 60, 4), Budget { control: 4, figures: 2 });
    }

    proptest! {
        #[test]
        fn the_reserve_is_kept(limit in 0u64..3000, used in 0usize..500, devices in 0usize..20) {
            let budget = Budget::of(limit, used, devices);
            let taken = budget.control * (1 + A_REQUEST) + budget.figures;
            let kept = used + HOUSE + DEVICE * devices;
            // Below that there is no room for the least that is needed.
            if limit as usize >= kept + 16 {
                prop_assert!(taken + kept <= limit as usize, "{budget:?}");
            }
            prop_assert!(budget.control <= CONTROL && budget.figures <= FIGURES);
        }
    }
}
