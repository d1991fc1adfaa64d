//! Enrolment in front of a camera of the daemon: a sitting collects good views, says what is missing, and keeps the templates in memory until
//! somebody is enrolled with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::template::{CameraView, FaceView};
use crate::clock::Clock;
use crate::domain::{Distance, Moment};
use crate::gallery::Template;
use crate::office::{FaceTemplates, Gates, Sitting};

/// How long a sitting waits for enough good views.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the templates of a sitting are kept for the enrolment.
const KEPT: Duration = Duration::from_secs(600);
/// More sittings at a time are turned away.
const AT_ONCE: usize = 4;
/// The views of a sitting that names no number.
pub const USUAL_VIEWS: u32 = 5;
/// The most views of a sitting.
const MOST_VIEWS: u32 = 64;

/// Begins a sitting.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SittingRequest {
    /// The camera's name.
    pub camera: String,
    /// How many good views to take, 1 to 64; 5 by default.
    #[serde(default)]
    pub views: Option<u32>,
    /// Take faces with weak embeddings, too.
    #[serde(default)]
    pub weak: bool,
}

/// Addresses a sitting in a path.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SittingPath {
    /// The sitting's number.
    pub sitting: u64,
}

/// How a sitting goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SittingStatus {
    /// The sitting's number, for the enrolment.
    pub sitting: u64,
    pub camera: String,
    /// Good views so far.
    pub taken: usize,
    /// Good views that are needed.
    pub wanted: usize,
    pub state: SittingState,
    /// What the newest frame was: `no_picture`, `no_face`, `several`, `small`, `blurred`, `turned`, `nodding`, `dark`, `bright`, `weak`,
    /// `other_person`, `camera_turned` or `good`.
    pub advice: String,
    /// The same in words, with what to do.
    pub text: String,
    /// How much time is left, for views or for the enrolment.
    pub left_s: u64,
}

/// Where a sitting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SittingState {
    /// The camera is watched.
    Running,
    /// There are enough good views: somebody can be enrolled with them.
    Complete,
    /// The time was over before there were enough.
    Over,
}

/// The sittings of a daemon.
#[derive(Default)]
pub struct Sittings(Mutex<Book>);

#[derive(Default)]
struct Book {
    last: u64,
    entries: BTreeMap<u64, Arc<Entry>>,
}

/// A sitting under way, or done.
pub(super) struct Entry {
    camera: String,
    until: Moment,
    sitting: Mutex<Sitting>,
}

impl Entry {
    fn hold(&self) -> MutexGuard<'_, Sitting> {
        self.sitting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges a frame of any camera; whether more views are needed.
    pub(super) fn see(&self, view: &CameraView, clock: &dyn Clock) -> bool {
        let now = clock.now();
        if now >= self.until {
            return false;
        }
        if view.camera != self.camera {
            return true;
        }
        let wall = clock.wall();
        let faces = view.faces.iter().filter_map(|FaceView { template, beside, .. }| {
            let beside = beside.as_ref().and_then(|beside| beside.template(wall));
            Some(FaceTemplates { template: template.template(wall)?, beside })
        });
        let mut sitting = self.hold();
        sitting.hangs(view.rotate);
        sitting.see(&faces.collect::<Vec<_>>(), now)
    }

    /// Whether the sitting still waits for views at `now`.
    pub(super) fn is_running(&self, now: Moment) -> bool {
        now < self.until && !self.hold().is_complete()
    }

    fn status(&self, number: u64, now: Moment) -> SittingStatus {
        let sitting = self.hold();
        let (state, until) = if sitting.is_complete() {
            (SittingState::Complete, self.until + KEPT)
        } else if now < self.until {
            (SittingState::Running, self.until)
        } else {
            (SittingState::Over, self.until)
        };
        SittingStatus {
            sitting: number,
            camera: self.camera.clone(),
            taken: sitting.taken(),
            wanted: sitting.wanted(),
            state,
            advice: sitting.advice().code().to_owned(),
            text: sitting.advice().to_string(),
            left_s: until.since(now).as_secs(),
        }
    }
}

impl Sittings {
    /// Begins a sitting; views that are within `same` of each other show one person.
    ///
    /// # Errors
    /// [`ApiError::Busy`] where too many are under way, [`ApiError::Invalid`] for a number of views that cannot be taken.
    pub(super) fn begin(
        &self,
        request: &SittingRequest,
        gates: Gates,
        same: Distance,
        now: Moment,
    ) -> Result<(u64, Arc<Entry>), ApiError> {
        let views = request.views.unwrap_or(USUAL_VIEWS);
        if !(1..=MOST_VIEWS).contains(&views) {
            return Err(ApiError::Invalid(format!("a sitting takes 1 to {MOST_VIEWS} views")));
        }
        let mut book = self.book(now);
        if book.entries.values().filter(|entry| entry.is_running(now)).count() >= AT_ONCE {
            return Err(ApiError::Busy("too many people are being enrolled at cameras; try again"));
        }
        // Of those that are done and were not used, the oldest goes.
        if book.entries.len() >= 2 * AT_ONCE {
            book.entries.pop_first();
        }
        book.last += 1;
        let entry = Arc::new(Entry {
            camera: request.camera.clone(),
            until: now + PATIENCE,
            sitting: Mutex::new(Sitting::new(gates, same, views as usize)),
        });
        let number = book.last;
        book.entries.insert(number, entry.clone());
        Ok((number, entry))
    }

