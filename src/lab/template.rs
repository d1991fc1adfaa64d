//! The named templates for aligning data sets. (The template of a shipped embedder is in the manifest.)

/// The positions of the five landmarks in a square of `side` pixels: left eye, right eye, nose, left and right corner of the mouth, as seen in
/// the picture. The middle of the first pixel is (0, 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Template {
    pub name: &'static str,
    pub side: usize,
    pub landmarks: [[f32; 2]; 5],
}

/// All templates.
pub const TEMPLATES: [Template; 2] = [
    // Deng, Guo, Xue, Zafeiriou, "ArcFace", CVPR 2019; the published alignment of its authors.
    Template {
        name: "arcface-112",
        side: 112,
        landmarks: [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    },
    // dlib's `get_face_chip_details` with 150 pixels and a padding of a quarter, for its mean of five landmarks.
    Template {
        name: "dlib-150",
        side: 150,
        landmarks: [[47.55, 46.599], [100.476, 46.599], [74.0127, 76.5625], [50.4149, 103.0233], [97.6104, 103.0233]],
    },
];

impl Template {
    /// The template with that name.
    pub fn named(name: &str) -> Option<Template> {
        TEMPLATES.into_iter().find(|template| template.name == name)
    }

    /// The same positions in a square of another `side`. Sizes are measured from edge to edge, positions from the middle of the first pixel.
    pub fn scaled_to(&self, side: usize) -> [[f32; 2]; 5] {
        let scale = side as f32 / self.side as f32;
        self.landmarks.map(|point| point.map(|v| (v + 0.5) * scale - 0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_keeps_its_shape_at_another_size() {
        let template = Template::named("arcface-112").unwrap();
        assert_eq!(template.scaled_to(112), template.landmarks);
        let doubled = template.scaled_to(224);
        // Twice as far apart, and the middle of the picture stays the middle.
        assert!((doubled[1][0] - doubled[0][0] - 2.0 * (73.5318 - 38.2946)).abs() < 1e-3);
        let middle = Template { landmarks: [[55.5, 55.5]; 5], ..template };
        assert_eq!(middle.scaled_to(224)[0], [111.5, 111.5]);
        assert!(Template::named("nobody").is_none());
    }

    #[test]
    fn the_templates_are_those_of_the_shipped_embedders() {
        let manifest = crate::vision::manifest::Manifest::load(concat!(env!("CARGO_MANIFEST_DIR"), "/models").as_ref());
        let manifest = manifest.unwrap();
        for (embedder, name) in [("sface", "arcface-112"), ("mobilefacenet", "arcface-112"), ("dlib", "dlib-150")] {
            let entry = manifest.model(embedder, crate::vision::manifest::Role::Embedder).unwrap();
            let template = Template::named(name).unwrap();
            assert_eq!(entry.input.width as usize, template.side);
            let expected = crate::vision::manifest::Alignment::FivePoint { template: template.landmarks };
            assert_eq!(entry.alignment, Some(expected));
        }
    }
}
