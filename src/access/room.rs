//! Keeps what is remembered by key within a number of entries.

use std::collections::BTreeMap;

use crate::domain::Moment;

/// Makes room for `key`: unless it is there already or fewer than `most` are, the oldest entry by `at` goes.
pub(super) fn make_room<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, key: &K, most: usize, at: impl Fn(&V) -> Moment) {
    if map.len() < most || map.contains_key(key) {
        return;
    }
    let oldest = map.iter().min_by_key(|(_, value)| at(value)).map(|(key, _)| key.clone());
    oldest.and_then(|key| map.remove(&key));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_goes_only_where_there_is_no_room() {
        let at = |seconds| Moment(Duration::from_secs(seconds));
        let mut map = BTreeMap::from([(1, at(5)), (2, at(3)), (3, at(4))]);
        for (key, most) in [(4, 4), (2, 3), (1, 1)] {
            make_room(&mut map, &key, most, |at| *at);
            assert_eq!(map.len(), 3, "{key}");
        }
        make_room(&mut map, &4, 3, |at| *at);
        assert_eq!(map.into_keys().collect::<Vec<_>>(), [1, 3]);
        make_room(&mut BTreeMap::new(), &1, 0, |at: &Moment| *at);
    }
}
