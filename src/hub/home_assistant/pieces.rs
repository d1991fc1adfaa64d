//! Splits an announcement into messages of a size that the broker accepts. Home Assistant joins announcements that name the same device. An
//! entity stays in its piece: Home Assistant ignores it in another piece while it still has the first, because the id is in use.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Pieces with their entities, by number from 1. A piece without entities is to be removed from the broker.
pub type Cut = BTreeMap<usize, Map<String, Value>>;

/// The largest piece, in bytes, unless the broker has a lower limit. Cloud brokers accept 128 KiB and more, small ones less.
const LARGEST: usize = 16 << 10;
/// The lowest limit, in bytes: an entity cannot be split.
const SMALLEST: usize = 256;

/// Where each entity is announced.
#[derive(Debug)]
pub struct Pieces {
    limit: usize,
    place: BTreeMap<String, usize>,
    /// What Home Assistant may know from each piece: key and platform. An entity with nothing but its platform is withdrawn.
    was: BTreeMap<usize, BTreeMap<String, String>>,
    /// An announcement of this run may have been sent.
    settled: bool,
}

impl Default for Pieces {
    fn default() -> Pieces {
        Pieces { limit: LARGEST, place: BTreeMap::new(), was: BTreeMap::new(), settled: false }
    }
}

impl Pieces {
    /// Limits payloads to `bytes`; `true` when that is less than before.
    pub fn keep_below(&mut self, bytes: usize) -> bool {
        let before = self.limit;
        self.limit = self.limit.min(bytes.max(SMALLEST));
        self.limit < before
    }

    /// From now on entities stay in their pieces.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    /// The broker may have retained this piece; its entities are unknown.
    pub fn expect(&mut self, piece: usize) {
        self.was.entry(piece).or_default();
    }

    /// The broker has retained these entities of a piece from an earlier run.
    pub fn learn(&mut self, piece: usize, kept: &Map<String, Value>) {
        for (key, platform) in platforms(kept) {
            if !self.settled {
                self.place.insert(key.clone(), piece);
            }
            self.was.entry(piece).or_default().insert(key, platform);
        }
    }

    /// Distributes the entities in their order. `frame` is the number of bytes in each message besides its entities.
    pub fn cut(&mut self, entities: Vec<(String, Value)>, frame: usize) -> Cut {
        let size = |key: &str, entity: &Value| key.len() + entity.to_string().len() + 4;
        let mut filled: BTreeMap<usize, usize> = BTreeMap::new();
        let mut fits = |piece: usize, bytes: usize, limit: usize| {
            let filled = filled.entry(piece).or_insert(frame);
            let room = *filled + bytes <= limit || *filled == frame;
            *filled += if room { bytes } else { 0 };
            room
        };
        self.place.retain(|known, _| entities.iter().any(|(key, _)| key == known));
        let mut cut: Cut = self.was.keys().map(|piece| (*piece, Map::new())).collect();
        let (known, new): (Vec<_>, Vec<_>) = entities.into_iter().partition(|(key, _)| self.place.contains_key(key));
        for (key, entity) in known.into_iter().chain(new) {
            let bytes = size(&key, &entity);
            let kept = self.place.get(&key).copied().filter(|piece| fits(*piece, bytes, self.limit));
            let piece = kept.or_else(|| (1..).find(|piece| fits(*piece, bytes, self.limit))).unwrap_or(1);
            self.place.insert(key.clone(), piece);
            cut.entry(piece).or_default().insert(key, entity);
        }
        for (piece, shown) in &mut cut {
            let was = self.was.entry(*piece).or_default();
            if shown.is_empty() {
                // The empty message removes all of them.
                was.clear();
                continue;
            }
            let now = platforms(shown).collect::<Vec<_>>();
            for (key, platform) in was.iter() {
                if !shown.contains_key(key) && fits(*piece, key.len() + platform.len() + 12, self.limit) {
                    shown.insert(key.clone(), json!({ "p": platform }));
                }
            }
            was.extend(now);
        }
        cut
    }
}

/// Key and platform of each entity, except those that are withdrawn.
fn platforms(entities: &Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    let whole = entities.iter().filter(|(_, entity)| entity.as_object().is_some_and(|entity| entity.len() > 1));
    let platform = |entity: &Value| Some(entity.get("p").or(entity.get("platform"))?.as_str()?.to_owned());
    whole.filter_map(move |(key, entity)| Some((key.clone(), platform(entity)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities(keys: &[&str]) -> Vec<(String, Value)> {
        let filler = "x".repeat(200);
        keys.iter().map(|key| ((*key).to_owned(), json!({ "p": "sensor", "name": filler }))).collect()
    }

    fn keys(cut: &Cut) -> Vec<(usize, Vec<&str>)> {
        cut.iter().map(|(piece, shown)| (*piece, shown.keys().map(String::as_str).collect())).collect()
    }

    #[test]
    fn a_piece_takes_what_fits_and_entities_stay_in_theirs() {
        let mut pieces = Pieces::default();
        assert!(pieces.keep_below(600) && !pieces.keep_below(700));
        let cut = pieces.cut(entities(&["a", "b", "c", "d", "e"]), 100);
        assert_eq!(keys(&cut), [(1, vec!["a", "b"]), (2, vec!["c", "d"]), (3, vec!["e"])]);
        // One is taken back where it was; the others do not move up, and a new one takes the first room.
        let cut = pieces.cut(entities(&["b", "c", "d", "e"]), 100);
        assert_eq!(keys(&cut), [(1, vec!["a", "b"]), (2, vec!["c", "d"]), (3, vec!["e"])]);
        assert_eq!(cut[&1]["a"], json!({ "p": "sensor" }));
        let cut = pieces.cut(entities(&["b", "c", "d", "f"]), 100);
        assert_eq!(keys(&cut), [(1, vec!["a", "b", "f"]), (2, vec!["c", "d"]), (3, vec![])]);
    }

    #[test]
    fn what_an_earlier_run_had_is_kept_in_place_or_taken_back() {
        let mut pieces = Pieces::default();
        pieces.keep_below(600);
        let kept: Map<String, Value> = entities(&["c", "gone"]).into_iter().collect();
        pieces.learn(2, &kept);
        pieces.expect(4);
        let cut = pieces.cut(entities(&["a", "b", "c", "d"]), 100);
        assert_eq!(keys(&cut), [(1, vec!["a", "b"]), (2, vec!["c", "d", "gone"]), (4, vec![])]);
        assert_eq!(cut[&2]["gone"], json!({ "p": "sensor" }));
    }

    #[test]
    fn an_entity_that_is_too_large_has_a_piece_of_its_own() {
        let mut pieces = Pieces::default();
        pieces.keep_below(1);
        let cut = pieces.cut(entities(&["a", "b"]), 100);
        assert_eq!(keys(&cut), [(1, vec!["a"]), (2, vec!["b"])]);
        assert!(pieces.cut(entities(&["a", "b"]), 100).values().all(|shown| shown.len() == 1));
    }
}
