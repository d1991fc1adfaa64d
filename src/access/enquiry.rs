//! What is asked of the people before one door beyond their faces, from the frame that would let somebody in until they have shown it, have
//! failed, or are gone.
//!
//! An enquiry belongs to one person on one track. Its challenge sees every frame of the track; what else is asked, other rooms report. One
//! challenge at a time is under way at a door, because people are told what to do by the same lamps; the others wait their turn.
//!
//! Memory is bounded: [`MOST`] enquiries, and an enquiry ends when its track was out of sight for a window.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::assurance::{Assessment, Standing, assess, reason};
use super::challenge::{Attempts, Challenge, ChallengeLook, Failure, Orders};
use super::cue::{CueReport, CueState, DoorCues};
use super::liveness::{Dice, LivenessRules};
use super::person::Shown;
use crate::domain::{Assurance, Cue, Decision, Gate, Moment, PersonId, Prompt, Reason, Sighting, TrackId, Verdict};

/// The most enquiries at a door.
const MOST: usize = 64;
/// How long people have to enter a PIN or present a tag, and everything that is not a challenge.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a challenge that was passed lets in: as long as it takes to enter a PIN after it.
const LASTS: Duration = Duration::from_secs(30);
/// After a challenge to which a person did not react at all, they are not asked again for this long: they may not want to come in.
const PAUSE: Duration = Duration::from_secs(5);
/// A person whose challenge has just failed may still look away for so long, and is not refused for that as well.
const TURNS_BACK: Duration = Duration::from_secs(2);
/// Somebody who is recognised at least this often waits their turn for a challenge.
const IN_VIEW: Duration = Duration::from_millis(500);

/// A track of a camera.
pub(super) type Place = (Arc<str>, TrackId);

/// The evidence of a frame that would let a person in: a decision without what is asked beyond the face.
#[derive(Clone, Debug)]
pub(super) struct Evident {
    pub shown: Shown,
    pub sighting: Sighting,
    /// As in [`Decision`].
    pub captured_at: Moment,
    pub frames: (u32, u32),
    pub gates: Vec<Gate>,
}

/// The frames of a track that show a person surely.
pub(super) struct SureFrames<'a> {
    /// A challenge needs so many of them after it was passed.
    pub needed: u32,
    /// How many were captured after a moment.
    pub since: &'a dyn Fn(Moment) -> u32,
    /// The newest ones, for a challenge that begins.
    pub newest: &'a [ChallengeLook],
}

/// The enquiries of one door.
#[derive(Debug)]
pub(super) struct Enquiries {
    rules: LivenessRules,
    dice: Dice,
    orders: Orders,
    attempts: Attempts,
    open: BTreeMap<Place, Enquiry>,
}

#[derive(Debug)]
struct Enquiry {
    tiers: Vec<Assurance>,
    /// The newest frame that would have let the person in, and when it was considered.
    evident: Evident,
    evident_at: Moment,
    /// When the track was last seen.
    seen_at: Moment,
    /// Since when the person has been asked.
    asked_at: Moment,
    /// They were refused since, and no frame has come after it that would let them in.
    refused: bool,
    /// Since when the person has waited to be challenged.
    queued_at: Moment,
    attempt: Attempt,
    /// What the door waits for, by the last assessment.
    waits_for: Option<Cue>,
    /// How many frames must show the person after a challenge, and how many did by the newest frame.
    needed: u32,
    after: u32,
}

#[derive(Debug)]
enum Attempt {
    /// Not asked for, or not begun.
    None,
    /// Under way, or passed.
    Begun {
        challenge: Box<Challenge>,
        /// Whether the head has moved at all.
        moved: bool,
    },
    /// It failed at `since`; the next one begins at `next` at the earliest.
    Over { report: CueReport, since: Moment, next: Moment },
}

impl Enquiries {
    /// Nobody is asked yet.
    pub fn new(rules: LivenessRules, dice: Dice) -> Enquiries {
        let (orders, attempts) = (Orders::default(), Attempts::new(&rules.challenge));
        Enquiries { rules, dice, orders, attempts, open: BTreeMap::new() }
    }

