//! One attempt of a person on one track: look ahead, turn the head to each side in the order asked, and look ahead again after each.

use std::time::Duration;

use super::geometry::{FACE_DEPTH, Reference, View, beside};
use super::look::{ChallengeLook, Identity};
use super::outcome::{Failure, Turn};
use super::settings::ChallengeSettings;
use crate::access::cue::{CueReport, CueState};
use crate::domain::{Cue, Moment, PersonId, Point, Prompt, Side};

/// What is asked where the caller names no side.
const USUAL_ORDER: [Side; 2] = [Side::Left, Side::Right];
/// How many of a person's steady frames make the reference at most.
const MOST_REFERENCE_FRAMES: usize = 8;
/// How far the nose may leave the [frontal](ChallengeSettings::frontal) place in a steady look ahead.
const SWAY: f64 = 0.1;
/// After so long of the same mistake, the person is told.
const UNTIL_HINT: Duration = Duration::from_millis(250);

/// Asks one person, on one track, to turn the head to each of some sides in order.
///
/// **The reference** is the mean of the first sure frontal frames. **A turn** is shown by [`ChallengeSettings::frames`] frames or more in a row that
/// show the person with the nose to the asked side, far enough, not too far across it, deep enough, with eyes and mouth that fit; one of them must
/// reach [`ChallengeSettings::reach`]. The same face must have
/// been followed without a gap or a jump from a sure frame that looks ahead to these frames, and on to a sure frame that looks ahead again;
/// otherwise the turn does not count and must be shown again. **It fails** when a turn to another side is shown, when a frame shows somebody
/// else, and when the time for what is asked is over.
///
/// Frames that are not newer than the last one, by number and by capture time, are ignored.
#[derive(Clone, Debug)]
pub struct Challenge {
    settings: ChallengeSettings,
    person: PersonId,
    order: Vec<Side>,
    stage: Stage,
    /// When what is asked now was first asked.
    since: Moment,
    /// Whether this follows a failure, so that a steady look ahead comes first.
    again: bool,
    newest: Option<(u64, Moment)>,
    settling: Settling,
    reference: Option<Reference>,
    /// The newest frame whose landmarks say something, and when it was captured.
    seen: Option<(View, Moment)>,
    run: Run,
    turns: Vec<Turn>,
}

/// How far the attempt has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The reference is being made.
    Settling,
    /// The next side of the order is asked.
    Turning,
    /// It was shown; the head comes back. With what it has shown, and when that side was asked.
    Returning(Turn, Moment),
    Passed(Moment),
    Failed(Failure),
}

/// The frames for the reference.
#[derive(Clone, Debug, Default)]
struct Settling {
    frames: Vec<[Point; 5]>,
    /// Since when the head has looked ahead in every frame, and when it was last seen.
    steady: Option<(Moment, Moment)>,
}

/// The frames in a row since the face was last seen looking ahead.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// Whether it has been followed from a sure frame that looks ahead.
    anchored: bool,
    /// Frames in a row that show the turn, and the one that shows most.
    held: u32,
    most: Option<View>,
    /// Frames in a row that show a turn to another side.
    wrong: Option<(Side, u32)>,
    /// The farthest that the nose has been to the asked side.
    farthest: f64,
    /// Since when the turn has been too short, or the face turned too far.
    short: Option<Moment>,
    beyond: Option<Moment>,
    hint: Option<Hint>,
}

/// What a person is told who does not do what is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hint {
    Further,
    Back,
}

impl Challenge {
    /// Begins to ask `person`, who was recognised, for these turns in this order. An empty order means left, then right.
    pub fn new(settings: &ChallengeSettings, person: PersonId, mut order: Vec<Side>, now: Moment) -> Challenge {
        if order.is_empty() {
            order = USUAL_ORDER.to_vec();
        }
        Challenge {
            settings: settings.clone(),
            person,
            order,
            stage: Stage::Settling,
            since: now,
            again: false,
            newest: None,
            settling: Settling::default(),
            reference: None,
            seen: None,
            run: Run::default(),
            turns: Vec::new(),
        }
    }

