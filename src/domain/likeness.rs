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
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                let difference = f64::from(a - b);
                *sum += difference * difference;
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
    pub fn normalised(model: ModelId, values: Box<[f32]>) -> Option<Embedding> {
        Embedding::with_length(model, values).map(|(embedding, _)| embedding)
    }

    /// As [`Embedding::normalised`], with the length that `values` had.
    pub fn with_length(model: ModelId, mut values: Box<[f32]>) -> Option<(Embedding, f32)> {
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
        Some((Embedding { model, values }, length as f32))
    }

    /// The direction of the sum of `embeddings`: their mean, brought to unit length. `None` if there are none, if they are of different models or
    /// dimensions, or if they cancel out.
    pub fn mean(embeddings: &[&Embedding]) -> Option<Embedding> {
        let (first, others) = embeddings.split_first()?;
        let mut sums = first.values.clone();
        for other in others {
            if other.model != first.model || other.values.len() != sums.len() {
                return None;
            }
            sums.iter_mut().zip(&other.values).for_each(|(sum, value)| *sum += value);
        }
        Embedding::normalised(first.model.clone(), sums)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(model: &str, values: &[f32]) -> Embedding {
        Embedding::normalised(ModelId::new(model), values.into()).unwrap()
    }

    #[test]
    fn the_length_before_normalising_is_kept() {
        let (embedding, length) = Embedding::with_length(ModelId::new("m"), [3.0, 4.0].into()).unwrap();
        assert_eq!((embedding.values(), length), ([0.6, 0.8].as_slice(), 5.0));
        for nowhere in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY]] {
            assert_eq!(Embedding::with_length(ModelId::new("m"), nowhere.into()), None, "{nowhere:?}");
        }
    }

    #[test]
    fn a_mean_is_the_direction_between_and_mixes_no_models() {
        let (right, up) = (of("m", &[1.0, 0.0]), of("m", &[0.0, 1.0]));
        assert_eq!(Embedding::mean(&[&right, &up]), Some(of("m", &[1.0, 1.0])));
        assert_eq!(Embedding::mean(&[&right]), Some(right.clone()));
        for none in [&[][..], &[&right, &of("m", &[-1.0, 0.0])], &[&right, &of("n", &[1.0, 0.0])]] {
            assert_eq!(Embedding::mean(none), None);
        }
        assert_eq!(Embedding::mean(&[&right, &of("m", &[1.0, 0.0, 0.0])]), None);
    }
}
