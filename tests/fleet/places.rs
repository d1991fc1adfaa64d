//! Where people are, over two boards of a site at a real server: what the boards may do there, and hard anti-passback with the real program.

use serde_json::{Value, json};
use usher::fleet::carrier::{Carrier, CarrierError, Message, NatsCarrier, Stored, Stream, Subject};
use usher::setup::fleet::Membership;
use uuid::Uuid;

use crate::server::{Program, Servers};
use crate::support::{Daemon, Film, House, Office, eventually, status};

/// A board whose door has zones, with hard anti-passback and the places of the whole site.
fn joined(office: &Office, name: &str, film: Film) -> House {
    let house = office.joined(House::new(), name);
    let path = film.write(&house.path("film.mjpeg")).display().to_string();
    let membership = house.path("membership.json").display().to_string();
    let mut house = house
        .with_camera(&format!("kind = \"replay\"\npath = {path:?}\nfps = 10\nloop = true\nside = \"in\""))
        .with(&format!(
            "[fleet]\nenabled = true\nmembership = {membership:?}\nplaces = true\n\n[[door]]\nname = \"{name}\"\npulse = \"300ms\"\noutside = \
             \"street\"\ninside = \"house\"\n"
        ));
    house.environment.insert("USHER__ACCESS__PASSBACK".into(), "hard".into());
    house
}

/// Waits until a board knows, or knows not, where people went at the others.
fn waits_for_places(house: &House, are_current: bool) {
    eventually("a board that has read the site's places", || {
        (status(house)["fleet"]["places_current"] == are_current).then_some(())
    });
}

fn admit(direction: &str) -> [&str; 7] {
    ["door", "admit", "Barack Obama", "--reason", "test", "--direction", direction]
}

/// What the gate for anti-passback said of the newest person who was admitted.
fn told(house: &House) -> String {
    let record = house.records("admitted").pop().unwrap();
    let gates = record["content"]["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["name"] == "passback").unwrap()["input"].as_str().unwrap().to_owned()
}

fn is_somewhere(house: &House, occupancy: Value) {
    eventually("somebody's place", || (status(house)["occupancy"] == occupancy).then_some(()));
}

#[test]
fn nobody_goes_in_twice_at_two_boards() {
    let Some(mut servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let front = joined(&office, "front", Film::default().shows("obama3.jpg", 10));
    let side = joined(&office, "side", Film::default().nobody(1));
    let (at_front, at_side) = (Daemon::start(&front), Daemon::start(&side));
    for house in [&front, &side] {
        waits_for_places(house, true);
    }
    office.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);

    // In at the front, by face. He stands there for good, and is refused from then on.
    eventually("a grant", || front.records("granted").pop());
    eventually("a refusal", || {
        front.records("denied").into_iter().find(|record| record["content"]["reason"] == "passback")
    });
    is_somewhere(&side, json!({ "house": 1 }));
    let refused = side.refused(&admit("in"));
    assert!(refused.contains("passback") && refused.contains("in house, by the board front"), "{refused}");
    assert!(side.usher(&["door", "inside"]).contains("Barack Obama"));

    // Out at the side: the front lets him in again.
    let granted = front.records("granted").len();
    side.usher(&admit("out"));
    eventually("a grant after that", || (front.records("granted").len() > granted).then_some(()));
    is_somewhere(&side, json!({ "house": 1 }));

    // The server is away: the side does not refuse him for what the front told, and says so; the front goes by its own.
    servers.kill(0);
    for house in [&front, &side] {
        waits_for_places(house, false);
    }
    side.usher(&admit("in"));
    assert!(told(&side).contains("let pass (soft"), "{}", told(&side));
    let denied = front.records("denied").len();
    eventually("a refusal while the server is away", || (front.records("denied").len() > denied).then_some(()));
    let granted = front.records("granted").len();
    // He goes out at the side meanwhile, also over a restart. The front hears it when the server is back, and opens.
    side.usher(&admit("out"));
    at_side.kill();
    let at_side = Daemon::start(&side);
    assert_eq!(front.records("granted").len(), granted);
    servers.run(0);
    eventually("a grant after the cut", || (front.records("granted").len() > granted).then_some(()));
    waits_for_places(&side, true);
    is_somewhere(&side, json!({ "house": 1 }));

    // Forgotten at the side: the front does not know any more that he is inside.
    let granted = front.records("granted").len();
    side.usher(&["door", "amnesty", "Barack Obama"]);
    eventually("a grant after the amnesty", || (front.records("granted").len() > granted).then_some(()));
    at_front.stop();
    at_side.stop();
}

fn place(site: &str, person: u128) -> Subject {
    Subject::place(&site.parse().unwrap(), Uuid::from_u128(person))
}

async fn connected(servers: &Servers, membership: &Membership) -> NatsCarrier {
    let carrier = membership.connect().await.unwrap();
    servers.online(&carrier).await;
    carrier
}

async fn boards_share_the_places_of_their_site(program: Program) {
    let Some(mut servers) = Servers::start(program, 1) else { return };
    let office = servers.office(&["berlin", "rome"]).await;
    let berlin = Stream::Places("berlin".parse().unwrap());
    let rome = Stream::Places("rome".parse().unwrap());
    for stream in [&berlin, &rome] {
        servers.prepared(&office, stream).await;
    }
    // As many as docs/fleet.md says fit into a server's memory.
    for number in 2..60 {
        servers.prepared(&office, &Stream::Places(format!("site-{number}").parse().unwrap())).await;
    }
    let (front, side) = (servers.board("berlin", "front").1, servers.board("berlin", "side").1);
    let (front, side) = (connected(&servers, &front).await, connected(&servers, &side).await);
    let say =
        |text: &'static str, expected| Message { expected: Some(expected), ..Message::new(place("berlin", 1), text) };
    assert_eq!(front.publish(say("in", 0)).await, Ok(1));
    // Whoever does not know what the servers have is refused, reads, and then writes.
    assert!(matches!(side.publish(say("out", 0)).await, Err(CarrierError::Conflict { .. })));
    let newest = side.newest(&place("berlin", 1)).await.unwrap().unwrap();
    assert_eq!((&newest.payload[..], newest.sequence), (&b"in"[..], 1));
    assert_eq!(side.publish(say("out", 1)).await, Ok(2));
    let all: Vec<Stored> = front.read(&berlin, 1, 10).await.unwrap();
    assert_eq!((all.len(), &all[0].payload[..]), (1, &b"out"[..]), "the newest of each person");
    assert_eq!(front.newest(&place("berlin", 2)).await.unwrap(), None);
    let state = front.state(&berlin).await.unwrap();
    assert_eq!((state.last, state.messages), (2, 1));
    // Of another site it can do nothing.
    assert!(front.state(&rome).await.is_err() && front.read(&rome, 1, 10).await.is_err());
    assert!(front.publish(Message::new(place("rome", 1), "in")).await.is_err());
    assert!(front.prepare(&berlin).await.is_err());
    // A server that starts anew has lost them, and the stream is another one.
    servers.kill(0);
    servers.run(0);
    servers.online(&office).await;
    servers.prepared(&office, &berlin).await;
    servers.online(&front).await;
    let reborn = front.state(&berlin).await.unwrap();
    assert!(reborn.messages == 0 && (reborn.birth != state.birth || reborn.last < state.last), "{reborn:?}");
    assert!(front.publish(say("in", 0)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_share_the_places_of_their_site_at_debians_server() {
    boards_share_the_places_of_their_site(Program::Debian).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_share_the_places_of_their_site_at_a_newer_server() {
    boards_share_the_places_of_their_site(Program::Newer).await;
}
