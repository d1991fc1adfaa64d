//! What handlers act on: the open store's parts, and a running daemon where there is one.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use super::calendar::{Calendar, NoCalendar};
use super::checks::Check;
use super::doors::{DoorOrder, DoorStatus, Inside};
use super::error::ApiError;
use super::extract::MetricsPage;
use super::figures::Figures;
use super::live::{Live, LiveCamera, LiveLine, LivePicture, RotateAnswer};
use super::photographs::PhotographRefusal;
use super::ruling::RulesInForce;
use super::sittings::Sittings;
use super::status::Status;
use super::template::{self, CameraView, Template};
use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::domain::{Actor, Direction, Distance, PersonId, Rotation};
use crate::gallery::{self, FacePictures, Visitors};
use crate::office::switch::Switch;
use crate::office::{FaceTemplates, Gates, Recorder, Register};

/// What handlers act on.
pub struct ApiState {
    pub register: Register,
    pub switch: Arc<Switch>,
    pub recorder: Arc<Recorder>,
    /// Of those whom nobody knew.
    pub visitors: Arc<Visitors>,
    /// Of those whom a door opened for.
    pub granted: Arc<Visitors>,
    /// Pictures of faces beside records.
    pub face_pictures: Arc<FacePictures>,
    pub calendar: Result<Calendar, NoCalendar>,
    pub accounts: Arc<Accounts>,
    pub clock: Arc<dyn Clock>,
    pub doors: Arc<dyn Doors>,
    pub monitor: Arc<dyn Monitor>,
    pub live: Arc<dyn Live>,
    /// The rules of all doors, and what attendance is computed by.
    pub rules: RulesInForce,
    pub faces: Arc<dyn Faces>,
    pub sittings: Sittings,
}

impl ApiState {
    /// The templates of a request: those that it holds, or those of the sitting that it names.
    pub(super) fn templates_of(
        &self,
        templates: &[Template],
        sitting: Option<u64>,
    ) -> Result<Vec<gallery::Template>, ApiError> {
        match sitting {
            None => template::all(templates, self.clock.wall()),
            Some(_) if !templates.is_empty() => {
                Err(ApiError::Invalid("give either templates or a sitting, not both".to_owned()))
            }
            Some(number) => self.sittings.templates(number, self.clock.now()),
        }
    }

    /// Forgets the views of a sitting that somebody was enrolled with.
    pub(super) fn sitting_used(&self, sitting: Option<u64>) {
        if let Some(number) = sitting {
            self.sittings.end(number, self.clock.now());
        }
    }
}

/// Whom an operator lets in, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub person: PersonId,
    /// `None`: in, where the door's cameras name their sides.
    pub direction: Option<Direction>,
    /// In the operator's words.
    pub reason: String,
}

/// The doors of a running daemon. Each call waits for the doors' thread.
pub trait Doors: Send + Sync {
    /// Gives an order to the door of that name, or to all; returns when it is recorded and done.
    fn order(&self, door: Option<&str>, order: DoorOrder, by: Actor) -> Result<Vec<DoorStatus>, ApiError>;

    /// Lets somebody in without a face, at the door of that name, or at the only one.
    fn admit(&self, door: Option<&str>, admission: Admission, by: Actor) -> Result<Vec<DoorStatus>, ApiError>;

    /// Forgets where a person is, or where everybody is.
    fn forget_places(&self, person: Option<PersonId>, by: Actor) -> Result<(), ApiError>;

    /// Takes the wall clock for right, whatever earlier records say.
    fn trust_clock(&self, by: Actor) -> Result<(), ApiError>;

    /// Who is where, as far as doors have reported.
    fn inside(&self) -> Result<Inside, ApiError>;
}

/// Makes templates of pictures.
pub trait Faces: Send + Sync {
    /// The limits for templates of the model in use.
    fn gates(&self) -> Result<Gates, ApiError>;

