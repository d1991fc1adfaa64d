//! Unknown visitors: listing and erasing them.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{Operator, QueryOf, blocking};
use crate::api::state::ApiState;
use crate::api::visitors::{Forgotten, UnknownVisitors, VisitorsQuery};
use crate::domain::Distance;
use crate::office::{forget_strangers, strangers};

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new().api_route(
        "/v1/unknown",
        get_with(list, |op| op.id("listVisitors").tag("visitors").summary("List unknown visitors, grouped by face"))
            .delete_with(forget, |op| op.id("forgetVisitors").tag("visitors").summary("Erase all unknown visitors")),
    )
}

async fn list(
    State(state): State<Arc<ApiState>>,
    QueryOf(VisitorsQuery { distance }): QueryOf<VisitorsQuery>,
) -> Result<Json<UnknownVisitors>, ApiError> {
    if !(0.0..=2.0).contains(&distance) {
        return Err(ApiError::Invalid("a distance is a number from 0 to 2".to_owned()));
    }
    blocking(move || {
        let found = strangers(&state.visitors, state.register.gallery(), Distance(distance), state.clock.wall())?;
        Ok(Json(UnknownVisitors::new(&found, state.visitors.retention(), distance)))
    })
    .await
}

async fn forget(State(state): State<Arc<ApiState>>, Operator(by): Operator) -> Result<Json<Forgotten>, ApiError> {
    blocking(move || {
        let forgotten = forget_strangers(&state.visitors, &state.recorder, &by)?;
        tracing::info!(forgotten, %by, "the unknown visitors were erased");
        Ok(Json(Forgotten { forgotten }))
    })
    .await
}
