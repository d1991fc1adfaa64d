//! Templates and camera views: faces as the API carries them.

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::ApiError;
use crate::domain::{self, Bounds, Chroma, Embedding, ModelId};
use crate::gallery;

/// How good a view of a face is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quality {
    /// The shorter side of the face.
    #[serde(deserialize_with = "finite")]
    pub size_px: f32,
    #[serde(deserialize_with = "finite")]
    pub sharpness: f32,
    #[serde(deserialize_with = "finite")]
    pub yaw_deg: f32,
    #[serde(deserialize_with = "finite")]
    pub pitch_deg: f32,
    #[serde(deserialize_with = "finite")]
    pub roll_deg: f32,
    #[serde(deserialize_with = "finite")]
    pub brightness: f32,
    /// The length of the embedding before it was brought to unit length, in the model's own unit; larger is better. Absent if it is not known.
    #[serde(default, deserialize_with = "some_finite", skip_serializing_if = "Option::is_none")]
    pub embedding_length: Option<f32>,
    /// Whether the face has colour in the picture.
    #[serde(default)]
    pub chroma: Chroma,
}

impl From<&domain::Quality> for Quality {
    fn from(q: &domain::Quality) -> Quality {
        Quality {
            size_px: q.size,
            sharpness: q.sharpness,
            yaw_deg: q.yaw,
            pitch_deg: q.pitch,
            roll_deg: q.roll,
            brightness: q.brightness,
            embedding_length: q.length,
            chroma: q.chroma,
        }
    }
}

impl From<&Quality> for domain::Quality {
    fn from(q: &Quality) -> domain::Quality {
        domain::Quality {
            size: q.size_px,
            sharpness: q.sharpness,
            yaw: q.yaw_deg,
            pitch: q.pitch_deg,
            roll: q.roll_deg,
            brightness: q.brightness,
            length: q.embedding_length,
            chroma: q.chroma,
        }
    }
}

/// A face as numbers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Template {
    /// The model that made the embedding.
    pub model: String,
    #[serde(deserialize_with = "all_finite")]
    pub embedding: Vec<f32>,
    pub quality: Quality,
}

impl Template {
    /// A face's embedding and quality.
    pub fn new(embedding: &Embedding, quality: &domain::Quality) -> Template {
        Template {
            model: embedding.model().to_string(),
            embedding: embedding.values().to_vec(),
            quality: quality.into(),
        }
    }

    /// The gallery's template, made `now`. `None` when the embedding is zero and so has no direction.
    pub fn template(&self, now: SystemTime) -> Option<gallery::Template> {
        let embedding = Embedding::normalised(ModelId::new(&self.model), self.embedding.clone().into())?;
        Some(gallery::Template { embedding, quality: (&self.quality).into(), created: now })
    }
}

/// The gallery's templates of a request, made `now`.
///
/// # Errors
/// An embedding is zero and so has no direction.
pub fn all(templates: &[Template], now: SystemTime) -> Result<Vec<gallery::Template>, ApiError> {
    let templates: Option<Vec<_>> = templates.iter().map(|template| template.template(now)).collect();
    templates.ok_or_else(|| ApiError::Invalid("an embedding has no direction".to_owned()))
}

/// What a camera sees in one frame.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CameraView {
    pub camera: String,
    /// The frame's number.
    pub frame: u64,
    pub faces: Vec<FaceView>,
    /// What `rotate` of the camera should be instead, in degrees; absent unless faces are upright only in a turned picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<u16>,
}

/// A face in a [`CameraView`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FaceView {
    /// x1, y1, x2, y2 in pixels.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    #[serde(flatten)]
    pub template: Template,
    /// The same face by the other model of a switch, while both sets of templates are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Template>,
}

impl FaceView {
    /// A face within `bounds`.
    pub fn new(bounds: &Bounds, embedding: &Embedding, quality: &domain::Quality) -> FaceView {
        FaceView { bounds: corners(bounds), template: Template::new(embedding, quality), beside: None }
    }

    /// With the same face by the other model of a switch, if there is one.
    pub fn with_beside(self, beside: Option<&Embedding>, quality: &domain::Quality) -> FaceView {
        // The length is that of the model in use.
        let quality = domain::Quality { length: None, ..*quality };
        FaceView { beside: beside.map(|embedding| Template::new(embedding, &quality)), ..self }
    }
}

/// x1, y1, x2, y2.
pub fn corners(b: &Bounds) -> [f32; 4] {
    [b.x1, b.y1, b.x2, b.y2]
}

/// Refuses a number that `f32` cannot hold, as 1e39: it would become infinite.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let number = f32::deserialize(deserializer)?;
    if number.is_finite() { Ok(number) } else { Err(D::Error::custom("a number is too large")) }
}

fn some_finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
    match Option::<f32>::deserialize(deserializer)? {
        Some(number) if !number.is_finite() => Err(D::Error::custom("a number is too large")),
        number => Ok(number),
    }
}

fn all_finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    let numbers = Vec::<f32>::deserialize(deserializer)?;
    match numbers.iter().all(|number| number.is_finite()) {
        true => Ok(numbers),
        false => Err(D::Error::custom("a number is too large")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_would_become_infinite_is_refused() {
        let text = |value: &str, size: &str| {
            format!(
                r#"{{"model":"net-1","embedding":[{value},0.5],"quality":{{"size_px":{size},"sharpness":1,"yaw_deg":1,
                "pitch_deg":1,"roll_deg":1,"brightness":1}}}}"#
            )
        };
        let read = |text: String| serde_json::from_str::<Template>(&text).map_err(|error| error.to_string());
        assert!(read(text("1e38", "9")).is_ok());
        for broken in [text("1e39", "9"), text("-1e39", "9"), text("1", "1e39")] {
            assert!(read(broken.clone()).unwrap_err().contains("too large"), "{broken}");
        }
    }
}
