//! What the doors keep over a restart: modes, where people are, on which day the first person came, and the cut. One small entry
//! for each, written together with the record of what changed it.
//!
//! | key | value |
//! |---|---|
//! | `mode/DOOR` | JSON: `"normal"`, `"release"`, `{"lockdown": GROUP or null}` |
//! | `first/DOOR` | when, in RFC 3339; 0.1.0 wrote the day alone, `2026-01-02` |
//! | `ended/DOOR` | JSON: `{"schedule": …, "until": RFC 3339 or null}`: an operator ended the unlock hours |
//! | `place/PERSON` | JSON: `{"zone": …, "since": RFC 3339}` |
//! | `cut` | the distance |
//!
//! Knows nothing of the database. An entry that cannot be read is told and left out: a door is then as if it had never been set,
//! but for its mode, where the strict one is assumed.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::post::HoursEnded;
use crate::access::Place;
use crate::domain::{Mode, PersonId};
use crate::store::{StoreError, Tree};

/// A change: a key and its new value; `None` takes it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: Option<String>,
}

/// Everything that was kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    pub modes: Vec<(String, Mode)>,
    pub first_came: Vec<(String, Came)>,
    pub hours_ended: Vec<(String, HoursEnded)>,
    pub places: Vec<(PersonId, Place)>,
    pub cut: Option<f32>,
}

/// When a door's first person came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    At(Timestamp),
    /// On that day: all that 0.1.0 kept.
    On(Date),
}

impl Came {
    /// The time; of a day its beginning.
    pub fn in_zone(self, zone: &TimeZone) -> Timestamp {
        match self {
            Came::At(at) => at,
            Came::On(day) => zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN),
        }
    }

    fn read(text: &str) -> Option<Came> {
        text.parse().map(Came::At).or_else(|_| text.parse().map(Came::On)).ok()
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
    since: String,
}

impl Entry {
    /// A door's mode. `normal` needs no entry.
    pub fn mode(door: &str, mode: &Mode) -> Entry {
        let wire = match mode {
            Mode::Normal => ModeWire::Normal,
            Mode::Release => ModeWire::Release,
            Mode::Lockdown { group } => ModeWire::Lockdown(group.clone()),
        };
        // A plain enum of texts always has a JSON form.
        let value = serde_json::to_string(&wire).ok();
        Entry { key: format!("mode/{door}"), value: value.filter(|_| *mode != Mode::Normal) }
    }

    /// An operator ended a door's unlock hours; `None`: they are over by the schedule, too.
    pub fn hours_ended(door: &str, ended: Option<&HoursEnded>) -> Entry {
        let value = ended.and_then(|ended| {
            let until = ended.until.map(|until| until.to_string());
            serde_json::to_string(&HoursEndedWire { schedule: ended.schedule.clone(), until }).ok()
        });
        Entry { key: format!("ended/{door}"), value }
    }

    /// A door's first person did not open it after all: when one came before, if ever.
    pub fn came_before(door: &str, at: Option<Timestamp>) -> Entry {
        Entry { key: format!("first/{door}"), value: at.map(|at| at.to_string()) }
    }

    /// When a door's first person came.
    pub fn first_came(door: &str, at: Timestamp) -> Entry {
        Entry { key: format!("first/{door}"), value: Some(at.to_string()) }
    }

    /// Where a person is; `None` when that is not known.
    pub fn place(person: PersonId, place: Option<&Place>) -> Entry {
        let value = place.and_then(|place| {
            let wire = PlaceWire { zone: place.zone.clone(), since: place.since.to_string() };
            serde_json::to_string(&wire).ok()
        });
        Entry { key: format!("place/{person}"), value }
    }

    /// The distance that is near enough.
    pub fn cut(distance: f32) -> Entry {
        Entry { key: "cut".into(), value: Some(distance.to_string()) }
    }
}

