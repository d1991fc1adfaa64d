//! The nearest person and the nearest of everybody else, kept while templates are offered one by one.
//!
//! Knows nothing of how a distance is computed.

use crate::domain::PersonId;

/// First and second place, held by two different people; lower is nearer, and of two as near the lower number goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Podium<F> {
    first: Option<(F, PersonId)>,
    second: Option<(F, PersonId)>,
}

impl<F: Copy + PartialOrd> Podium<F> {
    /// One template of `person`, `far` away.
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

    /// The nearest of everybody else.
    pub fn second(&self) -> Option<(F, PersonId)> {
        self.second
    }

    /// Those of the two that are taken.
    pub fn places(&self) -> impl Iterator<Item = (F, PersonId)> {
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
            let mut podium = Podium::default();
            for &(far, id) in &offers {
                podium.offer(far, PersonId(id));
            }
            let first = offers.iter().min().copied();
            let second = offers.iter().filter(|o| Some(o.1) != first.map(|f| f.1)).min().copied();
            prop_assert_eq!(podium.first(), first.map(|(far, id)| (far, PersonId(id))));
            prop_assert_eq!(podium.second(), second.map(|(far, id)| (far, PersonId(id))));
        }
    }
}
