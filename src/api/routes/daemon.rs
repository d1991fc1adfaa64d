//! What only a running daemon can answer: its status, metrics and views, and orders to its doors.

use std::convert::Infallible;
use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::broadcast::error::RecvError;

use crate::api::checks::Check;
use crate::api::credentials::AdmitRequest;
use crate::api::doors::{AmnestyRequest, DoorRequest, DoorStatus};
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Lines, MetricsPage, Operator, blocking};
use crate::api::figures::Figures;
use crate::api::state::{Admission, ApiState, Monitor};
use crate::api::status::Status;
use crate::api::template::CameraView;
use crate::domain::{Direction, PersonId};

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route("/v1/status", get_with(status, |op| op.id("status").tag("daemon").summary("Show the daemon's status")))
        .api_route(
            "/v1/checks",
            get_with(checks, |op| {
                op.id("checks").tag("daemon").summary("Check the device, as the daemon sees it").description(
                    "What `usher doctor` asks a running daemon. Each check says what was found and, where it is not well, what to do.",
                )
            }),
        )
        .api_route(
            "/v1/figures",
            get_with(figures, |op| op.id("figures").tag("daemon").summary("Show measurements over the last day")),
        )
        .api_route(
            "/v1/views",
            get_with(views, |op| {
                op.id("views").tag("daemon").summary("Follow what the cameras see").description(
                    "A line for each frame, until the client closes the connection. A client that reads too slowly misses frames.",
                )
            }),
        )
        .api_route(
            "/metrics",
            get_with(metrics, |op| op.id("metrics").tag("daemon").summary("Show the metrics that docs/metrics.md lists")),
        )
        .api_route(
            "/v1/doors",
            post_with(order, |op| {
                op.id("orderDoor").tag("doors").summary("Give an order to one door, or to all").description(
                    "Returns all doors once the order is recorded and done. An order that could not be followed within 5 s is dropped.",
                )
            }),
        )
        .api_route(
            "/v1/admit",
            post_with(admit, |op| {
                op.id("admit").tag("doors").summary("Let somebody in whose face and second factor are not asked").description(
                    "The rules about the person and the door are asked: mode, validity, permit, anti-passback, first and second person, \
                     interlock. Opens as a grant does, and records who admitted whom and why.",
                )
            }),
        )
        .api_route(
            "/v1/amnesty",
            post_with(amnesty, |op| {
                op.id("amnesty").tag("doors").summary("Forget where a person is, or where everybody is, for anti-passback")
            }),
        )
        .api_route(
            "/v1/clock/trust",
            post_with(trust_clock, |op| {
                op.id("trustClock").tag("doors").summary("Take the wall clock for right, whatever earlier records say")
            }),
        )
}

/// `/metrics` alone, without a description.
pub fn metrics_route(monitor: Arc<dyn Monitor>) -> Router {
    let page = |State(monitor): State<Arc<dyn Monitor>>| async move { blocking(move || monitor.metrics()).await };
    Router::new().route("/metrics", get(page)).with_state(monitor)
}

async fn status(State(state): State<Arc<ApiState>>) -> Result<Json<Status>, ApiError> {
    blocking(move || state.monitor.status().map(Json)).await
}

async fn checks(State(state): State<Arc<ApiState>>) -> Result<Json<Vec<Check>>, ApiError> {
    blocking(move || state.monitor.checks().map(Json)).await
}

async fn figures(State(state): State<Arc<ApiState>>) -> Result<Json<Figures>, ApiError> {
    blocking(move || state.monitor.figures().map(Json)).await
}

async fn metrics(State(state): State<Arc<ApiState>>) -> Result<MetricsPage, ApiError> {
    blocking(move || state.monitor.metrics()).await
}

async fn views(State(state): State<Arc<ApiState>>) -> Result<Lines<CameraView>, ApiError> {
    let views = state.monitor.views()?;
    let lines = futures_util::stream::unfold(views, |mut views| async move {
        loop {
            match views.recv().await {
                Ok(view) => {
                    let mut line = serde_json::to_vec(&view).unwrap_or_default();
                    line.push(b'\n');
                    return Some((Ok::<_, Infallible>(Bytes::from(line)), views));
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Ok(Lines::new(Body::from_stream(lines)))
}

async fn order(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(DoorRequest { door, order }): JsonBody<DoorRequest>,
) -> Result<Json<Vec<DoorStatus>>, ApiError> {
    blocking(move || state.doors.order(door.as_deref(), order, by).map(Json)).await
}

async fn admit(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<AdmitRequest>,
) -> Result<Json<Vec<DoorStatus>>, ApiError> {
    blocking(move || {
        let admission = Admission {
            person: state.register.gallery().person(PersonId(request.person))?.id,
            direction: request.direction.map(Direction::from),
            reason: request.reason()?,
        };
        state.doors.admit(request.door.as_deref(), admission, by).map(Json)
    })
    .await
}

async fn amnesty(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<AmnestyRequest>,
) -> Result<Json<()>, ApiError> {
    blocking(move || {
        let person = request.person.map(PersonId);
        if let Some(id) = person {
            state.register.gallery().person(id)?;
        }
        state.doors.forget_places(person, by).map(Json)
    })
    .await
}

async fn trust_clock(State(state): State<Arc<ApiState>>, Operator(by): Operator) -> Result<Json<()>, ApiError> {
    blocking(move || state.doors.trust_clock(by).map(Json)).await
}
