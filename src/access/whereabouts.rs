//! Which zone each person is in, as far as is known. Anti-passback relies on it.
//!
//! Places that this board's doors have seen are kept apart from those that other boards of the site tell: the newer of both counts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::when::{Now, When};
use crate::domain::PersonId;

/// A zone and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub zone: String,
    pub since: When,
}

/// A place that another board of the site told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldPlace {
    /// `None` where an operator had it forgotten.
    pub zone: Option<String>,
    /// Since when, in milliseconds after the moment zero of this process, or before it.
    pub at_ms: i64,
    /// The board that told it.
    pub board: String,
    /// This board told it itself: it counts only where nothing is kept of it here.
    pub is_own: bool,
}

/// Where somebody is, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownPlace<'a> {
    pub zone: &'a str,
    /// The other board that told it; `None` where a door of this board saw it.
    pub told_by: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq)]
struct Told {
    place: ToldPlace,
    /// It is newer than what this board's doors saw.
    wins: bool,
}

/// The known places of all people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whereabouts {
    own: BTreeMap<PersonId, Place>,
    /// When an operator had somebody's place forgotten here. Only kept where other boards are to hear of it.
    forgotten: BTreeMap<PersonId, When>,
    told: BTreeMap<PersonId, Told>,
}

impl Whereabouts {
    /// Where a person is by this board's own doors. `None` if it is not known, or was last known more than `trusted_for` ago. The age is measured by
    /// uptime within one boot, and by the wall clock across boots. If it cannot be determined, the place is trusted: a person who is inside stays
    /// inside.
    pub fn of(&self, person: PersonId, now: &Now, trusted_for: Option<Duration>) -> Option<&Place> {
        let place = self.own.get(&person)?;
        let too_old = trusted_for.zip(place.since.ago(now)).is_some_and(|(longest, age)| age >= longest);
        (!too_old).then_some(place)
    }

    /// Where a person is by all that is known: as [`Whereabouts::of`], or by what another board told, whichever is newer.
    pub fn newest(&self, person: PersonId, now: &Now, trusted_for: Option<Duration>) -> Option<KnownPlace<'_>> {
        match self.told.get(&person).filter(|told| told.wins) {
            Some(Told { place, .. }) => {
                let too_old = trusted_for.is_some_and(|longest| place.ago(now) >= longest);
                let zone = place.zone.as_deref().filter(|_| !too_old)?;
                Some(KnownPlace { zone, told_by: Some(&place.board) })
            }
            None => self.of(person, now, trusted_for).map(|place| KnownPlace { zone: &place.zone, told_by: None }),
        }
    }

    /// Notes that a person is in `zone` now.
    pub fn enter(&mut self, person: PersonId, zone: &str, now: &Now) {
        self.forgotten.remove(&person);
        self.own.insert(person, Place { zone: zone.to_owned(), since: When::of(now) });
        self.weigh(person, now);
    }

    /// Forgets where a person is; `false` if it was not known.
    pub fn forget(&mut self, person: PersonId) -> bool {
        let own = self.own.remove(&person).is_some();
        self.told.remove(&person).is_some() || own
    }

    /// Remembers that a person's place was forgotten at `since`, for the other boards of the site.
    pub fn mark_forgotten(&mut self, person: PersonId, since: When) {
        self.forgotten.insert(person, since);
    }

    /// Whether a person's place was forgotten here, and nothing was seen of them since.
    pub fn is_marked(&self, person: PersonId) -> bool {
        self.forgotten.contains_key(&person)
    }

    /// Takes what other boards told of some people, or of everybody; `None` takes back what was told of somebody. Whoever is not named keeps what was
    /// told before, unless `everybody` is.
    pub fn hear(&mut self, told: impl IntoIterator<Item = (PersonId, Option<ToldPlace>)>, everybody: bool, now: &Now) {
        if everybody {
            self.told.clear();
        }
        for (person, place) in told {
            match place {
                Some(place) => {
                    self.told.insert(person, Told { place, wins: false });
                    self.weigh(person, now);
                }
                None => drop(self.told.remove(&person)),
            }
        }
    }

    /// Compares what was told of a person with what was seen here. With equal times, what was seen here counts.
    fn weigh(&mut self, person: PersonId, now: &Now) {
        let own = self.own.get(&person).map(|place| place.since).or_else(|| self.forgotten.get(&person).copied());
        let Some(told) = self.told.get_mut(&person) else { return };
        told.wins = own.is_none_or(|own| {
            // One without a date yields to one that has it.
            !told.place.is_own && own.ago(now).is_none_or(|age| told.place.ago(now) < age)
        });
    }

    /// Dates places whose age cannot be determined as of now, once the time is known; otherwise they would be trusted forever. These are places
    /// dated in the future, or during a boot that did not know the time. Returns those people; nobody while the time is not known.
    pub fn date(&mut self, now: &Now) -> Vec<PersonId> {
        let undated = self.own.iter_mut().filter(|(_, place)| now.is_known() && place.since.ago(now).is_none());
        undated
            .map(|(person, place)| {
                place.since = When::of(now);
                *person
            })
            .collect()
    }

    /// The number of people in each non-empty zone.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        self.everybody().into_keys().filter_map(|person| self.zone(person)).fold(BTreeMap::new(), |mut counts, zone| {
            *counts.entry(zone).or_default() += 1;
            counts
        })
    }

    /// The newest zone of a person, however old.
    fn zone(&self, person: PersonId) -> Option<&str> {
        match self.told.get(&person).filter(|told| told.wins) {
            Some(told) => told.place.zone.as_deref(),
            None => self.own.get(&person).map(|place| place.zone.as_str()),
        }
    }

    /// All people whose place is known, with what is newest of it: the zone and since when by the wall clock, if that can be determined.
    pub fn inside(&self, now: &Now) -> Vec<(PersonId, &str, Option<jiff::Timestamp>)> {
        let since = |person: &PersonId| match self.told.get(person).filter(|told| told.wins) {
            Some(told) => told.place.wall(now),
            None => self.own.get(person)?.since.wall_then(now),
        };
        let all = self.everybody().into_iter();
        all.filter_map(|(person, _)| Some((person, self.zone(person)?, since(&person)))).collect()
    }

    /// The people whose place is known, or was seen here.
    pub fn people(&self) -> Vec<PersonId> {
        let is_known = |person: &PersonId| self.own.contains_key(person) || self.zone(*person).is_some();
        self.everybody().into_keys().filter(is_known).collect()
    }

    fn everybody(&self) -> BTreeMap<PersonId, ()> {
        self.own.keys().chain(self.told.keys()).map(|person| (*person, ())).collect()
    }

    /// What this board's own doors have seen: all people with their zones, and those whose place was forgotten (`None`), each with the time.
    pub fn own(&self) -> impl Iterator<Item = (PersonId, Option<&str>, When)> {
        let places = self.own.iter().map(|(person, place)| (*person, Some(place.zone.as_str()), place.since));
        places.chain(self.forgotten.iter().map(|(person, since)| (*person, None, *since)))
    }
}