    /// Whether a track has an enquiry.
    pub fn is_open(&self, camera: &str, track: TrackId) -> bool {
        self.open.keys().any(|(of, id)| **of == *camera && *id == track)
    }

    /// Whether a person on this track is being asked, or was a moment ago, so that what the frames in between show refuses nobody.
    pub fn is_answering(&self, place: &Place, now: Moment) -> bool {
        self.open.get(place).is_some_and(|enquiry| match enquiry.attempt {
            Attempt::Over { since, .. } if enquiry.waits_for.is_none() => now.since(since) <= TURNS_BACK,
            _ => !enquiry.refused,
        })
    }

    /// Ends the enquiry on a track, whatever it has come to.
    pub fn close(&mut self, place: &Place) {
        self.open.remove(place);
    }

    /// The person of a track was refused for something else. What they have shown stays so; what is under way ends.
    pub fn refused(&mut self, place: &Place) {
        match self.open.get_mut(place) {
            Some(enquiry) if enquiry.has_passed() => enquiry.refused = true,
            _ => self.close(place),
        }
    }

    /// Ends the enquiry on a track that was out of sight for `window`, and refuses its person unless they were refused before.
    pub fn end_if_gone(
        &mut self,
        place: &Place,
        window: Duration,
        cues: &mut dyn DoorCues,
        now: Moment,
    ) -> Option<Decision> {
        let enquiry = self.open.get_mut(place).filter(|enquiry| now.since(enquiry.seen_at) > window)?;
        let decision = enquiry.abandon(&mut self.attempts, cues, now);
        self.open.remove(place);
        decision
    }

    /// The person was let in by the tiers of this track: what was shown counts once.
    pub fn used(&mut self, place: &Place) {
        if let Some(enquiry) = self.open.remove(place)
            && enquiry.has_passed()
        {
            let person = enquiry.evident.shown.person;
            self.attempts.passed(person);
            self.orders.passed(person);
        }
    }

    /// A person was let in together with another: what they have shown counts no longer.
    pub fn used_by(&mut self, person: PersonId) {
        let theirs = |enquiry: &Enquiry| enquiry.evident.shown.person == person;
        let places: Vec<Place> =
            self.open.iter().filter(|(_, of)| theirs(of)).map(|(place, _)| place.clone()).collect();
        places.iter().for_each(|place| self.used(place));
    }

    /// A frame of a track. `of` says what the frame shows of a person.
    pub fn look(&mut self, place: &Place, of: &dyn Fn(PersonId) -> ChallengeLook, now: Moment) {
        let Some(enquiry) = self.open.get_mut(place) else { return };
        enquiry.seen_at = now;
        enquiry.challenge_sees(&of(enquiry.evident.shown.person), f64::from(self.rules.challenge.ahead));
    }

    /// A frame would let a person in, as `evident` has it: how the person stands.
    pub fn weigh(
        &mut self,
        place: &Place,
        evident: Evident,
        tiers: &[Assurance],
        frames: &SureFrames<'_>,
        cues: &mut dyn DoorCues,
        now: Moment,
    ) -> Assessment {
        let person = evident.shown.person;
        if self.open.get(place).is_some_and(|enquiry| enquiry.evident.shown.person != person) {
            self.open.remove(place);
        }
        let full = self.open.len() >= MOST;
        match self.open.get_mut(place) {
            Some(enquiry) => enquiry.renew(evident, tiers, now),
            None if tiers.iter().all(|tier| tier.cues().is_empty()) || full => {
                return assess(tiers, &mut |cue| CueReport::cannot_judge(cue, "too many people are asked", ""));
            }
            None => drop(self.open.insert(place.clone(), Enquiry::new(evident, tiers, now))),
        }
        self.begin(place, frames.newest, now);
        let Enquiries { open, attempts, .. } = self;
        match open.get_mut(place) {
            Some(enquiry) => {
                enquiry.count(frames);
                enquiry.assess(attempts, cues, now)
            }
            None => assess(tiers, &mut |cue| CueReport::cannot_judge(cue, "nothing was asked", "")),
        }
    }

