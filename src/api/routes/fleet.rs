//! The fleet at its office: boards, sites, lockdowns, forgetting somebody, shutting a board out.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::{FromRef, State};

use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf};
use crate::api::fleet::{
    BoardPath, Done, FleetDesk, OfficeStatus, PersonRow, SiteForgetting, SiteLockdown, SitePath, SiteRow,
};
use crate::office::fleet::protocol::{Answer, Request};

/// The routes over any state that may have an office.
pub fn routes<S: Clone + Send + Sync + 'static>() -> ApiRouter<S>
where
    FleetDesk: FromRef<S>,
{
    ApiRouter::new()
        .api_route(
            "/v1/fleet",
            get_with(status, |op| {
                op.id("fleet").tag("fleet").summary("The office, its sites and its boards").description(
                    "Only the office of a fleet answers the paths under /v1/fleet; a daemon answers that it is none.",
                )
            }),
        )
        .api_route(
            "/v1/fleet/sites",
            get_with(sites, |op| {
                op.id("fleetSites").tag("fleet").summary("The sites, for whoever may list their people")
            }),
        )
        .api_route(
            "/v1/fleet/sites/{site}/people",
            get_with(people, |op| op.id("fleetPeople").tag("fleet").summary("Who is enrolled at a site")),
        )
        .api_route(
            "/v1/fleet/sites/{site}/lockdown",
            post_with(lockdown, |op| {
                op.id("fleetLockdown").tag("fleet").summary("Lock a site down, or end that").description(CONFIRMED)
            }),
        )
        .api_route(
            "/v1/fleet/sites/{site}/forget",
            post_with(forget, |op| {
                op.id("fleetForget").tag("fleet").summary("Forget a person of a site for good").description(CONFIRMED)
            }),
        )
        .api_route(
            "/v1/fleet/boards/{board}/revoke",
            post_with(revoke, |op| {
                op.id("fleetRevoke").tag("fleet").summary("Shut a board out for good").description(CONFIRMED)
            }),
        )
}

/// How long a change takes to be answered.
const CONFIRMED: &str = "Waits up to ten seconds for the servers and as long for the site's boards; the answer says which have confirmed it.";

async fn status(State(desk): State<FleetDesk>, Operator(by): Operator) -> Result<Json<OfficeStatus>, ApiError> {
    match desk.ask(Request::Status, by).await? {
        Answer::Status(status) => Ok(Json(status)),
        _ => Err(another()),
    }
}

async fn sites(State(desk): State<FleetDesk>, Operator(by): Operator) -> Result<Json<Vec<SiteRow>>, ApiError> {
    match desk.ask(Request::Status, by).await? {
        Answer::Status(status) => Ok(Json(status.sites)),
        _ => Err(another()),
    }
}

async fn people(
    State(desk): State<FleetDesk>,
    Operator(by): Operator,
    PathOf(SitePath { site }): PathOf<SitePath>,
) -> Result<Json<Vec<PersonRow>>, ApiError> {
    match desk.ask(Request::People { site }, by).await? {
        Answer::People { people } => Ok(Json(people)),
        _ => Err(another()),
    }
}

async fn lockdown(
    State(desk): State<FleetDesk>,
    Operator(by): Operator,
    PathOf(SitePath { site }): PathOf<SitePath>,
    JsonBody(SiteLockdown { on, group }): JsonBody<SiteLockdown>,
) -> Result<Json<Done>, ApiError> {
    if group.is_some() && !on {
        return Err(ApiError::Invalid("a group is for a lockdown that begins".to_owned()));
    }
    done(desk.ask(Request::Lockdown { site, on, group }, by).await?)
}

async fn forget(
    State(desk): State<FleetDesk>,
    Operator(by): Operator,
    PathOf(SitePath { site }): PathOf<SitePath>,
    JsonBody(SiteForgetting { person }): JsonBody<SiteForgetting>,
) -> Result<Json<Done>, ApiError> {
    done(desk.ask(Request::Forget { site, name: person }, by).await?)
}

async fn revoke(
    State(desk): State<FleetDesk>,
    Operator(by): Operator,
    PathOf(BoardPath { board }): PathOf<BoardPath>,
) -> Result<Json<Done>, ApiError> {
    done(desk.ask(Request::Revoke { board }, by).await?)
}

fn done(answer: Answer) -> Result<Json<Done>, ApiError> {
    match answer {
        Answer::Done(done) => Ok(Json(done)),
        _ => Err(another()),
    }
}

fn another() -> ApiError {
    ApiError::Failed("the office gave an answer of another kind".to_owned())
}
