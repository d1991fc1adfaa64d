//! Where the people of a site are, as its boards say. The newest place of each person counts, whoever hears of it first and however often.
//!
//! A place is not signed: the boards of a site are trusted for it. Boards write each with the condition that the servers have what the board knows, so
//! an older place that comes late displaces no newer one.

use std::collections::BTreeMap;
use std::collections::btree_map;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::name::Board;

/// The longest message about a place, in bytes.
pub const MAX_PLACE: usize = 1024;
/// The most people whose places are held.
pub const MAX_PLACES: usize = 100_000;
/// How long a place is held, in milliseconds: 7 days, as at the servers.
pub const PLACES_FOR_MS: i64 = 7 * 86_400_000;
/// The longest name of a zone, in characters, as in the configuration.
const MAX_ZONE: usize = 32;
/// Places of one person, from one board and in one zone, that are no further apart than this are the same one, dated twice; in milliseconds.
const SAME_MS: u64 = 2_000;
/// How far a board's clock may be ahead of the servers'; in milliseconds. What is dated later is not believed, because it would count for too long.
const AHEAD_MS: i64 = 5_000;

/// Where somebody is, or that an operator had it forgotten. The order is that of counting: the later time, and with equal times the board's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PersonPlace {
    /// Since when, in milliseconds since 1970, by the servers' clock.
    pub since_ms: i64,
    /// The board whose door they went through, or where it was forgotten.
    pub board: Board,
    /// The zone; `None` where it was forgotten.
    pub zone: Option<String>,
}

impl PersonPlace {
    /// A place as a server has it; `None` for what is none. `stored_ms` is when the server stored it, by its clock.
    pub fn read(payload: &[u8], stored_ms: i64) -> Option<PersonPlace> {
        let place: PersonPlace = (payload.len() <= MAX_PLACE).then(|| serde_json::from_slice(payload).ok())??;
        let zone_fits = place.zone.as_ref().is_none_or(|zone| is_zone(zone));
        (zone_fits && place.since_ms <= stored_ms.saturating_add(AHEAD_MS)).then_some(place)
    }

    /// The message; `None` if it would be too long.
    pub fn message(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok().filter(|message| message.len() <= MAX_PLACE)
    }

    /// Whether both are of one passage, which was dated twice.
    fn is_same(&self, other: &PersonPlace) -> bool {
        self.board == other.board && self.zone == other.zone && self.since_ms.abs_diff(other.since_ms) <= SAME_MS
    }
}

/// Whether a zone may have that name in a configuration. It is shown to people, who are told nothing else by a board that lies.
fn is_zone(zone: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=MAX_ZONE).contains(&zone.len()) && zone.bytes().all(plain)
}

/// What a board knows of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// The newest place.
    newest: Option<PersonPlace>,
    /// The sequence of the newest message at the servers; 0 for none.
    sequence: u64,
    /// Whether that message says the newest place.
    said: bool,
}

/// What a board knows of all people of its site.
#[derive(Clone, Debug)]
pub struct Places {
    board: Board,
    known: BTreeMap<Uuid, Known>,
}

impl Places {
    /// Of a board that knows nothing yet.
    pub fn new(board: Board) -> Places {
        Places { board, known: BTreeMap::new() }
    }

    /// Takes what the servers have of somebody as their message `sequence`; `None` for a message that says no place. Returns whether the newest place is
    /// another one now.
    pub fn hear(&mut self, person: Uuid, sequence: u64, place: Option<PersonPlace>) -> bool {
        let Some(known) = self.room(person) else { return false };
        if sequence < known.sequence {
            return false;
        }
        known.sequence = sequence;
        let is_newer = place > known.newest;
        if is_newer {
            known.newest = place;
            known.said = true;
        } else {
            known.said = place == known.newest;
        }
        is_newer
    }

    /// Takes the servers' word that they have nothing of somebody: a server was restarted, or the place was too old.
    pub fn hear_nothing(&mut self, person: Uuid) {
        if let Some(known) = self.known.get_mut(&person) {
            (known.sequence, known.said) = (0, false);
        }
    }

    /// The servers have lost everything, or begin anew.
    pub fn begin_anew(&mut self) {
        for known in self.known.values_mut() {
            (known.sequence, known.said) = (0, false);
        }
    }

    /// Takes what happened at this board. Returns whether the newest place is another one now.
    pub fn note(&mut self, person: Uuid, zone: Option<String>, since_ms: i64) -> bool {
        let place = PersonPlace { since_ms, board: self.board.clone(), zone };
        let Some(known) = self.room(person) else { return false };
        if known.newest.as_ref().is_some_and(|newest| newest.is_same(&place) || *newest >= place) {
            return false;
        }
        (known.newest, known.said) = (Some(place), false);
        true
    }

    /// What this board has to say of somebody, and the sequence that the servers' newest message of it must have. `None` if the servers have it, or if
    /// another board is to say it.
    pub fn unsaid(&self, person: Uuid) -> Option<(&PersonPlace, u64)> {
        let known = self.known.get(&person).filter(|known| !known.said)?;
        let newest = known.newest.as_ref().filter(|newest| newest.board == self.board)?;
        Some((newest, known.sequence))
    }

