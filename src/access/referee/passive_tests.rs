//! What the passive networks say, and what follows from it for people and for pictures of them.

use super::super::PassiveRules;
use super::super::rules::tests::{clear, usual};
use super::*;
use crate::domain::{Assurance, Passive, PassiveLimit, PassiveMode};

/// Twenty frames a second.
const FRAME: Duration = Duration::from_millis(50);

/// A door with these tiers, and what it decides about a face of which the networks say `answers`, one a frame, the last one from then on.
fn decisions(mode: PassiveMode, tiers: &[Assurance], answers: &[Option<Passive>], frames: u64) -> Vec<Decision> {
    let liveness = LivenessRules { passive_mode: mode, passive: PassiveRules::default(), ..LivenessRules::default() };
    let mut referee = Referee::with_liveness(usual(), liveness, Dice::default());
    let mut authorise = |_: &Shown| Judgement { assurance: tiers.to_vec(), ..Judgement::default() };
    let mut decisions = Vec::new();
    for frame in 1..=frames {
        let now = Moment(Duration::from_secs(10) + FRAME * frame as u32);
        let said = answers.get(frame as usize - 1).or(answers.last()).copied().flatten();
        let sighting = Sighting { passive: said, ..clear(frame, now) };
        decisions.extend(referee.consider_asking(&sighting, now, &mut authorise, &mut NoCues));
        decisions.extend(referee.tick(now, &mut NoCues));
    }
    decisions
}

fn words(decisions: &[Decision]) -> Vec<String> {
    let word = |decision: &Decision| match decision.verdict {
        Verdict::Grant { .. } => format!("grant at {}", decision.frame),
        Verdict::Deny { reason } => format!("{} at {}", reason.as_str(), decision.frame),
    };
    decisions.iter().map(word).collect()
}

/// The answer of the gate, and its texts.
fn gate(decision: &Decision) -> Option<(&'static str, &str, &str)> {
    let gate = decision.gates.iter().find(|gate| gate.name == "passive")?;
    Some((gate.answer(), &gate.input, &gate.limit))
}

const REAL: Option<Passive> = Some(Passive::Score(0.9));
const PRINT: Option<Passive> = Some(Passive::Score(0.1));
const GREY: Option<Passive> = Some(Passive::CannotJudge(PassiveLimit::Grey));

#[test]
fn where_they_may_refuse_a_print_is_refused_and_a_person_is_let_in() {
    let print = decisions(PassiveMode::Deny, &[], &[PRINT], 20);
    assert_eq!(words(&print), ["presentation at 5"]);
    let limit = "above 0.50 over 3 to 5 frames";
    assert_eq!(gate(&print[0]), Some(("failed", "looks real by 0.10 over 5 frames", limit)));
    let person = decisions(PassiveMode::Deny, &[], &[REAL], 20);
    assert_eq!(words(&person), ["grant at 3"]);
    assert_eq!(gate(&person[0]), Some(("passed", "looks real by 0.90 over 3 frames", limit)));
    // A person who begins badly is waited for.
    assert_eq!(words(&decisions(PassiveMode::Deny, &[], &[PRINT, PRINT, REAL], 20)), ["grant at 5"]);
}

#[test]
fn who_cannot_be_judged_is_let_in_and_the_receipt_says_so() {
    let grey = decisions(PassiveMode::Deny, &[], &[GREY], 20);
    assert_eq!(words(&grey), ["grant at 3"]);
    assert_eq!(
        gate(&grey[0]).map(|(answer, input, _)| (answer, input)),
        Some(("unsure", "cannot judge: without colour in 3 frames"))
    );
    let unasked = decisions(PassiveMode::Deny, &[], &[None], 20);
    assert_eq!(words(&unasked), ["grant at 3"], "a camera without the networks shuts nobody out");
}

#[test]
fn what_is_only_logged_changes_nothing() {
    for (answer, said) in [(PRINT, "failed"), (REAL, "passed"), (GREY, "unsure")] {
        let logged = decisions(PassiveMode::Log, &[], &[answer], 20);
        assert_eq!(words(&logged), ["grant at 3"]);
        let (answer, _, limit) = gate(&logged[0]).unwrap();
        assert_eq!((answer, limit.ends_with("logged only")), (said, true));
        let off = decisions(PassiveMode::Off, &[], &[Some(Passive::Score(0.1))], 20);
        assert_eq!((words(&off), gate(&off[0])), (vec!["grant at 3".to_owned()], None));
    }
}

#[test]
fn a_tier_that_names_them_needs_them_whatever_else_they_may_do() {
    for mode in [PassiveMode::Off, PassiveMode::Log, PassiveMode::Deny] {
        let of = |answer| words(&decisions(mode, &[Assurance::Passive], &[answer], 30));
        assert_eq!(of(REAL), ["grant at 3"], "{mode:?}");
        assert_eq!(of(PRINT), ["presentation at 5"], "{mode:?}");
        assert_eq!(of(GREY), Vec::<String>::new(), "not passed, and not refused before its time");
    }
    // Once in the receipt, not twice.
    let granted = decisions(PassiveMode::Log, &[Assurance::Passive], &[REAL], 5);
    assert_eq!(granted[0].gates.iter().filter(|gate| gate.name == "passive").count(), 1);
}

#[test]
fn a_print_is_not_even_asked_to_turn() {
    let refused = decisions(PassiveMode::Deny, &[Assurance::Challenge], &[PRINT], 30);
    assert_eq!(words(&refused), ["presentation at 5"]);
    // Swapped in while the challenge is under way, it ends that.
    let mut swapped = vec![REAL; 12];
    swapped.push(PRINT);
    let refused = decisions(PassiveMode::Deny, &[Assurance::Challenge], &swapped, 40);
    assert_eq!(words(&refused), ["presentation at 15"]);
}