    /// The same after a failure: the head must look ahead for [`ChallengeSettings::steady`] before a turn is asked, so that a video that is
    /// played over and over does not come upon its own turns.
    #[must_use]
    pub fn after_failure(mut self) -> Challenge {
        self.again = true;
        self
    }

    /// Takes in a frame of the track. Every sighting counts, also a poor view.
    pub fn look(&mut self, look: &ChallengeLook) {
        let newer = |(frame, at): (u64, Moment)| look.frame > frame && look.captured_at >= at;
        if !self.newest.is_none_or(newer) {
            return;
        }
        self.tick(look.captured_at);
        self.newest = Some((look.frame, look.captured_at));
        if self.is_over() {
            return;
        }
        if look.identity == Identity::Other && !look.sure {
            self.stage = Stage::Failed(Failure::OtherPerson);
            return;
        }
        match &self.reference {
            None => self.settle(look),
            Some(reference) => match reference.view(&look.landmarks) {
                Some(view) => self.follow(view, look),
                None => self.run.interrupt(),
            },
        }
    }

    /// Ends the attempt when the time for what is asked is over.
    pub fn tick(&mut self, now: Moment) {
        let limit = match self.stage {
            Stage::Settling if self.again => self.settings.turn_time.saturating_add(self.settings.steady),
            _ => self.settings.turn_time,
        };
        if now.since(self.since) <= limit {
            return;
        }
        let failure = match (self.stage, self.asked()) {
            (Stage::Settling, _) => Failure::NotAhead,
            (Stage::Turning, Some(side)) => Failure::NoTurn(side),
            (Stage::Returning(turn, _), _) => Failure::NoReturn(turn.side),
            _ => return,
        };
        self.stage = Stage::Failed(failure);
    }

    /// Who is asked.
    pub fn person(&self) -> PersonId {
        self.person
    }

    /// What is asked, in this order.
    pub fn order(&self) -> &[Side] {
        &self.order
    }

    /// The turns that were shown and count.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// The reference, once it is made.
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// Whether it was passed, and otherwise how it stands. It can always be judged.
    pub fn state(&self) -> CueState {
        match self.stage {
            Stage::Passed(_) => CueState::Passed,
            Stage::Failed(_) => CueState::Failed,
            Stage::Settling | Stage::Turning | Stage::Returning(..) => CueState::Waiting,
        }
    }

    /// When the frame was captured with which it was passed.
    pub fn passed_at(&self) -> Option<Moment> {
        match self.stage {
            Stage::Passed(at) => Some(at),
            _ => None,
        }
    }

