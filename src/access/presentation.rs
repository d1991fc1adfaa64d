//! What the passive networks have said of the tracks at one door, and what follows from it.
//!
//! They never admit anybody. Where they may refuse, a face that would be let in waits until they have said something, which takes a few frames; a
//! face that they cannot judge goes by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cue::{CueReport, CueState, DoorCues};
use super::passive::{PassiveEvidence, PassiveRules};
use super::person::Shown;
use super::room::make_room;
use crate::domain::{Cue, Gate, Moment, PassiveMode, Sighting, TrackId};

/// The most tracks of all cameras.
const MOST: usize = 256;

/// The tracks at one door.
#[derive(Debug)]
pub(super) struct Presentations {
    mode: PassiveMode,
    rules: PassiveRules,
    /// With when each was last seen.
    tracks: BTreeMap<(Arc<str>, TrackId), (PassiveEvidence, Moment)>,
}

/// What follows for a face that would be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// Nothing.
    None,
    /// They have not said enough yet.
    Wait,
    Refuse,
}

impl Presentations {
    /// Nothing was said yet.
    pub fn new(mode: PassiveMode, rules: PassiveRules) -> Presentations {
        Presentations { mode, rules, tracks: BTreeMap::new() }
    }

    /// Takes in what was said of a frame. Tracks that were out of sight for `window` are forgotten.
    pub fn add(&mut self, sighting: &Sighting, now: Moment, window: Duration) {
        self.tracks.retain(|_, (_, seen_at)| now.since(*seen_at) <= window);
        let place = (sighting.camera.clone(), sighting.track);
        make_room(&mut self.tracks, &place, MOST, |(_, seen_at)| *seen_at);
        let (evidence, seen_at) = self.tracks.entry(place).or_insert_with(|| (PassiveEvidence::default(), now));
        evidence.add(sighting.frame, sighting.captured_at.min(now), sighting.passive);
        *seen_at = now;
    }

    /// The report about a track.
    pub fn report(&self, camera: &Arc<str>, track: TrackId, now: Moment) -> CueReport {
        let known = self.tracks.get(&(camera.clone(), track));
        known.map_or_else(
            || PassiveEvidence::default().report(&self.rules, now),
            |(evidence, _)| evidence.report(&self.rules, now),
        )
    }

    /// What follows for a face on this track.
    pub fn opinion(&self, camera: &Arc<str>, track: TrackId, now: Moment) -> Opinion {
        if self.mode != PassiveMode::Deny {
            return Opinion::None;
        }
        match self.report(camera, track, now).state {
            CueState::Failed => Opinion::Refuse,
            CueState::Waiting => Opinion::Wait,
            CueState::Passed | CueState::CannotJudge => Opinion::None,
        }
    }

    /// Puts the gate into a receipt, unless it is there because a tier asks for it, or nobody wants it.
    pub fn note(&self, gates: &mut Vec<Gate>, camera: &Arc<str>, track: TrackId, now: Moment) {
        if self.mode == PassiveMode::Off || gates.iter().any(|gate| gate.name == Cue::Passive.gate()) {
            return;
        }
        let mut report = self.report(camera, track, now);
        if self.mode == PassiveMode::Log {
            report.limit += ", logged only";
        }
        gates.push(report.gate());
    }

    /// The cues of a door, with that of the networks.
    pub fn beside<'a>(&'a self, devices: &'a mut dyn DoorCues) -> Beside<'a> {
        Beside { presentations: self, devices }
    }
}

/// The devices of a door and what the networks say.
pub(super) struct Beside<'a> {
    presentations: &'a Presentations,
    devices: &'a mut dyn DoorCues,
}

