//! Reads all records of a tree, past pages that the disk does not give back.
//!
//! Knows nothing of what the records say; their keys begin with a person's number.

use sled::IVec;

use crate::domain::PersonId;
use crate::store::{StoreError, Tree};

/// What is met on the way.
pub enum Found {
    /// Key and value.
    Record(IVec, IVec),
    /// Some or all records of this person, if there are any, lie on a page that cannot be read.
    Unreadable(PersonId),
}

/// All records by key. Where a page is damaged the walk goes on with the next person, up to the person before `end`; any other
/// error ends it.
pub fn walk(tree: &Tree, end: PersonId) -> impl Iterator<Item = Result<Found, StoreError>> {
    let mut records = tree.iter();
    // The lowest key that was not met yet.
    let mut from: Vec<u8> = vec![0; 4];
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        match records.next()? {
            Ok((key, value)) => {
                from = after(&key);
                Some(Ok(Found::Record(key, value)))
            }
            Err(StoreError::BadPage { .. }) => {
                let id = person_of(&from);
                from = after(&id.0.to_be_bytes());
                records = tree.range(from.clone()..);
                over = id >= end;
                (!over).then_some(Ok(Found::Unreadable(id)))
            }
            Err(other) => {
                over = true;
                Some(Err(other))
            }
        }
    })
}

/// The next key of the same length; of the last one, the first that is longer.
fn after(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return next;
        }
    }
    let mut longer = key.to_vec();
    longer.push(0);
    longer
}

fn person_of(key: &[u8]) -> PersonId {
    let mut id = [0; 4];
    for (to, from) in id.iter_mut().zip(key) {
        *to = *from;
    }
    PersonId(u32::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_key_is_above_and_leaves_nothing_out() {
        assert_eq!(after(&[0, 0, 0, 7]), [0, 0, 0, 8]);
        assert_eq!(after(&[0, 0, 255, 255]), [0, 1, 0, 0]);
        assert_eq!(after(&[0, 0, 0, 7, 0, 0, 0, 255]), [0, 0, 0, 7, 0, 0, 1, 0]);
        assert_eq!(after(&[255, 255]), [255, 255, 0]);
        assert_eq!(person_of(&[0, 0, 1, 2, 9, 9, 9, 9]), PersonId(258));
    }
}
