//! What people who watch see: pictures, faces, doors, help with aiming. While nobody watches, nothing here is computed or kept.

pub mod aiming;
pub mod board;
pub mod pictures;
pub mod view;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use self::aiming::Aiming;
use self::board::LiveBoard;
use self::pictures::Pictures;
use super::door_status::door_status;
use super::published_doors::PublishedDoors;
use super::stage::Stage;
use crate::api::doors::DoorStatus;
use crate::api::live::{LiveCamera, LiveLine, LivePicture, RotateAnswer};
use crate::api::{ApiError, Live};
use crate::config;
use crate::config::edit::{self, EditError};
use crate::domain::{Actor, DaemonEvent, Event, Framing, Rotation, Spectrum};
use crate::office::Recorder;

/// A camera, as people watch it.
pub struct WatchedCamera {
    pub name: Arc<str>,
    /// The door that it watches.
    pub door: String,
    pub spectrum: Spectrum,
    /// How its pictures are turned, since the start.
    pub framing: Framing,
    pub pictures: Pictures,
    pub aiming: Aiming,
    /// The camera's thread.
    pub stage: Arc<Stage>,
}

/// What the API's live part asks.
pub struct Watching {
    pub cameras: Vec<WatchedCamera>,
    pub board: LiveBoard,
    pub published: PublishedDoors,
    pub recorder: Arc<Recorder>,
    /// The file of the configuration; `None` where there is none, as in the demonstration.
    pub config_file: Option<PathBuf>,
}

impl Watching {
    fn camera(&self, name: &str) -> Result<&WatchedCamera, ApiError> {
        self.cameras.iter().find(|camera| *camera.name == *name).ok_or_else(|| {
            let names: Vec<&str> = self.cameras.iter().map(|camera| &*camera.name).collect();
            ApiError::NoCamera { name: name.to_owned(), cameras: names.join(", ") }
        })
    }
}

impl Live for Watching {
    fn pictures(&self, camera: &str) -> Result<watch::Receiver<Option<LivePicture>>, ApiError> {
        Ok(self.camera(camera)?.pictures.watch())
    }

    fn lines(&self) -> Result<broadcast::Receiver<LiveLine>, ApiError> {
        Ok(self.board.watch())
    }

    fn doors(&self) -> Result<Vec<DoorStatus>, ApiError> {
        Ok(self.published.read().doors.iter().map(door_status).collect())
    }

    fn cameras(&self) -> Result<Vec<LiveCamera>, ApiError> {
        let camera = |camera: &WatchedCamera| LiveCamera {
            name: camera.name.to_string(),
            door: camera.door.clone(),
            spectrum: match camera.spectrum {
                Spectrum::Visible => "visible".to_owned(),
                Spectrum::Infrared => "infrared".to_owned(),
            },
            trouble: camera.stage.trouble(),
            aim: camera.aiming.found(),
        };
        Ok(self.cameras.iter().map(camera).collect())
    }

    fn aim(&self, camera: &str) -> Result<(), ApiError> {
        self.camera(camera)?.aiming.ask();
        Ok(())
    }

    fn rotate(&self, camera: &str, turn: Rotation, by: Actor) -> Result<RotateAnswer, ApiError> {
        let camera = self.camera(camera)?;
        let rotation = camera.framing.rotation_with(turn);
        let answer = |file: String, trouble: Option<String>| RotateAnswer {
            rotate_deg: rotation.degrees(),
            file,
            written: trouble.is_none(),
            trouble,
        };
        let Some(file) = &self.config_file else {
            return Ok(answer(String::new(), Some("this daemon runs without a file".to_owned())));
        };
        let path = file.display().to_string();
        match edit::set_rotation(file, config::environment(), &camera.name, rotation) {
            Ok(()) => {}
            Err(error @ (EditError::NotWritten(_) | EditError::Unusual)) => {
                return Ok(answer(path, Some(error.to_string())));
            }
            Err(error @ (EditError::Broken(_) | EditError::NoCamera(_))) => {
                return Err(ApiError::Invalid(format!("{path}: {error}")));
            }
        }
        tracing::info!(camera = %camera.name, %rotation, %by, "the configuration turns the camera's picture from the next start on");
        let camera = camera.name.clone();
        self.recorder.record(&Event::Daemon(DaemonEvent::CameraTurned { camera, rotation, by }))?;
        Ok(answer(path, None))
    }
}
