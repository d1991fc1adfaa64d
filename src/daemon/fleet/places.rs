//! The board's task for places: it tells the other boards of the site where people went here, and the doors what the others tell.
//!
//! It stands apart from the board's other task: neither waits for the other, and what fails here stops nothing but places. Places are dated by the
//! servers' clock, which it measures with each connection, so boards with wrong clocks agree.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::access::ToldPlace;
use crate::clock::Clock;
use crate::daemon::fleet_office::lost;
use crate::daemon::site_places::{PlacesDesk, SeenPlace};
use crate::domain::{Moment, PersonId};
use crate::fleet::carrier::{
    Carrier, CarrierError, Link, MAX_READ, Message, Stored, Stream, StreamState, Subject, placed_person,
};
use crate::fleet::{Board, PLACES_FOR_MS, PersonPlace, Places, ServerTime, Site, millis};
use crate::office::Register;

/// How often everything is looked at, if nothing happens.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
/// How long a measurement of the servers' clock is used: crystals differ by 50 millionths or so, which is 30 ms in that time.
const MEASURES_EVERY: Duration = Duration::from_secs(600);
/// A measurement with more doubt is repeated, but not often.
const DOUBT: Duration = Duration::from_millis(500);
const MEASUREMENTS: usize = 3;
/// Between two attempts, at first and at most. A server that has come back ends the pause.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often one place is tried when other boards say something of the same person at the same time.
const ATTEMPTS: usize = 8;
/// Places that are said between two readings.
const PART: usize = 100;

/// The people of the gallery, by their numbers here and in the fleet. Those of this board alone have no place in the fleet.
pub trait SitePeople: Send + Sync {
    fn uuid(&self, person: PersonId) -> Option<Uuid>;
    fn person(&self, uuid: Uuid) -> Option<PersonId>;
}

impl SitePeople for Register {
    fn uuid(&self, person: PersonId) -> Option<Uuid> {
        self.gallery().person(person).ok()?.uuid
    }

    fn person(&self, uuid: Uuid) -> Option<PersonId> {
        self.gallery().person_of_fleet(uuid)
    }
}

/// A board's places at work.
pub struct PlacesTask {
    site: Site,
    board: Board,
    carrier: Arc<dyn Carrier>,
    people: Box<dyn SitePeople>,
    desk: Arc<PlacesDesk>,
    clock: Arc<dyn Clock>,
    places: Places,
    /// The birth of the stream that was read, and the sequence to read next.
    birth: u64,
    next: u64,
    time: Option<(ServerTime, Moment)>,
    /// What the doors were last told of everybody.
    told: BTreeMap<PersonId, ToldPlace>,
}

impl PlacesTask {
    /// Nothing is read yet.
    pub fn new(
        (site, board): (Site, Board),
        carrier: Arc<dyn Carrier>,
        people: Box<dyn SitePeople>,
        desk: Arc<PlacesDesk>,
        clock: Arc<dyn Clock>,
    ) -> PlacesTask {
        let places = Places::new(board.clone());
        let (birth, next, time, told) = (0, 1, None, BTreeMap::new());
        PlacesTask { site, board, carrier, people, desk, clock, places, birth, next, time, told }
    }

