//! What happens before the cameras now, for people who watch: pictures, faces with what the rules say of them, and doors. Unlike a
//! [`CameraView`](super::template::CameraView), nothing here could enrol anybody.

use axum::body::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use super::doors::DoorStatus;
use super::error::ApiError;
use super::template::Quality;
use crate::domain::{Actor, Moment, Rotation};

/// The cameras of a running daemon, for people who watch. What is not watched costs nothing.
pub trait Live: Send + Sync {
    /// A camera's newest picture, as long as the receiver lives; `None` until the first one, and while the camera is lost.
    fn pictures(&self, camera: &str) -> Result<watch::Receiver<Option<LivePicture>>, ApiError>;

    /// What cameras and doors report from now on. A receiver that is too slow misses lines.
    fn lines(&self) -> Result<broadcast::Receiver<LiveLine>, ApiError>;

    /// The doors as they are.
    fn doors(&self) -> Result<Vec<DoorStatus>, ApiError>;

    /// The cameras as they are.
    fn cameras(&self) -> Result<Vec<LiveCamera>, ApiError>;

    /// Helps to aim a camera for a minute: looks for faces in its picture as if it hung turned, too.
    fn aim(&self, camera: &str) -> Result<(), ApiError>;

    /// Turns a camera's picture by so much, from how it is now, by writing `rotate` into the configuration.
    fn rotate(&self, camera: &str, turn: Rotation, by: Actor) -> Result<RotateAnswer, ApiError>;
}

/// One picture of a camera.
#[derive(Clone, Debug)]
pub struct LivePicture {
    /// A JPEG.
    pub jpeg: Bytes,
    pub captured_at: Moment,
}

/// A line of the live stream.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LiveLine {
    /// All doors: the first line, and whenever one of them has changed.
    Doors { doors: Vec<DoorStatus> },
    /// All cameras: the second line, and whenever one of them has changed.
    Cameras { cameras: Vec<LiveCamera> },
    /// The faces of one frame.
    Faces(LiveFaces),
    /// Nothing was reported for a while.
    Still,
}

/// A camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveCamera {
    pub name: String,
    /// The door that it watches.
    pub door: String,
    /// `visible` or `infrared`.
    pub spectrum: String,
    /// Why it gives no frames; null while it does.
    pub trouble: Option<String>,
    /// What the help with aiming has found; null while it is off.
    pub aim: Option<Aim>,
}

/// What the help with aiming has found since it was switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Aim {
    /// Pictures that were searched.
    pub looks: u32,
    /// Of these, pictures with a face, whichever way it was up.
    pub faces: u32,
    /// By how many degrees, clockwise, the picture has to be turned: 90, 180 or 270. Null while faces are upright, or not known well enough.
    pub turn_deg: Option<u16>,
}

/// The faces that a camera saw in one frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveFaces {
    pub camera: String,
    /// The frame's number.
    pub frame: u64,
    /// Of the picture that the boxes are about, in pixels.
    pub width: u32,
    pub height: u32,
    /// The largest first, at most 16.
    pub faces: Vec<LiveFace>,
}

/// A face, and what the rules say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveFace {
    /// x1, y1, x2, y2 in pixels.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    /// The number of the face while it stays in view.
    pub track: u64,
    /// Null until the face was compared with people.
    pub view: Option<LiveView>,
}

/// What the rules say of a face.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveView {
    pub found: Found,
    /// Who it is, or who it may be; null while it is nobody's.
    pub person: Option<LivePerson>,
    /// To the nearest person; null while nobody is enrolled, and for a face that is too small to be compared.
    pub distance: Option<f32>,
    /// A nearer face is taken for the person.
    pub limit: f32,
    pub quality: Quality,
    /// What is missing for a good view.
    pub missing: Vec<Missing>,
    /// Frames that show the person, and how many must.
    pub frames: u32,
    pub frames_needed: u32,
    /// The person is asked for more than the face; the door's prompt says for what.
    pub asked: bool,
    /// What was decided about this face within the last seconds.
    pub verdict: Option<LiveVerdict>,
}

/// What one frame shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The view is too poor to say.
    Poor,
    /// A good view of nobody who is enrolled.
    Unknown,
    /// A good view of somebody, but another person is nearly as near.
    Ambiguous,
    /// A good view of this person.
    Person,
}

/// Somebody who is enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LivePerson {
    pub id: u32,
    pub name: String,
}

/// Something that a good view needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    pub what: MissingKind,
    /// As measured.
    pub is: f32,
    /// As needed: at least, for angles at most.
    pub needs: f32,
}

/// See [`Missing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingKind {
    /// The face is too small, in pixels: come nearer.
    Size,
    /// It is blurred: hold still, or focus the camera.
    Sharpness,
    /// It is turned aside, in degrees.
    Yaw,
    /// It looks up or down, in degrees.
    Pitch,
    /// Its embedding is weak, in the model's own unit: more light, nothing before the face.
    Strength,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LiveVerdict {
    /// The door was unlocked.
    pub unlocked: bool,
    /// Why not: as in the journal's decisions, or `door` where the person was let in and the door stayed shut. Null if it was unlocked.
    pub reason: Option<String>,
    pub ago_ms: u64,
}

/// The camera of a path.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct CameraPath {
    /// As configured.
    pub name: String,
}

/// Turns a camera's picture.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// By how much the picture is turned, clockwise, from how it is now: 90, 180 or 270.
    pub turn_deg: u16,
}

impl RotateRequest {
    /// The turn.
    ///
    /// # Errors
    /// It is none of 90, 180 and 270 degrees.
    pub fn turn(&self) -> Result<Rotation, ApiError> {
        let turn = Rotation::try_from(self.turn_deg).ok().filter(|turn| *turn != Rotation::None);
        turn.ok_or_else(|| ApiError::Invalid("a picture is turned by 90, 180 or 270 degrees".to_owned()))
    }
}

/// What became of a [`RotateRequest`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RotateAnswer {
    /// The value of `rotate` that is right now, in degrees.
    pub rotate_deg: u16,
    /// The configuration's path.
    pub file: String,
    /// The file has the value, and the daemon turns the picture once it is started again.
    pub written: bool,
    /// Why the file was not written; then the line `rotate = …` is to be added to the camera's table by hand.
    pub trouble: Option<String>,
}
