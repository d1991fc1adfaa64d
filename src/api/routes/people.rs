//! People: listing, enrolling, changing, removing and comparing them.

use std::sync::Arc;
use std::time::SystemTime;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, patch_with, post_with};
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf, blocking};
use crate::api::people::{
    ChangeRequest, EnrollRequest, GalleryCheck, Match, Person, PersonCheck, PersonPath, TemplateCheck,
};
use crate::api::state::ApiState;
use crate::api::status::{SealStatus, Threshold};
use crate::api::template::Template;
use crate::domain::PersonId;
use crate::gallery::NewPerson;
use crate::office::Enrolment;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/people",
            get_with(list, |op| op.id("listPeople").tag("people").summary("List the enrolled people, by number")).post_with(
                enroll,
                |op| op.id("enroll").tag("people").summary("Enrol a person").description("The templates must have passed the gates of [enroll]."),
            ),
        )
        .api_route(
            "/v1/people/{id}",
            patch_with(change, |op| op.id("changePerson").tag("people").summary("Change a person"))
                .delete_with(remove, |op| op.id("removePerson").tag("people").summary("Remove a person and erase the templates")),
        )
        .api_route(
            "/v1/nearest",
            post_with(nearest, |op| {
                op.id("nearest").tag("people").summary("Find the nearest person to each face").description(
                    "One answer a template; null where nobody is enrolled or the template cannot be compared. Near is not near enough: \
                     compare with the threshold.",
                )
            }),
        )
        .api_route(
            "/v1/standings",
            get_with(check, |op| {
                op.id("checkGallery").tag("people").summary("Compare each template with all others").description(
                    "Shows who would not be recognised, and who may be taken for somebody else. Takes time with many people.",
                )
            }),
        )
        .api_route(
            "/v1/threshold",
            get_with(threshold, |op| op.id("threshold").tag("people").summary("Show the distance threshold in force")),
        )
        .api_route(
            "/v1/seal",
            get_with(seal, |op| op.id("seal").tag("people").summary("Show whether templates are sealed")),
        )
}

async fn list(State(state): State<Arc<ApiState>>) -> Result<Json<Vec<Person>>, ApiError> {
    blocking(move || Ok(Json(Person::all_of(&state.register, &state.register.gallery().people())?))).await
}

async fn enroll(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<EnrollRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let EnrollRequest { name, employee_id, groups, templates, sitting, labels, force } = request;
        let templates = state.templates_of(&templates, sitting)?;
        let person = NewPerson { name, employee_id, groups };
        let person = state.register.enroll(Enrolment { person, templates, labels, force, by })?;
        state.sitting_used(sitting);
        tracing::info!(person = %person.name, id = person.id.0, templates = person.templates, "enrolled");
        Ok(Json(Person::of(&state.register, &person)?))
    })
    .await
}

async fn change(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let id = PersonId(id);
        let ChangeRequest { name, enabled, employee_id, groups, validity } = request;
        if let Some(name) = name {
            state.register.rename(id, &name, by.clone())?;
        }
        if let Some(employee_id) = employee_id {
            state.register.set_employee_id(id, employee_id.id.as_deref(), by.clone())?;
        }
        if let Some(groups) = groups {
            state.register.set_groups(id, &groups, by.clone())?;
        }
        if let Some(validity) = validity {
            let (from, until) = validity.limits()?;
            state.register.set_validity(id, from, until, by.clone())?;
        }
        if let Some(enabled) = enabled {
            state.register.set_enabled(id, enabled, by)?;
        }
        Ok(Json(Person::of(&state.register, &state.register.gallery().person(id)?)?))
    })
    .await
}

async fn remove(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        // Faces of grants before the templates: whatever is kept of somebody who is no longer enrolled cannot be asked for.
        state.granted.erase_of(PersonId(id))?;
        state.face_pictures.erase_of(PersonId(id))?;
        let person = state.register.remove(PersonId(id), by)?;
        tracing::info!(person = %person.name, id, "removed");
        Ok(Json(Person::from(&person)))
    })
    .await
}

async fn nearest(
    State(state): State<Arc<ApiState>>,
    JsonBody(probes): JsonBody<Vec<Template>>,
) -> Result<Json<Vec<Option<Match>>>, ApiError> {
    blocking(move || {
        let find = |probe: &Template| {
            let Some(template) = probe.template(SystemTime::UNIX_EPOCH) else { return Ok(None) };
            Ok(state.register.gallery().nearest(&template.embedding)?.map(Match::from))
        };
        probes.iter().map(find).collect::<Result<_, ApiError>>().map(Json)
    })
    .await
}

async fn check(State(state): State<Arc<ApiState>>) -> Result<Json<GalleryCheck>, ApiError> {
    blocking(move || {
        let people = state.register.gallery().check_recognition()?;
        let people = people.iter().map(|standing| PersonCheck {
            person: Person::from(&standing.person),
            views: standing
                .templates
                .iter()
                .map(|view| TemplateCheck {
                    own: view.own.map(|distance| distance.0),
                    other: view.other.map(|(person, distance)| (person.0, distance.0)),
                })
                .collect(),
        });
        Ok(Json(GalleryCheck { limit: state.register.cut().distance.0, people: people.collect() }))
    })
    .await
}

async fn threshold(State(state): State<Arc<ApiState>>) -> Result<Json<Threshold>, ApiError> {
    blocking(move || Ok(Json(state.register.cut().into()))).await
}

async fn seal(State(state): State<Arc<ApiState>>) -> Result<Json<SealStatus>, ApiError> {
    blocking(move || Ok(Json(SealStatus::from(state.register.gallery())))).await
}
