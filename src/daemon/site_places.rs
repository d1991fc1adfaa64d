//! What the doors and the fleet's task tell each other of people's places. Neither waits for the other: what is told waits here, the newest of each person.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::access::{SitePlaces, ToldPlace};
use crate::domain::PersonId;
use crate::fleet::carrier::Link;

/// A place as this board's doors saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPlace {
    /// `None` where an operator had it forgotten.
    pub zone: Option<String>,
    /// Since when, in milliseconds after the moment zero of this process, or before it; `None` if that cannot be determined.
    pub at_ms: Option<i64>,
}

/// What was told to the doors since they last asked.
#[derive(Debug, Default, PartialEq)]
pub struct News {
    pub told: BTreeMap<PersonId, Option<ToldPlace>>,
    /// Whoever is not in it is not known.
    pub everybody: bool,
    /// Whether places of the site count now.
    pub site: SitePlaces,
}

/// Between the doors and the fleet's task.
#[derive(Default)]
pub struct PlacesDesk {
    shared: Mutex<Shared>,
    seen: Notify,
}

#[derive(Default)]
struct Shared {
    told: BTreeMap<PersonId, Option<ToldPlace>>,
    everybody: bool,
    /// Whether the servers' places were read since the connection came; and the connection.
    read: bool,
    link: Option<watch::Receiver<Link>>,
    /// What the doors were last told of that.
    site: SitePlaces,
    /// The newest that the doors saw of each person; and of whom the task has not heard yet.
    seen: BTreeMap<PersonId, SeenPlace>,
    unheard: BTreeSet<PersonId>,
}

impl Shared {
    fn site(&self) -> SitePlaces {
        let online = self.link.as_ref().is_some_and(|link| *link.borrow() == Link::Online);
        if self.read && online { SitePlaces::Current } else { SitePlaces::Stale }
    }
}

impl PlacesDesk {
    /// For the doors: what is new, if anything is.
    pub fn news(&self) -> Option<News> {
        let mut shared = self.lock();
        let site = shared.site();
        if site == shared.site && shared.told.is_empty() && !shared.everybody {
            return None;
        }
        shared.site = site;
        Some(News { told: std::mem::take(&mut shared.told), everybody: std::mem::take(&mut shared.everybody), site })
    }

    /// For the doors: notes what they saw.
    pub fn saw(&self, person: PersonId, place: SeenPlace) {
        let mut shared = self.lock();
        shared.seen.insert(person, place);
        shared.unheard.insert(person);
        drop(shared);
        self.seen.notify_one();
    }

    /// For the task: waits until the doors saw something. Cancelling it loses nothing.
    pub async fn seen(&self) {
        self.seen.notified().await;
    }

    /// For the task: the people of whom it has not heard since it last asked, with their places.
    pub fn unheard(&self) -> Vec<(PersonId, SeenPlace)> {
        let mut shared = self.lock();
        let unheard = std::mem::take(&mut shared.unheard);
        unheard.into_iter().filter_map(|person| Some((person, shared.seen.get(&person)?.clone()))).collect()
    }

    /// For the task: everything that the doors saw.
    pub fn all_seen(&self) -> Vec<(PersonId, SeenPlace)> {
        let mut shared = self.lock();
        shared.unheard.clear();
        shared.seen.iter().map(|(person, place)| (*person, place.clone())).collect()
    }

    /// For the task: the connection, on which it depends whether places are current.
    pub fn connected(&self, link: watch::Receiver<Link>) {
        self.lock().link = Some(link);
    }

    /// For the task: whether the servers' places were read since the connection came.
    pub fn set_read(&self, read: bool) {
        self.lock().read = read;
    }

    /// For the task: what [`PlacesDesk::set_read`] set.
    pub fn is_read(&self) -> bool {
        self.lock().read
    }

    /// For the task: tells the doors the newest place of somebody.
    pub fn tell(&self, person: PersonId, place: ToldPlace) {
        self.lock().told.insert(person, Some(place));
    }

    /// For the task: tells the doors the newest places of everybody.
    pub fn tell_everybody(&self, places: BTreeMap<PersonId, ToldPlace>) {
        let mut shared = self.lock();
        shared.told = places.into_iter().map(|(person, place)| (person, Some(place))).collect();
        shared.everybody = true;
    }

    /// Whether the site's places are current.
    pub fn is_current(&self) -> bool {
        self.lock().site() == SitePlaces::Current
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(zone: &str) -> ToldPlace {
        ToldPlace { zone: Some(zone.to_owned()), at_ms: 5, board: "side".into(), is_own: false }
    }

    #[test]
    fn the_doors_are_told_once_and_at_once_when_the_connection_is_lost() {
        let desk = PlacesDesk::default();
        assert_eq!(desk.news().map(|news| news.site), Some(SitePlaces::Stale));
        assert_eq!(desk.news(), None);
        let link = watch::Sender::new(Link::Online);
        desk.connected(link.subscribe());
        assert_eq!(desk.news(), None, "nothing was read yet");
        desk.tell_everybody(BTreeMap::from([(PersonId(1), told("office"))]));
        desk.set_read(true);
        desk.tell(PersonId(2), told("yard"));
        let news = desk.news().unwrap();
        assert_eq!((news.told.len(), news.everybody, news.site), (2, true, SitePlaces::Current));
        assert!(desk.is_current() && desk.news().is_none());
        link.send_replace(Link::Away { why: "cut".into() });
        assert_eq!(desk.news().map(|news| news.site), Some(SitePlaces::Stale));
    }

    #[tokio::test]
    async fn the_task_hears_the_newest_of_each_person_once() {
        let desk = PlacesDesk::default();
        for (zone, at_ms) in [("office", 1), ("yard", 2)] {
            desk.saw(PersonId(1), SeenPlace { zone: Some(zone.into()), at_ms: Some(at_ms) });
        }
        desk.seen().await;
        let heard = desk.unheard();
        assert_eq!(heard, [(PersonId(1), SeenPlace { zone: Some("yard".into()), at_ms: Some(2) })]);
        assert!(desk.unheard().is_empty());
        assert_eq!(desk.all_seen(), heard);
    }
}
