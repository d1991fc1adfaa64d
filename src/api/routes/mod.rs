//! The handlers, by subject. Each file has its routes with their descriptions, and the acts behind them.

mod accounts;
mod attendance;
mod backup;
mod calendar;
mod credentials;
mod daemon;
mod enrolment;
mod faces;
mod fleet;
mod hours;
mod import;
mod journal;
mod live;
mod models;
mod people;
mod personal_data;
mod templates;
mod visitors;

use std::sync::Arc;

use aide::axum::ApiRouter;
use axum::Router;

use super::fleet::OfficeDesks;
use super::state::{ApiState, Monitor};

/// All routes.
pub fn all() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .merge(people::routes())
        .merge(templates::routes())
        .merge(enrolment::routes())
        .merge(import::routes())
        .merge(personal_data::routes())
        .merge(credentials::routes())
        .merge(models::routes())
        .merge(daemon::routes())
        .merge(live::routes())
        .merge(hours::routes())
        .merge(calendar::routes())
        .merge(journal::routes())
        .merge(attendance::routes())
        .merge(faces::routes())
        .merge(visitors::routes())
        .merge(backup::routes())
        .merge(accounts::routes())
        .merge(fleet::routes())
}

/// The routes of a fleet's office that are not a daemon's own.
pub fn of_an_office() -> ApiRouter<OfficeDesks> {
    ApiRouter::new().merge(accounts::routes()).merge(fleet::routes())
}

/// `/metrics` alone, for an address that others can reach.
pub fn metrics(monitor: Arc<dyn Monitor>) -> Router {
    daemon::metrics_route(monitor)
}
