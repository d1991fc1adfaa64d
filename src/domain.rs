//! The nouns of the house, in the order they travel: a [`Frame`] shows a [`Face`], whose [`Embedding`] has a [`Match`] in the
//! gallery; that makes a [`Sighting`], sightings make a [`Decision`], and what happened is told as an [`Event`].
//!
//! Knows nothing of files, devices, threads, clocks or wire formats: `std` only.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A point in monotonic time: the span since an epoch that one [`crate::clock::Clock`] keeps for a whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub Duration);

impl Moment {
    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Moment;
    fn add(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(span))
    }
}

/// An upright 8-bit RGB picture: `width * height * 3` bytes, rows top to bottom, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Image {
    /// Takes `rgb` as it is. `None` when either side is zero or the length is not `width * height * 3`.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Image> {
        let pixels = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (pixels > 0 && rgb.len() == pixels).then_some(Image { width, height, rgb })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `R G B R G B …`, row by row.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes, to be written over in place.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// Gives the buffer back, so that the next frame can be decoded into it.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

/// One picture of a camera.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Counts up from 0 for each opening of the camera; gaps are frames that were dropped.
    pub seq: u64,
    /// When the camera handed it over.
    pub captured_at: Moment,
    /// The upright picture.
    pub image: Image,
}

/// A position in pixels of the upright picture; x to the right, y down, the first pixel's centre at (0, 0).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

/// An upright rectangle in pixels; may reach beyond the picture's edges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    pub x1: f32,
    pub y1: f32,
    pub x2: f32,
    pub y2: f32,
}

impl Bounds {
    /// Width in pixels; never negative.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Height in pixels; never negative.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Area in pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The middle.
    pub fn centre(&self) -> Point {
        Point { x: (self.x1 + self.x2) / 2.0, y: (self.y1 + self.y2) / 2.0 }
    }

    /// Intersection over union, 0 to 1.
    pub fn iou(&self, other: &Bounds) -> f32 {
        let w = (self.x2.min(other.x2) - self.x1.max(other.x1)).max(0.0);
        let h = (self.y2.min(other.y2) - self.y1.max(other.y1)).max(0.0);
        let both = w * h;
        let either = self.area() + other.area() - both;
        if either > 0.0 { both / either } else { 0.0 }
    }
}

/// How sure a network is, 0 to 1; higher is better.
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

    /// From two vectors of one length; the one way in which distances are computed, so that they agree bit for bit everywhere.
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
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

/// A face in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    pub bounds: Bounds,
    pub score: Score,
    /// Left eye, right eye, nose, left and right corner of the mouth, as seen in the picture (its left is the viewer's left).
    pub landmarks: [Point; 5],
}

/// How fit a face is for recognition.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// The shorter side of the face's bounds in pixels.
    pub size: f32,
    /// Variance of the Laplacian of the aligned face's brightness (0 to 255); below about 30 a face is blurred.
    pub sharpness: f32,
    /// Turn of the head to either side in degrees, estimated from the landmarks; 0 looks into the camera, the sign tells the side.
    pub yaw: f32,
    /// Nod of the head in degrees, estimated from the landmarks; negative looks down.
    pub pitch: f32,
    /// Tilt of the head in degrees, from the line through the eyes.
    pub roll: f32,
    /// Mean brightness of the aligned face, 0 to 255.
    pub brightness: f32,
}

/// Which network made an embedding: its name and the start of its file's SHA-256. Embeddings of different models never compare.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(Arc<str>);

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
    /// Scales `values` to unit length. `None` when they hold no direction: empty, all zero or not finite. Values that are of
    /// unit length to within 1e-6 stay bit for bit what they are, so that an embedding comes back from a store unchanged.
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

/// A person's number in the gallery: counts up from 1, never used twice, also not after a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(pub u32);

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
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

/// The number that one face keeps from frame to frame while it stays in view of one camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u64);

/// One face in one frame, with what the gallery says of it: all that a decision may rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The name of the camera, as configured.
    pub camera: Arc<str>,
    /// The frame's number.
    pub frame: u64,
    pub captured_at: Moment,
    pub track: TrackId,
    pub face: Face,
    pub quality: Quality,
    /// `None` while nobody who may be recognised is enrolled.
    pub nearest: Option<Match>,
}

/// Why a door stays shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody enrolled is near enough.
    Unknown,
    /// Two people are nearly as near.
    Ambiguous,
    /// The frames do not agree on one person.
    Inconsistent,
    /// The face is too small, too blurred or turned too far.
    PoorView,
    /// The frame that decided is older than the limit.
    Stale,
}

impl Reason {
    /// The word that journals, logs and hubs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Unknown => "unknown",
            Reason::Ambiguous => "ambiguous",
            Reason::Inconsistent => "inconsistent",
            Reason::PoorView => "poor_view",
            Reason::Stale => "stale",
        }
    }
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Grant { person: PersonId },
    Deny { reason: Reason },
}

/// One question that a decision had to answer, in the order they were asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Its name: `quality`, `distance`, `margin`, `agreement`, `age`.
    pub name: &'static str,
    /// What was measured, in words with units.
    pub input: String,
    /// What it was held against.
    pub limit: String,
    pub passed: bool,
}

/// A verdict with everything it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub verdict: Verdict,
    pub camera: Arc<str>,
    pub track: TrackId,
    /// The number of the frame that decided.
    pub frame: u64,
    /// When that frame was captured.
    pub captured_at: Moment,
    /// When the rules spoke.
    pub decided_at: Moment,
    /// The nearest person in that frame, whatever the verdict.
    pub nearest: Option<Match>,
    /// Distinct frames of the track that speak for the verdict, and how many were looked at.
    pub frames: (u32, u32),
    pub gates: Vec<Gate>,
}

/// What a door is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorCommand {
    /// Unlock for a while, on the evidence of a frame captured at `captured_at`; a door refuses evidence that is too old.
    Pulse { captured_at: Moment, duration: Duration },
    /// Relay to its safe level, now.
    Safe,
}

/// A person's name as it stood when something happened, so that a record can be read after a rename or a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: PersonId,
    pub name: String,
}

/// What happened, worth keeping.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The daemon is up, with its version and a digest of its configuration.
    Started {
        version: String,
        config: String,
        model: ModelId,
    },
    /// The daemon ends in order.
    Stopped {
        reason: String,
    },
    /// The rules spoke about a face before `door`. `person` names whoever `decision.nearest` points at.
    Decided {
        door: Arc<str>,
        person: Option<Named>,
        runner_up: Option<Named>,
        decision: Decision,
    },
    /// The relay was energised for `duration`; `cause` is the sequence number of the record that allowed it.
    DoorOpened {
        door: Arc<str>,
        cause: u64,
        duration: Duration,
        capture_to_door: Duration,
    },
    /// The relay is back at its safe level.
    DoorClosed {
        door: Arc<str>,
        reason: String,
    },
    /// The door refused a command or could not carry it out; the relay is at its safe level.
    DoorFailed {
        door: Arc<str>,
        reason: String,
    },
    CameraLost {
        camera: Arc<str>,
        reason: String,
    },
    CameraBack {
        camera: Arc<str>,
        lost_for: Duration,
    },
    /// A stage of the daemon died or stopped beating.
    StageFailed {
        stage: String,
        reason: String,
    },
    Enrolled {
        person: Named,
        templates: usize,
        by: String,
    },
    Renamed {
        person: Named,
        before: String,
        by: String,
    },
    Enabled {
        person: Named,
        by: String,
    },
    Disabled {
        person: Named,
        by: String,
    },
    Removed {
        person: Named,
        by: String,
    },
}
