//! The API at the office of a fleet: the same paths as a device has, answered from the records of all boards. What only a board can do is not there.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes as Piece};
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::attendance::{
    Absent, AmendRequest, Attendance, AttendanceQuery, AttendanceSettings, DayQuery, DaySheet, ExportFile, ExportQuery,
    timestamp,
};
use super::calendar::{Calendar, NoCalendar};
use super::error::{ApiError, NoAttendance};
use super::extract::{Bytes, JsonBody, Lines, Operator, PathOf, QueryOf, blocking};
use super::journal::{FollowQuery, Record, RecordPath, RecordQuery};
use super::people::Person;
use super::reckoning::{AttendanceSource, Reckoning, check};
use super::status::Status;
use super::{LARGEST_REQUEST_BYTES, permission};
use crate::clock::Clock;
use crate::domain::Event;
use crate::ledger::{Dated, RecordFilter};
use crate::office::fleet::history::Page;

/// Records of one answer.
const USUAL_LIMIT: usize = 100;
const LARGEST_LIMIT: usize = 10_000;
/// Records that somebody who follows is sent at once.
const AT_ONCE: usize = 500;
/// Numbers of records that are remembered for somebody who follows, so that none is sent twice.
const REMEMBERED: usize = 10_000;

/// The records and people of all boards.
pub trait FleetRecords: AttendanceSource + Send + Sync {
    /// At most `limit` records that fit, in the order of time.
    ///
    /// # Errors
    /// They cannot be read, or the page begins at a record that is not there.
    fn select(&self, page: Page, limit: usize, filter: &RecordFilter) -> Result<Vec<Dated>, ApiError>;

    /// The record of a number, of an id, or of the beginning of one.
    ///
    /// # Errors
    /// It cannot be read, or the text is neither.
    fn find(&self, which: &str) -> Result<Option<Dated>, ApiError>;

    /// The numbers of records as they come.
    fn arrivals(&self) -> broadcast::Receiver<u64>;

    /// Everybody who is enrolled, each once, by number.
    ///
    /// # Errors
    /// They cannot be read.
    fn people(&self) -> Result<Vec<Person>, ApiError>;

    /// Records an amendment of attendance.
    ///
    /// # Errors
    /// It cannot be written.
    fn amend(&self, amendment: &Event) -> Result<Dated, ApiError>;

    /// How the office stands.
    fn status(&self) -> Status;
}

/// What handlers act on.
pub struct OfficeState {
    pub records: Arc<dyn FleetRecords>,
    pub attendance: Result<AttendanceSettings, NoAttendance>,
    pub calendar: Result<Calendar, NoCalendar>,
    pub clock: Arc<dyn Clock>,
}

/// The router. Each request must carry a [`super::Caller`] in its extensions. It has no fallback: [`not_here`] is one.
pub fn router(state: Arc<OfficeState>) -> Router {
    Router::new()
        .route("/v1/journal", get(list))
        .route("/v1/journal/follow", get(follow))
        .route("/v1/journal/{which}", get(one))
        .route("/v1/attendance", get(days))
        .route("/v1/attendance/day", get(day))
        .route("/v1/attendance/absent", get(absentees))
        .route("/v1/attendance/export", get(file))
        .route("/v1/attendance/file", get(plain_file))
        .route("/v1/attendance/amend", post(amend))
        .route("/v1/people", get(people).fallback(not_here))
        .route("/v1/calendar", get(calendar))
        .route("/v1/status", get(status))
        // They would be taken for records' numbers.
        .route("/v1/journal/verify", get(not_here))
        .route("/v1/journal/erase", post(not_here))
        .route_layer(middleware::from_fn(permission::ask))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST_BYTES))
        .with_state(state)
}

/// The answer to everything that only a board has.
pub async fn not_here() -> ApiError {
    ApiError::AtBoard
}

async fn list(
    State(state): State<Arc<OfficeState>>,
    QueryOf(query): QueryOf<RecordQuery>,
) -> Result<Json<Vec<Record>>, ApiError> {
    blocking(move || {
        let limit = query.limit.unwrap_or(USUAL_LIMIT).min(LARGEST_LIMIT);
        let page = match (query.after, query.before) {
            (Some(after), _) => Page::After(after),
            (None, Some(before)) => Page::Before(before),
            (None, None) => Page::Newest,
        };
        let records = state.records.select(page, limit, &query.filter()?)?;
        Ok(Json(records.into_iter().map(Record).collect()))
    })
    .await
}

async fn one(
    State(state): State<Arc<OfficeState>>,
    PathOf(RecordPath { which }): PathOf<RecordPath>,
) -> Result<Json<Record>, ApiError> {
    blocking(move || match state.records.find(&which)? {
        Some(record) => Ok(Json(Record(record))),
        None => Err(ApiError::NoRecord { which }),
    })
    .await
}

/// Somebody who follows new records.
struct Follower {
    state: Arc<OfficeState>,
    filter: RecordFilter,
    arrivals: broadcast::Receiver<u64>,
    /// The record after which those that are there are still to be sent.
    after: Option<u64>,
    /// What was sent of those, and may still arrive.
    sent: HashSet<u64>,
}

