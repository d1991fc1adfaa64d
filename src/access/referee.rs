//! Weighs the evidence of each track, and decides when a decision is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::assurance::Standing;
use super::authority::Judgement;
use super::challenge::{ChallengeLook, Identity};
use super::cue::{DoorCues, NoCues};
use super::enquiry::{Enquiries, Evident, Place, SureFrames};
use super::evidence::{Evidence, Look, LookCounts, Track};
use super::gates;
use super::liveness::{Dice, LivenessRules};
use super::person::Shown;
use super::presentation::{Opinion, Presentations};
use super::rules::{Finding, Rules};
use crate::domain::{Decision, Distance, Gate, Moment, PersonId, Prompt, Reason, Sighting, TrackId, Verdict, Wanted};

/// Decides about the faces at one or more cameras of one door.
///
/// **Grant**: the newest frame is a sure finding of a person (a good view, near enough, nobody else nearly as near), and so are enough of the
/// last frames of its track within the window; the track has no sure finding of anyone else in the window; and the frame is fresh. During the
/// cooldown after a grant of the person, there is no decision.
///
/// **What is asked beyond the face** ([`Judgement::assurance`]): the frame that would let a person in begins an enquiry on its track, and there is no
/// decision until they have shown what one of the tiers asks, or have failed. A challenge must be passed on the same track, and enough frames after
/// it must show the person again. While they are asked, frames in which they turn away refuse nobody. What they have shown counts for one grant.
///
/// **Passive networks** that may refuse ([`LivenessRules::passive_mode`]): a face that would be let in waits until they have judged a few frames, and is
/// denied if they take it for a print or a screen, whatever it has shown besides.
///
/// **Denial**: given only at a frame that itself shows the reason, and only if no other reason has more of the frames. It is given early if
/// it is conclusive: `frames_agree` frames show the reason, and the first `frames_window` frames can no longer lead to a grant. Otherwise it
/// waits until `frames_window` frames, or a whole window, have been seen, and until the next frame can no longer lead to a grant. A poor view
/// is denied only after the face has waited for a whole window, so that a person walking up to the camera is not denied on the way.
/// `Track::may_deny` limits repetition. A person who was asked and has not shown it is denied on the evidence of the newest frame that would have let
/// them in.
///
/// A capture time after `now` counts as `now`, so that a fast clock cannot make evidence last longer.
///
/// Memory is bounded: see `evidence` for tracks and `enquiry` for what is asked. Grants are dropped after their cooldown, so there is at most one
/// per enrolled person.
#[derive(Debug)]
pub struct Referee {
    rules: Rules,
    evidence: Evidence,
    granted: BTreeMap<PersonId, Moment>,
    enquiries: Enquiries,
    presentations: Presentations,
}

impl Referee {
    /// A referee without any evidence yet, which asks for turns left, then right, where it asks for a challenge.
    pub fn new(rules: Rules) -> Referee {
        Referee::with_liveness(rules, LivenessRules::default(), Dice::default())
    }

    /// A referee without any evidence yet.
    pub fn with_liveness(rules: Rules, liveness: LivenessRules, dice: Dice) -> Referee {
        let presentations = Presentations::new(liveness.passive_mode, liveness.passive);
        let enquiries = Enquiries::new(liveness, dice);
        Referee { rules, evidence: Evidence::default(), granted: BTreeMap::new(), enquiries, presentations }
    }

    /// Ends the cooldown of `person`, because the door did not open for the grant.
    pub fn end_cooldown(&mut self, person: PersonId) {
        self.granted.remove(&person);
    }

    /// Starts the cooldown of a person who was let in together with another. What they have shown counts no longer.
    pub fn start_cooldown(&mut self, person: PersonId, now: Moment) {
        self.granted.insert(person, now);
        self.enquiries.used_by(person);
    }

