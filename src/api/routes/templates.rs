//! What is kept of a person's face after the enrolment: learned templates and negative references.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf, blocking};
use crate::api::people::{ForgottenTemplates, KeptTemplate, LookalikeRequest, Person, PersonPath};
use crate::api::state::ApiState;
use crate::domain::{Actor, Forgotten, PersonId};

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/people/{id}/templates",
            get_with(list, |op| {
                op.id("listTemplates").tag("people").summary("List a person's templates, without their embeddings")
            }),
        )
        .api_route(
            "/v1/people/{id}/learned",
            delete_with(forget_learned, |op| {
                op.id("forgetLearned").tag("people").summary("Erase the templates that a person learned from grants")
            }),
        )
        .api_route(
            "/v1/people/{id}/lookalikes",
            post_with(note_lookalike, |op| {
                op.id("noteLookalike").tag("people").summary("Say that the face of a decision is not this person's").description(
                    "The face becomes a negative reference: faces that are nearly as near to it as to the person are ambiguous.",
                )
            })
            .delete_with(forget_lookalikes, |op| {
                op.id("forgetLookalikes").tag("people").summary("Erase a person's negative references")
            }),
        )
}

async fn list(
    State(state): State<Arc<ApiState>>,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
) -> Result<Json<Vec<KeptTemplate>>, ApiError> {
    blocking(move || Ok(Json(state.register.kept(PersonId(id))?.iter().map(KeptTemplate::from).collect()))).await
}

async fn note_lookalike(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
    JsonBody(LookalikeRequest { record, force }): JsonBody<LookalikeRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let now = state.clock.wall();
        let visit = match state.granted.of_record(record, now)? {
            Some(visit) => Some(visit),
            None => state.visitors.of_record(record, now)?,
        };
        let Some(visit) = visit else {
            return Err(ApiError::Invalid(format!(
                "the face of record {record} is not kept: it must be a grant while [gallery] keep_granted is set, or a refusal as unknown \
                 while keep_unknown is, and no older than that"
            )));
        };
        let person = state.register.note_lookalike(PersonId(id), &visit.template, record, force, by)?;
        tracing::info!(person = %person.name, id, record, "a lookalike was noted");
        Ok(Json(Person::from(&person)))
    })
    .await
}

async fn forget_learned(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
) -> Result<Json<ForgottenTemplates>, ApiError> {
    blocking(move || forget(&state, id, Forgotten::Learned, by)).await
}

async fn forget_lookalikes(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
) -> Result<Json<ForgottenTemplates>, ApiError> {
    blocking(move || forget(&state, id, Forgotten::Lookalikes, by)).await
}

fn forget(state: &ApiState, id: u32, what: Forgotten, by: Actor) -> Result<Json<ForgottenTemplates>, ApiError> {
    Ok(Json(ForgottenTemplates { forgotten: state.register.forget(PersonId(id), what, by)? }))
}
