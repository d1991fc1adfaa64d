//! Changing people by a list.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, blocking};
use crate::api::import::{Import, ImportRequest};
use crate::api::state::ApiState;
use crate::office::plan_import;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new().api_route(
        "/v1/people/import",
        post_with(import, |op| {
            op.id("importPeople").tag("people").summary("Change people by a list, or show what it would change").description(
                "Nobody is removed. People who are new have no template: no door recognises them until they are enrolled. If a row cannot be \
                 carried out, none is.",
            )
        }),
    )
}

async fn import(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<ImportRequest>,
) -> Result<Json<Import>, ApiError> {
    blocking(move || {
        let preview = request.preview;
        let plan = plan_import(&request.listed()?, &state.register.gallery().people());
        let import = Import::of(&plan);
        if preview {
            return Ok(Json(import));
        }
        if import.problems > 0 {
            return Err(ApiError::Invalid(import.refusal()));
        }
        state.register.import(&plan, &by)?;
        tracing::info!(changed = import.changed, new = import.new, %by, "people were changed by a list");
        Ok(Json(Import { done: true, ..import }))
    })
    .await
}