    /// Changes the distance limit.
    pub fn set_distance(&mut self, distance: Distance) {
        self.rules.distance = distance;
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What the people before the door are to do now.
    pub fn prompt(&self, now: Moment) -> Prompt {
        self.enquiries.prompt(now)
    }

    /// As [`Referee::consider_asking`], at a door that has nothing but cameras.
    pub fn consider(
        &mut self,
        sighting: &Sighting,
        now: Moment,
        authorise: &mut dyn FnMut(&Shown) -> Judgement,
    ) -> Option<Decision> {
        self.consider_asking(sighting, now, authorise, &mut NoCues)
    }

    /// Takes in a sighting, and returns a decision if one is due. `authorise` is asked, at each frame until the grant, about a person whose face
    /// would be granted, and once more when that person has shown what it asks ([`Shown::assured`]). `cues` are the other devices of the door.
    ///
    /// The sightings of a track must come in the order of their frames: repeated and older ones are ignored. Track numbers must not be reused
    /// within the window.
    pub fn consider_asking(
        &mut self,
        sighting: &Sighting,
        now: Moment,
        authorise: &mut dyn FnMut(&Shown) -> Judgement,
        cues: &mut dyn DoorCues,
    ) -> Option<Decision> {
        let Referee { rules, evidence, granted, enquiries, presentations } = self;
        presentations.add(sighting, now, rules.window);
        let cues = &mut presentations.beside(cues);
        granted.retain(|_, at| now.since(*at) < rules.cooldown);
        evidence.forget(now, rules.window);

        let finding = rules.finding(sighting);
        let look = Look {
            frame: sighting.frame,
            captured_at: sighting.captured_at.min(now),
            finding,
            clear: rules.clearly(sighting),
            also: rules.near_too(sighting),
            landmarks: sighting.face.landmarks,
        };
        let place: Place = (Arc::clone(&sighting.camera), sighting.track);
        if let Some(denial) = enquiries.end_if_gone(&place, rules.window, cues, now) {
            return Some(denial);
        }
        let track = evidence.add(&sighting.camera, sighting.track, look, now, rules.kept(), rules.window)?;
        enquiries.look(&place, &|person| challenge_look(rules, sighting, &look, person), now);
        if let Some(denial) = enquiries.settle(&place, cues, now) {
            return Some(denied(track, denial, now, rules.repeat_denial, presentations));
        }
        let age = now.since(look.captured_at);
        let counts = track.counts();
        let due = due(rules, track, &counts, finding, age)?;

        if must_be_quiet(rules, track, &counts, &due, granted) {
            track.waiting_since = look.captured_at;
            return None;
        }
        let gates = gates::all(rules, sighting, track, finding, age);
        let frames = (due.frames, counts.looks);
        let captured_at = look.captured_at;
        let (verdict, gates) = match due.verdict {
            Verdict::Grant { person } => {
                let shown = shown(rules, sighting, track, person);
                let evident = Evident { shown, sighting: sighting.clone(), captured_at, frames, gates };
                let asking = Asking { enquiries, presentations, cues, track, rules, place: &place, now };
                asking.grant(evident, authorise)?
            }
            // Who is asked to turn the head shows other views, and who enters a PIN looks away.
            Verdict::Deny { reason: Reason::PoorView | Reason::Unknown | Reason::Ambiguous }
                if enquiries.is_answering(&place, now) =>
            {
                return None;
            }
            Verdict::Deny { reason } => {
                if reason == Reason::Inconsistent {
                    enquiries.close(&place);
                }
                (due.verdict, gates)
            }
        };
        match verdict {
            Verdict::Grant { person } => {
                granted.insert(person, now);
                enquiries.used(&place);
            }
            Verdict::Deny { reason } => {
                if !track.may_deny(reason, now, rules.repeat_denial) {
                    return None;
                }
            }
        }
        Some(Decision {
            verdict,
            camera: sighting.camera.clone(),
            track: sighting.track,
            frame: look.frame,
            captured_at,
            decided_at: now,
            nearest: sighting.nearest,
            frames,
            gates,
        })
    }

    /// What the passing of time decides: people who did not do what they were asked in time, or who are gone.
    pub fn tick(&mut self, now: Moment, cues: &mut dyn DoorCues) -> Vec<Decision> {
        let Referee { rules, evidence, enquiries, presentations, .. } = self;
        let late = enquiries.tick(&mut presentations.beside(cues), now, rules.max_age, rules.window);
        let noted = |decision: Decision| match evidence.track_mut(&decision.camera, decision.track) {
            Some(track) => denied(track, decision, now, rules.repeat_denial, presentations),
            None => decision,
        };
        late.into_iter().map(noted).collect()
    }
}

impl Referee {
    /// How often a track must be seen from now on, so that decisions are what they would be if it were seen in every frame, and when its newest
    /// look was captured. `None` if the track is not known.
    ///
    /// Only a person who was let in, whose track shows nobody else, and whose cooldown goes on is needed seldom. A person who is being asked is
    /// needed in every frame.
    pub fn wants(&self, camera: &str, track: TrackId, now: Moment) -> Option<(Wanted, Moment)> {
        let rules = &self.rules;
        let asked = self.enquiries.is_open(camera, track);
        let track = self.evidence.track(camera, track, now, rules.window)?;
        let newest = track.newest()?;
        if asked {
            return Some((Wanted::Always, newest.captured_at));
        }
        let cooled_down = |person| Some(*self.granted.get(&person)? + rules.cooldown);
        let until = match newest.finding {
            Finding::Sure(person) if track.other_sure(rules.window).is_none() => cooled_down(person),
            _ => None,
        };
        let wanted = match (until, track.quiet_until(now, rules.repeat_denial)) {
            (Some(until), _) if now < until => Wanted::Seldom { until, frames: rules.needed() },
            (_, Some(until)) if track.is_steady() => Wanted::Often { until },
            _ => Wanted::Always,
        };
        Some((wanted, newest.captured_at))
    }
}

/// A grant that is due, as far as the face is concerned.
struct Asking<'a> {
    enquiries: &'a mut Enquiries,
    presentations: &'a Presentations,
    cues: &'a mut dyn DoorCues,
    track: &'a Track,
    rules: &'a Rules,
    place: &'a Place,
    now: Moment,
}