    /// Works for good.
    pub async fn run(mut self) {
        self.desk.connected(self.carrier.link());
        let (mut pause, mut link, mut told) = (PAUSE, self.carrier.link(), false);
        loop {
            let Err(error) = self.stay().await;
            if self.desk.is_read() {
                (pause, told) = (PAUSE, false);
            }
            self.desk.set_read(false);
            if !told {
                tracing::warn!(%error, "places of the other boards are not current: nobody is refused for one");
                told = true;
            }
            tokio::time::sleep(PAUSE).await;
            let back = link.wait_for(|link| *link == Link::Online);
            match error {
                CarrierError::Away { .. } => drop(tokio::time::timeout(pause, back).await),
                _ => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Works until something fails.
    async fn stay(&mut self) -> Result<Infallible, CarrierError> {
        let carrier = self.carrier.clone();
        let mut news = carrier.watch(&Subject::places(&self.site)).await?;
        let mut connection = carrier.link();
        self.look().await?;
        self.measure().await?;
        self.take_seen(self.desk.all_seen());
        self.tell_everybody();
        self.desk.set_read(true);
        tracing::info!(site = %self.site, people = self.told.len(), "the places of the site's people were read");
        self.say_all().await?;
        let mut looks = tokio::time::interval(LOOKS_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let desk = self.desk.clone();
            tokio::select! {
                biased;
                error = lost(&mut connection) => return Err(error),
                () = desk.seen() => {
                    self.take_seen(desk.unheard());
                    self.say_all().await?;
                }
                () = news.changed() => self.read().await?,
                _ = looks.tick() => {
                    self.look().await?;
                    if self.time.is_none_or(|(_, at)| self.clock.now().since(at) >= MEASURES_EVERY) {
                        self.measure().await?;
                    }
                    if let Some((time, _)) = self.time {
                        self.places.drop_old(time.of(millis(self.clock.now())));
                    }
                    // Somebody may have been enrolled who was seen before, here or elsewhere, and a server may have lost what was said.
                    self.take_seen(desk.all_seen());
                    self.tell_everybody();
                    self.say_all().await?;
                }
            }
        }
    }

    /// Reads what is new, or all of it where the stream is another one than before.
    async fn look(&mut self) -> Result<(), CarrierError> {
        let StreamState { birth, last, .. } = self.carrier.state(&Stream::Places(self.site.clone())).await?;
        if birth != self.birth || last.saturating_add(1) < self.next {
            self.places.begin_anew();
            (self.birth, self.next) = (birth, 1);
        }
        self.read().await
    }

    /// Reads what is new.
    async fn read(&mut self) -> Result<(), CarrierError> {
        let stream = Stream::Places(self.site.clone());
        loop {
            let part = self.carrier.read(&stream, self.next, MAX_READ).await?;
            let Some(last) = part.last() else { return Ok(()) };
            self.next = last.sequence.saturating_add(1);
            part.iter().for_each(|stored| self.hear(stored));
        }
    }

    fn hear(&mut self, stored: &Stored) {
        let Some(uuid) = placed_person(&stored.subject) else { return };
        if self.places.hear(uuid, stored.sequence, PersonPlace::read(&stored.payload, stored.at_ms)) {
            self.tell(uuid);
        }
    }

    /// Tells the doors the newest place of somebody.
    fn tell(&mut self, uuid: Uuid) {
        if let (Some(person), Some(place)) =
            (self.people.person(uuid), self.places.of(uuid).and_then(|place| self.to_tell(place)))
        {
            self.told.insert(person, place.clone());
            self.desk.tell(person, place);
        }
    }

    /// Tells the doors the newest places of all people whom this board knows, if something is new.
    fn tell_everybody(&mut self) {
        let found =
            self.places.iter().filter_map(|(uuid, place)| Some((self.people.person(uuid)?, self.to_tell(place)?)));
        let all: BTreeMap<PersonId, ToldPlace> = found.collect();
        if all != self.told {
            self.told = all.clone();
            self.desk.tell_everybody(all);
        }
    }

    /// A place for the doors, dated by this process's clock; `None` before the servers' is known.
    fn to_tell(&self, place: &PersonPlace) -> Option<ToldPlace> {
        let (time, _) = self.time?;
        let PersonPlace { since_ms, board, zone } = place;
        let is_own = *board == self.board;
        Some(ToldPlace { zone: zone.clone(), at_ms: time.back(*since_ms), board: board.to_string(), is_own })
    }

    /// Measures the servers' clock: writes a message, and asks when it was stored.
    async fn measure(&mut self) -> Result<(), CarrierError> {
        let subject = Subject::clock(&self.site, &self.board);
        let mut best: Option<ServerTime> = None;
        for _ in 0..MEASUREMENTS {
            let sent = self.clock.now();
            let sequence =
                self.carrier.publish(Message::new(subject.clone(), self.board.as_str().as_bytes().to_vec())).await?;
            let acknowledged = self.clock.now();
            let Some(stored) = self.carrier.newest(&subject).await?.filter(|stored| stored.sequence == sequence) else {
                continue;
            };
            let time = ServerTime::measured(sent, acknowledged, stored.at_ms);
            best = Some(best.filter(|best| best.doubt <= time.doubt).unwrap_or(time));
            if time.doubt <= DOUBT {
                break;
            }
        }
        let now = self.clock.now();
        self.time = best.map(|time| (time, now)).or(self.time);
        self.time.map(|_| ()).ok_or_else(|| CarrierError::Garbled {
            what: subject.to_string(),
            why: "what was just written is not there".to_owned(),
        })
    }

    /// Takes what the doors saw. What has no date is told once it has one.
    fn take_seen(&mut self, seen: Vec<(PersonId, SeenPlace)>) {
        let Some((time, _)) = self.time else { return };
        let oldest = time.of(millis(self.clock.now())).saturating_sub(PLACES_FOR_MS);
        for (person, SeenPlace { zone, at_ms }) in seen {
            let since_ms = at_ms.map(|at_ms| time.of(at_ms)).filter(|since_ms| *since_ms >= oldest);
            if let (Some(uuid), Some(since_ms)) = (self.people.uuid(person), since_ms) {
                self.places.note(uuid, zone, since_ms);
            }
        }
    }

    /// Says what the servers do not have of this board's places.
    async fn say_all(&mut self) -> Result<(), CarrierError> {
        for (number, uuid) in (1_usize..).zip(self.places.all_unsaid()) {
            self.say(uuid).await?;
            if number.is_multiple_of(PART) {
                self.read().await?;
            }
        }
        Ok(())
    }

    async fn say(&mut self, uuid: Uuid) -> Result<(), CarrierError> {
        let subject = Subject::place(&self.site, uuid);
        for _ in 0..ATTEMPTS {
            let Some((place, expected)) = self.places.unsaid(uuid) else { return Ok(()) };
            let (place, Some(payload)) = (place.clone(), place.message()) else { return Ok(()) };
            let message = Message { expected: Some(expected), ..Message::new(subject.clone(), payload) };
            match self.carrier.publish(message).await {
                Ok(sequence) => drop(self.places.hear(uuid, sequence, Some(place))),
                // Another board was faster, or the servers have dropped what this board read.
                Err(CarrierError::Conflict { .. }) => match self.carrier.newest(&subject).await? {
                    Some(stored) => self.hear(&stored),
                    None => self.places.hear_nothing(uuid),
                },
                Err(error) => return Err(error),
            }
        }
        // With the next look.
        Ok(())
    }
}
