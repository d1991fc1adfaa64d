//! The state that the doors save over a restart: modes, where people are, on which day the first person came, and the cut. Each has one small
//! entry, written together with the record of what changed it.
//!
//! | key | value |
//! |---|---|
//! | `mode/DOOR` | JSON: `"normal"`, `"release"`, `{"lockdown": GROUP or null}` |
//! | `first/DOOR` | JSON: a time; 0.1.0 wrote the day alone, `2026-01-02` |
//! | `ended/DOOR` | JSON: `{"schedule": …, "until": RFC 3339 or null}`: unlock hours that an operator ended |
//! | `place/PERSON` | JSON: `{"zone": …, …}` with a time |
//! | `forgotten/PERSON` | JSON: a time: an operator had the place forgotten, and other boards of the site are to hear of it |
//! | `time` | JSON: `{"synchronised": …, "claimed": …}`, each a time or null: what is known of the time |
//! | `cut` | the distance |
//!
//! A time is `since` (RFC 3339), `known` (whether the wall clock could be relied on), `boot` and `since_boot_ms`; before 0.2 it was `since` alone.
//!
//! An entry that cannot be read is logged and left out, as if it had never been set; only for a mode the strictest one is assumed.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{Place, When};
use crate::clock::{Evidence, Sign};
use crate::domain::{Mode, PersonId};
use crate::store::{StoreError, Tree};

/// A change: a key and its new value; `None` removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedEntry {
    pub key: String,
    pub value: Option<String>,
}

/// Everything that was saved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedState {
    pub modes: Vec<(String, Mode)>,
    pub first_came: Vec<(String, FirstArrival)>,
    pub hours_ended: Vec<(String, HoursEnded)>,
    pub places: Vec<(PersonId, Place)>,
    /// People whose places were forgotten, and when.
    pub forgotten: Vec<(PersonId, When)>,
    pub cut: Option<f32>,
    pub time: Option<Evidence>,
}

/// Unlock hours that an operator ended by locking the door. The schedule does not unlock it again before `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoursEnded {
    pub schedule: String,
    /// When the hours end by the schedule; `None` if no end is in sight.
    pub until: Option<Timestamp>,
}

/// When a door's first person last came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstArrival {
    At(When),
    /// On that day, which is all that 0.1.0 saved.
    On(Date),
}

