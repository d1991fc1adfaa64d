//! A site head: a linear map that was learned on a site's own people and is put after the embedder.
//!
//! Templates are kept as the embedder made them, and go through the head whenever they are compared: a head can be put on, changed and
//! taken off without enrolling anybody again. Knows nothing of files and of how a head is learned.

use super::{Embedding, ModelId};

/// See the file's head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    base: ModelId,
    id: ModelId,
    dimension: usize,
    /// dimension x dimension, row by row: a row makes one figure of the result.
    matrix: Box<[f32]>,
}

impl Head {
    /// For embeddings of `base`; what comes out is tagged `id`. `matrix` is square, row by row. `None` when it is not, or holds what is no
    /// number.
    pub fn new(base: ModelId, id: ModelId, matrix: Box<[f32]>) -> Option<Head> {
        let dimension = matrix.len().isqrt();
        let sound = dimension > 0 && dimension * dimension == matrix.len() && matrix.iter().all(|v| v.is_finite());
        sound.then_some(Head { base, id, dimension, matrix })
    }

    /// The model whose embeddings it takes.
    pub fn base(&self) -> &ModelId {
        &self.base
    }

    /// The tag of what comes out.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// How many figures go in and come out.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The map, row by row.
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }

    /// Where an embedding lies behind the head. `None` for one of another model, and for the rare one that the map takes to nothing.
    pub fn project(&self, embedding: &Embedding) -> Option<Embedding> {
        if *embedding.model() != self.base || embedding.values().len() != self.dimension {
            return None;
        }
        Embedding::normalised(self.id.clone(), product(&self.matrix, embedding.values()))
    }
}

/// A matrix, row by row, times a column: as many figures as it has rows. The one way in which it is computed, so that probes, templates
/// and what was measured agree bit for bit.
pub fn product(matrix: &[f32], column: &[f32]) -> Box<[f32]> {
    let row = |row: &[f32]| {
        // Eight sums side by side let the processor add them at once, in the same order on every machine.
        let (rows, rest) = row.as_chunks::<8>();
        let (columns, column_rest) = column.as_chunks::<8>();
        let mut sums = [0.0f32; 8];
        for (a, b) in rows.iter().zip(columns) {
            for lane in 0..8 {
                sums[lane] += a[lane] * b[lane];
            }
        }
        sums.iter().sum::<f32>() + rest.iter().zip(column_rest).map(|(a, b)| a * b).sum::<f32>()
    };
    matrix.chunks_exact(column.len().max(1)).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ModelId {
        ModelId::new(text)
    }

    fn embedding(model: &str, values: &[f32]) -> Embedding {
        Embedding::normalised(id(model), values.into()).unwrap()
    }

    #[test]
    fn embeddings_are_mapped_and_brought_to_unit_length() {
        // A turn by 90 degrees, twice as long.
        let head = Head::new(id("net"), id("net+head"), [0.0, -2.0, 2.0, 0.0].into()).unwrap();
        let out = head.project(&embedding("net", &[3.0, 4.0])).unwrap();
        assert_eq!((out.model().as_str(), out.values()), ("net+head", [-0.8, 0.6].as_slice()));
        assert_eq!(head.project(&embedding("other", &[3.0, 4.0])), None);
        assert_eq!(head.project(&embedding("net", &[1.0, 0.0, 0.0])), None);
    }

    #[test]
    fn a_map_that_is_none_is_refused_and_what_it_takes_to_nothing_is_no_embedding() {
        assert_eq!(Head::new(id("a"), id("b"), [1.0, 2.0, 3.0].into()), None);
        assert_eq!(Head::new(id("a"), id("b"), [].into()), None);
        assert_eq!(Head::new(id("a"), id("b"), [f32::NAN].into()), None);
        let flat = Head::new(id("net"), id("b"), [1.0, 0.0, 0.0, 0.0].into()).unwrap();
        assert_eq!(flat.project(&embedding("net", &[0.0, 1.0])), None);
    }

    #[test]
    fn products_are_those_of_two_loops() {
        let (rows, columns) = (3, 19);
        let mut draw = fastrand::Rng::with_seed(1);
        let matrix: Vec<f32> = (0..rows * columns).map(|_| draw.f32() - 0.5).collect();
        let column: Vec<f32> = (0..columns).map(|_| draw.f32() - 0.5).collect();
        for (row, found) in product(&matrix, &column).iter().enumerate() {
            let wanted: f64 = (0..columns).map(|c| f64::from(matrix[row * columns + c]) * f64::from(column[c])).sum();
            assert!((f64::from(*found) - wanted).abs() < 1e-6);
        }
    }
}
