//! The state of all doors as last published, for threads and tasks that show it.

use std::sync::{Arc, Mutex, PoisonError};

use super::doors::Doors;
use super::doors::door::DoorView;
use crate::domain::TimeQuality;

/// The state of all doors as last published, for threads and tasks that show it.
#[derive(Clone, Default)]
pub struct PublishedDoors(Arc<Mutex<DoorsOverview>>);

/// The state of all doors at one moment.
#[derive(Clone, Default)]
pub struct DoorsOverview {
    pub doors: Vec<DoorView>,
    /// The number of people in each zone that is not empty.
    pub occupancy: Vec<(String, usize)>,
    /// How far the wall clock can be relied on; `None` before it was checked.
    pub time: Option<TimeQuality>,
}

impl PublishedDoors {
    /// The overview as last published.
    pub fn read(&self) -> DoorsOverview {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes `doors` as they are now. Returns whether one of them has changed.
    pub(super) fn publish(&self, doors: &Doors) -> bool {
        let overview = DoorsOverview { doors: doors.views(), occupancy: doors.occupancy(), time: doors.time() };
        let mut published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = published.doors != overview.doors;
        *published = overview;
        changed
    }

    /// Publishes doors that a test has made up.
    #[cfg(test)]
    pub(super) fn put(&self, doors: Vec<DoorView>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).doors = doors;
    }
}