impl FirstArrival {
    /// The time; for a day, its start.
    pub fn in_zone(self, zone: &TimeZone) -> When {
        match self {
            FirstArrival::At(at) => at,
            FirstArrival::On(day) => When::by_the_wall(zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN)),
        }
    }

    fn read(text: &str) -> Option<FirstArrival> {
        let wire = serde_json::from_str(text).ok().and_then(|wire: WhenWire| wire.when());
        let at = || text.parse().ok().map(When::by_the_wall);
        wire.or_else(at).map(FirstArrival::At).or_else(|| text.parse().ok().map(FirstArrival::On))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeWire {
    Normal,
    Release,
    Lockdown(Option<String>),
}

#[derive(Serialize, Deserialize)]
struct HoursEndedWire {
    schedule: String,
    until: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PlaceWire {
    zone: String,
    #[serde(flatten)]
    when: WhenWire,
}

#[derive(Serialize, Deserialize)]
struct TimeWire {
    synchronised: Option<WhenWire>,
    claimed: Option<WhenWire>,
}

/// Fields that older versions did not write have the value of nothing known.
#[derive(Serialize, Deserialize)]
struct WhenWire {
    since: String,
    #[serde(default = "yes")]
    known: bool,
    #[serde(default)]
    boot: String,
    #[serde(default)]
    since_boot_ms: u64,
}

fn yes() -> bool {
    true
}

impl WhenWire {
    fn of(when: &When) -> WhenWire {
        WhenWire {
            since: when.wall.to_string(),
            known: when.known,
            boot: Uuid::from_bytes(when.boot).to_string(),
            since_boot_ms: u64::try_from(when.since_boot.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn when(&self) -> Option<When> {
        let since_boot = Duration::from_millis(self.since_boot_ms);
        let boot = if self.boot.is_empty() { Uuid::nil() } else { self.boot.parse().ok()? };
        Some(When { wall: self.since.parse().ok()?, known: self.known, boot: *boot.as_bytes(), since_boot })
    }

    fn of_sign(sign: &Sign) -> Option<WhenWire> {
        let wall = Timestamp::try_from(sign.at).ok()?;
        Some(WhenWire::of(&When { wall, known: true, boot: sign.boot, since_boot: sign.since_boot }))
    }

    fn sign(&self) -> Option<Sign> {
        let When { wall, boot, since_boot, .. } = self.when()?;
        Some(Sign { at: SystemTime::try_from(wall).ok()?, boot, since_boot })
    }
}

impl SavedEntry {
    /// A door's mode. `normal` has no entry.
    pub fn mode(door: &str, mode: &Mode) -> SavedEntry {
        let wire = match mode {
            Mode::Normal => ModeWire::Normal,
            Mode::Release => ModeWire::Release,
            Mode::Lockdown { group } => ModeWire::Lockdown(group.clone()),
        };
        // A plain enum of strings always serialises.
        let value = serde_json::to_string(&wire).ok();
        SavedEntry { key: format!("mode/{door}"), value: value.filter(|_| *mode != Mode::Normal) }
    }

    /// Unlock hours that an operator ended; `None` once they are over by the schedule as well.
    pub fn hours_ended(door: &str, ended: Option<&HoursEnded>) -> SavedEntry {
        let value = ended.and_then(|ended| {
            let until = ended.until.map(|until| until.to_string());
            serde_json::to_string(&HoursEndedWire { schedule: ended.schedule.clone(), until }).ok()
        });
        SavedEntry { key: format!("ended/{door}"), value }
    }

    /// When a door's first person came before, if ever: restores the entry if the door was not opened after all.
    pub fn came_before(door: &str, when: Option<&When>) -> SavedEntry {
        let value = when.and_then(|when| serde_json::to_string(&WhenWire::of(when)).ok());
        SavedEntry { key: format!("first/{door}"), value }
    }

    /// When a door's first person came.
    pub fn first_came(door: &str, when: &When) -> SavedEntry {
        SavedEntry::came_before(door, Some(when))
    }

    /// What is known of the time.
    pub fn time(evidence: &Evidence) -> SavedEntry {
        let wire = TimeWire {
            synchronised: evidence.synchronised.as_ref().and_then(WhenWire::of_sign),
            claimed: evidence.claimed.as_ref().and_then(WhenWire::of_sign),
        };
        SavedEntry { key: "time".into(), value: serde_json::to_string(&wire).ok() }
    }

    /// Where a person is; `None` if that is unknown.
    pub fn place(person: PersonId, place: Option<&Place>) -> SavedEntry {
        let value = place.and_then(|place| {
            let wire = PlaceWire { zone: place.zone.clone(), when: WhenWire::of(&place.since) };
            serde_json::to_string(&wire).ok()
        });
        SavedEntry { key: format!("place/{person}"), value }
    }

    /// When a person's place was forgotten; `None` once they went through a door again.
    pub fn forgotten(person: PersonId, since: Option<&When>) -> SavedEntry {
        let value = since.and_then(|since| serde_json::to_string(&WhenWire::of(since)).ok());
        SavedEntry { key: format!("forgotten/{person}"), value }
    }

    /// The distance that is near enough.
    pub fn cut(distance: f32) -> SavedEntry {
        SavedEntry { key: "cut".into(), value: Some(distance.to_string()) }
    }
}

impl SavedState {
    /// The name of the tree in the store.
    pub const TREE: &str = "standing";

    /// Reads all entries of `tree`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn load(tree: &Tree) -> Result<SavedState, StoreError> {
        let mut saved = SavedState::default();
        for entry in tree.iter() {
            let (key, value) = entry?;
            let (key, value) = (String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
            if saved.take(&key, &value).is_none() {
                tracing::warn!(%key, "an entry of the saved state of the doors cannot be read");
            }
        }
        Ok(saved)
    }

    /// Adds one entry; `None` if it cannot be read.
    pub fn take(&mut self, key: &str, value: &str) -> Option<()> {
        match key.split_once('/') {
            Some(("mode", door)) => {
                let wire = serde_json::from_str(value);
                let readable = wire.is_ok();
                let mode = match wire {
                    Ok(ModeWire::Normal) => Mode::Normal,
                    Ok(ModeWire::Release) => Mode::Release,
                    Ok(ModeWire::Lockdown(group)) => Mode::Lockdown { group },
                    Err(_) => Mode::Lockdown { group: None },
                };
                self.modes.push((door.to_owned(), mode));
                readable.then_some(())?;
            }
            Some(("first", door)) => self.first_came.push((door.to_owned(), FirstArrival::read(value)?)),
            Some(("ended", door)) => {
                let wire: HoursEndedWire = serde_json::from_str(value).ok()?;
                let until = wire.until.map(|until| until.parse()).transpose().ok()?;
                self.hours_ended.push((door.to_owned(), HoursEnded { schedule: wire.schedule, until }));
            }
            Some(("place", person)) => {
                let wire: PlaceWire = serde_json::from_str(value).ok()?;
                let since = wire.when.when()?;
                self.places.push((PersonId(person.parse().ok()?), Place { zone: wire.zone, since }));
            }
            Some(("forgotten", person)) => {
                let wire: WhenWire = serde_json::from_str(value).ok()?;
                self.forgotten.push((PersonId(person.parse().ok()?), wire.when()?));
            }
            None if key == "time" => {
                let wire: TimeWire = serde_json::from_str(value).ok()?;
                let sign = |wire: Option<WhenWire>| wire.as_ref().and_then(WhenWire::sign);
                self.time = Some(Evidence { synchronised: sign(wire.synchronised), claimed: sign(wire.claimed) });
            }
            None if key == "cut" => self.cut = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(entries: &[SavedEntry]) -> SavedState {
        let mut saved = SavedState::default();
        for SavedEntry { key, value } in entries {
            if let Some(value) = value {
                saved.take(key, value).unwrap();
            }
        }
        saved
    }

    #[test]
    fn every_entry_reads_back() {
        let since = When {
            wall: "2026-03-29T01:00:00.5Z".parse().unwrap(),
            known: false,
            boot: [7; 16],
            since_boot: Duration::from_millis(1234),
        };
        let place = Place { zone: "office/2".into(), since };
        let sign = Sign { at: SystemTime::UNIX_EPOCH, boot: [8; 16], since_boot: Duration::from_secs(5) };
        let time = Evidence { synchronised: Some(sign), claimed: None };
        let group = Mode::Lockdown { group: Some("guards".into()) };
        let ended = HoursEnded { schedule: "office".into(), until: Some("2026-03-29T16:00:00Z".parse().unwrap()) };
        let entries = [
            SavedEntry::mode("front", &group),
            SavedEntry::mode("back", &Mode::Lockdown { group: None }),
            SavedEntry::mode("side", &Mode::Release),
            SavedEntry::mode("none", &Mode::Normal),
            SavedEntry::first_came("front", &since),
            SavedEntry::time(&time),
            SavedEntry::hours_ended("front", Some(&ended)),
            SavedEntry::hours_ended("back", None),
            SavedEntry::place(PersonId(7), Some(&place)),
            SavedEntry::place(PersonId(8), None),
            SavedEntry::forgotten(PersonId(8), Some(&since)),
            SavedEntry::forgotten(PersonId(7), None),
            SavedEntry::cut(0.9876),
        ];
        let saved = read_back(&entries);
        let expected = [("front", group), ("back", Mode::Lockdown { group: None }), ("side", Mode::Release)];
        assert_eq!(saved.modes, expected.map(|(door, mode)| (door.to_owned(), mode)));
        assert_eq!(saved.first_came, [("front".to_owned(), FirstArrival::At(since))]);
        assert_eq!(saved.time, Some(time));
        assert_eq!(saved.hours_ended, [("front".to_owned(), ended)]);
        assert_eq!(saved.places, [(PersonId(7), place)]);
        assert_eq!(saved.forgotten, [(PersonId(8), since)]);
        assert_eq!(saved.cut, Some(0.9876));
    }

    #[test]
    fn entries_of_version_0_1_read_back() {
        let mut saved = SavedState::default();
        saved.take("first/front", "2026-03-29").unwrap();
        saved.take("place/7", r#"{"zone":"office","since":"2026-03-29T01:00:00Z"}"#).unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(saved.first_came[0].1.in_zone(&berlin).wall.to_string(), "2026-03-28T23:00:00Z");
        // What an earlier build wrote between the two.
        saved.take("first/back", "2026-03-29T01:00:00Z").unwrap();
        let since = When::by_the_wall("2026-03-29T01:00:00Z".parse().unwrap());
        assert_eq!(saved.first_came[1].1, FirstArrival::At(since));
        assert_eq!(saved.places, [(PersonId(7), Place { zone: "office".into(), since })]);
    }

    #[test]
    fn an_unreadable_entry_is_left_out_and_an_unreadable_mode_is_the_strictest() {
        let mut saved = SavedState::default();
        for (key, value) in [
            ("first/front", "tomorrow"),
            ("ended/front", "x"),
            ("place/x", "{}"),
            ("place/1", "{"),
            ("cut", "x"),
            ("time", "1970"),
            ("what", "?"),
        ] {
            assert_eq!(saved.take(key, value), None, "{key}");
        }
        assert_eq!(saved, SavedState::default());
        assert_eq!(saved.take("mode/front", "\u{0}"), None);
        assert_eq!(saved.modes, [("front".to_owned(), Mode::Lockdown { group: None })]);
    }
}