    /// Begins the challenge of a track if it is asked for, if the person need not wait, and if it is their turn.
    fn begin(&mut self, place: &Place, before: &[ChallengeLook], now: Moment) {
        let Some(enquiry) = self.open.get(place).filter(|enquiry| enquiry.may_begin(&self.attempts, now)) else {
            return;
        };
        let first = (enquiry.queued_at, place);
        let busy = |(at, other): (&Place, &Enquiry)| {
            let waits = now.since(other.evident_at) <= IN_VIEW && other.may_begin(&self.attempts, now);
            at != place && (other.is_under_way() || waits && (other.queued_at, at) < first)
        };
        if self.open.iter().any(busy) {
            return;
        }
        let person = enquiry.evident.shown.person;
        let order = self.orders.next(person, now, || self.dice.order(&self.rules));
        let mut challenge = Challenge::new(&self.rules.challenge, person, order, now);
        match self.attempts.failed_last(person, now) {
            true => challenge = challenge.after_failure(),
            // What was recognised just before is as good a reference.
            false => before.iter().for_each(|look| challenge.look(look)),
        }
        if let Some(enquiry) = self.open.get_mut(place) {
            enquiry.attempt = Attempt::Begun { challenge: Box::new(challenge), moved: false };
        }
    }

    /// What has ended on one track, as far as that refuses its person.
    pub fn settle(&mut self, place: &Place, cues: &mut dyn DoorCues, now: Moment) -> Option<Decision> {
        let enquiry = self.open.get_mut(place)?;
        enquiry.settle(&mut self.attempts, cues, now)
    }

    /// What has ended on any track by the passing of time. Frames may come `late` by this much; a track that was out of sight for `window` is gone.
    pub fn tick(&mut self, cues: &mut dyn DoorCues, now: Moment, late: Duration, window: Duration) -> Vec<Decision> {
        let Enquiries { open, attempts, .. } = self;
        let mut decisions = Vec::new();
        let by_frames = Moment(now.0.saturating_sub(late));
        open.retain(|_, enquiry| {
            if let Attempt::Begun { challenge, .. } = &mut enquiry.attempt {
                challenge.tick(by_frames);
            }
            decisions.extend(enquiry.settle(attempts, cues, now));
            let gone = now.since(enquiry.seen_at) > window;
            if gone {
                decisions.extend(enquiry.abandon(attempts, cues, now));
            }
            !gone && !enquiry.is_stale(now)
        });
        decisions
    }

    /// What the people before the door are to do now.
    pub fn prompt(&self, now: Moment) -> Prompt {
        let asked = self.open.values().map(|enquiry| (enquiry, enquiry.prompt(&self.attempts, now)));
        let asked = asked.filter(|(_, prompt)| *prompt != Prompt::Idle);
        let first = asked.min_by_key(|(enquiry, _)| (!enquiry.is_under_way(), enquiry.asked_at));
        first.map_or(Prompt::Idle, |(_, prompt)| prompt)
    }
}

impl Enquiry {
    fn new(evident: Evident, tiers: &[Assurance], now: Moment) -> Enquiry {
        Enquiry {
            tiers: tiers.to_vec(),
            evident,
            evident_at: now,
            seen_at: now,
            asked_at: now,
            refused: false,
            queued_at: now,
            attempt: Attempt::None,
            waits_for: None,
            needed: u32::MAX,
            after: 0,
        }
    }

    /// Another frame would let the same person in.
    fn renew(&mut self, evident: Evident, tiers: &[Assurance], now: Moment) {
        (self.evident, self.evident_at, self.seen_at) = (evident, now, now);
        if std::mem::take(&mut self.refused) {
            self.asked_at = now;
        }
        if self.tiers != tiers {
            self.tiers = tiers.to_vec();
        }
        if self.passed_at().is_some_and(|at| now.since(at) > LASTS) {
            self.attempt = Attempt::None;
        }
    }

