//! What the passive networks have said about one track: evidence against prints and screens, over several frames.
//!
//! A single frame refuses too many real faces (9 % of the photographs of LFW), the mean of a few does not: docs/liveness-networks.md has the
//! figures.

use std::collections::VecDeque;
use std::time::Duration;

use super::cue::{CueReport, CueState};
use crate::domain::{Cue, Moment, Passive, PassiveLimit};

/// When a face counts as real, and when as a print or a screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassiveRules {
    /// The newest judged frames of which the mean counts. 5.
    pub frames: usize,
    /// Fewer judged frames say nothing. 3.
    pub least: usize,
    /// The mean must be above this to pass. 0.5.
    pub above: f32,
    /// Older frames do not count. 5 s; more on a board that needs longer for the frames.
    pub window: Duration,
}

impl Default for PassiveRules {
    fn default() -> PassiveRules {
        PassiveRules { frames: 5, least: 3, above: 0.5, window: Duration::from_secs(5) }
    }
}

/// The most answers that are kept: many more than count, so that faces that cannot be judged are counted, too.
const KEPT: usize = 16;

/// The answers of one track, oldest first.
#[derive(Clone, Debug, Default)]
pub struct PassiveEvidence {
    answers: VecDeque<Answer>,
    /// Frames since the last answer of which the networks were not asked.
    unasked: usize,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    frame: u64,
    captured_at: Moment,
    passive: Passive,
}

impl PassiveEvidence {
    /// Adds what was said of a frame; `None` where the networks were not asked. A frame that has come before, or that is older than the newest, does
    /// not count.
    pub fn add(&mut self, frame: u64, captured_at: Moment, passive: Option<Passive>) {
        let Some(passive) = passive else {
            self.unasked = self.unasked.saturating_add(1);
            return;
        };
        let newer = |last: &Answer| frame > last.frame && captured_at >= last.captured_at;
        if !self.answers.back().is_none_or(newer) {
            return;
        }
        self.unasked = 0;
        self.answers.push_back(Answer { frame, captured_at, passive });
        if self.answers.len() > KEPT {
            self.answers.pop_front();
        }
    }

    /// What the answers of the last `window` amount to.
    ///
    /// A face passes once `least` frames were judged and the mean of the newest `frames` of them is above the limit. It fails only when `frames` were
    /// judged, so that a real face has as many to recover in. Where too few frames can be judged, the newest says why.
    pub fn report(&self, rules: &PassiveRules, now: Moment) -> CueReport {
        let recent = || self.answers.iter().rev().filter(|answer| now.since(answer.captured_at) <= rules.window);
        let scores: Vec<f32> = recent()
            .filter_map(|answer| match answer.passive {
                // A score that is not a number is that of a broken network: not real.
                Passive::Score(score) => Some(if score.is_finite() { score } else { 0.0 }),
                Passive::CannotJudge(_) => None,
            })
            .take(rules.frames)
            .collect();
        let mut limits = recent().filter_map(|answer| match answer.passive {
            Passive::Score(_) => None,
            Passive::CannotJudge(limit) => Some(limit),
        });
        let limit: Option<PassiveLimit> = limits.next();
        let judged = scores.len();
        let mean = scores.iter().sum::<f32>() / judged.max(1) as f32;
        let least = rules.least.max(1);
        let unjudged = limits.count() + usize::from(limit.is_some());
        let (state, input) = match limit {
            _ if judged >= least && mean > rules.above => (CueState::Passed, looks(mean, judged)),
            _ if judged >= rules.frames.max(least) => (CueState::Failed, looks(mean, judged)),
            Some(limit) if unjudged >= least => {
                (CueState::CannotJudge, format!("cannot judge: {} in {}", limit.words(), frames(unjudged)))
            }
            _ if self.unasked >= least => (CueState::CannotJudge, "cannot judge: the networks did not look".to_owned()),
            _ if judged == 0 => (CueState::Waiting, "no frame judged yet".to_owned()),
            _ => (CueState::Waiting, format!("{} so far", looks(mean, judged))),
        };
        let limit = format!("above {:.2} over {least} to {} frames", rules.above, rules.frames.max(least));
        CueReport { cue: Cue::Passive, state, input, limit }
    }
}

fn looks(mean: f32, judged: usize) -> String {
    format!("looks real by {mean:.2} over {}", frames(judged))
}

