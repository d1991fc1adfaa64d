//! Weighs the evidence of each track, and decides when a decision is due.

use std::collections::BTreeMap;
use std::time::Duration;

use super::authority::Judgement;
use super::evidence::{Evidence, Look, LookCounts, Track};
use super::gates;
use super::person::Shown;
use super::rules::{Finding, Rules};
use crate::domain::{Decision, Distance, Moment, PersonId, Reason, Sighting, TrackId, Verdict, Wanted};

/// Decides about the faces at one or more cameras of one door.
///
/// **Grant**: the newest frame is a sure finding of a person (a good view, near enough, nobody else nearly as near), and so are enough of the
/// last frames of its track within the window; the track has no sure finding of anyone else in the window; and the frame is fresh. During the
/// cooldown after a grant of the person, there is no decision.
///
/// **Denial**: given only at a frame that itself shows the reason, and only if no other reason has more of the frames. It is given early if
/// it is conclusive: `frames_agree` frames show the reason, and the first `frames_window` frames can no longer lead to a grant. Otherwise it
/// waits until `frames_window` frames, or a whole window, have been seen, and until the next frame can no longer lead to a grant. A poor view
/// is denied only after the face has waited for a whole window, so that a person walking up to the camera is not denied on the way.
/// `Track::may_deny` limits repetition.
///
/// A capture time after `now` counts as `now`, so that a fast clock cannot make evidence last longer.
///
/// Memory is bounded: see `evidence` for tracks. Grants are dropped after their cooldown, so there is at most one per enrolled person.
#[derive(Debug)]
pub struct Referee {
    rules: Rules,
    evidence: Evidence,
    granted: BTreeMap<PersonId, Moment>,
}

impl Referee {
    /// A referee without any evidence yet.
    pub fn new(rules: Rules) -> Referee {
        Referee { rules, evidence: Evidence::default(), granted: BTreeMap::new() }
    }

    /// Ends the cooldown of `person`, because the door did not open for the grant.
    pub fn end_cooldown(&mut self, person: PersonId) {
        self.granted.remove(&person);
    }

    /// Starts the cooldown of a person who was let in together with another.
    pub fn start_cooldown(&mut self, person: PersonId, now: Moment) {
        self.granted.insert(person, now);
    }

    /// Changes the distance limit.
    pub fn set_distance(&mut self, distance: Distance) {
        self.rules.distance = distance;
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes in a sighting, and returns a decision if one is due. `authorise` is asked, at each frame until the grant, about a person whose face
    /// would be granted.
    ///
    /// The sightings of a track must come in the order of their frames: repeated and older ones are ignored. Track numbers must not be reused
    /// within the window.
    pub fn consider(
        &mut self,
        sighting: &Sighting,
        now: Moment,
        authorise: &mut dyn FnMut(&Shown) -> Judgement,
    ) -> Option<Decision> {
        let Referee { rules, evidence, granted } = self;
        granted.retain(|_, at| now.since(*at) < rules.cooldown);
        evidence.forget(now, rules.window);

        let finding = rules.finding(sighting);
        let look = Look {
            frame: sighting.frame,
            captured_at: sighting.captured_at.min(now),
            finding,
            clear: rules.clearly(sighting),
            also: rules.near_too(sighting),
        };
        let track = evidence.add(&sighting.camera, sighting.track, look, now, rules.kept(), rules.window)?;
        let age = now.since(look.captured_at);
        let counts = track.counts();
        let due = due(rules, track, &counts, finding, age)?;

        if must_be_quiet(rules, track, &counts, &due, granted) {
            track.waiting_since = look.captured_at;
            return None;
        }
        let mut gates = gates::all(rules, sighting, track, finding, age);
        let mut verdict = due.verdict;
        if let Verdict::Grant { person } = verdict {
            let judgement = authorise(&Shown {
                person,
                camera: sighting.camera.clone(),
                track: sighting.track,
                resembles: track.resembles(person),
                clear: track.clear(person, rules.needed()),
            });
            gates.extend(judgement.gates);
            if let Some(reason) = judgement.refused {
                verdict = Verdict::Deny { reason };
            }
        }
        match verdict {
            Verdict::Grant { person } => {
                granted.insert(person, now);
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
            captured_at: look.captured_at,
            decided_at: now,
            nearest: sighting.nearest,
            frames: (due.frames, counts.looks),
            gates,
        })
    }
}

impl Referee {
    /// How often a track must be seen from now on, so that decisions are what they would be if it were seen in every frame, and when its newest
    /// look was captured. `None` if the track is not known.
    ///
    /// Only a person who was let in, whose track shows nobody else, and whose cooldown goes on is needed seldom.
    pub fn wants(&self, camera: &str, track: TrackId, now: Moment) -> Option<(Wanted, Moment)> {
        let rules = &self.rules;
        let track = self.evidence.track(camera, track, now, rules.window)?;
        let newest = track.newest()?;
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

#[cfg(test)]
mod tests;