    /// `ahead`: a nose that has moved by less than this has not moved.
    fn challenge_sees(&mut self, look: &ChallengeLook, ahead: f64) {
        let Attempt::Begun { challenge, moved } = &mut self.attempt else { return };
        challenge.look(look);
        let view = challenge.reference().and_then(|reference| reference.view(&look.landmarks));
        *moved |= view.is_some_and(|view| view.moved() >= ahead);
    }

    /// When its challenge was passed.
    fn passed_at(&self) -> Option<Moment> {
        match &self.attempt {
            Attempt::Begun { challenge, .. } => challenge.passed_at(),
            Attempt::None | Attempt::Over { .. } => None,
        }
    }

    fn has_passed(&self) -> bool {
        self.passed_at().is_some()
    }

    /// Counts the frames after a challenge that was passed.
    fn count(&mut self, frames: &SureFrames<'_>) {
        (self.needed, self.after) = (frames.needed, self.passed_at().map_or(0, frames.since));
    }

    /// Whether its challenge has begun and is neither passed nor failed.
    fn is_under_way(&self) -> bool {
        matches!(&self.attempt, Attempt::Begun { challenge, .. } if challenge.state() == CueState::Waiting)
    }

    /// Whether its challenge has failed and nothing else suffices. Its person was refused then.
    fn is_over(&self) -> bool {
        matches!(self.attempt, Attempt::Over { .. }) && self.waits_for.is_none()
    }

    /// Whether a challenge is asked for that has not begun, and may.
    fn may_begin(&self, attempts: &Attempts, now: Moment) -> bool {
        let person = self.evident.shown.person;
        let asked = self.tiers.iter().any(|tier| tier.cues().contains(&Cue::Challenge));
        let rested = match &self.attempt {
            Attempt::None => true,
            Attempt::Over { next, .. } => *next <= now,
            Attempt::Begun { .. } => false,
        };
        asked && rested && attempts.may_begin(person, now).is_ok()
    }

    /// A person who was refused, has turned away, and is still in view, needs no enquiry.
    fn is_stale(&self, now: Moment) -> bool {
        !self.is_under_way() && now.since(self.evident_at) > PATIENCE
    }

    /// How the person stands.
    fn assess(&mut self, attempts: &Attempts, cues: &mut dyn DoorCues, now: Moment) -> Assessment {
        let Enquiry { tiers, evident, .. } = &*self;
        let assessment = assess(tiers, &mut |cue| match cue {
            Cue::Challenge => self.challenge_report(attempts, now),
            Cue::Passive | Cue::Infrared | Cue::Tag | Cue::Pin => {
                cues.report(cue, &evident.shown, &evident.sighting, now)
            }
        });
        self.waits_for = match assessment.standing {
            Standing::Waiting(cue) => Some(cue),
            Standing::Met(_) | Standing::Failed(_) => None,
        };
        assessment
    }

    /// Refuses the person if their challenge has just failed and nothing else suffices, or if they have been asked for too long.
    fn settle(&mut self, attempts: &mut Attempts, cues: &mut dyn DoorCues, now: Moment) -> Option<Decision> {
        if self.end_attempt(attempts, now) {
            let assessment = self.assess(attempts, cues, now);
            if let Standing::Failed(reason) = assessment.standing {
                return Some(self.refuse(reason, &assessment, now));
            }
        }
        if self.refused || self.is_under_way() || self.is_over() || now.since(self.asked_at) <= PATIENCE {
            return None;
        }
        let assessment = self.assess(attempts, cues, now);
        let met = matches!(assessment.standing, Standing::Met(_));
        (!met).then(|| self.refuse_for_waiting(&assessment, now))
    }

    /// The track is gone. `None` if its person was refused already.
    fn abandon(&mut self, attempts: &mut Attempts, cues: &mut dyn DoorCues, now: Moment) -> Option<Decision> {
        if self.refused || self.is_over() {
            return None;
        }
        if let Attempt::Begun { challenge, moved: true } = &self.attempt
            && challenge.state() == CueState::Waiting
        {
            attempts.failed(challenge.person(), now);
        }
        let assessment = self.assess(attempts, cues, now);
        Some(self.refuse_for_waiting(&assessment, now))
    }

