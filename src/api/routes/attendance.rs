//! Attendance: days, absentees, files for other programs, amendments.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::attendance::{
    Absent, AmendRequest, Attendance, AttendanceQuery, DayQuery, DaySheet, ExportFile, ExportQuery, LateBoard,
    timestamp,
};
use crate::api::error::ApiError;
use crate::api::extract::{Bytes, JsonBody, Operator, QueryOf, blocking};
use crate::api::journal::Record;
use crate::api::reckoning::{AttendanceSource, Reckoning, check};
use crate::api::state::ApiState;
use crate::domain::{Card, PersonId};
use crate::gallery::Person;
use crate::ledger::Dated;
use crate::ledger::attendance::{Day, Expected, Period, Rules, days_of};

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/attendance",
            get_with(days, |op| {
                op.id("attendance").tag("attendance").summary("Show who was present, and when").description(
                    "Computed from the journal, as `[attendance]` says. Days of everybody who has a reading, and totals of each person.",
                )
            }),
        )
        .api_route(
            "/v1/attendance/day",
            get_with(day, |op| op.id("attendanceDay").tag("attendance").summary("Show a day: who was there, and who was absent")),
        )
        .api_route(
            "/v1/attendance/absent",
            get_with(absentees, |op| {
                op.id("absent").tag("attendance").summary("List who was absent on a day").description(
                    "Absent is who is enrolled, enabled and valid on that day and has no reading. Says where the person's schedules call it a \
                     holiday or have no hours.",
                )
            }),
        )
        .api_route(
            "/v1/attendance/export",
            get_with(file, |op| {
                op.id("exportAttendance").tag("attendance").summary("Make a file for another program, and say what was left out")
            }),
        )
        .api_route(
            "/v1/attendance/file",
            get_with(plain_file, |op| {
                op.id("attendanceFile").tag("attendance").summary("Make a file for another program, and return the file alone")
            }),
        )
        .api_route(
            "/v1/attendance/amend",
            post_with(amend, |op| op.id("amendAttendance").tag("attendance").summary("Amend attendance; returns the record of it")),
        )
}

/// The records and people of this device.
struct Device<'a>(&'a ApiState);

impl AttendanceSource for Device<'_> {
    fn days(&self, rules: &Rules, period: Period, now: Timestamp) -> Result<Vec<Day>, ApiError> {
        let today_s = |id: PersonId| {
            let person = self.0.register.gallery().person(id).ok()?;
            Some(Card { employee_id: person.employee_id, groups: person.groups })
        };
        Ok(days_of(self.0.recorder.journal(), rules, period, &today_s, now)?)
    }

    fn expected(&self) -> Result<Vec<Expected>, ApiError> {
        Ok(self.0.register.gallery().people().iter().map(expected).collect())
    }

    fn late(&self, _: Timestamp) -> Result<Vec<LateBoard>, ApiError> {
        Ok(Vec::new())
    }
}

/// Answers from the records of this device.
async fn reckoned<T: Send + 'static>(
    state: Arc<ApiState>,
    answer: impl FnOnce(&Reckoning<'_>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    blocking(move || {
        let rules = state.rules.get();
        answer(&Reckoning::new(&rules.attendance, &*state.clock, &Device(&state))?)
    })
    .await
}

fn expected(person: &Person) -> Expected {
    Expected {
        person: person.id,
        name: person.name.clone(),
        card: Card { employee_id: person.employee_id.clone(), groups: person.groups.clone() },
        enabled: person.enabled,
        enrolled: timestamp(person.created).unwrap_or(Timestamp::MIN),
        valid_from: person.valid_from.and_then(timestamp),
        valid_until: person.valid_until.and_then(timestamp),
    }
}

async fn days(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<AttendanceQuery>,
) -> Result<Json<Attendance>, ApiError> {
    reckoned(state, move |found| found.attendance(&query).map(Json)).await
}

async fn day(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<DayQuery>,
) -> Result<Json<DaySheet>, ApiError> {
    reckoned(state, move |found| found.sheet(&query).map(Json)).await
}

async fn absentees(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<DayQuery>,
) -> Result<Json<Vec<Absent>>, ApiError> {
    reckoned(state, move |found| Ok(Json(found.sheet(&query)?.absent))).await
}

async fn file(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<ExportQuery>,
) -> Result<Json<ExportFile>, ApiError> {
    reckoned(state, move |found| found.file(&query).map(Json)).await
}

async fn plain_file(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<ExportQuery>,
) -> Result<Bytes, ApiError> {
    reckoned(state, move |found| Ok(Bytes(Body::from(found.file(&query)?.text)))).await
}

async fn amend(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<AmendRequest>,
) -> Result<Json<Record>, ApiError> {
    blocking(move || {
        let now = timestamp(state.clock.wall()).unwrap_or(Timestamp::MAX);
        let zone = state.rules.get().attendance.as_ref().map_or(TimeZone::UTC, |settings| settings.rules.zone.clone());
        check(&request, now, &zone, |which| Ok(state.recorder.journal().dated_by_number_or_id(which)?))?;
        match request.event(by) {
            Some(event) => Ok(Json(Record(Dated::plainly(state.recorder.record_change(&event, &[])?)))),
            None => Err(ApiError::Invalid("an amendment either adds a time or voids a record".to_owned())),
        }
    })
    .await
}
