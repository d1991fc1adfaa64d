//! Models: which are in use, and the switch from one to another.

use std::sync::Arc;
use std::time::SystemTime;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, put_with};
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf, blocking};
use crate::api::models::{Finished, ModelTemplates, Models, MoveRequest, SwitchRequest};
use crate::api::people::{Person, PersonPath};
use crate::api::state::ApiState;
use crate::domain::PersonId;
use crate::office::Move;
use crate::office::switch::SwitchOrder;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/models",
            get_with(models, |op| {
                op.id("models").tag("models").summary("Show of which models templates are stored, and the switch between them")
            }),
        )
        .api_route(
            "/v1/models/switch",
            put_with(switch, |op| {
                op.id("switchModel").tag("models").summary("Begin, change, cancel or finish a switch of models").description(
                    "Returns the number of templates that were erased; 0 unless the switch is finished, which takes time with many people.",
                )
            }),
        )
        .api_route(
            "/v1/people/{id}/beside",
            put_with(move_person, |op| {
                op.id("movePerson").tag("models").summary("Give a person templates of the other model of a switch").description(
                    "The templates must have passed the gates of [enroll].",
                )
            }),
        )
}

async fn models(State(state): State<Arc<ApiState>>) -> Result<Json<Models>, ApiError> {
    blocking(move || {
        let switch = &state.switch;
        Ok(Json(Models {
            in_use: switch.in_use(),
            beside: switch.beside().map(|side| side.name),
            templates: switch.counts()?.into_iter().map(ModelTemplates::from).collect(),
            switch: switch.report(state.clock.wall())?.map(Into::into),
        }))
    })
    .await
}

async fn switch(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<SwitchRequest>,
) -> Result<Json<Finished>, ApiError> {
    blocking(move || {
        let mut erased = 0;
        match request {
            SwitchRequest::Begin { to, learn, shadow, after } => {
                let order = SwitchOrder { to, learn, shadow, after: after.map(Into::into) };
                let begun = state.switch.begin(order, by, state.clock.wall())?;
                tracing::info!(from = %begun.from.model, to = %begun.to.model, "a switch of models is under way");
            }
            SwitchRequest::Cancel => drop(state.switch.cancel(by)?),
            SwitchRequest::Finish => erased = state.switch.finish(by)?,
        }
        Ok(Json(Finished { erased }))
    })
    .await
}

async fn move_person(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
    JsonBody(request): JsonBody<MoveRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let MoveRequest { templates, labels, force } = request;
        let now = SystemTime::now();
        let templates = templates.iter().map(|template| template.template(now)).collect::<Option<Vec<_>>>();
        let Some(templates) = templates else {
            return Err(ApiError::Invalid("an embedding has no direction".to_owned()));
        };
        let order = Move { person: PersonId(id), templates, labels, force, record: None, by };
        let person = state.switch.move_person(order)?;
        Ok(Json(Person::from(&person)))
    })
    .await
}
