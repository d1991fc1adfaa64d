//! Pairs of photographs in the form of Labeled Faces in the Wild, and how well a distance tells them apart.
//!
//! Knows nothing of how distances are made.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Two photographs, and whether they show one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub a: PathBuf,
    pub b: PathBuf,
    pub same: bool,
}

/// Why a list of pairs cannot be read.
#[derive(Debug, Error)]
pub enum PairsError {
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("{}:{line}: `{text}` is neither `NAME N M` nor `NAME N NAME M`", path.display())]
    Malformed { path: PathBuf, line: usize, text: String },
}

/// Reads LFW's `pairs*.txt`: a first line with counts, then lines of `NAME N M` (one person) and `NAME N NAME M` (two people), separated
/// by tabs. Paths are `images/NAME/NAME_000N.jpg`.
pub fn read_lfw(list: &Path, images: &Path) -> Result<Vec<Pair>, PairsError> {
    let text = std::fs::read_to_string(list).map_err(|why| PairsError::Unreadable { path: list.to_owned(), why })?;
    let photo = |name: &str, number: u32| images.join(name).join(format!("{name}_{number:04}.jpg"));
    let mut pairs = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let malformed = || PairsError::Malformed { path: list.to_owned(), line: index + 1, text: line.to_owned() };
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |field: &str| field.parse::<u32>().map_err(|_| malformed());
        pairs.push(match fields[..] {
            [name, n, m] => Pair { a: photo(name, number(n)?), b: photo(name, number(m)?), same: true },
            [one, n, other, m] => Pair { a: photo(one, number(n)?), b: photo(other, number(m)?), same: false },
            _ => return Err(malformed()),
        });
    }
    Ok(pairs)
}

/// The share of pairs that `limit` sorts rightly, where a distance at or below it means one person.
pub fn accuracy(distances: &[(f32, bool)], limit: f32) -> f64 {
    let right = distances.iter().filter(|(distance, same)| (*distance <= limit) == *same).count();
    right as f64 / distances.len().max(1) as f64
}

/// The distance that sorts the most pairs rightly: halfway between two neighbours, the smallest such when several are best.
pub fn best_limit(distances: &[(f32, bool)]) -> f32 {
    let mut sorted = distances.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    // With the limit below everything, exactly the pairs of different people are right.
    let mut right = sorted.iter().filter(|(_, same)| !same).count() as i64;
    let (mut best, mut limit) = (right, sorted.first().map_or(0.0, |(d, _)| d / 2.0));
    for (i, (distance, same)) in sorted.iter().enumerate() {
        right += if *same { 1 } else { -1 };
        let next = sorted.get(i + 1).map_or(distance + 1e-3, |(d, _)| *d);
        if right > best && next > *distance {
            best = right;
            limit = (distance + next) / 2.0;
        }
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_lfw_are_read_and_others_named() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("pairs.txt");
        std::fs::write(&list, "1\nAda_L\t1\t2\nAda_L\t1\tBob_M\t12\n").unwrap();
        let pairs = read_lfw(&list, Path::new("images")).unwrap();
        assert_eq!(pairs[0].b, Path::new("images/Ada_L/Ada_L_0002.jpg"));
        assert_eq!((pairs[1].b.to_str(), pairs[1].same), (Some("images/Bob_M/Bob_M_0012.jpg"), false));
        std::fs::write(&list, "1\nAda_L\tone\t2\n").unwrap();
        assert!(read_lfw(&list, Path::new("images")).unwrap_err().to_string().contains("pairs.txt:2"));
    }

    proptest! {
        #[test]
        fn no_limit_sorts_better_than_the_best(pairs in prop::collection::vec((0f32..2.0, any::<bool>()), 1..60)) {
            let best = accuracy(&pairs, best_limit(&pairs));
            for (distance, _) in &pairs {
                prop_assert!(accuracy(&pairs, *distance) <= best + 1e-12);
            }
            prop_assert!(accuracy(&pairs, -1.0) <= best + 1e-12);
        }
    }
}
