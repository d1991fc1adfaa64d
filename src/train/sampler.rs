//! The pictures of each batch. They depend only on the seed, the epoch and the step, so that a resumed run has the same batches as an uninterrupted
//! one.

use super::data::Faces;
use super::rng_for;

/// The composition of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// P: people with at least two pictures.
    pub people: usize,
    /// K: pictures of each, or as many as there are.
    pub pictures: usize,
    /// Additional pictures of other people, one each, as negatives only (Schroff et al. 2015, 3.2).
    pub strangers: usize,
}

/// The batches of P people with K pictures of one epoch. Everyone with at least two pictures comes once, in random order; the remainder that fills no
/// batch waits for the next epoch.
pub fn by_people(faces: &Faces, batch: Batch, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut rng = rng_for(seed, "people", epoch, 0);
    let (mut several, others): (Vec<usize>, Vec<usize>) =
        (0..faces.by_person().len()).partition(|&person| faces.of_person(person).len() >= 2);
    rng.shuffle(&mut several);
    several
        .chunks_exact(batch.people.max(1))
        .map(|people| {
            let mut pictures = Vec::new();
            for &person in people {
                pictures.extend(rng.choose_multiple(faces.of_person(person).iter().copied(), batch.pictures));
            }
            for person in rng.choose_multiple(others.iter().copied(), batch.strangers) {
                pictures.extend(rng.choice(faces.of_person(person)));
            }
            pictures
        })
        .collect()
}

/// The batches of a softmax epoch: each picture once, in random order; the remainder waits for the next epoch.
pub fn by_pictures(faces: &Faces, size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut pictures: Vec<usize> = (0..faces.count()).collect();
    rng_for(seed, "pictures", epoch, 0).shuffle(&mut pictures);
    pictures.chunks_exact(size.max(1)).map(<[usize]>::to_vec).collect()
}

/// The part of the data set that offline mining searches: all pictures of random people, until there are `size` pictures.
pub fn part(faces: &Faces, size: usize, seed: u64, round: u64) -> Vec<usize> {
    let mut rng = rng_for(seed, "part", round, 0);
    let mut people: Vec<usize> = (0..faces.by_person().len()).collect();
    rng.shuffle(&mut people);
    let mut pictures = Vec::new();
    for person in people {
        pictures.extend(faces.of_person(person));
        if pictures.len() >= size {
            break;
        }
    }
    pictures
}
