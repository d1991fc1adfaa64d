//! PINs and tags of people, and what the journal has about duress.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, put_with};
use axum::Json;
use axum::extract::State;

use crate::api::credentials::{Duress, DuressList, NoPinRequest, NoTagRequest, PinRequest, TagForm, TagRequest};
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf, blocking};
use crate::api::people::{Person, PersonPath};
use crate::api::state::ApiState;
use crate::domain::{AccessEvent, Event, PersonId};
use crate::ledger::{ReadOrder, RecordFilter};

/// Records that are read at once.
const PAGE: usize = 1000;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/people/{id}/pin",
            put_with(set_pin, |op| {
                op.id("setPin").tag("people").summary("Set a person's PIN or duress PIN").description(
                    "A PIN that is easy to guess is refused. The duress PIN has as many digits as the PIN and needs the store's key.",
                )
            })
            .delete_with(remove_pin, |op| {
                op.id("removePin").tag("people").summary("Remove a person's duress PIN, or both PINs")
            }),
        )
        .api_route(
            "/v1/people/{id}/tags",
            get_with(tags, |op| op.id("listTags").tag("people").summary("List a person's tags, without their numbers"))
                .post_with(add_tag, |op| op.id("addTag").tag("people").summary("Add a tag to a person"))
                .delete_with(remove_tag, |op| {
                    op.id("removeTag").tag("people").summary("Remove a tag from a person, by label or number")
                }),
        )
        .api_route(
            "/v1/duress",
            get_with(duress, |op| {
                op.id("listDuress").tag("journal").summary("List when somebody entered a duress PIN").description(
                    "Opens the sealed notes of the records `pin_entered`. Not to be shown where a visitor may look.",
                )
            }),
        )
}

async fn set_pin(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
    JsonBody(request): JsonBody<PinRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let person = state.register.set_pin(PersonId(id), request.kind.into(), &request.pin()?, by)?;
        Ok(Json(Person::from(&person)))
    })
    .await
}

async fn remove_pin(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
    JsonBody(NoPinRequest { kind }): JsonBody<NoPinRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || Ok(Json(Person::from(&state.register.remove_pin(PersonId(id), kind.into(), by)?)))).await
}

async fn tags(
    State(state): State<Arc<ApiState>>,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
) -> Result<Json<Vec<TagForm>>, ApiError> {
    blocking(move || {
        let tags = state.register.gallery().tags(PersonId(id))?;
        Ok(Json(tags.into_iter().map(TagForm::from).collect()))
    })
    .await
}

async fn add_tag(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
    JsonBody(request): JsonBody<TagRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || {
        let number = request.number()?;
        let person = state.register.add_tag(PersonId(id), &number, request.label.as_deref(), by)?;
        Ok(Json(Person::from(&person)))
    })
    .await
}

async fn remove_tag(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(PersonPath { id }): PathOf<PersonPath>,
    JsonBody(request): JsonBody<NoTagRequest>,
) -> Result<Json<Person>, ApiError> {
    blocking(move || Ok(Json(Person::from(&state.register.remove_tag(PersonId(id), request.which(), by)?)))).await
}

async fn duress(State(state): State<Arc<ApiState>>, _: Operator) -> Result<Json<DuressList>, ApiError> {
    blocking(move || {
        let (gallery, journal) = (state.register.gallery(), state.recorder.journal());
        let kinds = RecordFilter { kinds: vec!["pin_entered".to_owned()], ..RecordFilter::default() };
        let (mut list, mut after) = (DuressList::default(), 0u64);
        loop {
            let records = journal.select(after.saturating_add(1).., ReadOrder::OldestFirst, PAGE, &kinds)?;
            let Some(last) = records.last() else { return Ok(Json(list)) };
            after = last.record.seq;
            for dated in &records {
                let Some(Event::Access(AccessEvent::PinEntered { door, person, note: Some(note) })) =
                    dated.record.content.event()
                else {
                    continue;
                };
                match gallery.read_pin_note(door, note) {
                    Some(false) => {}
                    Some(true) => list.duress.push(Duress {
                        record: dated.record.seq,
                        time: dated.record.time(),
                        door: door.to_string(),
                        person: person.known().and_then(|person| person.name.clone()),
                    }),
                    None => list.unreadable = list.unreadable.saturating_add(1),
                }
            }
        }
    })
    .await
}
