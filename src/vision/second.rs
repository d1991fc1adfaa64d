//! A second embedder beside the pipeline's: embeds a face that the pipeline found with another model of the manifest, which cuts it out in its
//! own way. For a site that is led from one model to another.

use std::path::Path;

use super::VisionError;
use super::align::AlignedFace;
use super::embedder::Embedder;
use super::manifest::{Manifest, Role};
use super::pipeline::{Vision, place};
use super::runtime::{Accelerator, Runtime};
use crate::domain::{Embedding, Face, Image, ModelId};

/// An embedder with its scratch memory.
pub struct SecondEmbedder {
    embedder: Embedder,
    aligned: AlignedFace,
}

impl SecondEmbedder {
    /// Reads the manifest in `models`, checks the hash of the embedder `name`, and compiles it.
    pub fn open(
        runtime: &Runtime,
        models: &Path,
        name: &str,
        asked: &Accelerator,
        threads: usize,
    ) -> Result<SecondEmbedder, VisionError> {
        let manifest = Manifest::load(models)?;
        let (_, placed) = place(runtime, &manifest, name, Role::Embedder, asked, threads)?;
        let entry = manifest.model(name, Role::Embedder)?;
        Ok(SecondEmbedder { embedder: Embedder::new(entry, placed)?, aligned: AlignedFace::default() })
    }

    /// The id of its embeddings.
    pub fn model(&self) -> &ModelId {
        self.embedder.model()
    }

    /// The embedding of a `face` that `vision` just found in `image`.
    pub fn embed(&mut self, vision: &mut Vision, image: &Image, face: &Face) -> Result<Embedding, VisionError> {
        let side = self.embedder.side();
        vision.cut(image, face, self.embedder.alignment(), side, &mut self.aligned);
        self.embedder.embed(&self.aligned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::drawing;
    use crate::vision::VisionSettings;

    #[test]
    fn a_face_is_embedded_as_the_other_pipeline_would() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let image = drawing::face().unwrap();
        let mut one = Vision::open(&runtime, &models, &VisionSettings::default()).unwrap();
        let settings = VisionSettings { embedder: "dlib".into(), ..VisionSettings::default() };
        let mut other = Vision::open(&runtime, &models, &settings).unwrap();
        let mut second = SecondEmbedder::open(&runtime, &models, "dlib", &Accelerator::Cpu, 1).unwrap();
        let [face] = one.detect(&image).unwrap()[..] else { panic!("the drawn face") };
        one.judge(&image, &face);
        let before = one.embed_judged().unwrap();
        let embedding = second.embed(&mut one, &image, &face).unwrap();
        assert_eq!((embedding.model(), second.model()), (other.model(), other.model()));
        other.detect(&image).unwrap();
        assert_eq!(embedding, other.look_at(&image, face).unwrap().embedding);
        assert_eq!(one.embed_judged().unwrap(), before, "the face that was judged is still there");
        assert_eq!(before.distance(&embedding), None, "embeddings of two models never meet");
    }
}
