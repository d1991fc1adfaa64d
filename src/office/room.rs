//! How much room the disk has for records: what the journal may take of it by default, and when what is left is to be saved for grants and
//! alarms.
//!
//! Knows nothing of records.

use std::path::Path;

use crate::store::SPARE_BYTES;

/// The journal never takes more by default.
const MOST: u64 = 1 << 30;
/// Nor more than this share of the file system, one in so many.
const SHARE: u64 = 10;
/// So much above what the store leaves free is for grants and alarms: some thousands of records.
const RESERVE: u64 = 16 << 20;
/// On a small file system that is one in so many of it.
const RESERVE_SHARE: u64 = 16;

/// The file system of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub total: u64,
    pub free: u64,
}

impl Room {
    /// `None` where the system does not tell.
    pub fn of(dir: &Path) -> Option<Room> {
        let found = rustix::fs::statvfs(dir).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Room { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }

    /// How many bytes of records are kept where nothing else is configured.
    pub fn share_of_journal(dir: &Path) -> u64 {
        // The folder may have to be made yet.
        let room = dir.ancestors().find_map(Room::of);
        room.map_or(MOST, |room| MOST.min(room.total / SHARE).max(1 << 20))
    }

    /// What is left is for grants and alarms.
    pub fn is_short(self) -> bool {
        self.free < SPARE_BYTES + RESERVE.min(self.total / RESERVE_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_lies_above_what_the_store_leaves_free() {
        let card = |free| Room { total: 32 << 30, free };
        assert!(card(20 * (1 << 20) - 1).is_short() && !card(20 << 20).is_short());
        let small = |free| Room { total: 32 << 20, free };
        assert!(small((6 << 20) - 1).is_short() && !small(6 << 20).is_short());
    }

    #[test]
    fn the_share_is_one_of_the_file_system_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let total = Room::of(dir.path()).unwrap().total;
        let expected = MOST.min(total / 10).max(1 << 20);
        assert_eq!(Room::share_of_journal(&dir.path().join("not/yet/there")), expected);
    }
}