impl DoorCues for Beside<'_> {
    fn report(&mut self, cue: Cue, shown: &Shown, sighting: &Sighting, now: Moment) -> CueReport {
        match cue {
            Cue::Passive => self.presentations.report(&sighting.camera, sighting.track, now),
            Cue::Challenge | Cue::Infrared | Cue::Tag | Cue::Pin => self.devices.report(cue, shown, sighting, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::rules::tests::clear;
    use crate::domain::{Passive, PassiveLimit};

    const WINDOW: Duration = Duration::from_millis(1500);

    fn at(frame: u64) -> Moment {
        Moment(Duration::from_millis(100 * frame))
    }

    /// Takes in `scores` of one track, frame by frame.
    fn seen(mode: PassiveMode, answers: &[Option<Passive>]) -> Presentations {
        let mut presentations = Presentations::new(mode, PassiveRules::default());
        for (frame, answer) in (1..).zip(answers) {
            let sighting = Sighting { passive: *answer, ..clear(frame, at(frame)) };
            presentations.add(&sighting, at(frame), WINDOW);
        }
        presentations
    }

    fn opinion(mode: PassiveMode, answers: &[Option<Passive>]) -> Opinion {
        seen(mode, answers).opinion(&"door".into(), TrackId(1), at(answers.len() as u64))
    }

    const REAL: Option<Passive> = Some(Passive::Score(0.9));
    const PRINT: Option<Passive> = Some(Passive::Score(0.1));
    const GREY: Option<Passive> = Some(Passive::CannotJudge(PassiveLimit::Grey));

    #[test]
    fn only_where_they_may_refuse_does_anything_follow() {
        for (answers, follows) in [
            (&[][..], Opinion::Wait),
            (&[REAL, REAL], Opinion::Wait),
            (&[REAL; 3], Opinion::None),
            (&[PRINT; 4], Opinion::Wait),
            (&[PRINT; 5], Opinion::Refuse),
            (&[GREY; 3], Opinion::None),
            (&[None; 3], Opinion::None),
        ] {
            assert_eq!(opinion(PassiveMode::Deny, answers), follows, "{answers:?}");
            for mode in [PassiveMode::Log, PassiveMode::Off] {
                assert_eq!(opinion(mode, answers), Opinion::None, "{answers:?}");
            }
        }
    }

    #[test]
    fn nobody_waits_for_more_than_six_frames() {
        let kinds = [REAL, PRINT, GREY];
        for number in 0..kinds.len().pow(7) {
            let answers: Vec<_> = (0..7).map(|place| kinds[number / kinds.len().pow(place) % kinds.len()]).collect();
            assert_ne!(opinion(PassiveMode::Deny, &answers), Opinion::Wait, "{answers:?}");
        }
    }

    #[test]
    fn the_gate_stands_in_the_receipt_once() {
        let gates = |mode| {
            let mut gates = Vec::new();
            let presentations = seen(mode, &[PRINT; 5]);
            presentations.note(&mut gates, &"door".into(), TrackId(1), at(5));
            presentations.note(&mut gates, &"door".into(), TrackId(1), at(5));
            gates.iter().map(|gate| (gate.passed, gate.limit.clone())).collect::<Vec<_>>()
        };
        assert_eq!(gates(PassiveMode::Off), []);
        assert_eq!(gates(PassiveMode::Log), [(false, "above 0.50 over 3 to 5 frames, logged only".to_owned())]);
        assert_eq!(gates(PassiveMode::Deny), [(false, "above 0.50 over 3 to 5 frames".to_owned())]);
    }

    #[test]
    fn tracks_are_forgotten_and_bounded() {
        let mut presentations = seen(PassiveMode::Deny, &[PRINT; 5]);
        for track in 2..2 + MOST as u64 {
            let sighting = Sighting { track: TrackId(track), passive: PRINT, ..clear(9, at(5)) };
            presentations.add(&sighting, at(5), WINDOW);
        }
        assert_eq!(presentations.tracks.len(), MOST);
        presentations.add(&Sighting { track: TrackId(9999), ..clear(99, at(99)) }, at(99), WINDOW);
        assert_eq!(presentations.tracks.len(), 1);
    }
}
