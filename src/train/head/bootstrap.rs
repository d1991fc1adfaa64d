//! Error rates of pairs that share people, and how sure they are: people, not pairs, are drawn anew (the subset bootstrap of Bolle,
//! Ratha and Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", 2004).

use std::collections::BTreeMap;

/// Two photographs, by their people's places, and their distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub a: u32,
    pub b: u32,
    pub distance: f32,
}

/// Pairs that are judged together, with the people they are of.
pub struct Pairs {
    /// Of two people; the nearest first.
    impostor: Vec<Pair>,
    /// Of one.
    genuine: Vec<Pair>,
    /// How many of the impostor pairs any two people have: far fewer than pairs, and asked for at each draw.
    crossed: Vec<(Pair, u64)>,
}

/// How often each person was drawn.
pub struct Drawn(Vec<u32>);

impl Drawn {
    /// Everybody once: what was measured.
    pub fn once(people: usize) -> Drawn {
        Drawn(vec![1; people])
    }

    /// As many as there are, each by chance.
    pub fn by_chance(people: usize, chance: &mut fastrand::Rng) -> Drawn {
        let mut drawn = vec![0; people];
        (0..people).for_each(|_| drawn[chance.usize(..people)] += 1);
        Drawn(drawn)
    }

    fn weight(&self, pair: &Pair) -> u64 {
        match pair.a == pair.b {
            true => self.0[pair.a as usize].into(),
            false => u64::from(self.0[pair.a as usize]) * u64::from(self.0[pair.b as usize]),
        }
    }
}

impl Pairs {
    pub fn new(mut impostor: Vec<Pair>, genuine: Vec<Pair>) -> Pairs {
        impostor.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        let mut crossed = BTreeMap::new();
        for pair in &impostor {
            crossed.entry((pair.a, pair.b)).or_insert((*pair, 0)).1 += 1;
        }
        Pairs { impostor, genuine, crossed: crossed.into_values().collect() }
    }

    /// The share of genuine pairs, 0 to 1, that are no nearer than the impostor pair that would exceed the false match rate `fmr`; `None`
    /// without genuine pairs. A person who was drawn twice counts twice.
    pub fn fnmr(&self, fmr: f64, drawn: &Drawn) -> Option<f64> {
        let total: u64 = self.crossed.iter().map(|(pair, count)| drawn.weight(pair) * count).sum();
        let (allowed, mut nearer) = (fmr * total as f64 * (1.0 + 1e-9), 0);
        let exceeds = |pair: &&Pair| {
            nearer += drawn.weight(pair);
            nearer as f64 > allowed
        };
        let bound = self.impostor.iter().find(exceeds).map_or(f32::INFINITY, |pair| pair.distance);
        let (mut all, mut missed) = (0, 0);
        for pair in &self.genuine {
            all += drawn.weight(pair);
            missed += if pair.distance >= bound { drawn.weight(pair) } else { 0 };
        }
        (all > 0).then(|| missed as f64 / all as f64)
    }
}

/// The middle 95 % of what replicates gave.
pub fn middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at =
        |share: f64| values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(f64::NAN);
    (at(0.025), at(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(a: u32, b: u32, distance: f32) -> Pair {
        Pair { a, b, distance }
    }

    #[test]
    fn the_rate_is_that_at_the_distance_of_the_allowed_impostors() {
        let impostor = (0..10).map(|n| pair(n % 2, 2 + n % 3, 1.0 + n as f32 / 10.0)).collect();
        let genuine = vec![pair(0, 0, 0.5), pair(1, 1, 1.05), pair(2, 2, 1.15), pair(3, 3, 3.0)];
        let pairs = Pairs::new(impostor, genuine);
        let once = Drawn::once(5);
        assert_eq!(pairs.fnmr(0.0, &once), Some(0.75), "nearer than 1.0");
        assert_eq!(pairs.fnmr(0.1, &once), Some(0.5), "one impostor may pass: nearer than 1.1");
        assert_eq!(pairs.fnmr(0.2, &once), Some(0.25));
        assert_eq!(pairs.fnmr(1.0, &once), Some(0.0));
        // Without the first and the third, their pairs count for nothing; the second counts twice.
        assert_eq!(pairs.fnmr(0.0, &Drawn(vec![0, 2, 0, 1, 1])), Some(1.0 / 3.0), "the nearest left is at 1.1");
        assert_eq!(pairs.fnmr(0.5, &Drawn(vec![0, 0, 0, 0, 5])), None);
    }

    #[test]
    fn as_many_are_drawn_as_there_are() {
        let mut chance = fastrand::Rng::with_seed(3);
        for people in [1, 2, 50] {
            assert_eq!(Drawn::by_chance(people, &mut chance).0.iter().sum::<u32>() as usize, people);
        }
        assert_eq!(middle((0..=1000).map(f64::from).collect()), (25.0, 975.0));
    }
}
