//! Weighs what a person has shown against what a door asks: tiers of which any suffices, each with its cues.

use std::collections::BTreeMap;

use super::cue::{CueReport, CueState};
use crate::domain::{Assurance, Cue, Gate, Reason};

/// How a person stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Every cue of this tier was shown.
    Met(Assurance),
    /// Every tier has a cue that failed; the reason is the first tier's.
    Failed(Reason),
    /// Neither. The first cue that is still to be shown of the first tier that can still be met, which is also the reason if it never is.
    Waiting(Cue),
}

/// What was asked, what was shown, and how the person stands.
#[derive(Clone, Debug)]
pub(super) struct Assessment {
    pub standing: Standing,
    tiers: Vec<Assurance>,
    reports: BTreeMap<Cue, CueReport>,
}

/// Why a person is refused who does not show a cue.
pub(super) fn reason(cue: Cue) -> Reason {
    match cue {
        Cue::Passive | Cue::Infrared => Reason::Presentation,
        Cue::Challenge => Reason::Challenge,
        Cue::Tag | Cue::Pin => Reason::SecondFactor,
    }
}

/// Asks `report` about each cue of the tiers once. Without tiers, nothing is asked.
pub(super) fn assess(tiers: &[Assurance], report: &mut dyn FnMut(Cue) -> CueReport) -> Assessment {
    let is_second = |cue: &Cue| matches!(cue, Cue::Tag | Cue::Pin);
    let mut reports: BTreeMap<Cue, CueReport> = BTreeMap::new();
    for cue in tiers.iter().flat_map(|tier| tier.cues()).filter(|cue| !is_second(cue)) {
        reports.entry(*cue).or_insert_with(|| report(*cue));
    }
    // A second factor is not even looked at before the rest of its tier was shown: the answer would tell somebody with a photograph whether a PIN
    // is right.
    for tier in tiers {
        for cue in tier.cues().iter().filter(|cue| is_second(cue)) {
            let mut before = tier.cues().iter().take_while(|other| *other != cue);
            if before.all(|other| reports.get(other).is_some_and(|report| report.state == CueState::Passed)) {
                reports.entry(*cue).or_insert_with(|| report(*cue));
            }
        }
    }
    for cue in tiers.iter().flat_map(|tier| tier.cues()) {
        reports.entry(*cue).or_insert_with(|| CueReport {
            cue: *cue,
            state: CueState::Waiting,
            input: "not looked at yet".to_owned(),
            limit: "once the rest is shown".to_owned(),
        });
    }
    let state = |cue: &Cue| reports.get(cue).map_or(CueState::CannotJudge, |report| report.state);
    let failed = |tier: &Assurance| tier.cues().iter().find(|cue| state(cue) == CueState::Failed).copied();
    let missing = |tier: &Assurance| tier.cues().iter().find(|cue| state(cue) != CueState::Passed).copied();
    let met = match tiers {
        [] => Some(Assurance::Recognised),
        _ => tiers.iter().find(|tier| missing(tier).is_none()).copied(),
    };
    let possible = tiers.iter().find(|tier| failed(tier).is_none());
    let standing = match (met, possible.and_then(missing), tiers.iter().find_map(failed)) {
        (Some(tier), ..) => Standing::Met(tier),
        (None, Some(cue), _) => Standing::Waiting(cue),
        (None, None, cue) => Standing::Failed(cue.map_or(Reason::Presentation, reason)),
    };
    Assessment { standing, tiers: tiers.to_vec(), reports }
}