    /// Why it failed.
    pub fn failure(&self) -> Option<Failure> {
        match self.stage {
            Stage::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// What the person is to do now.
    pub fn prompt(&self) -> Prompt {
        match (self.stage, self.asked(), self.run.hint) {
            (Stage::Passed(_), ..) => Prompt::Idle,
            (Stage::Failed(_), ..) => Prompt::Wait,
            (Stage::Turning, Some(side), Some(Hint::Further)) => Prompt::further(side),
            (Stage::Turning, Some(side), None) => Prompt::turn(side),
            _ => Prompt::LookAhead,
        }
    }

    /// Its gate in a receipt: what was shown, and what is asked.
    pub fn report(&self) -> CueReport {
        let mut shown: Vec<String> = self.turns.iter().map(Turn::to_string).collect();
        match (self.stage, self.asked()) {
            (Stage::Settling, _) => shown.push(format!("looked ahead in {} frames so far", self.settling.frames.len())),
            (Stage::Turning, Some(side)) => shown.push(format!("{} {:.2} so far", side.as_str(), self.run.farthest)),
            (Stage::Returning(turn, _), _) => shown.push(format!("{turn}, not yet ahead again")),
            (Stage::Failed(failure), _) => shown.push(failure.to_string()),
            _ => {}
        }
        let order: Vec<&str> = self.order.iter().map(|side| side.as_str()).collect();
        let settings = &self.settings;
        let limit = format!(
            "turn {}: at least {:.2} (depth at least {:.2}) in {} frames, each within {} s, and back",
            order.join(", then "),
            settings.turn,
            settings.depth,
            settings.frames,
            settings.turn_time.as_secs_f64(),
        );
        CueReport { cue: Cue::Challenge, state: self.state(), input: shown.join(", "), limit }
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Passed(_) | Stage::Failed(_))
    }

    /// The side that is asked next.
    fn asked(&self) -> Option<Side> {
        self.order.get(self.turns.len()).copied()
    }

    /// A frame while there is no reference.
    fn settle(&mut self, look: &ChallengeLook) {
        let Some(beside) = beside(&look.landmarks).map(f64::abs) else { return };
        let (settings, at) = (&self.settings, look.captured_at);
        let frontal = f64::from(settings.frontal);
        let settling = &mut self.settling;
        if self.again {
            let unbroken = |seen: Moment| at.since(seen) <= settings.gap;
            settling.steady = match settling.steady {
                _ if beside > frontal + SWAY => None,
                Some((since, seen)) if unbroken(seen) => Some((since, at)),
                _ => Some((at, at)),
            };
            if settling.steady.is_none_or(|(since, seen)| since == seen) {
                settling.frames.clear();
            }
        }
        if look.sure && beside <= frontal {
            settling.frames.push(look.landmarks);
        }
        let spare = settling.frames.len().saturating_sub(MOST_REFERENCE_FRAMES.max(settings.reference_frames));
        settling.frames.drain(..spare);
        let steady = !self.again || settling.steady.is_some_and(|(since, seen)| seen.since(since) >= settings.steady);
        if steady && settling.frames.len() >= settings.reference_frames.max(1) {
            let Some(reference) = Reference::of(&settling.frames) else { return };
            let view = reference.view(&look.landmarks);
            let ahead = view.is_some_and(|view| view.moved() < f64::from(self.settings.ahead));
            (self.reference, self.seen) = (Some(reference), view.map(|view| (view, at)));
            self.ask(at);
            self.run.anchored = ahead && look.sure;
        }
    }

    /// Asks for the next turn.
    fn ask(&mut self, at: Moment) {
        (self.stage, self.since) = (Stage::Turning, at);
        self.run = Run { anchored: true, ..Run::default() };
    }

    /// A frame with a view.
    fn follow(&mut self, view: View, look: &ChallengeLook) {
        let at = look.captured_at;
        let unbroken = self.seen.is_none_or(|(before, then)| continues(&self.settings, &before, &view, at.since(then)));
        self.seen = Some((view, at));
        if !unbroken {
            // It may be another face, or another picture.
            self.run = Run { farthest: self.run.farthest, ..Run::default() };
            if let Stage::Returning(_, asked) = self.stage {
                (self.stage, self.since) = (Stage::Turning, asked);
            }
        }
        let ahead = view.moved() < f64::from(self.settings.ahead);
        match self.stage {
            Stage::Turning => {
                self.run.anchored |= ahead && look.sure;
                self.turning(view, ahead, look);
            }
            Stage::Returning(turn, _) if ahead && look.sure => {
                self.turns.push(turn);
                match self.asked() {
                    Some(_) => self.ask(at),
                    None => self.stage = Stage::Passed(at),
                }
            }
            _ => {}
        }
    }

    /// A frame while a turn is asked.
    fn turning(&mut self, view: View, ahead: bool, look: &ChallengeLook) {
        let Some(side) = self.asked() else { return };
        let (settings, at) = (&self.settings, look.captured_at);
        if let Some((shown, frames)) = self.run.wrong_way(settings, side, &self.order, &view)
            && frames >= settings.frames.max(1)
        {
            self.stage = Stage::Failed(Failure::WrongSide { asked: side, shown });
            return;
        }
        let run = &mut self.run;
        run.farthest = run.farthest.max(view.towards(side));
        if run.anchored && look.same() && shows_turn(settings, side, &view) {
            run.held += 1;
            run.most = run.most.filter(|most| most.towards(side) > view.towards(side)).or(Some(view));
        } else {
            (run.held, run.most) = (0, None);
        }
        let reaches = |most: &View| most.towards(side) >= f64::from(settings.reach.max(settings.turn));
        if let Some(most) = run.most.filter(reaches).filter(|_| run.held >= settings.frames.max(1)) {
            self.stage = Stage::Returning(Turn { side, view: most, at }, self.since);
            self.since = at;
            return;
        }
        let short = !ahead && (run.held > 0 || is_short(settings, side, &view));
        let beyond = !ahead && run.held == 0 && is_beyond(settings, side, &view, look);
        let lasts = |since: Option<Moment>| since.is_some_and(|since| at.since(since) >= UNTIL_HINT);
        run.short = if short { run.short.or(Some(at)) } else { None };
        run.beyond = if beyond { run.beyond.or(Some(at)) } else { None };
        run.hint = if (!run.anchored && !ahead) || lasts(run.beyond) {
            Some(Hint::Back)
        } else {
            lasts(run.short).then_some(Hint::Further)
        };
    }
}

impl Run {
    /// A frame came between that says nothing: what must be in a row is not.
    fn interrupt(&mut self) {
        *self = Run { anchored: self.anchored, farthest: self.farthest, hint: self.hint, ..Run::default() };
    }

