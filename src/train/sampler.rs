//! Which pictures are in which batch. All of it follows from the seed, the epoch and the step, so that a resumed run sees the
//! same batches as an unbroken one.

use super::data::Faces;
use super::random::draw;

/// What a batch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// P: people with two pictures or more.
    pub people: usize,
    /// K: pictures of each, or as many as there are.
    pub pictures: usize,
    /// Pictures of other people besides, one each, which serve as negatives only (Schroff et al. 2015, 3.2).
    pub strangers: usize,
}

/// The batches of P people with K pictures of one epoch: everybody with two pictures or more comes once, in an order drawn anew; the last
/// few, who fill no batch, wait for the next epoch.
pub fn by_people(faces: &Faces, batch: Batch, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut draw = draw(seed, "people", epoch, 0);
    let (mut several, others): (Vec<usize>, Vec<usize>) =
        (0..faces.by_person().len()).partition(|&person| faces.by_person()[person].len() >= 2);
    draw.shuffle(&mut several);
    several
        .chunks_exact(batch.people.max(1))
        .map(|people| {
            let mut pictures = Vec::new();
            for &person in people {
                pictures.extend(draw.choose_multiple(faces.by_person()[person].iter().copied(), batch.pictures));
            }
            for person in draw.choose_multiple(others.iter().copied(), batch.strangers) {
                pictures.extend(draw.choice(&faces.by_person()[person]));
            }
            pictures
        })
        .collect()
}

/// The batches of a softmax epoch: each picture once, in an order drawn anew; the last few wait for the next epoch.
pub fn by_pictures(faces: &Faces, size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut pictures: Vec<usize> = (0..faces.count()).collect();
    draw(seed, "pictures", epoch, 0).shuffle(&mut pictures);
    pictures.chunks_exact(size.max(1)).map(<[usize]>::to_vec).collect()
}

/// The part of the data set that offline mining looks through: whole people, drawn until there are `size` pictures.
pub fn part(faces: &Faces, size: usize, seed: u64, round: u64) -> Vec<usize> {
    let mut draw = draw(seed, "part", round, 0);
    let mut people: Vec<usize> = (0..faces.by_person().len()).collect();
    draw.shuffle(&mut people);
    let mut pictures = Vec::new();
    for person in people {
        pictures.extend(&faces.by_person()[person]);
        if pictures.len() >= size {
            break;
        }
    }
    pictures
}
