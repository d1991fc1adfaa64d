//! Whom a face resembles: embeddings, distances, and the nearest people.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A network's confidence, 0 to 1; higher is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Score(pub f32);

/// Euclidean distance between two unit-length embeddings, 0 to 2; lower is closer. (The squared distance is `2 - 2 cos`.)
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Distance(pub f32);

impl Distance {
    /// From the dot product of two unit vectors.
    pub fn from_dot(dot: f32) -> Distance {
        Distance((2.0 - 2.0 * dot).max(0.0).sqrt())
    }

    /// Between two vectors of the same length. All distances are computed here, so that they agree bit for bit.
    pub fn between(a: &[f32], b: &[f32]) -> Distance {
        // Squared differences, summed in double precision: exact near zero, where 2 - 2 cos loses its digits. Eight sums side
        // by side let the processor add them at once, in the same order on every machine.
        let (a_eights, a_rest) = a.as_chunks::<8>();
        let (b_eights, b_rest) = b.as_chunks::<8>();
        let mut sums = [0.0f64; 8];
        for (a, b) in a_eights.iter().zip(b_eights) {
            for lane in 0..8 {
                let difference = f64::from(a[lane] - b[lane]);
                sums[lane] += difference * difference;
            }
        }
        let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum();
        Distance((sums.iter().sum::<f64>() + rest).sqrt() as f32)
    }

    /// With four decimals, as records state it: more than a distance means.
    pub fn recorded(self) -> f64 {
        (f64::from(self.0) * 1e4).round() / 1e4
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

/// Which network made an embedding: its name and the start of its file's SHA-256. Embeddings of different models never compare.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct ModelId(Arc<str>);

impl From<String> for ModelId {
    fn from(text: String) -> ModelId {
        ModelId(text.into())
    }
}

impl From<ModelId> for String {
    fn from(id: ModelId) -> String {
        id.as_str().to_owned()
    }
}

impl ModelId {
    /// `text` as stored or as made from the manifest, for example `mobilefacenet-59566034b390`.
    pub fn new(text: &str) -> ModelId {
        ModelId(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A face as a point on the unit sphere; its length is 1 by construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    model: ModelId,
    values: Box<[f32]>,
}

impl Embedding {
    /// Scales `values` to unit length. `None` when they have no direction: empty, all zero or not finite. Values whose length is 1 to within
    /// 1e-6 stay unchanged, so that an embedding comes back from a store bit for bit.
    pub fn normalised(model: ModelId, mut values: Box<[f32]>) -> Option<Embedding> {
        let square: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let length = square.sqrt();
        if !length.is_finite() || length < 1e-12 {
            return None;
        }
        if (length - 1.0).abs() > 1e-6 {
            for v in &mut values {
                *v = (f64::from(*v) / length) as f32;
            }
        }
        Some(Embedding { model, values })
    }

    /// The network that made it.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// The unit vector.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The distance to `other`. `None` when they are of different models.
    pub fn distance(&self, other: &Embedding) -> Option<Distance> {
        if self.model != other.model || self.values.len() != other.values.len() {
            return None;
        }
        Some(Distance::between(&self.values, &other.values))
    }
}

/// A person's number in the gallery: counts up from 1 and is never reused, not even after a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PersonId(pub u32);

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a face is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GallerySize {
    /// People with templates.
    pub people: usize,
    /// All their templates.
    pub templates: usize,
}

impl GallerySize {
    /// One person with one template.
    pub const ONE: GallerySize = GallerySize::of(1, 1);

    /// `people` people with `each` templates each.
    pub const fn of(people: usize, each: usize) -> GallerySize {
        GallerySize { people, templates: people.saturating_mul(each) }
    }
}

/// The nearest person of the gallery and the nearest person after that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    pub person: PersonId,
    pub distance: Distance,
    /// The nearest template of anybody else; `None` in a gallery of one.
    pub runner_up: Option<(PersonId, Distance)>,
}
