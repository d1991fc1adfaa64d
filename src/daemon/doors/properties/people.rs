//! The people of the house in memory.
//!
//! Knows nothing of doors.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::world::BEGIN_S;
use crate::access::Holder;
use crate::daemon::doors::pen::People;
use crate::domain::{GallerySize, PersonId};

/// Who cannot pass for now, but for person 4, who never can.
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

    /// Whether that person may pass anywhere at all.
    pub fn is_enabled(&self, person: u32) -> bool {
        person != 4 && !self.0.lock().unwrap().contains(&person)
    }
}

/// 1 is of the staff, 2 of staff and guards, 3 in no group, 4 disabled, 5 a guard for a few days.
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
