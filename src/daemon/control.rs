//! The control API: HTTP over a Unix socket, for the command line. Whoever may open the socket (mode 0660, one group) may use it.
//!
//! Joins the office and the stages' health; decides nothing itself.

mod doors;
mod visitors;

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::door_thread::{DoorMessage, PublishedDoors};
use super::metrics::{self, Metrics};
use super::records;
use super::stage::Stage;
use super::wire::*;
use crate::clock::Clock;
use crate::gallery::{GalleryError, NewPerson, Visitors};
use crate::hub::{self, Hub};
use crate::office::{Enrolment, OfficeError, Recorder, Register};

/// A batch of 64 templates of 512 numbers is about half a megabyte.
pub const LARGEST_REQUEST_BYTES: usize = 4 << 20;

/// What the handlers look at.
pub struct House {
    pub register: Register,
    pub recorder: Arc<Recorder>,
    pub visitors: Arc<Visitors>,
    pub stages: Vec<Arc<Stage>>,
    pub published: PublishedDoors,
    pub door_queue: SyncSender<DoorMessage>,
    pub placements: Vec<PlacementStatus>,
    pub hub: Option<Arc<Hub>>,
    pub metrics: Metrics,
    pub views: broadcast::Sender<View>,
    pub clock: Arc<dyn Clock>,
    pub device: String,
    pub model: String,
}

/// Who asks: the peer's user, as the kernel says.
#[derive(Clone)]
pub struct Peer(pub String);

/// The name of the user at the other end of a connection.
pub fn operator(stream: &UnixStream) -> String {
    stream.peer_cred().map_or_else(|_| "unknown user".to_owned(), |peer| user_name(peer.uid()))
}

/// The user's name as `/etc/passwd` has it, else `uid N`.
pub fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
        .next()
        .unwrap_or_else(|| format!("uid {uid}"))
}

/// The socket's file; removed when this is dropped.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, socket = %self.0.display(), "the control socket was gone already");
        }
    }
}

/// Makes the socket: replaces one that a dead daemon left behind, refuses one that answers.
pub fn listen(path: &Path, group: Option<&str>) -> io::Result<(UnixListener, SocketFile)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other("there is a file of that name that is not a socket"));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(io::Error::other("another daemon answers on it"));
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    // Without a group of operators it is the daemon's own user alone who may ask.
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    if let Some(group) = group {
        match group_id(group) {
            Some(gid) => std::os::unix::fs::chown(path, None, Some(gid))
                .unwrap_or_else(|error| tracing::warn!(group, %error, "the control socket keeps its group")),
            None => {
                tracing::warn!(group, "there is no such group; only the daemon's own user can use the control socket")
            }
        }
    }
    Ok((listener, file))
}

fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

/// The routes.
pub fn router(house: Arc<House>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/people", get(people).post(enroll))
        .route("/v1/people/{id}", patch(change).delete(remove))
        .route("/v1/nearest", post(nearest))
        .route("/v1/doors", post(doors::order))
        .route("/v1/amnesty", post(doors::amnesty))
        .route("/v1/clock/trust", post(doors::trust_clock))
        .route("/v1/standings", get(standings))
        .route("/v1/unknown", get(visitors::list).delete(visitors::forget))
        .route("/v1/views", get(views))
        .route("/metrics", get(metrics_page))
        .merge(records::routes())
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST_BYTES))
        .with_state(house)
}

/// The metrics alone, for an address that others can reach.
pub fn metrics_router(house: Arc<House>) -> Router {
    Router::new().route("/metrics", get(metrics_page)).with_state(house)
}

async fn metrics_page(State(house): State<Arc<House>>) -> Result<Response, Failure> {
    let Json(page) = blocking(move || Ok(house.metrics.page())).await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response())
}

/// An error with its status; the text is for the operator.
pub struct Failure(pub StatusCode, pub String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(ErrorWire { error: self.1 })).into_response()
    }
}