impl Asking<'_> {
    /// The verdict about a person whose face would be granted, with all gates. `None`: the person is still being asked.
    fn grant(self, evident: Evident, authorise: &mut dyn FnMut(&Shown) -> Judgement) -> Option<(Verdict, Vec<Gate>)> {
        let (presentations, now) = (self.presentations, self.now);
        let (camera, track) = self.place;
        let (verdict, mut gates) = self.ask(evident, authorise)?;
        presentations.note(&mut gates, camera, *track, now);
        Some((verdict, gates))
    }

    /// As [`Asking::grant`], without the gate of networks that no tier asks for.
    fn ask(self, mut evident: Evident, authorise: &mut dyn FnMut(&Shown) -> Judgement) -> Option<(Verdict, Vec<Gate>)> {
        let person = evident.shown.person;
        let verdict =
            |refused: Option<Reason>| refused.map_or(Verdict::Grant { person }, |reason| Verdict::Deny { reason });
        let judgement = authorise(&evident.shown);
        let of_face = evident.gates.clone();
        evident.gates.extend(judgement.gates);
        let refused = judgement.refused.filter(|_| !judgement.only_a_second_is_missing);
        let (camera, track) = self.place;
        match self.presentations.opinion(camera, *track, self.now) {
            Opinion::Wait if judgement.refused.is_none() => return None,
            Opinion::Refuse if refused.is_none() => {
                self.enquiries.refused(self.place);
                return Some((verdict(Some(Reason::Presentation)), evident.gates));
            }
            Opinion::None | Opinion::Wait | Opinion::Refuse => {}
        }
        if refused.is_some() || judgement.assurance.is_empty() {
            self.enquiries.refused(self.place);
            return Some((verdict(judgement.refused), evident.gates));
        }
        let assured = Shown { assured: true, ..evident.shown.clone() };
        let mut gates = evident.gates.clone();
        let newest: Vec<ChallengeLook> = self.track.sure_of(person).map(sure_look).collect();
        let since = |at: Moment| self.track.sure_of(person).filter(|look| look.captured_at > at).count() as u32;
        let frames = SureFrames { needed: self.rules.needed(), since: &since, newest: &newest };
        let assessment = self.enquiries.weigh(self.place, evident, &judgement.assurance, &frames, self.cues, self.now);
        let verdict = match assessment.standing {
            Standing::Waiting(_) => return None,
            Standing::Failed(reason) => Verdict::Deny { reason },
            Standing::Met(_) => {
                let judgement = authorise(&assured);
                gates = of_face;
                gates.extend(judgement.gates);
                if judgement.refused.is_some() {
                    self.enquiries.refused(self.place);
                }
                verdict(judgement.refused)
            }
        };
        gates.extend(assessment.gates());
        Some((verdict, gates))
    }
}

/// A person as `track` shows them.
fn shown(rules: &Rules, sighting: &Sighting, track: &Track, person: PersonId) -> Shown {
    Shown {
        person,
        camera: sighting.camera.clone(),
        track: sighting.track,
        resembles: track.resembles(person),
        clear: track.clear(person, rules.needed()),
        assured: false,
    }
}

/// What a challenge of `person` sees of a sighting.
fn challenge_look(rules: &Rules, sighting: &Sighting, look: &Look, person: PersonId) -> ChallengeLook {
    let identity = match look.finding {
        Finding::Sure(other) if other != person => Identity::Other,
        _ if rules.may_be(sighting, person) => Identity::Same,
        _ => Identity::Unknown,
    };
    let sure = look.finding == Finding::Sure(person);
    ChallengeLook { frame: look.frame, captured_at: look.captured_at, landmarks: look.landmarks, identity, sure }
}

