//! The nouns of the house, in the order they travel: a [`Frame`] shows a [`Face`], whose [`Embedding`] has a [`Match`] in the
//! gallery; that makes a [`Sighting`], sightings make a [`Decision`], and what happened is told as an [`Event`].
//!
//! No other room is needed here, and no file, device, thread or clock. The operator's choices have the configuration's words as their serde form.

mod choices;
mod decision;
mod event;
mod head;
mod index;
mod likeness;
mod picture;
mod stamp;
mod time;

use std::time::Duration;

pub use choices::*;
pub use decision::*;
pub use event::*;
pub use head::*;
pub use index::*;
pub use likeness::*;
pub use picture::*;
pub use stamp::*;
pub use time::*;

/// A point in monotonic time: the span since an epoch that one [`crate::clock::Clock`] keeps for a whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub Duration);

impl Moment {
    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Moment;
    fn add(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(span))
    }
}