impl From<OfficeError> for Failure {
    fn from(error: OfficeError) -> Failure {
        let status = match &error {
            OfficeError::SameName { .. }
            | OfficeError::LookAlike { .. }
            | OfficeError::Duplicate { .. }
            | OfficeError::Outliers { .. } => StatusCode::CONFLICT,
            OfficeError::Unclear { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            OfficeError::Gallery(GalleryError::NotFound { .. }) => StatusCode::NOT_FOUND,
            OfficeError::Gallery(GalleryError::Store(_)) | OfficeError::Ledger(_) | OfficeError::Unrecorded(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            OfficeError::Gallery(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Failure(status, error.to_string())
    }
}

impl From<GalleryError> for Failure {
    fn from(error: GalleryError) -> Failure {
        OfficeError::from(error).into()
    }
}

/// Runs what touches the disk off the runtime's threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<Json<T>, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer.map(Json),
        Err(error) => Err(Failure(StatusCode::INTERNAL_SERVER_ERROR, format!("the request failed: {error}"))),
    }
}

async fn status(State(house): State<Arc<House>>) -> Result<Json<Status>, Failure> {
    blocking(move || Ok(house.status())).await
}

impl House {
    fn status(&self) -> Status {
        let now = self.clock.now();
        let people = self.register.gallery().people();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            device: self.device.clone(),
            uptime_s: now.0.as_secs(),
            model: self.model.clone(),
            people: people.len(),
            foreign_templates: people.iter().map(|p| p.foreign_templates).sum(),
            seal: SealWire::of(self.register.gallery()),
            near_enough: CutWire::new(&self.register.cut()),
            stages: self.stages.iter().map(|stage| stage_status(stage, now)).collect(),
            doors: self.doors(),
            occupancy: self.published.read().occupancy.into_iter().collect(),
            placements: self.placements.clone(),
            time: self.published.read().time.map(|quality| quality.as_str().to_owned()),
            journal_trouble: self.recorder.problem(),
            hub: self.hub.as_ref().map(|hub| HubStatus {
                state: match hub.state() {
                    hub::ConnectionState::Connecting => "connecting".into(),
                    hub::ConnectionState::Online => "online".into(),
                    hub::ConnectionState::Offline { why } => why,
                },
                waiting: self.recorder.journal().outbox().map_or(0, |outbox| outbox.len() as u64),
                dropped: hub.counts().dropped,
                refused: hub.refusals().into_iter().map(RefusedWire::from).collect(),
            }),
        }
    }
}

fn stage_status(stage: &Stage, now: crate::domain::Moment) -> StageStatus {
    use std::sync::atomic::Ordering::Relaxed;
    StageStatus {
        role: stage.role.as_str().to_owned(),
        name: stage.name.clone(),
        trouble: stage.trouble(),
        silent_ms: stage.silent_for(now).as_millis() as u64,
        handled: stage.handled.load(Relaxed),
        dropped: stage.dropped.load(Relaxed),
        bad: stage.bad.load(Relaxed),
        last_ms: stage.last_us.load(Relaxed) as f64 / 1000.0,
    }
}

async fn people(State(house): State<Arc<House>>) -> Result<Json<Vec<PersonWire>>, Failure> {
    blocking(move || Ok(house.register.gallery().people().iter().map(PersonWire::from).collect())).await
}

async fn enroll(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
    Json(request): Json<EnrollRequest>,
) -> Result<Json<PersonWire>, Failure> {
    blocking(move || {
        let now = SystemTime::now();
        let templates = request.templates.iter().map(|t| t.template(now)).collect::<Option<Vec<_>>>();
        let Some(templates) = templates else {
            return Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, "an embedding has no direction".into()));
        };
        let person = NewPerson { name: request.name, employee_id: request.employee_id, groups: request.groups };
        let EnrollRequest { labels, force, .. } = request;
        let person = house.register.enroll(Enrolment { person, templates, labels, force, by })?;
        tracing::info!(person = %person.name, id = person.id.0, templates = person.templates, "enrolled");
        Ok(PersonWire::from(&person))
    })
    .await
}

async fn change(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
    axum::extract::Path(id): axum::extract::Path<u32>,
    Json(request): Json<ChangeRequest>,
) -> Result<Json<PersonWire>, Failure> {
    blocking(move || {
        let id = crate::domain::PersonId(id);
        if let Some(name) = &request.name {
            house.register.rename(id, name, by.clone())?;
        }
        if let Some(employee_id) = &request.employee_id {
            house.register.set_employee_id(id, employee_id.id.as_deref(), by.clone())?;
        }
        if let Some(groups) = &request.groups {
            house.register.set_groups(id, groups, by.clone())?;
        }
        if let Some(validity) = &request.validity {
            let moment = |text: &Option<String>| text.as_deref().map(moment).transpose();
            house.register.set_validity(id, moment(&validity.from)?, moment(&validity.until)?, by.clone())?;
        }
        if let Some(enabled) = request.enabled {
            house.register.set_enabled(id, enabled, by)?;
        }
        Ok(PersonWire::from(&house.register.gallery().person(id)?))
    })
    .await
}

fn moment(text: &str) -> Result<SystemTime, Failure> {
    let unreadable = || Failure(StatusCode::UNPROCESSABLE_ENTITY, format!("`{text}` is no time in RFC 3339"));
    text.parse::<jiff::Timestamp>().ok().and_then(|at| at.try_into().ok()).ok_or_else(unreadable)
}

async fn remove(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
    axum::extract::Path(id): axum::extract::Path<u32>,
) -> Result<Json<PersonWire>, Failure> {
    blocking(move || {
        let person = house.register.remove(crate::domain::PersonId(id), by)?;
        tracing::info!(person = %person.name, id, "removed");
        Ok(PersonWire::from(&person))
    })
    .await
}

async fn nearest(
    State(house): State<Arc<House>>,
    Json(probes): Json<Vec<TemplateWire>>,
) -> Result<Json<Vec<Option<MatchWire>>>, Failure> {
    blocking(move || {
        let find = |probe: &TemplateWire| {
            let Some(template) = probe.template(SystemTime::UNIX_EPOCH) else { return Ok(None) };
            Ok(house.register.gallery().nearest(&template.embedding)?.map(MatchWire::from))
        };
        probes.iter().map(find).collect()
    })
    .await
}

async fn standings(State(house): State<Arc<House>>) -> Result<Json<StandingsWire>, Failure> {
    blocking(move || Ok(StandingsWire::of(house.register.gallery(), house.register.cut().distance.0)?)).await
}

/// A line of JSON for each frame, until the asker goes away. Frames that come faster than they are read are left out.
async fn views(State(house): State<Arc<House>>) -> Response {
    let lines = futures_util::stream::unfold(house.views.subscribe(), |mut seen| async move {
        loop {
            match seen.recv().await {
                Ok(view) => {
                    let mut line = serde_json::to_vec(&view).unwrap_or_default();
                    line.push(b'\n');
                    return Some((Ok::<_, Infallible>(Bytes::from(line)), seen));
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Response::new(Body::from_stream(lines))
}
