//! Until when the office has signed heads, over a restart. Boards take no head that is older than the one before: where the office's clock was ahead and the
//! servers have lost its heads, only this says what boards have heard.

use crate::store::{Store, StoreError, Tree};

const UNTIL: &str = "until";
/// So far ahead a time is kept that more heads may be signed before the next one is kept: one commit does for the heads of all galleries. In milliseconds.
const RESERVED_MS: u64 = 5_000;

/// The times of heads, in the office's store.
#[derive(Clone)]
pub struct HeadTimes {
    store: Store,
    tree: Tree,
}

impl HeadTimes {
    /// The times in `store`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: &Store) -> Result<HeadTimes, StoreError> {
        Ok(HeadTimes { tree: store.tree("fleet_heads")?, store: store.clone() })
    }

    /// No head was signed after this time, in milliseconds since 1970; 0 if none was signed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn until(&self) -> Result<u64, StoreError> {
        let kept = self.tree.get(UNTIL)?;
        Ok(kept.and_then(|kept| Some(u64::from_be_bytes((*kept).try_into().ok()?))).unwrap_or_default())
    }

    /// Notes that a head is to be signed with this time.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn reserve(&self, at_ms: u64) -> Result<(), StoreError> {
        if at_ms <= self.until()? {
            return Ok(());
        }
        let until = at_ms.saturating_add(RESERVED_MS);
        self.store.commit(&[self.tree.put(UNTIL, until.to_be_bytes())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_head_was_signed_after_what_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let times = HeadTimes::open(&Store::open(dir.path()).unwrap()).unwrap();
        assert_eq!(times.until().unwrap(), 0);
        for (at, until) in [(1_000, 6_000), (5_999, 6_000), (6_001, 11_001), (500, 11_001), (u64::MAX, u64::MAX)] {
            times.reserve(at).unwrap();
            assert_eq!(times.until().unwrap(), until);
        }
    }
}