impl ToldPlace {
    /// How long ago it was.
    fn ago(&self, now: &Now) -> Duration {
        let now_ms = i64::try_from(now.moment.0.as_millis()).unwrap_or(i64::MAX);
        Duration::from_millis(u64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or_default())
    }

    /// What a correct wall clock showed then; `None` if it is not known what it shows now.
    fn wall(&self, now: &Now) -> Option<jiff::Timestamp> {
        let ago = jiff::SignedDuration::try_from(self.ago(now)).ok().filter(|_| now.is_known())?;
        now.wall.checked_sub(ago).ok()
    }
}

impl FromIterator<(PersonId, Place)> for Whereabouts {
    fn from_iter<T: IntoIterator<Item = (PersonId, Place)>>(places: T) -> Whereabouts {
        Whereabouts { own: places.into_iter().collect(), ..Whereabouts::default() }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Moment, TimeQuality};

    const ADA: PersonId = PersonId(1);
    const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

    fn at(second: i64) -> Now {
        Now::by_the_wall(Moment::default(), Timestamp::from_second(second).unwrap())
    }

    /// During boot `boot` of the machine.
    fn run(boot: u8, since_boot: u64, wall: Now, quality: TimeQuality) -> Now {
        Now { boot: [boot; 16], since_boot: Duration::from_secs(since_boot), quality, ..wall }
    }