    /// Counts the frames in a row that show a turn to a side that is not asked.
    fn wrong_way(
        &mut self,
        settings: &ChallengeSettings,
        asked: Side,
        order: &[Side],
        view: &View,
    ) -> Option<(Side, u32)> {
        let others = [Side::Left, Side::Right, Side::Up].into_iter().filter(|side| *side != asked);
        // Who raises the head where nobody is ever asked to does nothing wrong.
        let mut others = others.filter(|side| *side != Side::Up || order.contains(side));
        let shown = others.find(|side| shows_turn(settings, *side, view));
        self.wrong = match (shown, self.wrong) {
            (Some(side), Some((before, frames))) if side == before => Some((side, frames.saturating_add(1))),
            (Some(side), _) => Some((side, 1)),
            (None, _) => None,
        };
        self.wrong
    }
}

/// Whether the landmarks show a turn to `side`.
fn shows_turn(settings: &ChallengeSettings, side: Side, view: &View) -> bool {
    let towards = view.towards(side);
    towards >= f64::from(settings.turn)
        && view.across(side) <= f64::from(settings.across) * towards
        && view.depth.is_some_and(|depth| (f64::from(settings.depth)..=f64::from(settings.most_depth)).contains(&depth))
        && view.fit <= f64::from(settings.fit)
        && view.flattening >= f64::from(settings.flattening)
}

/// The right way, and not far enough or not deep enough.
fn is_short(settings: &ChallengeSettings, side: Side, view: &View) -> bool {
    let towards = view.towards(side);
    let deep = view.depth.is_some_and(|depth| (settings.depth.into()..=settings.most_depth.into()).contains(&depth));
    towards >= f64::from(settings.ahead)
        && view.across(side) <= f64::from(settings.across) * towards
        && (towards < f64::from(settings.turn) || !deep)
}

/// Far enough, and too far for the person to be recognised or the landmarks to fit.
fn is_beyond(settings: &ChallengeSettings, side: Side, view: &View, look: &ChallengeLook) -> bool {
    let lost = view.fit > f64::from(settings.fit) || view.flattening < f64::from(settings.flattening);
    view.towards(side) >= f64::from(settings.turn) && (lost || !look.same())
}

/// Whether a head could have gone from one view to the other in this time, and was not out of sight for long.
fn continues(settings: &ChallengeSettings, before: &View, now: &View, passed: Duration) -> bool {
    let [[ax, ay], [bx, by]] = [before.nose, now.nose];
    let angle = |moved: f64| (moved / FACE_DEPTH).atan().to_degrees();
    let turned = (angle(bx) - angle(ax)).hypot(angle(by) - angle(ay));
    let in_time = f64::from(settings.speed_deg) * passed.as_secs_f64() + f64::from(settings.slack_deg);
    let allowed = in_time.min(f64::from(settings.step_deg));
    passed <= settings.gap && (bx - ax).hypot(by - ay) <= f64::from(settings.jump) && turned <= allowed
}

#[cfg(test)]
mod tests;
