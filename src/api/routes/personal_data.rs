//! Everything that is kept of a person: for the person, and erased in one act.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;

use crate::api::credentials::TagForm;
use crate::api::error::ApiError;
use crate::api::extract::{Operator, PathOf, blocking};
use crate::api::journal::Record;
use crate::api::people::{Person, PersonPath};
use crate::api::personal_data::{
    ErasedPerson, ExportedPicture, ExportedReading, ExportedTemplate, ExportedVisit, PersonalData,
};
use crate::api::rfc3339;
use crate::api::state::ApiState;
use crate::domain::PersonId;
use crate::office::{ErasedOf, erase_all_of, kept_of};

/// What an export leaves out, and why.
const LEFT_OUT: [&str; 4] = [
    "PINs are kept as hashes, and the numbers of tags are shown to nobody.",
    "A negative reference (`lookalike`) is the face of somebody else, so its embedding is left out.",
    "Other people are left out of the records.",
    "Faces of visitors whom nobody knew belong to no name. Photographs are kept beside records alone, while that is switched on.",
];

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/people/{id}/export",
            get_with(export, |op| {
                op.id("exportPerson").tag("people").summary("Show everything that is kept of a person").description(
                    "For the person (articles 15 and 20 of the GDPR): templates with their embeddings, kept faces, attendance, and every record \
                     that says something about them, without other people. The journal records who exported it. Also of somebody who was \
                     removed and is still in records.",
                )
            }),
        )
        .api_route(
            "/v1/people/{id}/erase",
            post_with(erase, |op| {
                op.id("erasePersonWholly").tag("people").summary("Erase everything that is kept of a person").description(
                    "Article 17 of the GDPR: removes the person with templates, PINs and tags, kept faces, and retained topics, and erases them \
                     from every record. It cannot be undone. Backups made before still hold the name.",
                )
            }),
        )
}

async fn export(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
) -> Result<Json<PersonalData>, ApiError> {
    blocking(move || {
        let (id, gallery) = (PersonId(id), state.register.gallery());
        let kept = kept_of(id, &state.register, &state.recorder, &state.granted, by.clone())?;
        let pictures = state.face_pictures.of_person(id, state.clock.wall())?;
        let person = gallery.person(id).ok();
        let mut left_out = LEFT_OUT.map(str::to_owned).to_vec();
        let tags = match person.as_ref().map(|person| gallery.tags(person.id)) {
            Some(Ok(tags)) => tags,
            Some(Err(error)) => {
                left_out.push(format!("The tags: {error}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        tracing::info!(id = id.0, %by, "everything that is kept of a person was exported");
        Ok(Json(PersonalData {
            exported: rfc3339(state.clock.wall()),
            usher: env!("CARGO_PKG_VERSION").to_owned(),
            person: person.as_ref().map(Person::from),
            tags: tags.into_iter().map(TagForm::from).collect(),
            templates: kept.templates.iter().map(ExportedTemplate::from).collect(),
            visits: kept.visits.iter().map(ExportedVisit::from).collect(),
            pictures: pictures.into_iter().map(ExportedPicture::from).collect(),
            attendance: kept.readings.iter().map(ExportedReading::from).collect(),
            records: kept.records.into_iter().map(Record).collect(),
            left_out,
        }))
    })
    .await
}

async fn erase(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
) -> Result<Json<ErasedPerson>, ApiError> {
    blocking(move || {
        let id = PersonId(id);
        state.face_pictures.erase_of(id)?;
        let erased = erase_all_of(id, &state.register, &state.recorder, &state.granted, &by)?;
        state.monitor.erased(id);
        let ErasedOf { removed, templates, visits, records } = erased;
        tracing::info!(templates, visits, records, %by, "everything that was kept of a person was erased");
        Ok(Json(ErasedPerson { removed, templates, visits, records }))
    })
    .await
}
