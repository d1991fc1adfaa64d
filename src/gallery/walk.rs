//! Iterates over all records of a tree whose keys begin with a person's number, past pages that the disk cannot read.

use crate::domain::PersonId;
use crate::store::{Bytes, StoreError, Tree};

/// An item of the walk.
pub enum Found {
    /// Key and value.
    Record(Bytes, Bytes),
    /// Some or all records of this person, if any exist, are on an unreadable page.
    Unreadable(PersonId),
}

/// All records in key order. After a damaged page the walk continues with the next person, up to the person before `end`; any other error
/// ends it.
pub fn walk(tree: &Tree, end: PersonId) -> impl Iterator<Item = Result<Found, StoreError>> {
    let mut records = tree.iter();
    // The lowest key not reached yet.
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

/// The next key of the same length, or after the last one the first longer key.
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
    fn the_next_key_is_the_smallest_greater_one() {
        assert_eq!(after(&[0, 0, 0, 7]), [0, 0, 0, 8]);
        assert_eq!(after(&[0, 0, 255, 255]), [0, 1, 0, 0]);
        assert_eq!(after(&[0, 0, 0, 7, 0, 0, 0, 255]), [0, 0, 0, 7, 0, 0, 1, 0]);
        assert_eq!(after(&[255, 255]), [255, 255, 0]);
        assert_eq!(person_of(&[0, 0, 1, 2, 9, 9, 9, 9]), PersonId(258));
    }
}
