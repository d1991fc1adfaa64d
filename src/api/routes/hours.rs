//! Who may pass where and when, and who is inside.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::api::doors::Inside;
use crate::api::error::ApiError;
use crate::api::extract::{QueryOf, blocking};
use crate::api::hours::{HoursQuery, House, HouseHours, ScheduleQuery, ScheduleTest, moments};
use crate::api::people::Person;
use crate::api::ruling::RulesOrigin;
use crate::api::state::ApiState;
use crate::domain::PersonId;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/hours",
            get_with(hours, |op| {
                op.id("hours").tag("doors").summary("Show permits, schedules and holidays, with the hours of one week")
            }),
        )
        .api_route(
            "/v1/rules",
            get_with(rules, |op| {
                op.id("rules").tag("doors").summary("Show where the rules come from: the board's configuration, or its fleet's office").description(
                    "The text of the rules is that of `usher fleet rules push`. The rules of the doors as they are in force are at /v1/hours.",
                )
            }),
        )
        .api_route(
            "/v1/schedule/test",
            get_with(test, |op| {
                op.id("testSchedule").tag("doors").summary("Show whether a person may pass at a given time, and why").description(
                    "By the rules in force alone: as if no door were in lockdown, everybody's place were unknown, and nobody had come that day. \
                     Unlocks nothing and records nothing. An hour that the clock shows twice, or skips, gives two answers a door.",
                )
            }),
        )
        .api_route(
            "/v1/inside",
            get_with(inside, |op| op.id("whoIsInside").tag("doors").summary("List who is in which zone, and since when")),
        )
}

fn house(state: &ApiState) -> Result<House, ApiError> {
    Ok(state.rules.get().house.clone()?)
}

async fn rules(State(state): State<Arc<ApiState>>) -> Result<Json<RulesOrigin>, ApiError> {
    Ok(Json(state.rules.get().origin.clone()))
}

fn now(state: &ApiState) -> Result<Timestamp, ApiError> {
    Timestamp::try_from(state.clock.wall()).map_err(|error| ApiError::Failed(error.to_string()))
}

async fn hours(
    State(state): State<Arc<ApiState>>,
    QueryOf(HoursQuery { week }): QueryOf<HoursQuery>,
) -> Result<Json<HouseHours>, ApiError> {
    let (house, now) = (house(&state)?, now(&state)?);
    let day = match week {
        None => house.rules.zone.to_datetime(now).date(),
        Some(text) => {
            let wrong = |_| ApiError::Invalid(format!("`{text}` is not a day; write 2026-12-25"));
            text.parse::<Date>().map_err(wrong)?
        }
    };
    Ok(Json(house.hours(day, now)))
}

async fn test(
    State(state): State<Arc<ApiState>>,
    QueryOf(ScheduleQuery { person, door, at }): QueryOf<ScheduleQuery>,
) -> Result<Json<Vec<ScheduleTest>>, ApiError> {
    blocking(move || {
        let house = house(&state)?;
        let at = match at.as_deref() {
            None => vec![now(&state)?],
            Some(text) => moments(text, &house.rules.zone).ok_or_else(|| {
                ApiError::Invalid(format!(
                    "`{text}` is not a time; write 2026-03-29T02:30, or with an offset 2026-03-29T02:30:00+02:00"
                ))
            })?,
        };
        let person = Person::from(&state.register.gallery().person(PersonId(person))?);
        let tested = house.test(&person, door.as_deref(), &at)?;
        Ok(Json(tested.iter().map(|one| one.form(&person)).collect()))
    })
    .await
}

async fn inside(State(state): State<Arc<ApiState>>) -> Result<Json<Inside>, ApiError> {
    blocking(move || state.doors.inside().map(Json)).await
}
