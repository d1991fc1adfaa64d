//! The journal: reading, following, checking and erasing records, noting a site head.

use std::convert::Infallible;
use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use tokio::sync::watch;

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Lines, Operator, PathOf, QueryOf, blocking};
use crate::api::journal::{
    EraseRequest, Erased, FollowQuery, HeadRequest, Record, RecordPath, RecordQuery, Verification,
};
use crate::api::limit;
use crate::api::state::ApiState;
use crate::domain::PersonId;
use crate::ledger::{Dated, ReadOrder, RecordFilter};

/// Records of one answer.
const USUAL_LIMIT: usize = 100;
const LARGEST_LIMIT: usize = 10_000;
/// Records that somebody who follows is sent at once.
const AT_ONCE: usize = 500;

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
            "/v1/journal/follow",
            get_with(follow, |op| {
                op.id("followJournal").tag("journal").summary("Follow new records").description(
                    "A line for each record once it is on disk, until the client closes the connection.",
                )
            }),
        )
        .api_route(
            "/v1/journal/{which}",
            get_with(one, |op| op.id("getRecord").tag("journal").summary("Show one record")),
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

/// Somebody who follows new records.
struct Follower {
    state: Arc<ApiState>,
    filter: RecordFilter,
    written: watch::Receiver<u64>,
    /// The number of the last record that was looked at.
    after: u64,
}

async fn follow(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<FollowQuery>,
) -> Result<Lines<Record>, ApiError> {
    let (filter, written) = (query.filter()?, state.monitor.written()?);
    let after = match query.after {
        Some(after) => after,
        None => {
            let state = state.clone();
            blocking(move || Ok(state.recorder.journal().last()?.map_or(0, |record| record.seq))).await?
        }
    };
    let follower = Follower { state, filter, written, after };
    Ok(Lines::new(Body::from_stream(futures_util::stream::unfold(follower, Follower::next))))
}

impl Follower {
    /// The lines of the next records, once there are some; `None` at the end of the daemon, or where the journal cannot be read.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Follower)> {
        loop {
            // Before the journal is read: what is written meanwhile is read in the next turn.
            self.written.borrow_and_update();
            let (state, filter, after) = (self.state.clone(), self.filter.clone(), self.after);
            let read = blocking(move || new_records(&state, &filter, after)).await;
            let (lines, through) = read
                .inspect_err(|error| tracing::warn!(%error, "somebody who follows the journal is turned away"))
                .ok()?;
            let caught_up = self.after == through;
            self.after = through;
            if !lines.is_empty() {
                return Some((Ok(lines.into()), self));
            }
            if caught_up {
                self.written.changed().await.ok()?;
            }
        }
    }
}

/// Some records after a number as lines, and up to which number that is all.
fn new_records(state: &ApiState, filter: &RecordFilter, after: u64) -> Result<(Vec<u8>, u64), ApiError> {
    let journal = state.recorder.journal();
    let newest = journal.last()?.map_or(after, |record| record.seq.max(after));
    let records = journal.select(after.saturating_add(1)..=newest, ReadOrder::OldestFirst, AT_ONCE, filter)?;
    let through = records.last().filter(|_| records.len() == AT_ONCE).map_or(newest, |last| last.record.seq);
    let mut lines = Vec::new();
    for record in records {
        let line = serde_json::to_vec(&Record(record)).map_err(|error| ApiError::Failed(error.to_string()))?;
        lines.extend(line);
        lines.push(b'\n');
    }
    Ok((lines, through))
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
        state.face_pictures.erase_of(person)?;
        state.monitor.erased(person);
        tracing::info!(records, %by, "a person was erased from the journal");
        Ok(Json(Erased { records }))
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
