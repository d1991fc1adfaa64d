//! The nearest person and the runner-up, updated as templates are compared one by one.

use crate::domain::PersonId;

/// The two nearest people, who are always different. At equal distance the lower number is first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NearestTwo<F> {
    first: Option<(F, PersonId)>,
    second: Option<(F, PersonId)>,
}

impl<F: Copy + PartialOrd> NearestTwo<F> {
    /// Considers a template of `person` at distance `far`.
    pub fn offer(&mut self, far: F, person: PersonId) {
        let offered = Some((far, person));
        let Some(first) = self.first else {
            self.first = offered;
            return;
        };
        if (far, person) < first {
            if first.1 != person {
                self.second = self.first;
            }
            self.first = offered;
        } else if first.1 != person && self.second.is_none_or(|second| (far, person) < second) {
            self.second = offered;
        }
    }

    /// The nearest person.
    pub fn first(&self) -> Option<(F, PersonId)> {
        self.first
    }

    /// The nearest other person.
    pub fn second(&self) -> Option<(F, PersonId)> {
        self.second
    }

    /// Both, as far as they are known.
    pub fn both(&self) -> impl Iterator<Item = (F, PersonId)> {
        self.first.into_iter().chain(self.second)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_the_sorted_list_without_the_winner(offers in prop::collection::vec((0u8..9, 1u32..6), 0..40)) {
            let mut two = NearestTwo::default();
            for &(far, id) in &offers {
                two.offer(far, PersonId(id));
            }
            let first = offers.iter().min().copied();
            let second = offers.iter().filter(|o| Some(o.1) != first.map(|f| f.1)).min().copied();
            prop_assert_eq!(two.first(), first.map(|(far, id)| (far, PersonId(id))));
            prop_assert_eq!(two.second(), second.map(|(far, id)| (far, PersonId(id))));
        }
    }
}