/// What a challenge sees of a look with a sure finding of its person.
fn sure_look(look: &Look) -> ChallengeLook {
    let Look { frame, captured_at, landmarks, .. } = *look;
    ChallengeLook { frame, captured_at, landmarks, identity: Identity::Same, sure: true }
}

/// A denial that was not given for what the newest frame shows. It counts as an answer to the face like any other.
fn denied(
    track: &mut Track,
    mut decision: Decision,
    now: Moment,
    repeat: Duration,
    presentations: &Presentations,
) -> Decision {
    presentations.note(&mut decision.gates, &decision.camera, decision.track, now);
    if let Verdict::Deny { reason } = decision.verdict {
        track.may_deny(reason, now, repeat);
    }
    decision
}

/// A verdict that is due, and the number of frames that support it.
struct Due {
    verdict: Verdict,
    frames: u32,
}

/// The verdict due by the evidence, regardless of earlier decisions.
fn due(rules: &Rules, track: &Track, counts: &LookCounts, finding: Finding, age: Duration) -> Option<Due> {
    let deny = |reason, frames| Some(Due { verdict: Verdict::Deny { reason }, frames });
    let two_people = track.other_sure(rules.window).is_some();
    match finding {
        Finding::Sure(person) if gates::agrees(rules, track, finding) => {
            let frames = track.count(person);
            if gates::fresh(rules, age) {
                Some(Due { verdict: Verdict::Grant { person }, frames })
            } else {
                deny(Reason::Stale, frames)
            }
        }
        // On the way to a grant.
        Finding::Sure(_) if !two_people => None,
        // Enough frames for a grant, but someone else is in the window.
        Finding::Sure(person) if track.count(person) >= rules.needed() => deny(Reason::Inconsistent, counts.sure),
        Finding::Sure(_) => denial(rules, track, counts, Reason::Inconsistent, two_people),
        Finding::Ambiguous => denial(rules, track, counts, Reason::Ambiguous, two_people),
        Finding::Unknown => denial(rules, track, counts, Reason::Unknown, two_people),
        Finding::Poor => denial(rules, track, counts, Reason::PoorView, two_people),
    }
}

/// The denial for `reason`, which the newest frame shows, if it is due. `two_people`: the window has sure findings of two people.
fn denial(rules: &Rules, track: &Track, counts: &LookCounts, reason: Reason, two_people: bool) -> Option<Due> {
    let inconsistent = if two_people { counts.sure } else { 0 };
    let frames = match reason {
        Reason::Inconsistent => inconsistent,
        Reason::Ambiguous => counts.ambiguous,
        Reason::PoorView => counts.poor,
        _ => counts.unknown,
    };
    if frames < counts.unknown.max(counts.ambiguous).max(counts.poor).max(inconsistent) {
        return None;
    }

    let frames_to_come = rules.kept().saturating_sub(counts.looks);
    let best = counts.leader.map_or(0, |(_, frames)| frames);
    let conclusive =
        reason != Reason::PoorView && frames >= rules.needed() && best.saturating_add(frames_to_come) < rules.needed();

    let complete = frames_to_come == 0 || track.lasted() >= rules.window;
    let next_may_grant = !two_people
        && counts.leader.is_some_and(|(person, _)| track.count_kept(person, rules.kept()) + 1 >= rules.needed());
    let waited = reason != Reason::PoorView || track.waited() >= rules.window;

    let due = conclusive || (complete && waited && !next_may_grant);
    due.then_some(Due { verdict: Verdict::Deny { reason }, frames })
}

/// Whether the decision would be about a person who was just let in.
///
/// A denial is about the person shown most by the track, or else shown last. Once that person has had no sure finding for a whole window, the
/// track may show someone else, and a clearly unknown face is worth a denial.
fn must_be_quiet(
    rules: &Rules,
    track: &Track,
    counts: &LookCounts,
    due: &Due,
    granted: &BTreeMap<PersonId, Moment>,
) -> bool {
    let shown = counts.leader.map(|(person, _)| person).or(track.last_sure().map(|(person, _)| person));
    match due.verdict {
        Verdict::Grant { person } => granted.contains_key(&person),
        Verdict::Deny { reason: Reason::Unknown } if !track.sure_lately(rules.window) => false,
        Verdict::Deny { .. } => shown.is_some_and(|person| granted.contains_key(&person)),
    }
}

pub mod insight;

#[cfg(test)]
mod asking_tests;
#[cfg(test)]
mod passive_tests;
#[cfg(test)]
mod tests;
