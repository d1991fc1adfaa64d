//! Decides what is looked at in each frame of one camera: nothing, the faces that are followed, or everything; and which faces are embedded.
//!
//! Pure: frames come in as moments and [`Motion`], faces as tracks and bounds, and what the doors need as [`Wanted`]. What always holds:
//!
//! - **Evidence is fresh.** A face is embedded only in a frame that was searched whole, so every sighting rests on a detection and an
//!   embedding of its own frame, exactly as if each frame were searched. A face that is only followed makes no sighting.
//! - **In doubt, everything is looked at**: before anything is known of the picture's noise, if a frame gives no glimpse, while somebody
//!   enrols at the camera, while a followed face is out of sight, and where the doors have said nothing about a face.
//! - **Nobody there.** Every frame that shows motion is searched, and without motion a frame at least every [`BEAT`]: a picture of a
//!   face that is held still is found, and so is a face in a stream that never changes.
//! - **Somebody there.** A followed face is found again in every frame, or the frame is searched; while all who are there were let in, at least
//!   every [`REST`]. Motion away from the followed people, their
//!   faces and the bodies below, is searched in the same frame or the next, everything at least every [`SWEEP`].
//! - **A face is embedded** in every frame until the doors have let its person in; in every second one while a refusal stands; then often enough
//!   that two embeddings lie in the doors' window, and in every frame again before they may decide anew. It is in doubt, and embedded in every
//!   frame until the doors have judged it, once it was out of sight, has jumped, or resembles another person than before.

use std::time::Duration;

use super::motion::Motion;
use crate::domain::{Bounds, Moment, PersonId, TrackId, Wanted};

/// Without motion, the longest time between two frames that are searched.
pub const BEAT: Duration = Duration::from_millis(500);
/// While faces are followed, the longest time between two frames that are searched.
pub const SWEEP: Duration = Duration::from_millis(300);
/// While all followed faces are of people who were let in, the longest time between two frames that are looked at: a face that walks by at arm's
/// length still overlaps itself.
pub const REST: Duration = Duration::from_millis(150);
/// The longest time between two embeddings of a person who was let in; also at most half of the doors' window.
const SELDOM: Duration = Duration::from_secs(1);
/// While a refusal stands, frames are left out only if this share of the doors' window lies between two embeddings.
const OFTEN: u32 = 8;
/// Frames by which embeddings start earlier than needed, for decisions that take a moment.
const EARLY: u32 = 3;
/// The least overlap (intersection over union) with where a face was when it was last looked at. A face that moves faster has jumped.
pub(super) const LEAST_OVERLAP: f32 = 0.5;
/// Around a followed face, in its size on each side: motion there is its own.
const OWN_MOTION: f32 = 0.5;
/// The body below a followed face: to each side of the face, in its width, and down, in its height.
const BODY_SIDE: f32 = 1.5;
const BODY_DOWN: f32 = 6.0;
/// The longest pause between two frames that counts for their pace.
const MOST_PAUSE: Duration = Duration::from_secs(1);
/// The most tracks that are remembered: twice the most faces of a frame.
const MOST_TRACKS: usize = 128;

/// How attention is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionSettings {
    /// If false, every frame is searched and every face embedded.
    pub enabled: bool,
    /// A face that was out of sight for this long counts as a new face, as for the tracker.
    pub track_ends_after: Duration,
    /// The doors' window for evidence.
    pub window: Duration,
}

/// What is looked at in a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// Nothing.
    Nothing,
    /// The faces within these bounds of an earlier frame.
    Follow(Vec<Bounds>),
    /// Everything.
    Search,
}

/// A face as it was seen in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenFace {
    pub track: TrackId,
    pub bounds: Bounds,
    /// Whether a sighting was made of it.
    pub examined: bool,
    /// The nearest person, if it was compared with people.
    pub person: Option<PersonId>,
}

/// The attention that one camera gets.
#[derive(Debug)]
pub struct Attention {
    settings: AttentionSettings,
    /// Somebody enrols at the camera.
    watched: bool,
    /// The time between two frames, and when the last one was captured.
    pace: Duration,
    arrived_at: Option<Moment>,
    /// What has moved since the last search, and in which frame last.
    motion: Motion,
    moved_at: Option<Moment>,
    searched_at: Option<Moment>,
    looked_at: Option<Moment>,
    /// Whether the frame of `looked_at` was searched.
    looked_whole: bool,
    /// A frame was asked for whose faces are not known yet.
    pending: bool,
    tracks: Vec<Followed>,
}

