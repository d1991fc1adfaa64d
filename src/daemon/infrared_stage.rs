//! The vision thread of an infra-red camera: finds faces in its lit frames while the camera whose second eye it is sees somebody, and tells the doors'
//! thread where they are in that camera's picture.
//!
//! It only looks at what the camera sends. It never sets an emitter or any other control of the camera.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use super::attention::SharedAttention;
use super::door_thread::DoorMessage;
use super::stage::Stage;
use crate::access::InfraredLook;
use crate::camera::lit::{LitFrames, mean_brightness};
use crate::camera::slot::{SlotReceiver, SlotSender};
use crate::clock::Clock;
use crate::domain::{Bounds, CameraIndex, Frame, Image};
use crate::vision::VisionError;
use crate::vision::finder::FaceFinder;

/// The longest wait for a frame before the next heartbeat.
const PATIENCE: Duration = Duration::from_millis(250);

/// The thread's body and everything that it owns.
pub struct InfraredStage {
    /// The index of this camera in the configuration.
    pub index: CameraIndex,
    pub finder: FaceFinder,
    /// The attention of the colour camera.
    pub colour: SharedAttention,
    /// The part of the colour camera's picture that this one sees: left, top, right, bottom, in widths and heights of the picture.
    pub sees: [f32; 4],
    pub frames: SlotReceiver<Frame>,
    pub used: SlotSender<Image>,
    pub door_queue: SyncSender<DoorMessage>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
}

impl InfraredStage {
    /// Runs until the camera's thread has ended and its last frame is handled.
    ///
    /// # Errors
    /// The networks cannot be run.
    pub fn run(mut self) -> Result<(), VisionError> {
        let mut lit = LitFrames::default();
        loop {
            self.stage.beat(self.clock.now());
            let Some(frame) = self.frames.take(PATIENCE) else {
                if self.frames.is_closed() {
                    return Ok(());
                }
                continue;
            };
            let start = self.clock.now();
            let look = self.look(&frame, &mut lit)?;
            Stage::count(&self.stage.handled);
            self.stage.last_us.store(self.clock.now().since(start).as_micros() as u64, Ordering::Relaxed);
            // If the camera's thread has ended, this frees the memory.
            drop(self.used.put(frame.image));
            let Some(look) = look else { continue };
            match self.door_queue.try_send(DoorMessage::Infrared { camera: self.index, look }) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => Stage::count(&self.stage.dropped),
                Err(TrySendError::Disconnected(_)) => return Ok(()),
            }
        }
    }

    /// What a frame shows; `None` if it is dark, or if nobody needs it.
    pub(super) fn look(&mut self, frame: &Frame, lit: &mut LitFrames) -> Result<Option<InfraredLook>, VisionError> {
        // Asked of every frame, so that the light is known when somebody comes.
        let is_lit = lit.is_lit(mean_brightness(&frame.image));
        let needed = is_lit && self.colour.hold().sees_somebody();
        let Some(picture) = self.colour.picture().filter(|_| needed) else { return Ok(None) };
        let map = Map::new((frame.image.width(), frame.image.height()), picture, self.sees);
        let faces = self.finder.find(&frame.image)?.iter().map(|face| map.bounds(&face.bounds)).collect();
        let least_px = self.finder.least_px() * map.x.scale.max(map.y.scale);
        Ok(Some(InfraredLook { captured_at: frame.captured_at, faces, view: map.view(), least_px }))
    }
}

/// From pixels of the infra-red picture to pixels of the colour picture.
struct Map {
    x: Axis,
    y: Axis,
}

struct Axis {
    start: f32,
    scale: f32,
    length: f32,
}

impl Axis {
    fn new(own: u32, colour: u32, from: f32, to: f32) -> Axis {
        let (own, colour) = (own as f32, colour as f32);
        Axis { start: from * colour, scale: (to - from) * colour / own.max(1.0), length: own }
    }

    fn at(&self, place: f32) -> f32 {
        self.start + place * self.scale
    }
}

