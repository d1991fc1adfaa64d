//! The calendar.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;

use crate::api::calendar::Calendar;
use crate::api::error::ApiError;
use crate::api::state::ApiState;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new().api_route(
        "/v1/calendar",
        get_with(calendar, |op| op.id("calendar").tag("doors").summary("Show the time zones, and when a day begins")),
    )
}

async fn calendar(State(state): State<Arc<ApiState>>) -> Result<Json<Calendar>, ApiError> {
    Ok(Json(state.calendar.clone()?))
}