impl Assessment {
    /// The gate `assurance`, and one for each cue; none where nothing is asked.
    pub fn gates(&self) -> Vec<Gate> {
        if self.tiers.is_empty() {
            return Vec::new();
        }
        let limit = self.tiers.iter().map(|tier| tier.as_str()).collect::<Vec<_>>().join(" or ");
        let input = match self.standing {
            Standing::Met(tier) => tier.to_string(),
            Standing::Failed(_) | Standing::Waiting(_) => "not shown".to_owned(),
        };
        let gate = Gate::new("assurance", input, limit, matches!(self.standing, Standing::Met(_)));
        std::iter::once(gate).chain(self.reports.values().map(CueReport::gate)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Assurance::{Challenge, ChallengePin, FacePin, FaceTag, Passive, Recognised};

    /// Cues not listed cannot be judged.
    fn with(tiers: &[Assurance], states: &[(Cue, CueState)]) -> (Standing, Vec<(String, &'static str)>) {
        let mut report = |cue: Cue| {
            let state = states.iter().find(|(of, _)| *of == cue).map_or(CueState::CannotJudge, |(_, state)| *state);
            CueReport { cue, state, input: String::new(), limit: String::new() }
        };
        let assessment = assess(tiers, &mut report);
        let gates = assessment.gates().iter().map(|gate| (gate.name.to_string(), gate.answer())).collect();
        (assessment.standing, gates)
    }

    #[test]
    fn any_tier_suffices_and_each_cue_is_reported_once() {
        let (passed, failed, waiting) = (CueState::Passed, CueState::Failed, CueState::Waiting);
        let standing = |tiers: &[Assurance], states: &[(Cue, CueState)]| with(tiers, states).0;
        assert_eq!(standing(&[], &[]), Standing::Met(Recognised));
        assert_eq!(standing(&[Recognised], &[]), Standing::Met(Recognised));
        assert_eq!(standing(&[Challenge], &[(Cue::Challenge, waiting)]), Standing::Waiting(Cue::Challenge));
        assert_eq!(standing(&[Challenge], &[(Cue::Challenge, failed)]), Standing::Failed(Reason::Challenge));
        assert_eq!(standing(&[Challenge], &[(Cue::Challenge, passed)]), Standing::Met(Challenge));
        let any = [Challenge, FacePin];
        let states = |challenge, pin| [(Cue::Challenge, challenge), (Cue::Pin, pin)];
        assert_eq!(standing(&any, &states(failed, waiting)), Standing::Waiting(Cue::Pin));
        assert_eq!(standing(&any, &states(waiting, failed)), Standing::Waiting(Cue::Challenge));
        assert_eq!(standing(&any, &states(failed, passed)), Standing::Met(FacePin));
        assert_eq!(standing(&any, &states(passed, failed)), Standing::Met(Challenge));
        assert_eq!(standing(&any, &states(failed, failed)), Standing::Failed(Reason::Challenge));
        assert_eq!(standing(&[FaceTag], &[(Cue::Tag, failed)]), Standing::Failed(Reason::SecondFactor));
        assert_eq!(standing(&[Passive], &[(Cue::Passive, failed)]), Standing::Failed(Reason::Presentation));
        let both = [ChallengePin];
        assert_eq!(standing(&both, &states(passed, waiting)), Standing::Waiting(Cue::Pin));
        assert_eq!(standing(&both, &states(passed, failed)), Standing::Failed(Reason::SecondFactor));
        let (_, gates) = with(&[Challenge, ChallengePin], &states(passed, waiting));
        let gates: Vec<_> = gates.iter().map(|(name, answer)| (name.as_str(), *answer)).collect();
        assert_eq!(gates, [("assurance", "passed"), ("challenge", "passed"), ("pin", "failed")]);
    }

    #[test]
    fn a_pin_is_not_looked_at_before_the_head_has_turned() {
        let asked = |tiers: &[Assurance], challenge: CueState| {
            let mut asked = Vec::new();
            let assessment = assess(tiers, &mut |cue| {
                asked.push(cue);
                let state = if cue == Cue::Challenge { challenge } else { CueState::Failed };
                CueReport { cue, state, input: String::new(), limit: String::new() }
            });
            (asked, assessment.standing)
        };
        let both = [ChallengePin];
        for waiting in [CueState::Waiting, CueState::CannotJudge] {
            assert_eq!(asked(&both, waiting), (vec![Cue::Challenge], Standing::Waiting(Cue::Challenge)));
        }
        let failed = (vec![Cue::Challenge], Standing::Failed(Reason::Challenge));
        assert_eq!(asked(&both, CueState::Failed), failed, "whatever the PIN");
        let wrong = (vec![Cue::Challenge, Cue::Pin], Standing::Failed(Reason::SecondFactor));
        assert_eq!(asked(&both, CueState::Passed), wrong);
        // Another tier asks for it alone.
        let any = asked(&[ChallengePin, FacePin], CueState::Waiting);
        assert_eq!(any.0, [Cue::Challenge, Cue::Pin]);
    }

    #[test]
    fn what_cannot_be_judged_is_not_passed_and_the_receipt_says_so() {
        let (standing, gates) = with(&[Passive], &[]);
        assert_eq!(standing, Standing::Waiting(Cue::Passive));
        assert_eq!(gates, [("assurance".to_owned(), "failed"), ("passive".to_owned(), "unsure")]);
        assert_eq!(with(&[Recognised], &[]).1, [("assurance".to_owned(), "passed")]);
        assert_eq!(with(&[], &[]).1, []);
    }
}
