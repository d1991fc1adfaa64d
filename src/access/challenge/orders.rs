//! The order of turns in which each person is asked at a door.
//!
//! Who has not passed is asked in the same order again. So a recorded video of the other order does not pass by trying, nor by holding still until
//! the order suits.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::access::room::make_room;
use crate::domain::{Moment, PersonId, Side};

/// How long an order stays that was not passed, since it was last asked for.
const STAYS: Duration = Duration::from_secs(3600);
/// The most people whose orders are kept. Beyond it, the one who was asked longest ago gets another.
const MOST_PEOPLE: usize = 256;

/// The orders at one door.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    asked: BTreeMap<PersonId, (Vec<Side>, Moment)>,
}

impl Orders {
    /// The order for a person who is asked at `now`: the one they have not passed yet, or else a new one by `draw`.
    pub fn next(&mut self, person: PersonId, now: Moment, draw: impl FnOnce() -> Vec<Side>) -> Vec<Side> {
        self.asked.retain(|_, (_, at)| now.since(*at) <= STAYS);
        make_room(&mut self.asked, &person, MOST_PEOPLE, |(_, at)| *at);
        let (order, at) = self.asked.entry(person).or_insert_with(|| (draw(), now));
        *at = now;
        order.clone()
    }

    /// The person has passed: the next order is drawn anew.
    pub fn passed(&mut self, person: PersonId) {
        self.asked.remove(&person);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::{Left, Right};

    const ADA: PersonId = PersonId(1);

    fn at(second: u64) -> Moment {
        Moment(Duration::from_secs(second))
    }

    #[test]
    fn an_order_stays_until_it_is_passed_or_an_hour_old() {
        let mut orders = Orders::default();
        let (first, second) = (vec![Left, Right], vec![Right, Left]);
        assert_eq!(orders.next(ADA, at(0), || first.clone()), first);
        for second_later in [1, 5, 3600, 7200] {
            assert_eq!(orders.next(ADA, at(second_later), || second.clone()), first);
        }
        assert_eq!(orders.next(PersonId(2), at(7200), || second.clone()), second, "each person has their own");
        orders.passed(ADA);
        assert_eq!(orders.next(ADA, at(7201), || second.clone()), second);
        assert_eq!(orders.next(ADA, at(10_802), || first.clone()), first);
    }

    #[test]
    fn orders_are_bounded() {
        let mut orders = Orders::default();
        for person in 0..1000 {
            orders.next(PersonId(person), at(person.into()), || vec![Left, Right]);
        }
        assert_eq!(orders.asked.len(), MOST_PEOPLE);
        assert_eq!(orders.next(PersonId(999), at(1000), || vec![Right, Left]), [Left, Right], "the newest stay");
    }
}
