//! What is kept of a person's face: enrolled and learned templates, and negative references.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf, QueryOf, blocking};
use crate::api::kept_templates::{
    ForgottenTemplates, KeptTemplate, LookalikeRequest, MoreTemplatesRequest, TemplatePath, TemplateRemoval,
};
use crate::api::people::{Person, PersonPath};
use crate::api::state::ApiState;
use crate::domain::{Actor, Forgotten, PersonId};
use crate::gallery::{GalleryError, TemplateId};
use crate::office::Addition;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/people/{id}/templates",
            get_with(list, |op| {
                op.id("listTemplates").tag("people").summary("List a person's templates, without their embeddings")
            })
            .post_with(add, |op| {
                op.id("addTemplates").tag("people").summary("Add templates to a person").description(
                    "All or none. They must look like the person, like each other, and like nobody else, unless forced.",
                )
            }),
        )
        .api_route(
            "/v1/people/{id}/templates/{template}",
            delete_with(remove, |op| {
                op.id("removeTemplate").tag("people").summary("Erase one template of a person").description(
                    "The last template by which the person is recognised is erased only by force.",
                )
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
    blocking(move || {
        let kept = state.register.gallery().kept_templates(PersonId(id))?;
        Ok(Json(kept.iter().map(KeptTemplate::from).collect()))
    })
    .await
}

async fn add(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
    JsonBody(request): JsonBody<MoreTemplatesRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let MoreTemplatesRequest { templates, sitting, labels, force } = request;
        let templates = state.templates_of(&templates, sitting)?;
        let person = state.register.add_templates(Addition { person: PersonId(id), templates, labels, force, by })?;
        state.sitting_used(sitting);
        tracing::info!(person = %person.name, id, templates = person.templates, "templates were added");
        Ok(Json(Person::from(&person)))
    })
    .await
}

async fn remove(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(TemplatePath { id, template }): PathOf<TemplatePath>,
    QueryOf(TemplateRemoval { force }): QueryOf<TemplateRemoval>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let person = PersonId(id);
        let which = TemplateId::parse(&template).ok_or(GalleryError::NoTemplate { template, person })?;
        let person = state.register.remove_template(person, which, force, by)?;
        tracing::info!(person = %person.name, id, template = %which, "a template was erased");
        Ok(Json(Person::from(&person)))
    })
    .await
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
