//! The board's task for places: it tells the other boards of the site where people went here, and the doors what the others tell.
//!
//! It stands apart from the board's other task: neither waits for the other, and what fails here stops nothing but places. Places are dated by the
//! servers' clock, which it measures with each connection, so boards with wrong clocks agree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::access::ToldPlace;
use crate::clock::Clock;
use crate::daemon::fleet_office::lost;
use crate::daemon::site_places::{PlacesDesk, SeenPlace};
use crate::domain::PersonId;
use crate::fleet::carrier::{Carrier, CarrierError, Link, MAX_READ, Message, Stored, Stream, Subject, placed_person};
use crate::fleet::{Board, PersonPlace, Places, ServerTime, Site, millis};
use crate::gallery::Gallery;

/// How often everything is looked at, if nothing happens.
const LOOKS_EVERY: Duration = Duration::from_secs(20);
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

/// A board's places at work.
pub struct PlacesTask {
    pub site: Site,
    pub board: Board,
    pub carrier: Arc<dyn Carrier>,
    pub gallery: Gallery,
    pub desk: Arc<PlacesDesk>,
    pub clock: Arc<dyn Clock>,
    pub places: Places,
    /// The birth of the stream that was read, and the sequence to read next.
    pub birth: u64,
    pub next: u64,
    pub time: Option<ServerTime>,
    pub measured: u64,
}
