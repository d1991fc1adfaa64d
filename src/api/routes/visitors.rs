//! Unknown visitors: listing, enrolling and erasing them, with the faces beside their records.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, QueryOf, blocking};
use crate::api::people::Person;
use crate::api::state::ApiState;
use crate::api::visitors::{ForgetRequest, Forgotten, UnknownVisitors, VisitorEnrolRequest, VisitorsQuery, addresses};
use crate::domain::{Distance, PersonId};
use crate::gallery::NewPerson;
use crate::office::{Addition, Enrolment, Gates, faces_of, forget_strangers, records_of, strangers};

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/unknown",
            get_with(list, |op| {
                op.id("listVisitors").tag("visitors").summary("List unknown visitors, grouped by face")
            })
            .delete_with(forget, |op| op.id("forgetVisitors").tag("visitors").summary("Erase all unknown visitors")),
        )
        .api_route(
            "/v1/unknown/enroll",
            post_with(enroll, |op| {
                op.id("enrollVisitor")
                    .tag("visitors")
                    .summary("Make a person of an unknown visitor")
                    .description("Or give a person templates of the visits. The visits are erased then.")
            }),
        )
        .api_route(
            "/v1/unknown/forget",
            post_with(forget_some, |op| op.id("forgetVisitor").tag("visitors").summary("Erase some visits")),
        )
}

async fn list(
    State(state): State<Arc<ApiState>>,
    QueryOf(VisitorsQuery { distance }): QueryOf<VisitorsQuery>,
) -> Result<Json<UnknownVisitors>, ApiError> {
    if distance.is_some_and(|distance| !(0.0..=2.0).contains(&distance)) {
        return Err(ApiError::Invalid("a distance is a number from 0 to 2".to_owned()));
    }
    blocking(move || {
        let distance = distance.map_or_else(|| state.faces.one_visitor(), |distance| Ok(Distance(distance)))?;
        let found = strangers(&state.visitors, state.register.gallery(), distance, state.clock.wall())?;
        Ok(Json(UnknownVisitors::new(&found, state.visitors.retention(), distance.0)))
    })
    .await
}

async fn forget(State(state): State<Arc<ApiState>>, Operator(by): Operator) -> Result<Json<Forgotten>, ApiError> {
    blocking(move || {
        // Faces first: whatever is kept of somebody without a visit cannot be asked for.
        state.face_pictures.erase_unknown(None)?;
        let forgotten = forget_strangers(&state.visitors, None, &state.recorder, &by)?;
        tracing::info!(forgotten, %by, "the unknown visitors were erased");
        Ok(Json(Forgotten { forgotten }))
    })
    .await
}

async fn forget_some(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(ForgetRequest { visits }): JsonBody<ForgetRequest>,
) -> Result<Json<Forgotten>, ApiError> {
    blocking(move || {
        let ids = addresses(&visits)?;
        state.face_pictures.erase_unknown(Some(&records_of_visits(&state, &ids)?))?;
        let forgotten = forget_strangers(&state.visitors, Some(&ids), &state.recorder, &by)?;
        tracing::info!(forgotten, %by, "visits of an unknown visitor were erased");
        Ok(Json(Forgotten { forgotten }))
    })
    .await
}

async fn enroll(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<VisitorEnrolRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let VisitorEnrolRequest { visits, person, name, employee_id, groups, force } = request;
        let (ids, gates) = (addresses(&visits)?, state.faces.gates()?);
        let gates = if force { Gates::open() } else { gates };
        let register = &state.register;
        let templates = faces_of(&state.visitors, &ids, register.gallery(), &gates, state.clock.wall())?;
        let records = records_of_visits(&state, &ids)?;
        let labels = (1..=templates.len()).map(|n| format!("visit {n}")).collect();
        let person = match (person, name) {
            (Some(id), None) => {
                register.add_templates(Addition { person: PersonId(id), templates, labels, force, by })?
            }
            (None, Some(name)) => {
                let person = NewPerson { name, employee_id, groups };
                register.enroll(Enrolment { person, templates, labels, force, by })?
            }
            _ => {
                return Err(ApiError::Invalid("give either the name of somebody new, or a person's number".to_owned()));
            }
        };
        // So that they leave with the person. If they cannot be changed now, they expire.
        if let Err(error) = state.face_pictures.give_to(&records, person.id) {
            tracing::warn!(%error, "the faces of a new person are still kept as those of an unknown visitor");
        }
        // What is known by name is no longer an unknown visitor. If it cannot be erased now, it expires.
        if let Err(error) = state.visitors.erase_some(&ids) {
            tracing::warn!(%error, "the visits of a new person are still kept as those of an unknown visitor");
        }
        tracing::info!(person = %person.name, id = person.id.0, "an unknown visitor was enrolled");
        Ok(Json(Person::of(&state.register, &person)?))
    })
    .await
}

/// The numbers of the records about these visits, if faces are kept beside records.
fn records_of_visits(state: &ApiState, ids: &[u64]) -> Result<Vec<u64>, ApiError> {
    if !state.face_pictures.keeps() {
        return Ok(Vec::new());
    }
    let kept = state.visitors.kept(state.clock.wall())?.visits.into_iter();
    let visits: Vec<_> = kept.filter(|kept| ids.contains(&kept.id)).map(|kept| kept.visit).collect();
    Ok(records_of(&visits, state.recorder.journal())?)
}
