//! Squared Euclidean distances between the embeddings of a batch, as plain figures.
//!
//! Knows neither networks nor data.

/// The squared distances between all embeddings of a batch: row-major, n x n.
#[derive(Debug, Clone, PartialEq)]
pub struct Distances {
    count: usize,
    squared: Vec<f32>,
}

impl Distances {
    /// Between `count` embeddings that stand one after the other in `embeddings`.
    ///
    /// # Panics
    ///
    /// When `embeddings` cannot be divided by `count`.
    pub fn between(embeddings: &[f32], count: usize) -> Self {
        assert!(
            count > 0 && embeddings.len().is_multiple_of(count),
            "{count} embeddings in {} figures",
            embeddings.len()
        );
        let rows: Vec<&[f32]> = embeddings.chunks_exact(embeddings.len() / count).collect();
        let mut squared = vec![0.0; count * count];
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate().take(i) {
                let distance = a.iter().zip(*b).map(|(x, y)| (x - y) * (x - y)).sum();
                squared[i * count + j] = distance;
                squared[j * count + i] = distance;
            }
        }
        Self { count, squared }
    }

    /// From n x n squared distances, row by row.
    pub fn new(count: usize, squared: Vec<f32>) -> Self {
        assert_eq!(squared.len(), count * count, "the distances of {count} embeddings");
        Self { count, squared }
    }

    /// How many embeddings there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The squared distance between two embeddings, 0 to 4 when they are of unit length.
    pub fn squared(&self, a: usize, b: usize) -> f32 {
        self.squared[a * self.count + b]
    }
}