async fn follow(
    State(state): State<Arc<OfficeState>>,
    QueryOf(query): QueryOf<FollowQuery>,
) -> Result<Lines<Record>, ApiError> {
    let (filter, arrivals) = (query.filter()?, state.records.arrivals());
    let follower = Follower { state, filter, arrivals, after: query.after, sent: HashSet::new() };
    Ok(Lines::new(Body::from_stream(futures_util::stream::unfold(follower, Follower::next))))
}

impl Follower {
    /// The lines of the next records, once there are some; `None` at the end of the office, where records cannot be read, and for somebody too slow.
    async fn next(mut self) -> Option<(Result<Piece, Infallible>, Follower)> {
        loop {
            let read = match self.after {
                Some(after) => self.from(after).await,
                None => self.arrived().await,
            };
            let lines = read
                .inspect_err(|error| tracing::warn!(%error, "somebody who follows the journal is turned away"))
                .ok()??;
            if !lines.is_empty() {
                return Some((Ok(lines.into()), self));
            }
        }
    }

    /// Some of those that are there.
    async fn from(&mut self, after: u64) -> Result<Option<Vec<u8>>, ApiError> {
        let (state, filter) = (self.state.clone(), self.filter.clone());
        let records = blocking(move || state.records.select(Page::After(after), AT_ONCE, &filter)).await?;
        self.after = records.last().filter(|_| records.len() == AT_ONCE).map(|last| last.record.seq);
        if self.sent.len() > REMEMBERED {
            self.sent.clear();
        }
        self.sent.extend(records.iter().map(|dated| dated.record.seq));
        lines(records).map(Some)
    }

    /// The next one that comes.
    async fn arrived(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        let number = match self.arrivals.recv().await {
            Ok(number) => number,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "somebody who follows the journal is too slow, and is turned away");
                return Ok(None);
            }
            Err(RecvError::Closed) => return Ok(None),
        };
        if self.sent.remove(&number) {
            return Ok(Some(Vec::new()));
        }
        let state = self.state.clone();
        let found = blocking(move || state.records.find(&number.to_string())).await?;
        lines(found.into_iter().filter(|dated| self.filter.fits(dated))).map(Some)
    }
}

fn lines(records: impl IntoIterator<Item = Dated>) -> Result<Vec<u8>, ApiError> {
    let mut lines = Vec::new();
    for record in records {
        let line = serde_json::to_vec(&Record(record)).map_err(|error| ApiError::Failed(error.to_string()))?;
        lines.extend(line);
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Answers from the records of all boards.
async fn reckoned<T: Send + 'static>(
    state: Arc<OfficeState>,
    answer: impl FnOnce(&Reckoning<'_>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    blocking(move || answer(&Reckoning::new(&state.attendance, &*state.clock, &*state.records)?)).await
}

async fn days(
    State(state): State<Arc<OfficeState>>,
    QueryOf(query): QueryOf<AttendanceQuery>,
) -> Result<Json<Attendance>, ApiError> {
    reckoned(state, move |found| found.attendance(&query).map(Json)).await
}

async fn day(
    State(state): State<Arc<OfficeState>>,
    QueryOf(query): QueryOf<DayQuery>,
) -> Result<Json<DaySheet>, ApiError> {
    reckoned(state, move |found| found.sheet(&query).map(Json)).await
}

async fn absentees(
    State(state): State<Arc<OfficeState>>,
    QueryOf(query): QueryOf<DayQuery>,
) -> Result<Json<Vec<Absent>>, ApiError> {
    reckoned(state, move |found| Ok(Json(found.sheet(&query)?.absent))).await
}

async fn file(
    State(state): State<Arc<OfficeState>>,
    QueryOf(query): QueryOf<ExportQuery>,
) -> Result<Json<ExportFile>, ApiError> {
    reckoned(state, move |found| found.file(&query).map(Json)).await
}

async fn plain_file(
    State(state): State<Arc<OfficeState>>,
    QueryOf(query): QueryOf<ExportQuery>,
) -> Result<Bytes, ApiError> {
    reckoned(state, move |found| Ok(Bytes(Body::from(found.file(&query)?.text)))).await
}

async fn amend(
    State(state): State<Arc<OfficeState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<AmendRequest>,
) -> Result<Json<Record>, ApiError> {
    blocking(move || {
        let now = timestamp(state.clock.wall()).unwrap_or(Timestamp::MAX);
        let zone = state.attendance.as_ref().map_or(TimeZone::UTC, |settings| settings.rules.zone.clone());
        check(&request, now, &zone, |which| state.records.find(which))?;
        match request.event(by) {
            Some(event) => Ok(Json(Record(state.records.amend(&event)?))),
            None => Err(ApiError::Invalid("an amendment either adds a time or voids a record".to_owned())),
        }
    })
    .await
}

async fn people(State(state): State<Arc<OfficeState>>) -> Result<Json<Vec<Person>>, ApiError> {
    blocking(move || state.records.people().map(Json)).await
}

async fn calendar(State(state): State<Arc<OfficeState>>) -> Result<Json<Calendar>, ApiError> {
    Ok(Json(state.calendar.clone()?))
}

async fn status(State(state): State<Arc<OfficeState>>) -> Result<Json<Status>, ApiError> {
    blocking(move || Ok(Json(state.records.status()))).await
}