    /// The people of whom this board has something to say.
    pub fn all_unsaid(&self) -> Vec<Uuid> {
        self.known.keys().copied().filter(|person| self.unsaid(*person).is_some()).collect()
    }

    /// The newest place of somebody.
    pub fn of(&self, person: Uuid) -> Option<&PersonPlace> {
        self.known.get(&person)?.newest.as_ref()
    }

    /// The newest places of all.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, &PersonPlace)> {
        self.known.iter().filter_map(|(person, known)| Some((*person, known.newest.as_ref()?)))
    }

    /// Drops what is older than [`PLACES_FOR_MS`] at `now_ms`.
    pub fn drop_old(&mut self, now_ms: i64) {
        let oldest = now_ms.saturating_sub(PLACES_FOR_MS);
        self.known.retain(|_, known| known.newest.as_ref().is_some_and(|newest| newest.since_ms >= oldest));
    }

    /// What is known of somebody. `None` if there are too many already.
    fn room(&mut self, person: Uuid) -> Option<&mut Known> {
        let is_full = self.known.len() >= MAX_PLACES;
        match self.known.entry(person) {
            btree_map::Entry::Occupied(known) => Some(known.into_mut()),
            btree_map::Entry::Vacant(_) if is_full => None,
            btree_map::Entry::Vacant(free) => Some(free.insert(Known::default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Uuid = Uuid::from_u128(1);

    fn board(name: &str) -> Board {
        name.parse().unwrap()
    }

    fn place(since_ms: i64, name: &str, zone: &str) -> PersonPlace {
        PersonPlace { since_ms, board: board(name), zone: Some(zone.to_owned()) }
    }

    #[test]
    fn the_newest_place_counts_and_a_late_one_changes_nothing() {
        let mut places = Places::new(board("front"));
        assert!(places.note(ADA, Some("office".into()), 10_000));
        assert!(places.hear(ADA, 1, Some(place(20_000, "side", "outside"))));
        assert_eq!(places.unsaid(ADA), None, "it is older than what the servers have");
        assert!(!places.hear(ADA, 2, Some(place(15_000, "back", "office"))), "it came late");
        assert_eq!(places.of(ADA), Some(&place(20_000, "side", "outside")));
        assert!(!places.note(ADA, Some("office".into()), 19_000));
        assert!(places.note(ADA, None, 30_000), "an operator");
        assert_eq!(places.unsaid(ADA).map(|(place, expected)| (place.zone.as_deref(), expected)), Some((None, 2)));
        assert!(!places.hear(ADA, 1, Some(place(99_000, "side", "office"))), "an old message again");
    }

    #[test]
    fn a_passage_that_is_dated_twice_is_said_once() {
        let mut places = Places::new(board("front"));
        // After a restart the servers have it already.
        places.hear(ADA, 7, Some(place(10_000, "front", "office")));
        assert!(!places.note(ADA, Some("office".into()), 10_040));
        assert!(places.all_unsaid().is_empty());
        assert!(places.note(ADA, Some("office".into()), 13_000), "again, later");
        assert_eq!(places.all_unsaid(), [ADA]);
    }

    #[test]
    fn what_the_servers_lose_is_said_again_by_its_board_alone() {
        let bob = Uuid::from_u128(2);
        let mut places = Places::new(board("front"));
        places.note(ADA, Some("office".into()), 10_000);
        places.hear(ADA, 1, Some(place(10_000, "front", "office")));
        places.hear(bob, 2, Some(place(10_000, "side", "office")));
        assert!(places.all_unsaid().is_empty());
        places.begin_anew();
        assert_eq!(places.all_unsaid(), [ADA]);
        assert_eq!(places.unsaid(ADA).map(|(_, expected)| expected), Some(0));
        assert!(!places.hear(ADA, 1, None), "what says nothing counts for nothing");
        assert_eq!(places.unsaid(ADA).map(|(_, expected)| expected), Some(1));
        places.hear_nothing(ADA);
        assert_eq!(places.unsaid(ADA).map(|(_, expected)| expected), Some(0));
        places.drop_old(10_000 + PLACES_FOR_MS + 1);
        assert_eq!(places.iter().count(), 0);
    }

    #[test]
    fn a_message_that_is_no_place_is_none() {
        let good = place(1_000, "front", "office");
        let message = good.message().unwrap();
        assert_eq!(PersonPlace::read(&message, 1_000), Some(good.clone()));
        assert_eq!(PersonPlace::read(&message, -4_001), None, "dated later than it was stored");
        let long = PersonPlace { zone: Some("x".repeat(MAX_PLACE)), ..good.clone() };
        assert_eq!(long.message(), None);
        for other in ["", "{}", "null", r#"{"since_ms":1,"board":"Not a board","zone":null}"#] {
            assert_eq!(PersonPlace::read(other.as_bytes(), 0), None, "{other}");
        }
        let wide = PersonPlace { zone: Some("x".repeat(MAX_ZONE + 1)), ..good.clone() };
        let nowhere = PersonPlace { zone: Some(String::new()), ..good.clone() };
        let written = PersonPlace { zone: Some("\u{1b}[2J".into()), ..good };
        for bad in [wide, nowhere, written] {
            assert_eq!(PersonPlace::read(&serde_json::to_vec(&bad).unwrap(), 1_000), None);
        }
    }
}
