//! Disk space for records: how much the journal may use by default, and when the rest is reserved for grants and alarms.

use std::path::Path;

use crate::store::SPARE_BYTES;

/// The default limit of the journal, in bytes.
const MOST: u64 = 1 << 30;
/// The journal's default share of the file system is one in this many.
const SHARE: u64 = 10;
/// What is reserved for grants and alarms beyond the store's spare space, in bytes: some thousands of records.
const RESERVE: u64 = 16 << 20;
/// On a small file system the reserve is one in this many of its bytes.
const RESERVE_SHARE: u64 = 16;

/// The size of a directory's file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    pub total: u64,
    pub free: u64,
}

impl DiskSpace {
    /// `None` if the system cannot report it.
    pub fn of(dir: &Path) -> Option<DiskSpace> {
        let found = rustix::fs::statvfs(dir).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(DiskSpace { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }

    /// The bytes of records kept unless configured otherwise.
    pub fn share_of_journal(dir: &Path) -> u64 {
        // The directory may not exist yet.
        let room = dir.ancestors().find_map(DiskSpace::of);
        room.map_or(MOST, |room| MOST.min(room.total / SHARE).max(1 << 20))
    }

    /// Whether the remaining space is reserved for grants and alarms.
    pub fn is_low(self) -> bool {
        self.free < SPARE_BYTES + RESERVE.min(self.total / RESERVE_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_above_the_stores_spare_space() {
        let card = |free| DiskSpace { total: 32 << 30, free };
        assert!(card(20 * (1 << 20) - 1).is_low() && !card(20 << 20).is_low());
        let small = |free| DiskSpace { total: 32 << 20, free };
        assert!(small((6 << 20) - 1).is_low() && !small(6 << 20).is_low());
    }

    #[test]
    fn the_share_is_of_the_nearest_existing_directory() {
        let dir = tempfile::tempdir().unwrap();
        let total = DiskSpace::of(dir.path()).unwrap().total;
        let expected = MOST.min(total / 10).max(1 << 20);
        assert_eq!(DiskSpace::share_of_journal(&dir.path().join("not/yet/there")), expected);
    }
}