impl Map {
    fn new(own: (u32, u32), colour: (u32, u32), [left, top, right, bottom]: [f32; 4]) -> Map {
        Map { x: Axis::new(own.0, colour.0, left, right), y: Axis::new(own.1, colour.1, top, bottom) }
    }

    fn bounds(&self, own: &Bounds) -> Bounds {
        Bounds { x1: self.x.at(own.x1), y1: self.y.at(own.y1), x2: self.x.at(own.x2), y2: self.y.at(own.y2) }
    }

    /// The whole infra-red picture.
    fn view(&self) -> Bounds {
        self.bounds(&Bounds { x1: 0.0, y1: 0.0, x2: self.x.length, y2: self.y.length })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::camera::slot::slot;
    use crate::clock::SystemClock;
    use crate::daemon::stage::Role;
    use crate::domain::{Moment, TrackId};
    use crate::lab::drawing;
    use crate::vision::VisionSettings;
    use crate::vision::attention::{AttentionSettings, SeenFace};
    use crate::vision::runtime::Runtime;

    #[test]
    fn places_are_those_of_the_other_picture() {
        let same = Map::new((320, 240), (640, 480), [0.0, 0.0, 1.0, 1.0]);
        let face = Bounds { x1: 10.0, y1: 20.0, x2: 110.0, y2: 120.0 };
        assert_eq!(same.bounds(&face), Bounds { x1: 20.0, y1: 40.0, x2: 220.0, y2: 240.0 });
        assert_eq!(same.view(), Bounds { x1: 0.0, y1: 0.0, x2: 640.0, y2: 480.0 });
        let part = Map::new((100, 100), (1000, 500), [0.5, -0.5, 1.5, 0.5]);
        assert_eq!(part.view(), Bounds { x1: 500.0, y1: -250.0, x2: 1500.0, y2: 250.0 });
        assert_eq!(part.bounds(&face).x1, 600.0);
    }

    #[test]
    fn lit_frames_are_looked_at_while_the_colour_camera_sees_somebody() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let second = Duration::from_secs(1);
        let settings = AttentionSettings { enabled: true, track_ends_after: second, window: second };
        let clock = Arc::new(SystemClock::new());
        let colour = SharedAttention::new("porch".into(), settings);
        let mut stage = InfraredStage {
            index: CameraIndex(1),
            finder: FaceFinder::open(&runtime, &models, &VisionSettings::default()).unwrap(),
            colour: colour.clone(),
            sees: [0.0, 0.0, 1.0, 1.0],
            frames: slot().1,
            used: slot().0,
            door_queue: sync_channel(1).0,
            clock: clock.clone(),
            stage: Stage::new(Role::SecondEye, "porch-ir", Moment::default()),
        };
        let drawn = drawing::face().unwrap();
        let (width, height) = (drawn.width(), drawn.height());
        let dark = Image::new(width, height, vec![3; drawn.rgb().len()]).unwrap();
        let frame = |image: &Image| Frame { seq: 0, captured_at: clock.now(), image: image.clone() };
        let mut lit = LitFrames::default();
        assert_eq!(stage.look(&frame(&drawn), &mut lit).unwrap(), None, "nobody is there");
        colour.show_picture(width * 2, height * 2);
        let seen = SeenFace { track: TrackId(1), bounds: Bounds::default(), examined: true, person: None };
        colour.hold().looked(clock.now(), true, &[seen]);
        let look = stage.look(&frame(&drawn), &mut lit).unwrap().expect("the frame is lit");
        let [face] = look.faces[..] else { panic!("the drawn face: {look:?}") };
        let (x, y) = (face.centre().x / (width * 2) as f32, face.centre().y / (height * 2) as f32);
        assert!((x - 0.5).abs() < 0.1 && (y - 0.5).abs() < 0.15, "{x} {y}");
        assert_eq!(look.least_px, 80.0, "of the colour camera's pixels");
        assert_eq!(stage.look(&frame(&dark), &mut lit).unwrap(), None, "a dark frame says nothing");
    }
}
