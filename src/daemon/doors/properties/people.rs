//! The people of the tests, and when their history begins.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::access::Holder;
use crate::daemon::doors::writer::People;
use crate::domain::{GallerySize, PersonId};

/// The night before Berlin skips an hour.
pub const BEGIN_S: i64 = 1_774_728_000;

/// People who are disabled, besides person 4, who always is.
#[derive(Clone, Default)]
pub struct Disabled(Arc<Mutex<BTreeSet<u32>>>);

impl Disabled {
    pub fn set(&self, person: u32, disabled: bool) {
        let mut people = self.0.lock().unwrap();
        match disabled {
            true => people.insert(person),
            false => people.remove(&person),
        };
    }

    /// Whether that person is enabled.
    pub fn is_enabled(&self, person: u32) -> bool {
        person != 4 && !self.0.lock().unwrap().contains(&person)
    }
}

/// Person 1 is in the group staff, 2 in staff and guards, 3 in none; 4 is disabled; 5 is a guard for a few days.
pub struct TestPeople(pub Disabled);

pub fn groups(person: u32) -> Vec<String> {
    match person {
        1 => vec!["staff".into()],
        2 | 5 => vec!["guards".into(), "staff".into()],
        _ => Vec::new(),
    }
}

impl People for TestPeople {
    fn holder(&self, person: PersonId) -> Option<(Holder, String)> {
        let enabled = self.0.is_enabled(person.0);
        let days = Timestamp::from_second(BEGIN_S + 3 * 86_400).unwrap();
        let valid_until = (person.0 == 5).then_some(days);
        let holder = Holder { person, groups: groups(person.0), enabled, valid_from: None, valid_until };
        (1..=5).contains(&person.0).then(|| (holder, format!("P{person}")))
    }
    fn count(&self) -> GallerySize {
        GallerySize::of(5, 1)
    }
}
