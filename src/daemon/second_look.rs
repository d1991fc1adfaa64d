//! A vision thread's second look: embeds a face by the other model of a switch, where a visit or an enrolment at the camera needs that. The
//! network is loaded with the first such face.

use std::sync::Arc;

use super::visits::{View, Visits};
use crate::clock::Clock;
use crate::domain::{Embedding, Face, Image, Moment, Quality, TrackId};
use crate::gallery::Template;
use crate::office::switch::state::Side;
use crate::vision::second::SecondEmbedder;
use crate::vision::{Vision, VisionError};

/// Loads an embedder of the manifest by its name.
pub type OpenEmbedder = Box<dyn Fn(&str) -> Result<SecondEmbedder, VisionError> + Send>;

/// The second look of one camera.
pub struct SecondLook {
    visits: Arc<Visits>,
    open: OpenEmbedder,
    clock: Arc<dyn Clock>,
    /// The model that was loaded last; without an embedder if it cannot be.
    loaded: Option<(Side, Option<SecondEmbedder>)>,
}

impl SecondLook {
    /// Nothing is loaded yet.
    pub fn new(visits: Arc<Visits>, open: OpenEmbedder, clock: Arc<dyn Clock>) -> SecondLook {
        SecondLook { visits, open, clock, loaded: None }
    }

    /// Whether a visit waits for another view of this track, so that its face is to be examined even if the doors need nothing of it.
    pub fn awaits(&self, camera: &str, track: TrackId, at: Moment) -> bool {
        self.visits.awaits(camera, track, at)
    }

    /// Adds a `face` that `vision` just found in `image` to the visit that wants it, if any does.
    pub fn look(&mut self, vision: &mut Vision, image: &Image, face: &Face, view: View<'_>) {
        if !self.visits.wants(view) {
            return;
        }
        if let Some(embedding) = self.embed(vision, image, face) {
            let created = self.clock.wall();
            // The length is that of the model in use.
            let quality = Quality { length: None, ..*view.quality };
            self.visits.add(view, Template { embedding, quality, created });
        }
    }

    /// The embedding of a `face` that `vision` just found in `image`, by the other model of the switch under way.
    pub fn embed(&mut self, vision: &mut Vision, image: &Image, face: &Face) -> Option<Embedding> {
        let side = self.visits.switch().beside()?;
        if self.loaded.as_ref().is_none_or(|(loaded, _)| *loaded != side) {
            let embedder = (self.open)(&side.name).inspect_err(
                |error| tracing::error!(%error, model = %side.name, "the other model of the switch cannot be loaded"),
            );
            self.loaded = Some((side.clone(), embedder.ok()));
        }
        let (_, embedder) = self.loaded.as_mut()?;
        let embedder = embedder.as_mut().filter(|embedder| *embedder.model() == side.model)?;
        embedder
            .embed(vision, image, face)
            .inspect_err(|error| tracing::warn!(%error, "a face cannot be embedded by the other model of the switch"))
            .ok()
    }
}
