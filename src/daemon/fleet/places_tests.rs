//! Boards with their tasks for places, at a server in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::places::{PlacesTask, SitePeople};
use crate::access::ToldPlace;
use crate::clock::{Clock, SystemClock};
use crate::daemon::site_places::{PlacesDesk, SeenPlace};
use crate::domain::PersonId;
use crate::fleet::carrier::{Carrier, MemoryCarrier, MemoryServer, Message, Stream, Subject};
use crate::fleet::{PersonPlace, Site, millis};

/// The server's clock is years behind the boards'.
const SERVER_MS: i64 = 1_000_000_000_000;

/// People whose numbers differ from board to board: each has the board's own number added.
#[derive(Clone)]
struct People {
    added: u32,
    known: Arc<Mutex<u32>>,
}

impl SitePeople for People {
    fn uuid(&self, person: PersonId) -> Option<Uuid> {
        let number = person.0.checked_sub(self.added)?;
        (number < *self.known.lock().unwrap()).then(|| Uuid::from_u128(number.into()))
    }

    fn person(&self, uuid: Uuid) -> Option<PersonId> {
        let number = u32::try_from(uuid.as_u128()).ok()?;
        (number < *self.known.lock().unwrap()).then(|| PersonId(number + self.added))
    }
}

/// A board, with what its doors were told.
struct Board {
    added: u32,
    carrier: Arc<MemoryCarrier>,
    desk: Arc<PlacesDesk>,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<u32>>,
    told: BTreeMap<PersonId, ToldPlace>,
    task: JoinHandle<()>,
}

fn berlin() -> Site {
    "berlin".parse().unwrap()
}

impl Board {
    fn start(server: &MemoryServer, name: &str, added: u32) -> Board {
        let (carrier, desk) = (Arc::new(server.carrier()), Arc::<PlacesDesk>::default());
        let known = Arc::new(Mutex::new(10));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let people = Box::new(People { added, known: known.clone() });
        let names = (berlin(), name.parse().unwrap());
        let task = PlacesTask::new(names, carrier.clone(), people, desk.clone(), clock.clone());
        Board { added, carrier, desk, clock, known, told: BTreeMap::new(), task: tokio::spawn(task.run()) }
    }

    /// A door of it sees person `number`, so many seconds ago.
    fn sees(&self, number: u32, zone: Option<&str>, ago: i64) {
        let at_ms = Some(millis(self.clock.now()) - ago * 1000);
        self.desk.saw(PersonId(self.added + number), SeenPlace { zone: zone.map(str::to_owned), at_ms });
    }

