//! A site head: a linear map behind the embedder, learned from a site's own people.
//!
//! Templates are stored as the embedder made them and go through the head when they are compared. So a head can be added, changed and removed
//! without enrolling anyone again.

use super::{Embedding, ModelId};

/// A square matrix, applied to an embedding before it is normalised to unit length. All its values are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteHead {
    base: ModelId,
    id: ModelId,
    dimension: usize,
    /// dimension x dimension, row-major: a row gives one value of the result.
    matrix: Box<[f32]>,
}

impl SiteHead {
    /// A head for embeddings of `base`, whose results have the model `id`. `matrix` is row-major; `None` if it is not square, or has a value
    /// that is not finite.
    pub fn new(base: ModelId, id: ModelId, matrix: Box<[f32]>) -> Option<SiteHead> {
        let dimension = matrix.len().isqrt();
        let sound = dimension > 0 && dimension * dimension == matrix.len() && matrix.iter().all(|v| v.is_finite());
        sound.then_some(SiteHead { base, id, dimension, matrix })
    }

    /// The model of the embeddings that it accepts.
    pub fn base(&self) -> &ModelId {
        &self.base
    }

    /// The model of its results.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// Dimension of its inputs and results.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The matrix, row-major.
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }

    /// The embedding behind the head. `None` for an embedding of another model or dimension, and for one that the matrix maps to zero.
    pub fn project(&self, embedding: &Embedding) -> Option<Embedding> {
        if *embedding.model() != self.base || embedding.values().len() != self.dimension {
            return None;
        }
        Embedding::normalised(self.id.clone(), product(&self.matrix, embedding.values()))
    }
}

/// A row-major matrix times a column vector: one value for each row. Probes, templates and measurements all use this function, so that they
/// agree bit for bit.
pub fn product(matrix: &[f32], column: &[f32]) -> Box<[f32]> {
    let row = |row: &[f32]| {
        // Eight partial sums vectorise, and are added in the same order on every machine.
        let (rows, rest) = row.as_chunks::<8>();
        let (columns, column_rest) = column.as_chunks::<8>();
        let mut sums = [0.0f32; 8];
        for (a, b) in rows.iter().zip(columns) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
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
    fn embeddings_are_mapped_and_normalised() {
        // A turn by 90 degrees, twice as long.
        let head = SiteHead::new(id("net"), id("net+head"), [0.0, -2.0, 2.0, 0.0].into()).unwrap();
        let out = head.project(&embedding("net", &[3.0, 4.0])).unwrap();
        assert_eq!((out.model().as_str(), out.values()), ("net+head", [-0.8, 0.6].as_slice()));
        assert_eq!(head.project(&embedding("other", &[3.0, 4.0])), None);
        assert_eq!(head.project(&embedding("net", &[1.0, 0.0, 0.0])), None);
    }

    #[test]
    fn an_invalid_matrix_is_refused_and_a_zero_result_is_not_an_embedding() {
        assert_eq!(SiteHead::new(id("a"), id("b"), [1.0, 2.0, 3.0].into()), None);
        assert_eq!(SiteHead::new(id("a"), id("b"), [].into()), None);
        assert_eq!(SiteHead::new(id("a"), id("b"), [f32::NAN].into()), None);
        let flat = SiteHead::new(id("net"), id("b"), [1.0, 0.0, 0.0, 0.0].into()).unwrap();
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