fn frames(count: usize) -> String {
    if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(frame: u64) -> Moment {
        Moment(Duration::from_millis(100 * frame))
    }

    /// The report after these answers, 100 ms apart.
    fn report(answers: &[Passive]) -> CueReport {
        let mut evidence = PassiveEvidence::default();
        for (frame, answer) in (1..).zip(answers) {
            evidence.add(frame, at(frame), Some(*answer));
        }
        evidence.report(&PassiveRules::default(), at(answers.len() as u64))
    }

    fn scores(scores: &[f32]) -> CueReport {
        report(&scores.iter().map(|&score| Passive::Score(score)).collect::<Vec<_>>())
    }

    const SMALL: Passive = Passive::CannotJudge(PassiveLimit::Small);

    #[test]
    fn the_mean_of_the_newest_five_decides_from_three_on() {
        assert_eq!(scores(&[]).state, CueState::Waiting);
        assert_eq!(scores(&[1.0, 1.0]).state, CueState::Waiting);
        let passed = scores(&[0.9, 0.1, 0.8]);
        assert_eq!((passed.state, passed.input.as_str()), (CueState::Passed, "looks real by 0.60 over 3 frames"));
        assert_eq!(passed.limit, "above 0.50 over 3 to 5 frames");
        assert_eq!(scores(&[0.0, 0.0, 0.9, 0.9, 0.9, 0.9, 0.0]).state, CueState::Passed);
        assert_eq!(scores(&[0.5; 5]).state, CueState::Failed, "above, not at");
        assert_eq!(scores(&[1.0, 1.0, 0.1, 0.1, 0.1, 0.9, 0.1]).state, CueState::Failed);
    }

    #[test]
    fn it_fails_no_earlier_than_with_five_frames() {
        let waiting = scores(&[0.1, 0.1, 0.1, 0.1]);
        assert_eq!(waiting.state, CueState::Waiting);
        assert!(waiting.input.ends_with("over 4 frames so far"), "{}", waiting.input);
        assert_eq!(scores(&[0.1; 5]).state, CueState::Failed);
        assert_eq!(scores(&[0.1, 0.1, 1.0, 1.0, 1.0]).state, CueState::Passed);
    }

    #[test]
    fn what_cannot_be_judged_is_an_answer_of_its_own() {
        assert_eq!(report(&[SMALL, SMALL]).state, CueState::Waiting);
        let report_of_small = report(&[Passive::Score(0.9), SMALL, SMALL, SMALL]);
        assert_eq!(report_of_small.state, CueState::CannotJudge);
        assert_eq!(report_of_small.input, "cannot judge: too small in 3 frames");
        assert!(!report_of_small.gate().passed);
        // Enough judged frames count, whatever is between.
        let real = Passive::Score(0.9);
        assert_eq!(report(&[SMALL, real, SMALL, real, SMALL, real]).state, CueState::Passed);
        let print = Passive::Score(0.1);
        assert_eq!(report(&[print, SMALL, print, SMALL, print, SMALL, print, print]).state, CueState::Failed);
    }

    #[test]
    fn old_frames_and_frames_that_come_twice_do_not_count() {
        let mut evidence = PassiveEvidence::default();
        let rules = PassiveRules::default();
        for frame in 1..=3 {
            evidence.add(frame, at(frame), Some(Passive::Score(1.0)));
        }
        assert_eq!(evidence.report(&rules, at(3)).state, CueState::Passed);
        assert_eq!(evidence.report(&rules, at(3) + rules.window).state, CueState::Waiting);
        let mut twice = PassiveEvidence::default();
        for (frame, moment) in [(1, 1), (1, 1), (2, 2), (1, 3), (3, 1)] {
            twice.add(frame, at(moment), Some(Passive::Score(1.0)));
        }
        twice.add(9, at(9), None);
        assert_eq!(twice.report(&rules, at(3)).input, "looks real by 1.00 over 2 frames so far");
        (10..12).for_each(|frame| twice.add(frame, at(frame), None));
        assert_eq!(twice.report(&rules, at(3)).input, "cannot judge: the networks did not look");
    }

    #[test]
    fn a_score_that_is_not_a_number_is_not_real() {
        assert_eq!(scores(&[f32::NAN; 5]).state, CueState::Failed);
        assert_eq!(scores(&[f32::INFINITY; 5]).state, CueState::Failed);
    }

    proptest! {
        #[test]
        fn a_face_that_never_looks_real_never_passes_and_one_that_always_does_never_fails(
            given in prop::collection::vec((0.0f32..=0.5, 0u8..4), 0..40),
        ) {
            let answers = |mirror: bool| -> Vec<Passive> {
                let score = |score: f32| Passive::Score(if mirror { 1.0001 - score } else { score });
                given.iter().map(|&(value, kind)| if kind == 0 { SMALL } else { score(value) }).collect()
            };
            prop_assert_ne!(report(&answers(false)).state, CueState::Passed);
            prop_assert_ne!(report(&answers(true)).state, CueState::Failed);
        }
    }
}
