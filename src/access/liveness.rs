//! How a door tells a person from a photograph of one: the settings of its challenge and of the passive networks, and the order in which it asks
//! for turns.

use std::fmt;

use super::challenge::ChallengeSettings;
use super::passive::PassiveRules;
use crate::domain::{PassiveMode, Side};

/// The settings of a door.
#[derive(Clone, Debug, PartialEq)]
pub struct LivenessRules {
    pub challenge: ChallengeSettings,
    /// The sides that a challenge asks for, in this order unless it is drawn by lot.
    pub sides: Vec<Side>,
    /// Whether the order is drawn by lot, which only makes sense where people are told.
    pub shuffled: bool,
    /// What the passive networks may do, and when a face passes them.
    pub passive_mode: PassiveMode,
    pub passive: PassiveRules,
}

impl Default for LivenessRules {
    /// Left, then right, always; the passive networks do nothing.
    fn default() -> LivenessRules {
        LivenessRules {
            challenge: ChallengeSettings::normal(),
            sides: vec![Side::Left, Side::Right],
            shuffled: false,
            passive_mode: PassiveMode::Off,
            passive: PassiveRules::default(),
        }
    }
}

/// Where chance comes from: `draw(n)` is one of `0..n`, each as likely as the others.
pub struct Dice(Box<dyn FnMut(usize) -> usize + Send>);

impl Dice {
    /// Draws by `draw`.
    pub fn new(draw: impl FnMut(usize) -> usize + Send + 'static) -> Dice {
        Dice(Box::new(draw))
    }

    /// `sides` in an order drawn by lot (Fisher and Yates).
    fn shuffle(&mut self, mut sides: Vec<Side>) -> Vec<Side> {
        for last in (1..sides.len()).rev() {
            let drawn = (self.0)(last + 1).min(last);
            sides.swap(last, drawn);
        }
        sides
    }

    /// The order of the turns of a challenge.
    pub(crate) fn order(&mut self, rules: &LivenessRules) -> Vec<Side> {
        if rules.shuffled { self.shuffle(rules.sides.clone()) } else { rules.sides.clone() }
    }
}

impl Default for Dice {
    /// Always draws the first.
    fn default() -> Dice {
        Dice::new(|_| 0)
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_order_is_as_likely_and_without_a_channel_it_is_always_the_same() {
        let mut random = fastrand::Rng::with_seed(18);
        let mut dice = Dice::new(move |count| random.usize(..count));
        let sides = vec![Side::Left, Side::Right, Side::Up];
        let rules = LivenessRules { sides: sides.clone(), shuffled: true, ..LivenessRules::default() };
        let mut orders: BTreeMap<Vec<&str>, u32> = BTreeMap::new();
        for _ in 0..6000 {
            *orders.entry(dice.order(&rules).iter().map(|side| side.as_str()).collect()).or_default() += 1;
        }
        assert_eq!(orders.len(), 6);
        assert!(orders.values().all(|count| (850..1150).contains(count)), "{orders:?}");
        let fixed = LivenessRules { shuffled: false, ..rules };
        assert!((0..100).all(|_| dice.order(&fixed) == sides));
    }

    #[test]
    fn dice_that_draw_too_high_do_no_harm() {
        let rules = LivenessRules { shuffled: true, ..LivenessRules::default() };
        assert_eq!(Dice::new(|_| usize::MAX).order(&rules), [Side::Left, Side::Right]);
        assert_eq!(Dice::default().order(&rules), [Side::Right, Side::Left]);
    }
}
