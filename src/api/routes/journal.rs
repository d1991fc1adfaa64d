//! The journal: reading, checking and erasing records, amending attendance, noting a site head.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf, QueryOf, blocking};
use crate::api::journal::{
    AmendRequest, EraseRequest, Erased, HeadRequest, Record, RecordPath, RecordQuery, Verification,
};
use crate::api::limit;
use crate::api::state::ApiState;
use crate::domain::PersonId;
use crate::ledger::{Dated, ReadOrder};

/// Records of one answer.
const USUAL_LIMIT: usize = 100;
const LARGEST_LIMIT: usize = 10_000;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route("/v1/journal", get_with(list, |op| op.id("listRecords").tag("journal").summary("List records")))
        .api_route(
            "/v1/journal/verify",
            get_with(verify, |op| {
                op.id("verifyJournal").tag("journal").summary("Check the journal's hash chain").description(
                    "Reads every record, which takes time. A chain that is broken is answered with 409 and the first broken record.",
                )
            }),
        )
        .api_route(
            "/v1/journal/erase",
            post_with(erase, |op| op.id("erasePerson").tag("journal").summary("Erase a person from the journal")),
        )
        .api_route(
            "/v1/journal/{which}",
            get_with(one, |op| op.id("getRecord").tag("journal").summary("Show one record")),
        )
        .api_route(
            "/v1/attendance/amend",
            post_with(amend, |op| op.id("amendAttendance").tag("journal").summary("Amend attendance; returns the record of it")),
        )
        .api_route(
            "/v1/head",
            post_with(note_head, |op| op.id("noteHead").tag("journal").summary("Record that a site head was put in place or removed")),
        )
}

async fn list(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<RecordQuery>,
) -> Result<Json<Vec<Record>>, ApiError> {
    blocking(move || {
        let limit = query.limit.unwrap_or(USUAL_LIMIT).min(LARGEST_LIMIT);
        let (journal, filter) = (state.recorder.journal(), query.filter()?);
        let records: Vec<Dated> = match (query.after, query.before) {
            (Some(after), _) => journal.select(after.saturating_add(1).., ReadOrder::OldestFirst, limit, &filter)?,
            (None, Some(before)) => journal.select(..before, ReadOrder::NewestFirst, limit, &filter)?,
            (None, None) => journal.select(.., ReadOrder::NewestFirst, limit, &filter)?,
        };
        Ok(Json(records.into_iter().map(Record).collect()))
    })
    .await
}

async fn one(
    State(state): State<Arc<ApiState>>,
    PathOf(RecordPath { which }): PathOf<RecordPath>,
) -> Result<Json<Record>, ApiError> {
    blocking(move || match state.recorder.journal().dated_by_number_or_id(&which)? {
        Some(record) => Ok(Json(Record(record))),
        None => Err(ApiError::NoRecord { which }),
    })
    .await
}

async fn verify(State(state): State<Arc<ApiState>>) -> Result<Json<Verification>, ApiError> {
    blocking(move || {
        if let Some(why) = state.recorder.store().standby_reason() {
            let lost = state.recorder.gap().map_or(0, |gap| gap.lost);
            return Err(ApiError::JournalUnreadable { lost, why });
        }
        let verified = state.recorder.journal().verify()?;
        Ok(Json(Verification::new(verified, state.recorder.gap().as_ref())))
    })
    .await
}

async fn erase(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(EraseRequest { person, before }): JsonBody<EraseRequest>,
) -> Result<Json<Erased>, ApiError> {
    blocking(move || {
        let person = PersonId(person);
        let records = state.recorder.erase(person, limit(before)?, &by)?;
        state.monitor.erased(person);
        tracing::info!(records, %by, "a person was erased from the journal");
        Ok(Json(Erased { records }))
    })
    .await
}

async fn amend(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<AmendRequest>,
) -> Result<Json<Record>, ApiError> {
    blocking(move || match request.event(by) {
        Some(event) => Ok(Json(Record(Dated::plainly(state.recorder.record_change(&event, &[])?)))),
        None => Err(ApiError::Invalid("an amendment either adds a time or voids a record".to_owned())),
    })
    .await
}

async fn note_head(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<HeadRequest>,
) -> Result<Json<()>, ApiError> {
    blocking(move || Ok(Json(state.recorder.record_change(&request.event(by), &[]).map(drop)?))).await
}
