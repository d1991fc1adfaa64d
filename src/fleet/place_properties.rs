//! Properties of places: whatever happens in which order, and however often a board is cut off or a server loses everything, all boards end with the
//! newest place of each person.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::place::{PersonPlace, Places};

const BOARDS: usize = 4;
const PEOPLE: usize = 3;

/// What happens.
#[derive(Clone, Debug)]
enum Act {
    /// Somebody goes through a door, or an operator has their place forgotten (`None`), `ago` steps ago: a board that was cut off tells later.
    Passes { board: usize, person: usize, zone: Option<u8>, ago: i64 },
    /// A board hears of one person.
    Hears { board: usize, person: usize },
    /// A board says what it has to say of a person.
    Says { board: usize, person: usize },
    /// A board is restarted: it has its own newest places, and reads the others again.
    Restarts { board: usize },
    /// The server loses all places.
    Loses,
}

fn act() -> impl Strategy<Value = Act> {
    let (board, person) = (0..BOARDS, 0..PEOPLE);
    prop_oneof![
        4 => (board.clone(), person.clone(), proptest::option::weighted(0.8, 0..3_u8), 0..30_i64)
            .prop_map(|(board, person, zone, ago)| Act::Passes { board, person, zone, ago }),
        3 => (board.clone(), person.clone()).prop_map(|(board, person)| Act::Hears { board, person }),
        4 => (board.clone(), person).prop_map(|(board, person)| Act::Says { board, person }),
        1 => board.prop_map(|board| Act::Restarts { board }),
        1 => Just(Act::Loses),
    ]
}

fn uuid(person: usize) -> Uuid {
    Uuid::from_u128(person as u128)
}

/// A server that keeps the newest message of each subject, and boards that know more or less of it.
struct Site {
    sequence: u64,
    kept: BTreeMap<usize, (u64, PersonPlace)>,
    boards: Vec<Places>,
    /// The newest that each board's doors have seen of each person; it is on disk.
    own: Vec<BTreeMap<usize, PersonPlace>>,
    steps: i64,
}

impl Site {
    fn new() -> Site {
        let name = |board: usize| format!("board-{board}").parse().unwrap();
        Site {
            sequence: 0,
            kept: BTreeMap::new(),
            boards: (0..BOARDS).map(|board| Places::new(name(board))).collect(),
            own: vec![BTreeMap::new(); BOARDS],
            steps: 0,
        }
    }

    fn hears(&mut self, board: usize, person: usize) {
        match self.kept.get(&person) {
            Some((sequence, place)) => drop(self.boards[board].hear(uuid(person), *sequence, Some(place.clone()))),
            None => self.boards[board].hear_nothing(uuid(person)),
        }
    }

    fn says(&mut self, board: usize, person: usize) {
        let Some((place, expected)) = self.boards[board].unsaid(uuid(person)) else { return };
        let place = place.clone();
        if self.kept.get(&person).map_or(0, |(sequence, _)| *sequence) != expected {
            // The server refuses it, and the board reads.
            return self.hears(board, person);
        }
        let older = self.kept.get(&person).is_none_or(|(_, kept)| *kept < place);
        assert!(older, "a newer place was displaced by {place:?}");
        self.sequence += 1;
        self.kept.insert(person, (self.sequence, place.clone()));
        self.boards[board].hear(uuid(person), self.sequence, Some(place));
    }

    fn act(&mut self, act: &Act) {
        self.steps += 1;
        match act {
            Act::Passes { board, person, zone, ago } => {
                // Times of different passages are further apart than those of one that is dated twice.
                let since_ms = (1000 + self.steps - ago) * 10_000 + *board as i64 * 1_000;
                let zone = zone.map(|zone| format!("zone-{zone}"));
                let before = self.own[*board].get(person);
                if before.is_some_and(|before| before.since_ms >= since_ms) {
                    return;
                }
                let name = format!("board-{board}").parse().unwrap();
                self.own[*board].insert(*person, PersonPlace { since_ms, board: name, zone: zone.clone() });
                self.boards[*board].note(uuid(*person), zone, since_ms);
            }
            Act::Hears { board, person } => self.hears(*board, *person),
            Act::Says { board, person } => self.says(*board, *person),
            Act::Restarts { board } => {
                self.boards[*board] = Places::new(format!("board-{board}").parse().unwrap());
                for (person, place) in &self.own[*board] {
                    // Dated again, a little differently.
                    self.boards[*board].note(uuid(*person), place.zone.clone(), place.since_ms + self.steps % 500);
                }
            }
            Act::Loses => {
                self.kept.clear();
                self.boards.iter_mut().for_each(Places::begin_anew);
            }
        }
    }

    /// Everybody is connected: each board hears and says everything, some times.
    fn settles(&mut self) {
        for _ in 0..3 {
            for board in 0..BOARDS {
                for person in 0..PEOPLE {
                    self.hears(board, person);
                    self.says(board, person);
                }
            }
        }
    }
}

/// What counts of a place: when a board is restarted, it dates its places again, to the tenth of a second.
fn told(place: Option<&PersonPlace>) -> Option<(i64, String, Option<String>)> {
    place.map(|place| (place.since_ms / 10_000, place.board.to_string(), place.zone.clone()))
}

proptest! {
    #[test]
    fn all_boards_end_with_the_newest_place_of_each_person(acts in prop::collection::vec(act(), 0..80)) {
        let mut site = Site::new();
        for act in &acts {
            site.act(act);
        }
        site.settles();
        for person in 0..PEOPLE {
            let newest = site.own.iter().filter_map(|own| own.get(&person)).max();
            for board in &site.boards {
                prop_assert_eq!(told(board.of(uuid(person))), told(newest), "{}", person);
                prop_assert_eq!(board.unsaid(uuid(person)), None);
            }
        }
    }

    #[test]
    fn the_order_of_messages_does_not_matter(
        times in prop::collection::vec((0..20_i64, 0..BOARDS, proptest::option::of(0..3_u8)), 1..20),
        seed in any::<u64>(),
    ) {
        let place = |(at, board, zone): &(i64, usize, Option<u8>)| PersonPlace {
            since_ms: at * 10_000,
            board: format!("board-{board}").parse().unwrap(),
            zone: zone.map(|zone| format!("zone-{zone}")),
        };
        let read = |order: &[(i64, usize, Option<u8>)]| {
            let mut places = Places::new("reader".parse().unwrap());
            for (sequence, time) in (1..).zip(order) {
                places.hear(Uuid::nil(), sequence, Some(place(time)));
                places.hear(Uuid::nil(), sequence, Some(place(time)));
            }
            places.of(Uuid::nil()).cloned()
        };
        let mut shuffled = times.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        prop_assert_eq!(read(&times), read(&shuffled));
        prop_assert_eq!(read(&times), times.iter().map(place).max());
    }
}