    #[test]
    fn a_place_is_trusted_for_a_while() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &at(1000));
        assert_eq!(where_.of(ADA, &at(4599), HOUR).unwrap().zone, "office");
        assert_eq!(where_.of(ADA, &at(4600), HOUR), None);
        assert!(where_.of(ADA, &at(1_000_000), None).is_some());
    }

    #[test]
    fn within_a_boot_setting_the_clock_changes_nothing() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &run(1, 100, at(100_000_000), TimeQuality::Plausible));
        for (wall, quality) in [(0, TimeQuality::Unset), (900_000_000, TimeQuality::Synchronised)] {
            assert!(where_.of(ADA, &run(1, 3699, at(wall), quality), HOUR).is_some());
            assert!(where_.of(ADA, &run(1, 3700, at(wall), quality), HOUR).is_none());
        }
        assert_eq!(where_.date(&run(1, 3700, at(0), TimeQuality::Plausible)), []);
    }

    #[test]
    fn after_a_boot_without_the_time_people_inside_stay_inside() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &run(1, 100, at(100_000_000), TimeQuality::Synchronised));
        for (wall, quality) in [(0, TimeQuality::Unset), (99_900_000, TimeQuality::Wrong)] {
            assert!(where_.of(ADA, &run(2, 500_000, at(wall), quality), HOUR).is_some());
            assert_eq!(where_.date(&run(2, 500_000, at(wall), quality)), [], "never clamped to a wrong now");
        }
        let set = run(2, 500_000, at(100_500_000), TimeQuality::Synchronised);
        assert!(where_.of(ADA, &set, HOUR).is_none(), "the time is known again, and it was long ago");
    }

    #[test]
    fn a_place_dated_in_the_future_is_not_trusted_forever() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &run(1, 100, at(900_000_000), TimeQuality::Plausible));
        let now = run(2, 10, at(100_000_000), TimeQuality::Synchronised);
        assert_eq!(where_.date(&now), [ADA]);
        assert!(where_.of(ADA, &run(2, 3609, now, TimeQuality::Synchronised), HOUR).is_some());
        assert!(where_.of(ADA, &run(2, 3610, now, TimeQuality::Synchronised), HOUR).is_none());
    }

    #[test]
    fn counts_are_of_people() {
        let mut where_ = Whereabouts::default();
        for _ in 0..3 {
            where_.enter(ADA, "office", &at(0));
        }
        where_.enter(PersonId(2), "yard", &at(0));
        assert_eq!(where_.counts(), BTreeMap::from([("office", 1), ("yard", 1)]));
        assert!(where_.forget(ADA) && !where_.forget(ADA));
        assert_eq!(where_.counts(), BTreeMap::from([("yard", 1)]));
    }

    fn told(zone: Option<&str>, at_s: i64) -> ToldPlace {
        ToldPlace { zone: zone.map(str::to_owned), at_ms: at_s * 1000, board: "side".into(), is_own: false }
    }

    /// `seconds` after the start of this process, which began with the boot.
    fn after(seconds: u64) -> Now {
        let wall = at(100_000_000 + seconds as i64);
        Now { moment: Moment(Duration::from_secs(seconds)), ..run(1, seconds, wall, TimeQuality::Synchronised) }
    }

    #[test]
    fn of_what_was_seen_here_and_told_elsewhere_the_newer_counts() {
        let mut where_ = Whereabouts::default();
        let by = |where_: &Whereabouts, now: u64| {
            where_.newest(ADA, &after(now), HOUR).map(|found| (found.zone.to_owned(), found.told_by.map(str::to_owned)))
        };
        let (here, side) =
            (|zone: &str| Some((zone.to_owned(), None)), |zone: &str| Some((zone.to_owned(), Some("side".to_owned()))));
        where_.enter(ADA, "office", &after(100));
        where_.hear([(ADA, Some(told(Some("yard"), 50)))], false, &after(110));
        assert_eq!(by(&where_, 110), here("office"), "it was told late");
        where_.hear([(ADA, Some(told(Some("yard"), 105)))], false, &after(110));
        assert_eq!((by(&where_, 110), where_.counts()), (side("yard"), BTreeMap::from([("yard", 1)])));
        assert_eq!(where_.inside(&after(110)), [(ADA, "yard", Some(after(105).wall))]);
        assert_eq!(by(&where_, 105 + 3600), None, "too old");
        // Forgotten elsewhere: what was seen here before does not come back.
        where_.hear([(ADA, Some(told(None, 120)))], false, &after(121));
        assert_eq!((by(&where_, 121), where_.counts().len()), (None, 0));
        where_.enter(ADA, "office", &after(130));
        assert_eq!(by(&where_, 130), here("office"));
        // Not named in what is told of everybody.
        where_.hear([(PersonId(2), Some(told(Some("yard"), 131)))], true, &after(131));
        assert_eq!((by(&where_, 131), where_.counts().len()), (here("office"), 2));
        where_.hear([(PersonId(2), None)], false, &after(131));
        assert_eq!(where_.counts(), BTreeMap::from([("office", 1)]));
    }

    #[test]
    fn what_this_board_told_itself_counts_where_nothing_is_kept() {
        let mut where_ = Whereabouts::default();
        let own = ToldPlace { board: "front".into(), is_own: true, ..told(Some("office"), 100) };
        where_.hear([(ADA, Some(own))], false, &after(110));
        assert_eq!(where_.newest(ADA, &after(110), None).map(|found| found.zone), Some("office"));
        where_.enter(ADA, "yard", &after(90));
        assert_eq!(where_.newest(ADA, &after(110), None), Some(KnownPlace { zone: "yard", told_by: None }));
        // A mark that a place was forgotten is as good as a place.
        where_.forget(ADA);
        where_.mark_forgotten(ADA, When::of(&after(120)));
        where_.hear([(ADA, Some(told(Some("office"), 115)))], false, &after(121));
        assert_eq!(where_.newest(ADA, &after(121), None), None);
        assert_eq!(where_.own().collect::<Vec<_>>(), [(ADA, None, When::of(&after(120)))]);
        where_.hear([(ADA, Some(told(Some("office"), 125)))], false, &after(126));
        assert_eq!(where_.newest(ADA, &after(126), None).map(|found| found.zone), Some("office"));
        where_.enter(ADA, "yard", &after(130));
        assert!(!where_.is_marked(ADA));
    }

    #[test]
    fn a_place_without_a_date_yields_to_one_that_has_it() {
        let mut where_ = Whereabouts::default();
        where_.enter(ADA, "office", &run(7, 100, at(0), TimeQuality::Unset));
        where_.hear([(ADA, Some(told(Some("yard"), -500)))], false, &after(10));
        assert_eq!(where_.newest(ADA, &after(10), None).map(|found| found.zone), Some("yard"));
        assert_eq!(where_.inside(&after(600))[0].2, Some(at(100_000_000 - 500).wall), "before this process");
    }
}
