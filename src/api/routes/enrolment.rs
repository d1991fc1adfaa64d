//! Faces for an enrolment: photographs, and sittings in front of a camera of the daemon.

use std::sync::Arc;
use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, PathOf, PictureBody, QueryOf, blocking};
use crate::api::photographs::{PhotographAnswer, PhotographQuery};
use crate::api::sittings::{Entry, SittingPath, SittingRequest, SittingStatus};
use crate::api::state::ApiState;
use crate::api::template::CameraView;
use crate::clock::Clock;
use crate::office::Gates;

/// How often a sitting without frames looks whether its time is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/photographs",
            post_with(look_at, |op| {
                op.id("lookAtPhotograph").tag("people").summary("Make a template of the face in a photograph").description(
                    "For an enrolment, or for more templates of a person. The photograph is not kept. Photographs are looked at one after the \
                     other, after the doors.",
                )
            }),
        )
        .api_route(
            "/v1/sittings",
            post_with(begin, |op| {
                op.id("beginSitting").tag("people").summary("Take views of somebody before a camera").description(
                    "The templates stay in the daemon's memory until somebody is enrolled with them: name the sitting in place of templates.",
                )
            }),
        )
        .api_route(
            "/v1/sittings/{sitting}",
            get_with(status, |op| op.id("sitting").tag("people").summary("Show how a sitting goes"))
                .delete_with(end, |op| op.id("endSitting").tag("people").summary("End a sitting and forget its views")),
        )
}

async fn look_at(
    State(state): State<Arc<ApiState>>,
    QueryOf(PhotographQuery { largest, weak }): QueryOf<PhotographQuery>,
    PictureBody(photograph): PictureBody,
) -> Result<Json<PhotographAnswer>, ApiError> {
    blocking(move || Ok(Json(state.faces.look_at(photograph.into(), largest, weak)?.into()))).await
}

async fn begin(
    State(state): State<Arc<ApiState>>,
    JsonBody(request): JsonBody<SittingRequest>,
) -> Result<Json<SittingStatus>, ApiError> {
    let views = state.monitor.views()?;
    let (number, entry) = {
        let state = state.clone();
        blocking(move || {
            let status = state.monitor.status()?;
            let cameras: Vec<String> =
                status.stages.into_iter().filter(|stage| stage.role == "vision").map(|stage| stage.name).collect();
            if !cameras.contains(&request.camera) {
                return Err(ApiError::NoCamera { name: request.camera, cameras: cameras.join(", ") });
            }
            let gates = state.faces.gates()?;
            let gates = Gates { min_length: gates.min_length.filter(|_| !request.weak), ..gates };
            state.sittings.begin(&request, gates, state.register.cut().distance, state.clock.now())
        })
        .await?
    };
    tokio::spawn(watch(entry, views, state.clock.clone()));
    state.sittings.status(number, state.clock.now()).map(Json)
}

/// Shows each frame to the sitting until it has enough, its time is over, or nobody keeps it.
async fn watch(entry: Arc<Entry>, mut views: Receiver<CameraView>, clock: Arc<dyn Clock>) {
    // The book of sittings holds the other.
    while Arc::strong_count(&entry) > 1 && entry.is_running(clock.now()) {
        match timeout(LOOK_EVERY, views.recv()).await {
            Ok(Ok(view)) => {
                if !entry.see(&view, &*clock) {
                    return;
                }
            }
            Ok(Err(RecvError::Closed)) => return,
            Ok(Err(RecvError::Lagged(_))) | Err(_) => {}
        }
    }
}

async fn status(
    State(state): State<Arc<ApiState>>,
    PathOf(SittingPath { sitting }): PathOf<SittingPath>,
) -> Result<Json<SittingStatus>, ApiError> {
    state.sittings.status(sitting, state.clock.now()).map(Json)
}

async fn end(
    State(state): State<Arc<ApiState>>,
    PathOf(SittingPath { sitting }): PathOf<SittingPath>,
) -> Result<Json<()>, ApiError> {
    match state.sittings.end(sitting, state.clock.now()) {
        true => Ok(Json(())),
        false => Err(ApiError::NoSitting { number: sitting }),
    }
}