    /// How a sitting goes.
    pub(super) fn status(&self, number: u64, now: Moment) -> Result<SittingStatus, ApiError> {
        Ok(self.entry(number, now)?.status(number, now))
    }

    /// The templates of a complete sitting. They stay until [`Sittings::end`].
    pub(super) fn templates(&self, number: u64, now: Moment) -> Result<Vec<Template>, ApiError> {
        let entry = self.entry(number, now)?;
        let sitting = entry.hold();
        if !sitting.is_complete() {
            let (taken, wanted) = (sitting.taken(), sitting.wanted());
            return Err(ApiError::Invalid(format!(
                "the camera saw only {taken} of {wanted} good views ({})",
                sitting.advice()
            )));
        }
        Ok(sitting.templates())
    }

    /// Ends a sitting and forgets its views; whether there was one.
    pub(super) fn end(&self, number: u64, now: Moment) -> bool {
        self.book(now).entries.remove(&number).is_some()
    }

    fn entry(&self, number: u64, now: Moment) -> Result<Arc<Entry>, ApiError> {
        self.book(now).entries.get(&number).cloned().ok_or(ApiError::NoSitting { number })
    }

    /// Without those whose time is over.
    fn book(&self, now: Moment) -> MutexGuard<'_, Book> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.entries.retain(|_, entry| now < entry.until + KEPT);
        book
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::domain::{Bounds, Embedding, ModelId, Quality};

    const GATES: Gates =
        Gates { min_face_px: 80.0, min_sharpness: 30.0, max_yaw_deg: 30.0, max_pitch_deg: 25.0, min_length: None };

    fn view(camera: &str, degrees: f32) -> CameraView {
        let values = Box::new([degrees.to_radians().cos(), degrees.to_radians().sin()]);
        let embedding = Embedding::normalised(ModelId::new("net"), values).unwrap();
        let quality = Quality { size: 120.0, sharpness: 90.0, ..Quality::default() };
        let face = FaceView::new(&Bounds { x1: 0.0, y1: 0.0, x2: 9.0, y2: 9.0 }, &embedding, &quality);
        CameraView { camera: camera.into(), frame: 1, faces: vec![face], rotate: None }
    }

    fn request(views: u32) -> SittingRequest {
        SittingRequest { camera: "porch".into(), views: Some(views), weak: false }
    }

    #[test]
    fn a_sitting_takes_views_of_its_camera_until_there_are_enough() {
        let clock = SimulatedClock::new(SystemTime::UNIX_EPOCH);
        let sittings = Sittings::default();
        let (number, entry) = sittings.begin(&request(2), GATES, Distance(0.5), clock.now()).unwrap();
        assert!(entry.see(&view("yard", 0.0), &clock));
        assert_eq!(sittings.status(number, clock.now()).unwrap().advice, "no_picture");
        assert!(entry.see(&view("porch", 0.0), &clock));
        assert!(sittings.templates(number, clock.now()).unwrap_err().to_string().contains("only 1 of 2 good views"));
        clock.advance(Duration::from_secs(1));
        assert!(!entry.see(&view("porch", 1.0), &clock));
        let status = sittings.status(number, clock.now()).unwrap();
        assert_eq!((status.state, status.taken, status.advice.as_str()), (SittingState::Complete, 2, "good"));
        assert_eq!(sittings.templates(number, clock.now()).unwrap().len(), 2);
        assert!(sittings.end(number, clock.now()) && !sittings.end(number, clock.now()));
        assert!(matches!(sittings.status(number, clock.now()), Err(ApiError::NoSitting { .. })));
    }

    #[test]
    fn time_and_places_are_limited() {
        let clock = SimulatedClock::new(SystemTime::UNIX_EPOCH);
        let sittings = Sittings::default();
        let begin = |views| sittings.begin(&request(views), GATES, Distance(0.5), clock.now());
        assert!(matches!(begin(0), Err(ApiError::Invalid(_))) && matches!(begin(65), Err(ApiError::Invalid(_))));
        let (first, entry) = begin(1).unwrap();
        for _ in 1..AT_ONCE {
            begin(1).unwrap();
        }
        assert!(matches!(begin(1), Err(ApiError::Busy(_))));
        clock.advance(PATIENCE);
        assert!(!entry.see(&view("porch", 0.0), &clock) && !entry.is_running(clock.now()));
        assert_eq!(sittings.status(first, clock.now()).unwrap().state, SittingState::Over);
        begin(1).unwrap();
        clock.advance(KEPT);
        assert!(matches!(sittings.status(first, clock.now()), Err(ApiError::NoSitting { .. })));
    }
}
