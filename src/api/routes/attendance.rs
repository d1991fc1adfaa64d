//! Attendance: days, absentees, files for other programs, amendments.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::api::attendance::{
    Absent, AmendRequest, Attendance, AttendanceDay, AttendanceQuery, AttendanceSettings, Chosen, DayQuery, DaySheet,
    ExportFile, ExportQuery, PersonTotals, timestamp,
};
use crate::api::error::ApiError;
use crate::api::extract::{Bytes, JsonBody, Operator, QueryOf, blocking};
use crate::api::journal::Record;
use crate::api::people::numbers;
use crate::api::state::ApiState;
use crate::domain::{Card, Event, PersonId, Personal};
use crate::gallery::Person;
use crate::ledger::attendance::{Day, Expected, Period, absent, days_of, export, totals};
use crate::ledger::{self, Dated};

/// How far the clock of whoever amends may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

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

/// Days, with what they were computed by.
struct Found {
    settings: AttendanceSettings,
    now: Timestamp,
    today: Date,
}

impl Found {
    fn at_present(state: &ApiState) -> Result<Found, ApiError> {
        let settings = state.rules.get().attendance.clone().map_err(ApiError::NoAttendance)?;
        let now = timestamp(state.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        let today = settings.rules.day_of(now);
        Ok(Found { settings, now, today })
    }

    fn days(&self, state: &ApiState, query: &AttendanceQuery) -> Result<(Period, Vec<Day>), ApiError> {
        let Chosen { period, and_open } = query.chosen(self.today)?;
        let today_s = |id: PersonId| {
            let person = state.register.gallery().person(id).ok()?;
            Some(Card { employee_id: person.employee_id, groups: person.groups })
        };
        let mut days = days_of(state.recorder.journal(), &self.settings.rules, period, &today_s, self.now)?;
        days.retain(|day| period.contains(day.date) || and_open && day.open);
        if let Some(group) = &query.group {
            days.retain(|day| day.card.groups.contains(group));
        }
        let wanted = numbers(query.person.as_deref())?;
        if !wanted.is_empty() {
            days.retain(|day| wanted.iter().any(|person| day.person == *person || day.numbers.contains(person)));
        }
        Ok((period, days))
    }

    fn sheet(&self, state: &ApiState, query: &DayQuery) -> Result<DaySheet, ApiError> {
        let date = query.date.unwrap_or(self.today);
        let of_the_day = AttendanceQuery { day: Some(date), ..AttendanceQuery::default() };
        let (_, mut days) = self.days(state, &of_the_day)?;
        let AttendanceSettings { rules, house, .. } = &self.settings;
        let people = state.register.gallery().people();
        let in_group = |person: &&Person| query.group.as_ref().is_none_or(|group| person.groups.contains(group));
        let expected: Vec<Expected> = people.iter().filter(in_group).map(expected).collect();
        let off = |one: &Expected, date: Date| house.day_off(&one.card.groups, date);
        // Before the day nobody is late.
        let missing = if date > self.today { Vec::new() } else { absent(&expected, &days, date, rules, &off) };
        if let Some(group) = &query.group {
            days.retain(|day| day.card.groups.contains(group));
        }
        Ok(DaySheet {
            date,
            today: self.today,
            time_zone: rules.zone.iana_name().map(str::to_owned),
            days: days.iter().map(AttendanceDay::from).collect(),
            absent: missing.into_iter().map(Absent::from).collect(),
        })
    }

    fn file(&self, state: &ApiState, query: &ExportQuery) -> Result<ExportFile, ApiError> {
        let (format, form) = (query.format()?, query.form()?);
        let (period, days) = self.days(state, &query.days())?;
        let AttendanceSettings { rules, doors, .. } = &self.settings;
        let made = export::make(format, &days, &rules.zone, doors, form)?;
        Ok(ExportFile {
            name: format.file_name(period),
            media_type: format.media_type().to_owned(),
            text: String::from_utf8(made.bytes).map_err(|error| ApiError::Failed(error.to_string()))?,
            left_out: made.left_out,
            remarks: made.remarks,
        })
    }
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
    blocking(move || {
        let found = Found::at_present(&state)?;
        let (period, days) = found.days(&state, &query)?;
        Ok(Json(Attendance {
            from: period.from,
            to: period.to,
            today: found.today,
            time_zone: found.settings.rules.zone.iana_name().map(str::to_owned),
            totals: totals(&days, period).iter().map(PersonTotals::from).collect(),
            days: days.iter().map(AttendanceDay::from).collect(),
        }))
    })
    .await
}

async fn day(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<DayQuery>,
) -> Result<Json<DaySheet>, ApiError> {
    blocking(move || Found::at_present(&state)?.sheet(&state, &query).map(Json)).await
}

async fn absentees(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<DayQuery>,
) -> Result<Json<Vec<Absent>>, ApiError> {
    blocking(move || Ok(Json(Found::at_present(&state)?.sheet(&state, &query)?.absent))).await
}

async fn file(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<ExportQuery>,
) -> Result<Json<ExportFile>, ApiError> {
    blocking(move || Found::at_present(&state)?.file(&state, &query).map(Json)).await
}

async fn plain_file(
    State(state): State<Arc<ApiState>>,
    QueryOf(query): QueryOf<ExportQuery>,
) -> Result<Bytes, ApiError> {
    blocking(move || Ok(Bytes(Body::from(Found::at_present(&state)?.file(&state, &query)?.text)))).await
}

async fn amend(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(request): JsonBody<AmendRequest>,
) -> Result<Json<Record>, ApiError> {
    blocking(move || {
        check(&state, &request)?;
        match request.event(by) {
            Some(event) => Ok(Json(Record(Dated::plainly(state.recorder.record_change(&event, &[])?)))),
            None => Err(ApiError::Invalid("an amendment either adds a time or voids a record".to_owned())),
        }
    })
    .await
}

/// # Errors
/// No reason, a time in the future, or a record that is not the person's at a door.
fn check(state: &ApiState, request: &AmendRequest) -> Result<(), ApiError> {
    let invalid = |why: &str| Err(ApiError::Invalid(why.to_owned()));
    if request.reason.trim().is_empty() {
        return invalid("say why: the reason is part of the record");
    }
    if let Some((_, at)) = &request.add {
        let now = timestamp(state.clock.wall()).unwrap_or(Timestamp::MAX);
        if *at > now.saturating_add(AHEAD).unwrap_or(now) {
            return invalid("that is in the future; only the past can be amended");
        }
    }
    let Some(which) = request.void else { return Ok(()) };
    let Some(dated) = state.recorder.journal().dated_by_number_or_id(&which.to_string())? else {
        return Err(ApiError::NoRecord { which: which.to_string() });
    };
    let record = &dated.record;
    let about = record.content.event().and_then(Event::person).and_then(Personal::known);
    // Somebody who was enrolled again has another number, and the same employee id.
    let same = about.is_some_and(|about| {
        let its_employee_id = about.card.as_ref().and_then(|card| card.employee_id.as_ref());
        about.id.0 == request.person || request.employee_id.is_some() && its_employee_id == request.employee_id.as_ref()
    });
    if same && ["granted", "passed", "attendance_amended"].contains(&record.kind.as_str()) {
        return Ok(());
    }
    let zone =
        state.rules.get().attendance.as_ref().map_or(jiff::tz::TimeZone::UTC, |settings| settings.rules.zone.clone());
    let what = ledger::explain_in(record, &zone);
    Err(ApiError::Invalid(format!("record {which} is not about {} at a door: {what}", request.name)))
}
