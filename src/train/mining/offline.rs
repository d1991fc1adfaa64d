//! Triplets over a part of the data set, listed by a network of some steps ago.

use super::Triplet;
use super::online::hardest;
use crate::train::distance::Distances;

/// For each picture of the part its farthest positive (`argmax`) and its nearest negative (`argmin`), in an order drawn anew.
///
/// A list serves until the next one is made; what was hard for the network of then is hard enough for the steps between.
pub fn list(distances: &Distances, labels: &[u32], draw: &mut fastrand::Rng) -> Vec<Triplet> {
    let mut listed: Vec<Triplet> = (0..labels.len()).filter_map(|anchor| hardest(distances, labels, anchor)).collect();
    draw.shuffle(&mut listed);
    listed
}

/// A batch of triplets without its pictures repeated: the pictures that are needed, each once, and the triplets by their
/// places among those.
pub fn compact(triplets: &[Triplet]) -> (Vec<usize>, Vec<Triplet>) {
    let mut pictures: Vec<usize> = triplets.iter().flat_map(|t| [t.anchor, t.positive, t.negative]).collect();
    pictures.sort_unstable();
    pictures.dedup();
    let place = |picture: usize| pictures.binary_search(&picture).expect("each picture of a triplet is listed");
    let placed = triplets
        .iter()
        .map(|t| Triplet { anchor: place(t.anchor), positive: place(t.positive), negative: place(t.negative) })
        .collect();
    (pictures, placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_anchor_is_listed_with_its_hardest() {
        // Two people on a line: 0, 1 and 5 against 2 and 9.
        let distances = Distances::between(&[0.0, 1.0, 5.0, 2.0, 9.0], 5);
        let mut listed = list(&distances, &[7, 7, 7, 8, 8], &mut fastrand::Rng::with_seed(3));
        listed.sort();
        let triplet = |anchor, positive, negative| Triplet { anchor, positive, negative };
        assert_eq!(listed, [triplet(0, 2, 3), triplet(1, 2, 3), triplet(2, 0, 3), triplet(3, 4, 1), triplet(4, 3, 2)]);
    }

    #[test]
    fn a_batch_holds_each_picture_once() {
        let triplet = |anchor, positive, negative| Triplet { anchor, positive, negative };
        let (pictures, placed) = compact(&[triplet(40, 10, 30), triplet(10, 40, 20)]);
        assert_eq!(pictures, [10, 20, 30, 40]);
        assert_eq!(placed, [triplet(3, 0, 2), triplet(0, 3, 1)]);
    }
}
