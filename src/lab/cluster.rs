//! Clusters embeddings into groups of one person each: average linkage, cut at a distance. The two groups with the smallest mean distance between
//! their members are merged first, as long as it is within the limit.

#![expect(
    clippy::indexing_slicing,
    reason = "indices of embeddings come from ranges over them, and those of clusters from the linkage's steps"
)]

use kodama::{Method, linkage};
use thiserror::Error;

use crate::domain::{Distance, Embedding};

/// The largest connected part that is clustered. More faces are connected only if the limit is far too large; their distances would need 800 MB.
pub const MAX_CONNECTED: usize = 20_000;

/// Why embeddings cannot be grouped.
#[derive(Debug, Error)]
pub enum ClusterError {
    #[error(
        "{0} faces are connected within this distance, more than {MAX_CONNECTED}: choose a smaller one, or fewer photographs"
    )]
    TooMany(usize),
    #[error("the embeddings are of different models")]
    Mixed,
}

/// The group of each embedding: numbers from 0, in the order in which the groups first occur.
///
/// Faces can only be grouped along pairs within `limit`, because a mean is never below its smallest term. So the faces are first divided into
/// connected parts, and memory holds the distances of one part at a time: half its size squared, as floats (50 MB for 5,000 connected faces).
pub fn cluster(embeddings: &[Embedding], limit: Distance) -> Result<Vec<usize>, ClusterError> {
    if embeddings.windows(2).any(|pair| pair[0].distance(&pair[1]).is_none()) {
        return Err(ClusterError::Mixed);
    }
    let between = |a: usize, b: usize| Distance::between(embeddings[a].values(), embeddings[b].values()).0;
    let mut connected = Sets::new(embeddings.len());
    for a in 0..embeddings.len() {
        for b in 0..a {
            // The sets are checked first: a look-up costs less than a distance.
            if connected.find(a) != connected.find(b) && between(a, b) <= limit.0 {
                connected.join(a, b);
            }
        }
    }
    let mut groups = Sets::new(embeddings.len());
    for part in connected.members() {
        if part.len() > MAX_CONNECTED {
            return Err(ClusterError::TooMany(part.len()));
        }
        let mut condensed = Vec::with_capacity(part.len() * part.len().saturating_sub(1) / 2);
        for (i, &a) in part.iter().enumerate() {
            condensed.extend(part[i + 1..].iter().map(|&b| between(a, b)));
        }
        // Each step merges two groups into one, numbered after the faces and the earlier steps. `member` has any face of each.
        let mut member: Vec<usize> = part.clone();
        for step in linkage(&mut condensed, part.len(), Method::Average).steps() {
            if step.dissimilarity <= limit.0 {
                groups.join(member[step.cluster1], member[step.cluster2]);
            }
            member.push(member[step.cluster1]);
        }
    }
    Ok(groups.numbered())
}

/// Disjoint sets of the numbers below a count (union-find with path halving).
struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    fn new(count: usize) -> Sets {
        Sets { parent: (0..count).collect() }
    }

    /// The set's smallest member.
    fn find(&mut self, mut of: usize) -> usize {
        while self.parent[of] != of {
            self.parent[of] = self.parent[self.parent[of]];
            of = self.parent[of];
        }
        of
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b)] = a.min(b);
    }

    /// The number of each member's set, in the order in which the sets first occur.
    fn numbered(&mut self) -> Vec<usize> {
        let mut numbers = vec![usize::MAX; self.parent.len()];
        let mut next = 0;
        (0..self.parent.len())
            .map(|i| {
                let root = self.find(i);
                if numbers[root] == usize::MAX {
                    numbers[root] = next;
                    next += 1;
                }
                numbers[root]
            })
            .collect()
    }

    /// The members of each set.
    fn members(&mut self) -> Vec<Vec<usize>> {
        let mut sets: Vec<Vec<usize>> = Vec::new();
        for (i, number) in self.numbered().into_iter().enumerate() {
            if number == sets.len() {
                sets.push(Vec::new());
            }
            sets[number].push(i);
        }
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ModelId;
    use proptest::prelude::*;

    fn embeddings(points: &[[f32; 3]]) -> Vec<Embedding> {
        points.iter().filter_map(|p| Embedding::normalised(ModelId::new("test"), Box::new(*p))).collect()
    }

    /// Average linkage by definition: every mean is recomputed.
    fn by_definition(faces: &[Embedding], limit: f32) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = (0..faces.len()).map(|i| vec![i]).collect();
        loop {
            let mut best = (f64::INFINITY, 0, 0);
            for a in 0..groups.len() {
                for b in 0..a {
                    let pairs = groups[a].iter().flat_map(|&i| groups[b].iter().map(move |&j| (i, j)));
                    let sum: f64 = pairs.map(|(i, j)| f64::from(faces[i].distance(&faces[j]).unwrap().0)).sum();
                    let mean = sum / (groups[a].len() * groups[b].len()) as f64;
                    if mean < best.0 {
                        best = (mean, b, a);
                    }
                }
            }
            if best.0 > f64::from(limit) {
                groups.iter_mut().for_each(|g| g.sort());
                groups.sort();
                return groups;
            }
            let moved = groups.remove(best.2);
            groups[best.1].extend(moved);
        }
    }

    #[test]
    fn no_face_and_one_face_are_clustered_too() {
        assert!(cluster(&[], Distance(1.0)).unwrap().is_empty());
        assert_eq!(cluster(&embeddings(&[[1.0, 0.0, 0.0]]), Distance(1.0)).unwrap(), [0]);
    }

    #[test]
    fn a_chain_of_neighbours_is_not_one_person() {
        // Four faces on an arc, each within 0.6 of the next: single linkage would join them all.
        let arc = [0.0f32, 0.4, 0.9, 1.35].map(f32::sin_cos).map(|(y, x)| [x, y, 0.0]);
        assert_eq!(cluster(&embeddings(&arc), Distance(0.6)).unwrap(), [0, 0, 1, 1]);
    }

    #[test]
    fn models_do_not_mix() {
        let mut faces = embeddings(&[[1.0, 0.0, 0.0]]);
        faces.extend(Embedding::normalised(ModelId::new("other"), Box::new([1.0, 0.0, 0.0])));
        assert!(matches!(cluster(&faces, Distance(1.0)), Err(ClusterError::Mixed)));
    }

    proptest! {
        #[test]
        fn the_groups_are_those_of_the_definition(
            points in prop::collection::vec(prop::array::uniform3(-1f32..1.0), 0..24), limit in 0.05f32..1.6,
        ) {
            let faces = embeddings(&points);
            let groups = cluster(&faces, Distance(limit)).unwrap();
            let mut sets = vec![Vec::new(); groups.iter().max().map_or(0, |m| m + 1)];
            for (i, group) in groups.iter().enumerate() {
                sets[*group].push(i);
            }
            sets.sort();
            prop_assert_eq!(sets, by_definition(&faces, limit));
        }
    }
}