    /// Where its doors were told that person `number` is, and by whom.
    fn told(&mut self, number: u32) -> Option<(Option<String>, String)> {
        if let Some(news) = self.desk.news() {
            if news.everybody {
                self.told.clear();
            }
            for (person, place) in news.told {
                match place {
                    Some(place) => drop(self.told.insert(person, place)),
                    None => drop(self.told.remove(&person)),
                }
            }
        }
        self.told.get(&PersonId(self.added + number)).map(|place| (place.zone.clone(), place.board.clone()))
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain for {what}");
}

fn place(zone: &str, board: &str) -> Option<(Option<String>, String)> {
    Some((Some(zone.to_owned()), board.to_owned()))
}

async fn servers() -> MemoryServer {
    let server = MemoryServer::default();
    server.set_time(SERVER_MS);
    server.carrier().prepare(&Stream::Places(berlin())).await.unwrap();
    server
}

#[tokio::test(start_paused = true)]
async fn boards_tell_each_other_and_merge_by_time_after_a_cut() {
    let server = servers().await;
    let (mut front, mut side) = (Board::start(&server, "front", 100), Board::start(&server, "side", 200));
    eventually("both to have read", || front.desk.is_current() && side.desk.is_current()).await;
    front.sees(1, Some("office"), 0);
    eventually("the place at the side", || side.told(1) == place("office", "front")).await;
    eventually("the place at the front, which is its own", || front.told(1) == place("office", "front")).await;

    // Cut: at the front somebody goes out first, and then in at the side, which tells it at once; the front tells later.
    front.carrier.cut();
    eventually("a board that knows that it is cut off", || !front.desk.is_current()).await;
    front.sees(2, Some("street"), 60);
    front.sees(3, Some("street"), 10);
    side.sees(2, Some("office"), 30);
    side.sees(3, Some("office"), 40);
    eventually("the places at the side", || side.told(3) == place("office", "side")).await;
    assert_eq!(front.told(2), None);
    front.carrier.mend();
    eventually("the later place of the two, at the front", || {
        front.told(2) == place("office", "side") && front.told(3) == place("street", "front")
    })
    .await;
    eventually("and at the side", || {
        side.told(2) == place("office", "side") && side.told(3) == place("street", "front")
    })
    .await;
    assert!(front.desk.is_current());

    // Forgotten at one board, for all.
    side.sees(3, None, 0);
    eventually("a place that is forgotten", || front.told(3) == Some((None, "side".to_owned()))).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lost_everything_is_told_again_and_a_new_board_reads_it() {
    let server = servers().await;
    let front = Board::start(&server, "front", 100);
    front.sees(1, Some("office"), 30);
    eventually("a board that has read", || front.desk.is_current()).await;
    server.wipe();
    server.carrier().prepare(&Stream::Places(berlin())).await.unwrap();
    let mut side = Board::start(&server, "side", 200);
    eventually("what was told again", || side.told(1) == place("office", "front")).await;
    // Somebody who is enrolled later, and somebody whom only this board knows.
    *side.known.lock().unwrap() = 5;
    front.sees(7, Some("office"), 0);
    front.sees(50, Some("office"), 0);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(side.told(7), None);
    *side.known.lock().unwrap() = 10;
    eventually("somebody who was enrolled", || side.told(7) == place("office", "front")).await;
    let (reader, berlin) = (server.carrier(), Stream::Places(berlin()));
    let people = || {
        let all = reader.read(&berlin, 1, 100).now_or_never().unwrap().unwrap();
        all.iter().filter(|stored| !stored.subject.contains("clock")).count()
    };
    assert_eq!(people(), 2, "somebody of this board alone stays here");
    // The office takes that person in.
    *front.known.lock().unwrap() = 60;
    eventually("the place of somebody who became the fleet's", || people() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lies_makes_no_place_count_for_longer() {
    let server = servers().await;
    let mut front = Board::start(&server, "front", 100);
    eventually("a board that has read", || front.desk.is_current()).await;
    let liar = server.carrier();
    let (early, late) = (SERVER_MS - 60_000, SERVER_MS + 3_600_000);
    for (number, since_ms) in [(1, early), (2, late)] {
        let place = PersonPlace { since_ms, board: "side".parse().unwrap(), zone: Some("office".into()) };
        let subject = Subject::place(&berlin(), Uuid::from_u128(number));
        liar.publish(Message::new(subject, place.message().unwrap())).await.unwrap();
    }
    for (number, payload) in [(3, "not a place"), (4, "{}")] {
        liar.publish(Message::new(Subject::place(&berlin(), Uuid::from_u128(number)), payload)).await.unwrap();
    }
    eventually("the one that is dated well", || front.told(1) == place("office", "side")).await;
    assert_eq!((front.told(2), front.told(3), front.told(4)), (None, None, None));
    // What it refused does not keep this board from telling.
    for number in [2, 3, 4] {
        front.sees(number, Some("street"), 0);
        eventually("its own", || front.told(number) == place("street", "front")).await;
    }
    let all = liar.read(&Stream::Places(berlin()), 1, 100).await.unwrap();
    let said = all.iter().filter(|stored| PersonPlace::read(&stored.payload, stored.at_ms).is_some()).count();
    assert_eq!(said, 4, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_stream_a_board_waits_and_refuses_nobody() {
    let server = MemoryServer::default();
    server.set_time(SERVER_MS);
    let front = Board::start(&server, "front", 100);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(!front.desk.is_current());
    server.carrier().prepare(&Stream::Places(berlin())).await.unwrap();
    eventually("a board that has read", || front.desk.is_current()).await;
}
