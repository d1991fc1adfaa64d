//! The cameras and the doors for people who watch: pictures, faces, help with aiming.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::error::ApiError;
use crate::api::extract::{JpegFile, JsonBody, Lines, MotionJpeg, Operator, PathOf, blocking};
use crate::api::live::{CameraPath, LiveCamera, LiveLine, LivePicture, RotateAnswer, RotateRequest};
use crate::api::state::ApiState;

/// How long a picture is waited for: a camera that has nothing by then is away, or is being opened.
const PATIENCE: Duration = Duration::from_secs(4);
/// A picture of this age is given at once.
const FRESH: Duration = Duration::from_millis(250);
/// How often it is asked whether a camera has changed. Doors report changes by themselves.
const LOOK_AT_CAMERAS: Duration = Duration::from_secs(1);
/// Without anything to report, there is a line after so many of these looks, so that a connection that is gone is noticed.
const STILL_AFTER: u32 = 5;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/live",
            get_with(live, |op| {
                op.id("live").tag("live").summary("Follow doors, cameras, and the faces before them").description(
                    "A line for each change, until the client closes the connection: first all doors and all cameras. Faces come with their box, the \
                     person, the distance, what is missing for a good view, and what was decided; embeddings do not. A client that reads too slowly \
                     misses lines.",
                )
            }),
        )
        .api_route(
            "/v1/cameras",
            get_with(cameras, |op| op.id("listCameras").tag("live").summary("List the cameras")),
        )
        .api_route(
            "/v1/cameras/{name}/picture",
            get_with(picture, |op| {
                op.id("picture").tag("live").summary("Show what a camera sees now").description(
                    "A JPEG: the camera's own where it sends one, else one that is made for all who watch, five times a second at most.",
                )
            }),
        )
        .api_route(
            "/v1/cameras/{name}/stream",
            get_with(stream_of, |op| {
                op.id("pictureStream").tag("live").summary("Follow what a camera sees").description(
                    "Motion-JPEG, until the client closes the connection. A client that reads too slowly misses pictures.",
                )
            }),
        )
        .api_route(
            "/v1/cameras/{name}/aim",
            post_with(aim, |op| {
                op.id("aim").tag("live").summary("Help to aim a camera for a minute").description(
                    "Looks for faces in its pictures as they are and in their three other turns. The cameras of `/v1/live` say what was found.",
                )
            }),
        )
        .api_route(
            "/v1/cameras/{name}/rotate",
            post_with(rotate, |op| {
                op.id("rotateCamera").tag("live").summary("Turn a camera's picture").description(
                    "Writes `rotate` into the configuration file; the daemon turns the picture from its next start on. Where the file cannot be \
                     written, the answer says which line to add.",
                )
            }),
        )
}

async fn live(State(state): State<Arc<ApiState>>) -> Result<Lines<LiveLine>, ApiError> {
    // Subscribed before the state is read: no change between the two is missed.
    let lines = state.live.lines()?;
    let (doors, cameras) = (state.live.doors()?, state.live.cameras()?);
    let first = [LiveLine::Doors { doors }, LiveLine::Cameras { cameras: cameras.clone() }].map(json_line).concat();
    let follow = Follow { state, lines, cameras, look_at: Instant::now() + LOOK_AT_CAMERAS, quiet: 0 };
    let body = stream::unfold((Some(first), follow), |(first, mut follow)| async move {
        let line = match first {
            Some(first) => first,
            None => json_line(follow.next().await?),
        };
        Some((Ok::<_, Infallible>(Bytes::from(line)), (None, follow)))
    });
    Ok(Lines::new(Body::from_stream(body)))
}

/// One reader of the live stream.
struct Follow {
    state: Arc<ApiState>,
    lines: broadcast::Receiver<LiveLine>,
    /// As last told.
    cameras: Vec<LiveCamera>,
    /// When the cameras are looked at next.
    look_at: Instant,
    /// Looks at the cameras since the last line.
    quiet: u32,
}

impl Follow {
    /// The next line; `None` when the daemon ends.
    async fn next(&mut self) -> Option<LiveLine> {
        loop {
            if Instant::now() < self.look_at {
                match timeout_at(self.look_at, self.lines.recv()).await {
                    Ok(Ok(line)) => {
                        self.quiet = 0;
                        return Some(line);
                    }
                    Ok(Err(RecvError::Closed)) => return None,
                    Ok(Err(RecvError::Lagged(_))) | Err(_) => continue,
                }
            }
            self.look_at = Instant::now() + LOOK_AT_CAMERAS;
            self.quiet = self.quiet.saturating_add(1);
            let cameras = self.state.live.cameras().ok()?;
            let changed = cameras != self.cameras;
            if changed || self.quiet >= STILL_AFTER {
                self.quiet = 0;
                self.cameras.clone_from(&cameras);
                return Some(if changed { LiveLine::Cameras { cameras } } else { LiveLine::Still });
            }
        }
    }
}

fn json_line(line: LiveLine) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

async fn cameras(State(state): State<Arc<ApiState>>) -> Result<Json<Vec<LiveCamera>>, ApiError> {
    state.live.cameras().map(Json)
}

async fn picture(
    State(state): State<Arc<ApiState>>,
    PathOf(CameraPath { name }): PathOf<CameraPath>,
) -> Result<JpegFile, ApiError> {
    let mut pictures = state.live.pictures(&name)?;
    let now = state.clock.now();
    let fresh = |picture: &LivePicture| now.since(picture.captured_at) <= FRESH;
    if let Some(picture) = pictures.borrow_and_update().clone().filter(fresh) {
        return Ok(JpegFile(picture.jpeg));
    }
    match timeout(PATIENCE, next_picture(&mut pictures)).await {
        Ok(Some(picture)) => Ok(JpegFile(picture.jpeg)),
        Ok(None) | Err(_) => {
            let trouble = state.live.cameras()?.into_iter().find(|camera| camera.name == name);
            Err(ApiError::NoPicture { name, trouble: trouble.and_then(|camera| camera.trouble) })
        }
    }
}

async fn stream_of(
    State(state): State<Arc<ApiState>>,
    PathOf(CameraPath { name }): PathOf<CameraPath>,
) -> Result<MotionJpeg, ApiError> {
    let pictures = state.live.pictures(&name)?;
    Ok(MotionJpeg::new(stream::unfold(pictures, |mut pictures| async move {
        let picture = next_picture(&mut pictures).await?;
        Some((picture.jpeg, pictures))
    })))
}

/// The next picture, skipping those that were replaced in the meantime; `None` when the daemon ends.
async fn next_picture(pictures: &mut watch::Receiver<Option<LivePicture>>) -> Option<LivePicture> {
    loop {
        pictures.changed().await.ok()?;
        if let Some(picture) = pictures.borrow_and_update().clone() {
            return Some(picture);
        }
    }
}

async fn aim(
    State(state): State<Arc<ApiState>>,
    PathOf(CameraPath { name }): PathOf<CameraPath>,
) -> Result<Json<()>, ApiError> {
    state.live.aim(&name).map(Json)
}

async fn rotate(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(CameraPath { name }): PathOf<CameraPath>,
    JsonBody(request): JsonBody<RotateRequest>,
) -> Result<Json<RotateAnswer>, ApiError> {
    blocking(move || state.live.rotate(&name, request.turn()?, by).map(Json)).await
}