impl Standing {
    /// Reads all entries of `tree`.
    pub fn load(tree: &Tree) -> Result<Standing, StoreError> {
        let mut standing = Standing::default();
        for entry in tree.iter() {
            let (key, value) = entry?;
            let (key, value) = (String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
            if standing.take(&key, &value).is_none() {
                tracing::warn!(%key, "what was kept of the doors under this key cannot be read");
            }
        }
        Ok(standing)
    }

    /// Takes in one entry; `None` when it cannot be read.
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
            Some(("first", door)) => self.first_came.push((door.to_owned(), Came::read(value)?)),
            Some(("ended", door)) => {
                let wire: HoursEndedWire = serde_json::from_str(value).ok()?;
                let until = wire.until.map(|until| until.parse()).transpose().ok()?;
                self.hours_ended.push((door.to_owned(), HoursEnded { schedule: wire.schedule, until }));
            }
            Some(("place", person)) => {
                let wire: PlaceWire = serde_json::from_str(value).ok()?;
                let since: Timestamp = wire.since.parse().ok()?;
                self.places.push((PersonId(person.parse().ok()?), Place { zone: wire.zone, since }));
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

    fn read_back(entries: &[Entry]) -> Standing {
        let mut standing = Standing::default();
        for Entry { key, value } in entries {
            if let Some(value) = value {
                standing.take(key, value).unwrap();
            }
        }
        standing
    }

    #[test]
    fn what_is_written_reads_back() {
        let place = Place { zone: "office/2".into(), since: "2026-03-29T01:00:00.5Z".parse().unwrap() };
        let group = Mode::Lockdown { group: Some("guards".into()) };
        let came: Timestamp = "2026-03-29T21:59:00Z".parse().unwrap();
        let ended = HoursEnded { schedule: "office".into(), until: Some("2026-03-29T16:00:00Z".parse().unwrap()) };
        let entries = [
            Entry::mode("front", &group),
            Entry::mode("back", &Mode::Lockdown { group: None }),
            Entry::mode("side", &Mode::Release),
            Entry::mode("none", &Mode::Normal),
            Entry::first_came("front", came),
            Entry::hours_ended("front", Some(&ended)),
            Entry::hours_ended("back", None),
            Entry::place(PersonId(7), Some(&place)),
            Entry::place(PersonId(8), None),
            Entry::cut(0.9876),
        ];
        let standing = read_back(&entries);
        let expected = [("front", group), ("back", Mode::Lockdown { group: None }), ("side", Mode::Release)];
        assert_eq!(standing.modes, expected.map(|(door, mode)| (door.to_owned(), mode)));
        assert_eq!(standing.first_came, [("front".to_owned(), Came::At(came))]);
        assert_eq!(standing.hours_ended, [("front".to_owned(), ended)]);
        assert_eq!(standing.places, [(PersonId(7), place)]);
        assert_eq!(standing.cut, Some(0.9876));
    }

    #[test]
    fn the_day_alone_that_0_1_0_kept_is_read() {
        let mut standing = Standing::default();
        standing.take("first/front", "2026-03-29").unwrap();
        let [(_, came)] = standing.first_came[..] else { panic!("one") };
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(came.in_zone(&berlin).to_string(), "2026-03-28T23:00:00Z");
    }

    #[test]
    fn nonsense_is_told_and_a_mode_of_nonsense_is_the_strict_one() {
        let mut standing = Standing::default();
        for (key, value) in [
            ("first/front", "tomorrow"),
            ("ended/front", "x"),
            ("place/x", "{}"),
            ("place/1", "{"),
            ("cut", "x"),
            ("what", "?"),
        ] {
            assert_eq!(standing.take(key, value), None, "{key}");
        }
        assert_eq!(standing, Standing::default());
        assert_eq!(standing.take("mode/front", "\u{0}"), None);
        assert_eq!(standing.modes, [("front".to_owned(), Mode::Lockdown { group: None })]);
    }
}