    /// Takes in that the challenge has failed; whether it just did. A person who has not moved at all has not tried, and need not wait for it.
    fn end_attempt(&mut self, attempts: &mut Attempts, now: Moment) -> bool {
        let Attempt::Begun { challenge, moved } = &self.attempt else { return false };
        let Some(failure) = challenge.failure() else { return false };
        let tried = *moved || matches!(failure, Failure::WrongSide { .. } | Failure::OtherPerson);
        let (report, mut next) = (challenge.report(), now);
        match tried {
            true => attempts.failed(challenge.person(), now),
            false => next = now + PAUSE,
        }
        self.attempt = Attempt::Over { report, since: now, next };
        self.queued_at = now;
        true
    }

    fn refuse_for_waiting(&mut self, assessment: &Assessment, now: Moment) -> Decision {
        let reason = match assessment.standing {
            Standing::Failed(reason) => reason,
            Standing::Waiting(cue) => reason(cue),
            // Shown, and then no frame came that would have let them in.
            Standing::Met(_) => Reason::PoorView,
        };
        self.refuse(reason, assessment, now)
    }

    fn refuse(&mut self, reason: Reason, assessment: &Assessment, now: Moment) -> Decision {
        self.refused = true;
        let Evident { sighting, captured_at, frames, gates, .. } = &self.evident;
        Decision {
            verdict: Verdict::Deny { reason },
            camera: sighting.camera.clone(),
            track: sighting.track,
            frame: sighting.frame,
            captured_at: *captured_at,
            decided_at: now,
            nearest: sighting.nearest,
            frames: *frames,
            gates: gates.iter().cloned().chain(assessment.gates()).collect(),
        }
    }

    fn prompt(&self, attempts: &Attempts, now: Moment) -> Prompt {
        match (&self.attempt, self.waits_for) {
            (Attempt::Begun { challenge, .. }, _) if self.is_under_way() => challenge.prompt(),
            (_, Some(Cue::Pin)) => Prompt::EnterPin,
            (_, Some(Cue::Tag)) => Prompt::PresentTag,
            (_, Some(Cue::Challenge | Cue::Passive | Cue::Infrared)) => Prompt::LookAhead,
            (_, None) if attempts.may_begin(self.evident.shown.person, now).is_err() => Prompt::Wait,
            (_, None) => Prompt::Idle,
        }
    }

    /// The gate of the challenge. Passed, it counts once enough frames have shown the person after it.
    fn challenge_report(&self, attempts: &Attempts, now: Moment) -> CueReport {
        let wait = attempts.may_begin(self.evident.shown.person, now).err();
        let wait = wait.map(|until| {
            let left = until.since(now).as_millis().div_ceil(1000);
            format!("{left} s left of the wait after failures")
        });
        let by_itself = |state, input| {
            let limit = "the head turns as asked".to_owned();
            CueReport { cue: Cue::Challenge, state, input, limit }
        };
        match (&self.attempt, wait) {
            (Attempt::Over { report, .. }, None) => report.clone(),
            (Attempt::Over { report, .. }, Some(wait)) => {
                CueReport { input: format!("{}; {wait}", report.input), ..report.clone() }
            }
            (Attempt::None, Some(wait)) => by_itself(CueState::Failed, wait),
            (Attempt::None, None) => by_itself(CueState::Waiting, "not begun: somebody else is asked".to_owned()),
            (Attempt::Begun { challenge, .. }, _) if challenge.passed_at().is_some() => {
                let report = challenge.report();
                let (after, needed) = (self.after, self.needed);
                let input = format!("{}; then {after} of {needed} frames of the person", report.input);
                let state = if after >= needed { CueState::Passed } else { CueState::Waiting };
                CueReport { state, input, ..report }
            }
            (Attempt::Begun { challenge, .. }, _) => challenge.report(),
        }
    }
}
