//! Doors of a board whose site has others: what they tell counts at once, nobody is refused for it while they cannot be heard, and nobody is kept in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::steps::{Step, Wakes};
use super::world::{Line, Scene, Setup};
use crate::access::ToldPlace;
use crate::clock::Clock;
use crate::daemon::site_places::{PlacesDesk, SeenPlace};
use crate::domain::{AccessEvent, Event, Gate, Passback, PersonId, Reason};
use crate::fleet::carrier::Link;

const ADA: PersonId = PersonId(1);

/// Two doors of this board, and a connection to the others.
struct Site {
    scene: Scene,
    desk: Arc<PlacesDesk>,
    link: watch::Sender<Link>,
}

impl Site {
    fn new() -> Site {
        let setup = Setup {
            permits: false,
            first_person: false,
            two_person: false,
            interlock: false,
            hours: false,
            passback: Passback::Hard,
            held: false,
        };
        let (desk, link) = (Arc::<PlacesDesk>::default(), watch::Sender::new(Link::Online));
        desk.connected(link.subscribe());
        let mut site = Site { scene: Scene::new(setup), desk, link };
        site.scene.places = Some(site.desk.clone());
        site.scene.play(&Step::Restart);
        site
    }

    /// Another board tells where Ada went `ago` seconds ago.
    fn told(&self, zone: Option<&str>, ago: i64) {
        let at_ms = self.scene.clock.now().0.as_millis() as i64 - ago * 1000;
        let zone = zone.map(str::to_owned);
        self.desk.tell(ADA, ToldPlace { zone, at_ms, board: "side".into(), is_own: false });
    }

    /// Shows Ada at the door without a sensor. Returns why she was refused, and the gate for anti-passback.
    fn asks(&mut self, inwards: bool) -> (Option<Reason>, Gate) {
        self.scene.wait(Duration::from_secs(20));
        self.scene.play(&Step::Seen { door: 1, person: 1, age_ms: 50, inwards });
        let decided = |line: &Line| match line {
            Line::Note(_, Event::Access(AccessEvent::Decided(decided))) => {
                let gate = decided.gates.iter().find(|gate| gate.name == "passback").cloned();
                Some((decided.reason(), gate))
            }
            _ => None,
        };
        let (reason, gate) = self.scene.lines().iter().rev().find_map(decided).unwrap();
        (reason, gate.unwrap())
    }

    fn zones(&mut self) -> BTreeMap<String, usize> {
        self.scene.doors().occupancy().into_iter().collect()
    }

    /// Where the task hears that Ada is.
    fn heard(&self) -> Vec<Option<String>> {
        self.desk.unheard().into_iter().map(|(_, SeenPlace { zone, .. })| zone).collect()
    }
}

#[test]
fn who_went_in_elsewhere_is_refused_here_until_they_come_out() {
    let mut site = Site::new();
    site.desk.set_read(true);
    site.told(Some("house"), 5);
    let (reason, gate) = site.asks(true);
    assert_eq!((reason, &*gate.input), (Some(Reason::Passback), "in house, by the board side"));
    assert_eq!(site.zones(), BTreeMap::from([("house".to_owned(), 1)]));
    // Out elsewhere, in here: the task is handed it.
    site.told(Some("street"), 0);
    assert_eq!(site.asks(true).0, None);
    assert_eq!(
        (site.heard(), site.zones()),
        (vec![Some("house".to_owned())], BTreeMap::from([("house".to_owned(), 1)]))
    );
    // What comes late is older than what was seen here.
    site.told(Some("street"), 3000);
    assert_eq!(site.asks(true).0, Some(Reason::Passback));
    // Out elsewhere while she was inside by this board's own doors.
    site.told(Some("street"), 0);
    assert_eq!(site.asks(true).0, None);
}

#[test]
fn while_the_others_cannot_be_heard_nobody_is_refused_for_what_they_told() {
    let mut site = Site::new();
    site.told(Some("house"), 5);
    let (reason, gate) = site.asks(true);
    assert_eq!(reason, None, "nothing was read since the connection came");
    assert!(gate.passed && gate.input.contains("soft"), "{gate:?}");
    // She went in here: that counts, connected or not.
    assert_eq!(site.asks(true).0, Some(Reason::Passback));
    site.desk.set_read(true);
    site.told(Some("street"), 0);
    assert_eq!(site.asks(true).0, None);
    site.told(Some("house"), 0);
    assert_eq!(site.asks(true).0, Some(Reason::Passback));
    site.link.send_replace(Link::Away { why: "cut".into() });
    let (reason, gate) = site.asks(true);
    assert_eq!(reason, None, "the connection is lost: {gate:?}");
    site.link.send_replace(Link::Online);
    site.told(Some("house"), 0);
    assert_eq!(site.asks(true).0, Some(Reason::Passback));
}

#[test]
fn nobody_is_kept_in() {
    let mut site = Site::new();
    site.desk.set_read(true);
    site.told(Some("street"), 0);
    for _ in 0..2 {
        // The second time also by what was seen here.
        let (reason, gate) = site.asks(false);
        assert!(reason.is_none() && gate.input.contains("nobody is kept in"), "{gate:?}");
    }
}

#[test]
fn what_is_forgotten_here_is_handed_on_and_is_not_lost_by_a_restart() {
    let mut site = Site::new();
    site.desk.set_read(true);
    assert_eq!(site.asks(true).0, None);
    assert_eq!(site.heard(), [Some("house".to_owned())]);
    site.scene.play(&Step::Amnesty);
    assert_eq!((site.heard(), site.zones()), (vec![None], BTreeMap::new()));
    // Over a restart, and over a power cut with a wrong clock, too; then what was told before does not count.
    site.scene.play(&Step::Restart);
    site.told(Some("house"), 3600);
    assert_eq!((site.heard(), site.asks(true).0), (vec![None], None));
    assert_eq!(site.heard(), [Some("house".to_owned())]);
    // What another board told is forgotten, too.
    site.told(Some("street"), 0);
    site.scene.wait(Duration::from_secs(1));
    site.scene.play(&Step::Amnesty);
    assert_eq!((site.heard(), site.zones()), (vec![None], BTreeMap::new()));
    site.scene.play(&Step::Reboot { wall: Wakes::Right });
    let seen = site.desk.all_seen();
    assert!(seen.iter().all(|(_, place)| place.zone.is_none() && place.at_ms.is_some()), "{seen:?}");
}

#[test]
fn what_was_seen_before_a_restart_is_handed_on_with_its_time() {
    let mut site = Site::new();
    assert_eq!(site.asks(true).0, None);
    let before = site.desk.all_seen();
    site.scene.places = Some(Arc::default());
    site.desk = site.scene.places.clone().unwrap();
    site.scene.wait(Duration::from_secs(30));
    site.scene.play(&Step::Restart);
    assert_eq!(site.desk.all_seen(), before);
    // A board that lost the time tells it once the time is known again.
    site.scene.play(&Step::Reboot { wall: Wakes::In1970 });
    assert_eq!(site.desk.all_seen()[0].1.at_ms, None);
    site.scene.play(&Step::SetClock { seconds: 60 * 365 * 86_400 });
    site.scene.play(&Step::Synchronised(Some(true)));
    site.scene.wait(Duration::from_secs(3));
    assert!(site.desk.all_seen()[0].1.at_ms.is_some());
}
