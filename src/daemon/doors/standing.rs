//! What the doors keep over a restart: modes, where people are, on which day the first person came, and the cut. One small entry
//! for each, written together with the record of what changed it.
//!
//! | key | value |
//! |---|---|
//! | `mode/DOOR` | JSON: `"normal"`, `"release"`, `{"lockdown": GROUP or null}` |
//! | `first/DOOR` | JSON: a time; 0.1.0 wrote the day alone, `2026-01-02` |
//! | `ended/DOOR` | JSON: `{"schedule": …, "until": RFC 3339 or null}`: an operator ended the unlock hours |
//! | `place/PERSON` | JSON: `{"zone": …, …}` with a time |
//! | `time` | JSON: `{"synchronised": …, "claimed": …}`, each a time or null: what is known of the time |
//! | `cut` | the distance |
//!
//! A time is `since` (RFC 3339), `known` (whether the wall clock could be relied on), `boot` and `since_boot_ms`; before 0.2 it was `since` alone.
//!
//! Knows nothing of the database. An entry that cannot be read is told and left out: a door is then as if it had never been set,
//! but for its mode, where the strict one is assumed.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::post::HoursEnded;
use crate::access::{Place, When};
use crate::clock::{Evidence, Sign};
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
    pub time: Option<Evidence>,
}

/// When a door's first person came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    At(When),
    /// On that day: all that 0.1.0 kept.
    On(Date),
}

impl Came {
    /// The time; of a day its beginning.
    pub fn in_zone(self, zone: &TimeZone) -> When {
        match self {
            Came::At(at) => at,
            Came::On(day) => When::by_the_wall(zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN)),
        }
    }

    fn read(text: &str) -> Option<Came> {
        let wire = serde_json::from_str(text).ok().and_then(|wire: WhenWire| wire.when());
        let at = || text.parse().ok().map(When::by_the_wall);
        wire.or_else(at).map(Came::At).or_else(|| text.parse().ok().map(Came::On))
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

/// What older versions did not write is as if nothing had been known of it.
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
    pub fn came_before(door: &str, when: Option<&When>) -> Entry {
        let value = when.and_then(|when| serde_json::to_string(&WhenWire::of(when)).ok());
        Entry { key: format!("first/{door}"), value }
    }

    /// When a door's first person came.
    pub fn first_came(door: &str, when: &When) -> Entry {
        Entry::came_before(door, Some(when))
    }

    /// What is known of the time.
    pub fn time(evidence: &Evidence) -> Entry {
        let wire = TimeWire {
            synchronised: evidence.synchronised.as_ref().and_then(WhenWire::of_sign),
            claimed: evidence.claimed.as_ref().and_then(WhenWire::of_sign),
        };
        Entry { key: "time".into(), value: serde_json::to_string(&wire).ok() }
    }

    /// Where a person is; `None` when that is not known.
    pub fn place(person: PersonId, place: Option<&Place>) -> Entry {
        let value = place.and_then(|place| {
            let wire = PlaceWire { zone: place.zone.clone(), when: WhenWire::of(&place.since) };
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
                let since = wire.when.when()?;
                self.places.push((PersonId(person.parse().ok()?), Place { zone: wire.zone, since }));
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
            Entry::mode("front", &group),
            Entry::mode("back", &Mode::Lockdown { group: None }),
            Entry::mode("side", &Mode::Release),
            Entry::mode("none", &Mode::Normal),
            Entry::first_came("front", &since),
            Entry::time(&time),
            Entry::hours_ended("front", Some(&ended)),
            Entry::hours_ended("back", None),
            Entry::place(PersonId(7), Some(&place)),
            Entry::place(PersonId(8), None),
            Entry::cut(0.9876),
        ];
        let standing = read_back(&entries);
        let expected = [("front", group), ("back", Mode::Lockdown { group: None }), ("side", Mode::Release)];
        assert_eq!(standing.modes, expected.map(|(door, mode)| (door.to_owned(), mode)));
        assert_eq!(standing.first_came, [("front".to_owned(), Came::At(since))]);
        assert_eq!(standing.time, Some(time));
        assert_eq!(standing.hours_ended, [("front".to_owned(), ended)]);
        assert_eq!(standing.places, [(PersonId(7), place)]);
        assert_eq!(standing.cut, Some(0.9876));
    }

    #[test]
    fn what_0_1_wrote_reads_back() {
        let mut standing = Standing::default();
        standing.take("first/front", "2026-03-29").unwrap();
        standing.take("place/7", r#"{"zone":"office","since":"2026-03-29T01:00:00Z"}"#).unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(standing.first_came[0].1.in_zone(&berlin).wall.to_string(), "2026-03-28T23:00:00Z");
        // What an earlier build wrote between the two.
        standing.take("first/back", "2026-03-29T01:00:00Z").unwrap();
        let since = When::by_the_wall("2026-03-29T01:00:00Z".parse().unwrap());
        assert_eq!(standing.first_came[1].1, Came::At(since));
        assert_eq!(standing.places, [(PersonId(7), Place { zone: "office".into(), since })]);
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
            ("time", "1970"),
            ("what", "?"),
        ] {
            assert_eq!(standing.take(key, value), None, "{key}");
        }
        assert_eq!(standing, Standing::default());
        assert_eq!(standing.take("mode/front", "\u{0}"), None);
        assert_eq!(standing.modes, [("front".to_owned(), Mode::Lockdown { group: None })]);
    }
}
