//! Templates on the control socket.
//!
//! Knows nothing of who they belong to.

use std::time::SystemTime;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{Embedding, ModelId, Quality};
use crate::gallery::Template;

/// A quality, with units in the names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityWire {
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
}

impl From<&Quality> for QualityWire {
    fn from(q: &Quality) -> QualityWire {
        QualityWire {
            size_px: q.size,
            sharpness: q.sharpness,
            yaw_deg: q.yaw,
            pitch_deg: q.pitch,
            roll_deg: q.roll,
            brightness: q.brightness,
        }
    }
}

impl From<&QualityWire> for Quality {
    fn from(q: &QualityWire) -> Quality {
        Quality {
            size: q.size_px,
            sharpness: q.sharpness,
            yaw: q.yaw_deg,
            pitch: q.pitch_deg,
            roll: q.roll_deg,
            brightness: q.brightness,
        }
    }
}

/// A template on its way into the gallery.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TemplateWire {
    pub model: String,
    #[serde(deserialize_with = "all_finite")]
    pub embedding: Vec<f32>,
    pub quality: QualityWire,
}

impl TemplateWire {
    /// A face's embedding and quality.
    pub fn new(embedding: &Embedding, quality: &Quality) -> TemplateWire {
        TemplateWire {
            model: embedding.model().to_string(),
            embedding: embedding.values().to_vec(),
            quality: quality.into(),
        }
    }

    /// The template, made `now`. `None` when the embedding has no direction.
    pub fn template(&self, now: SystemTime) -> Option<Template> {
        let embedding = Embedding::normalised(ModelId::new(&self.model), self.embedding.clone().into())?;
        Some(Template { embedding, quality: (&self.quality).into(), created: now })
    }
}

/// A number beyond what 32 bits hold, as 1e39, would become infinite.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let number = f32::deserialize(deserializer)?;
    if number.is_finite() { Ok(number) } else { Err(D::Error::custom("a number is too large")) }
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
        let read = |text: String| serde_json::from_str::<TemplateWire>(&text).map_err(|error| error.to_string());
        assert!(read(text("1e38", "9")).is_ok());
        for broken in [text("1e39", "9"), text("-1e39", "9"), text("1", "1e39")] {
            assert!(read(broken.clone()).unwrap_err().contains("too large"), "{broken}");
        }
    }
}
