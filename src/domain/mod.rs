//! The vocabulary that all rooms share, in the order of a frame's journey: a [`Frame`] shows a [`Face`], whose [`Embedding`] has a [`Match`]
//! in the gallery; that makes a [`Sighting`], sightings lead to a [`Decision`], and what happened is recorded as an [`Event`].
//!
//! No file, device, thread or clock is needed here. JSON forms are serde's; the operator's choices have the configuration's words.

mod actor;
mod assurance;
mod choices;
mod credential;
mod decision;
mod event;
mod framing;
mod head;
mod likeness;
mod liveness;
mod picture;
mod pixels;
mod stream_address;
mod time;
mod zone;

use std::time::Duration;

pub use actor::*;
pub use assurance::*;
pub use choices::*;
pub use credential::*;
pub use decision::*;
pub use event::*;
pub use framing::*;
pub use head::*;
pub use likeness::*;
pub use liveness::*;
pub use picture::*;
pub use pixels::*;
pub use stream_address::*;
pub use time::*;
pub use zone::*;

/// A point in monotonic time: the span since an epoch that one [`crate::clock::Clock`] keeps for a whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub Duration);

impl Moment {
    /// How long ago `earlier` was; zero when it is later.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `span` later; the last one there is, when that is beyond it.
    pub fn after(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(span))
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Moment;
    fn add(self, span: Duration) -> Moment {
        self.after(span)
    }
}