/// A face that is followed.
#[derive(Clone, Copy, Debug)]
struct Followed {
    id: TrackId,
    bounds: Bounds,
    seen_at: Moment,
    examined_at: Option<Moment>,
    person: Option<PersonId>,
    /// What the doors want, and since which frame they must have seen the face for that to count.
    wanted: Wanted,
    doubted_at: Moment,
}

impl Attention {
    /// Nothing has been seen yet.
    pub fn new(settings: AttentionSettings) -> Attention {
        Attention {
            settings,
            watched: false,
            pace: Duration::ZERO,
            arrived_at: None,
            motion: Motion::default(),
            moved_at: None,
            searched_at: None,
            looked_at: None,
            looked_whole: false,
            pending: false,
            tracks: Vec::new(),
        }
    }

    /// Whether it is switched on.
    pub fn is_enabled(&self) -> bool {
        self.settings.enabled
    }

    /// Whether a face was in view lately.
    pub fn sees_somebody(&self) -> bool {
        !self.tracks.is_empty()
    }

    /// While somebody enrols at the camera, everything is looked at.
    pub fn set_watched(&mut self, watched: bool) {
        self.watched = watched;
    }

    /// A frame captured at `at` has arrived. Whether it must be decoded: otherwise [`Attention::look`] would find nothing to look at.
    pub fn arrived(&mut self, at: Moment, motion: &Motion) -> bool {
        if let Some(before) = self.arrived_at {
            let pause = at.since(before).min(MOST_PAUSE);
            self.pace = if self.pace.is_zero() { pause } else { (self.pace * 3 + pause) / 4 };
        }
        self.arrived_at = Some(at);
        if !motion.is_still() {
            self.motion.add(motion);
            self.moved_at = Some(at);
        }
        let wanted = !self.settings.enabled
            || self.watched
            || self.pending
            || match self.tracks.is_empty() {
                true => self.has_moved() || self.is_due(at, BEAT),
                false => !self.rests(at),
            };
        self.pending |= wanted;
        wanted
    }

    /// What to look at in a decoded frame.
    pub fn look(&mut self, at: Moment) -> Look {
        let ends_after = self.settings.track_ends_after;
        self.tracks.retain(|track| at.since(track.seen_at) <= ends_after);
        if !self.settings.enabled || self.watched {
            return Look::Search;
        }
        if self.tracks.is_empty() {
            if self.has_moved() || self.is_due(at, BEAT) {
                return Look::Search;
            }
            self.pending = false;
            return Look::Nothing;
        }
        let lost = self.tracks.iter().any(|track| Some(track.seen_at) != self.looked_at);
        let asked = self.tracks.iter().any(|track| self.is_wanted(track, at));
        let elsewhere = !self.looked_whole && self.moves_elsewhere();
        match lost || asked || elsewhere || self.is_due(at, SWEEP) {
            true => Look::Search,
            false => Look::Follow(self.tracks.iter().map(|track| track.bounds).collect()),
        }
    }

    /// The faces could not be followed in the frame captured at `at`: they are in doubt, and the frame has to be searched.
    pub fn lost_sight(&mut self, at: Moment) {
        for track in &mut self.tracks {
            track.doubt(at);
        }
    }

    /// Whether the face of `track`, found within `bounds` in a frame that was searched, is to be embedded.
    pub fn examines(&self, track: TrackId, bounds: &Bounds, at: Moment) -> bool {
        if !self.settings.enabled || self.watched {
            return true;
        }
        self.tracks.iter().find(|known| known.id == track).is_none_or(|known| {
            let out_of_sight = Some(known.seen_at) != self.looked_at;
            out_of_sight || jumped(&known.bounds, bounds) || self.is_wanted(known, at)
        })
    }