    /// The largest mean distance within a group of faces that count as one visitor, where nobody names another.
    fn one_visitor(&self) -> Result<Distance, ApiError>;

    /// The templates of the face in a photograph, or why it gives none. Of several faces, `largest` takes the largest; `weak` takes a face with a
    /// weak embedding, too. Takes as long as the networks do; call it from a thread that may wait.
    fn look_at(
        &self,
        photograph: Vec<u8>,
        largest: bool,
        weak: bool,
    ) -> Result<Result<FaceTemplates, PhotographRefusal>, ApiError>;
}

/// What a running daemon reports.
pub trait Monitor: Send + Sync {
    fn status(&self) -> Result<Status, ApiError>;

    fn metrics(&self) -> Result<MetricsPage, ApiError>;

    /// A view for each frame from now on. A receiver that is too slow misses views.
    fn views(&self) -> Result<broadcast::Receiver<CameraView>, ApiError>;

    /// What is well and what is not, as the daemon sees it.
    fn checks(&self) -> Result<Vec<Check>, ApiError>;

    /// Measurements over the last day.
    fn figures(&self) -> Result<Figures, ApiError>;

    /// The number of the newest record that this process has written; it changes with each one.
    fn written(&self) -> Result<watch::Receiver<u64>, ApiError>;

    /// A person was erased from the journal: what is kept of them elsewhere goes too.
    fn erased(&self, person: PersonId);
}

/// Stands for the daemon where none runs: every call is [`ApiError::NoDaemon`].
pub struct NoDaemon {
    socket: String,
}

impl NoDaemon {
    /// `socket` is where a daemon would answer.
    pub fn on(socket: &Path) -> NoDaemon {
        NoDaemon { socket: socket.display().to_string() }
    }

    fn error<T>(&self) -> Result<T, ApiError> {
        Err(ApiError::NoDaemon { socket: self.socket.clone() })
    }
}

impl Doors for NoDaemon {
    fn order(&self, _: Option<&str>, _: DoorOrder, _: Actor) -> Result<Vec<DoorStatus>, ApiError> {
        self.error()
    }

    fn admit(&self, _: Option<&str>, _: Admission, _: Actor) -> Result<Vec<DoorStatus>, ApiError> {
        self.error()
    }

    fn forget_places(&self, _: Option<PersonId>, _: Actor) -> Result<(), ApiError> {
        self.error()
    }

    fn trust_clock(&self, _: Actor) -> Result<(), ApiError> {
        self.error()
    }

    fn inside(&self) -> Result<Inside, ApiError> {
        self.error()
    }
}

impl Live for NoDaemon {
    fn pictures(&self, _: &str) -> Result<watch::Receiver<Option<LivePicture>>, ApiError> {
        self.error()
    }

    fn lines(&self) -> Result<broadcast::Receiver<LiveLine>, ApiError> {
        self.error()
    }

    fn doors(&self) -> Result<Vec<DoorStatus>, ApiError> {
        self.error()
    }

    fn cameras(&self) -> Result<Vec<LiveCamera>, ApiError> {
        self.error()
    }

    fn aim(&self, _: &str) -> Result<(), ApiError> {
        self.error()
    }

    fn rotate(&self, _: &str, _: Rotation, _: Actor) -> Result<RotateAnswer, ApiError> {
        self.error()
    }
}

impl Monitor for NoDaemon {
    fn status(&self) -> Result<Status, ApiError> {
        self.error()
    }

    fn metrics(&self) -> Result<MetricsPage, ApiError> {
        self.error()
    }

    fn views(&self) -> Result<broadcast::Receiver<CameraView>, ApiError> {
        self.error()
    }

    fn checks(&self) -> Result<Vec<Check>, ApiError> {
        self.error()
    }

    fn figures(&self) -> Result<Figures, ApiError> {
        self.error()
    }

    fn written(&self) -> Result<watch::Receiver<u64>, ApiError> {
        self.error()
    }

    fn erased(&self, _: PersonId) {}
}