    /// The faces of the frame captured at `at`; `searched`: whether it was searched whole.
    pub fn looked(&mut self, at: Moment, searched: bool, faces: &[SeenFace]) {
        let last = self.looked_at;
        for face in faces {
            let SeenFace { track: id, bounds, examined, person } = *face;
            let Some(track) = self.tracks.iter_mut().find(|known| known.id == id) else {
                let (seen_at, examined_at) = (at, examined.then_some(at));
                let (wanted, doubted_at) = (Wanted::Always, at);
                self.tracks.push(Followed { id, bounds, seen_at, examined_at, person, wanted, doubted_at });
                continue;
            };
            if Some(track.seen_at) != last || jumped(&track.bounds, &bounds) {
                track.doubt(at);
            }
            (track.bounds, track.seen_at) = (bounds, at);
            if examined {
                track.examined_at = Some(at);
                if person != track.person {
                    track.person = person;
                    track.doubt(at);
                }
            }
        }
        if self.tracks.len() > MOST_TRACKS {
            self.tracks.sort_by_key(|track| std::cmp::Reverse(track.seen_at));
            self.tracks.truncate(MOST_TRACKS);
        }
        if searched {
            self.searched_at = Some(at);
            // A newer frame that has moved is still to be searched.
            if self.moved_at.is_none_or(|moved| moved <= at) {
                self.motion.clear();
            }
        }
        (self.looked_at, self.looked_whole, self.pending) = (Some(at), searched, false);
    }

    /// Asks the doors about each face: `ask` returns what they want, and when the newest frame was captured in which they have seen it; `None` if
    /// they do not know it.
    pub fn ask(&mut self, mut ask: impl FnMut(TrackId) -> Option<(Wanted, Moment)>) {
        for track in &mut self.tracks {
            track.wanted = match ask(track.id) {
                Some((wanted, seen)) if seen >= track.doubted_at => wanted,
                _ => Wanted::Always,
            };
        }
    }

    /// Whether nothing is lost if the frame captured at `at` is left out: everybody in view was let in and is not needed yet, and nobody else moves.
    fn rests(&self, at: Moment) -> bool {
        let Some(looked) = self.looked_at.filter(|looked| at >= *looked) else { return false };
        let let_in = |track: &Followed| {
            track.seen_at == looked && matches!(track.wanted, Wanted::Seldom { .. }) && !self.is_wanted(track, at)
        };
        at.since(looked) + self.pace <= REST
            && !self.is_due(at, SWEEP)
            && self.tracks.iter().all(let_in)
            && !self.moves_elsewhere()
    }

    /// Whether something away from the followed people has moved since the last search.
    fn moves_elsewhere(&self) -> bool {
        let zones: Vec<Bounds> = self.tracks.iter().flat_map(|track| person_with(&track.bounds)).collect();
        self.motion.is_outside(&zones)
    }

    /// Whether a frame that has moved was not searched yet.
    fn has_moved(&self) -> bool {
        self.moved_at.is_some_and(|moved| self.searched_at.is_none_or(|searched| moved > searched))
    }

    /// Whether waiting for the next frame would make the time between two searches longer than `most`. Also if time has gone backwards.
    fn is_due(&self, at: Moment, most: Duration) -> bool {
        self.searched_at.is_none_or(|searched| at < searched || at.since(searched) + self.pace > most)
    }

    fn is_wanted(&self, track: &Followed, at: Moment) -> bool {
        let Some(examined) = track.examined_at else { return true };
        let (since, pace, window) = (at.since(examined), self.pace, self.settings.window);
        match track.wanted {
            Wanted::Always => true,
            Wanted::Often { until } => at + pace * EARLY >= until || since + pace / 2 > (pace * 2).min(window / OFTEN),
            Wanted::Seldom { until, frames } => {
                at + pace * frames.saturating_add(EARLY) >= until || since + pace > SELDOM.min(window / 2)
            }
        }
    }
}

impl Followed {
    fn doubt(&mut self, at: Moment) {
        (self.wanted, self.doubted_at) = (Wanted::Always, at);
    }
}

/// Whether a face is not where it was when it was last looked at.
fn jumped(before: &Bounds, now: &Bounds) -> bool {
    before.iou(now) < LEAST_OVERLAP
}

/// What moves when the person with this face moves: the head and the body.
fn person_with(face: &Bounds) -> [Bounds; 2] {
    let (width, height) = (face.width(), face.height());
    let sides = |by: f32| (face.x1 - width * by, face.x2 + width * by);
    let ((x1, x2), (left, right)) = (sides(OWN_MOTION), sides(BODY_SIDE));
    let head = Bounds { x1, y1: face.y1 - height * OWN_MOTION, x2, y2: face.y2 + height * OWN_MOTION };
    let body = Bounds { x1: left, y1: face.y2, x2: right, y2: face.y2 + height * BODY_DOWN };
    [head, body]
}

#[cfg(test)]
mod tests;
