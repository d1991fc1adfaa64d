//! The one way in: requests, answers, errors, and the router that carries requests out. The daemon serves the router on its socket; a
//! command without a daemon serves it in its own process over the open store. `usher api` prints its description.

pub mod accounts;
pub mod attendance;
pub mod calendar;
pub mod checks;
pub mod credentials;
pub mod doors;
mod error;
mod extract;
pub mod faces;
pub mod figures;
pub mod fleet;
pub mod hours;
pub mod import;
pub mod journal;
pub mod kept_templates;
pub mod live;
pub mod models;
pub mod office;
pub mod people;
pub mod permission;
pub mod personal_data;
pub mod photographs;
mod reckoning;
pub mod remedy;
mod routes;
pub mod ruling;
pub mod sittings;
mod state;
pub mod status;
pub mod template;
#[cfg(test)]
mod tests;
pub mod users;
pub mod visitors;

use std::sync::Arc;
use std::time::SystemTime;

use aide::generate;
use aide::openapi::{Info, OpenApi};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use jiff::{Timestamp, Unit};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;

pub use error::{ApiError, ErrorBody, NoAttendance, RulesUnknown};
pub use extract::{Caller, MetricsPage};
pub use live::Live;
pub use photographs::PhotographRefusal;
pub use reckoning::AttendanceSource;
pub use routes::metrics;
pub use ruling::{RulesInForce, Ruling};
pub use sittings::Sittings;
pub use state::{Admission, ApiState, Doors, Faces, Monitor, NoDaemon};

/// A photograph of a good camera, and a batch of 64 templates of 512 numbers, which is about half a megabyte.
pub const LARGEST_REQUEST_BYTES: usize = 8 << 20;

/// The router. Each request must carry a [`Caller`] in its extensions.
pub fn router(state: Arc<ApiState>) -> Router {
    build().0.with_state(state)
}

/// The routes of a fleet's office: its boards and sites, and the accounts of its page. Everything else is for `others` to answer. Each request must
/// carry a [`Caller`].
pub fn office_router(state: fleet::OfficeDesks, others: Router) -> Router {
    generate::reset_context();
    let router = routes::of_an_office().finish_api(&mut OpenApi::default());
    router
        .route_layer(middleware::from_fn(permission::ask))
        .method_not_allowed_fallback(|| async { ApiError::NoMethod })
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST_BYTES))
        .with_state(state)
        .fallback_service(others)
}

/// The description of every path, request, answer and error.
pub fn openapi() -> OpenApi {
    build().1
}

fn build() -> (Router<Arc<ApiState>>, OpenApi) {
    generate::reset_context();
    // OpenAPI 3.1 takes its schemas from this draft.
    generate::in_context(|context| {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "#/components/schemas/".into();
        });
        context.schema = SchemaGenerator::new(settings);
    });
    let mut description = OpenApi {
        info: Info {
            title: "usher".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: Some("HTTP on the daemon's Unix socket ([control] socket), and on the page's address ([web] listen) with a token: Authorization: Bearer.".to_owned()),
            ..Info::default()
        },
        ..OpenApi::default()
    };
    let router = routes::all().finish_api(&mut description);
    let router = router
        .route_layer(middleware::from_fn(permission::ask))
        .fallback(|| async { ApiError::NoRoute })
        .method_not_allowed_fallback(|| async { ApiError::NoMethod })
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST_BYTES));
    (router, description)
}

/// RFC 3339 in UTC, to the second. A moment beyond what RFC 3339 can write becomes the Unix epoch.
fn rfc3339(time: SystemTime) -> String {
    rfc3339_of(Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// The same of a timestamp.
fn rfc3339_of(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// A moment of a request, as the rooms take it.
///
/// # Errors
/// The system's clock cannot show that moment.
fn system_time(at: Timestamp) -> Result<SystemTime, ApiError> {
    SystemTime::try_from(at).map_err(|_| ApiError::Invalid(format!("{at} is beyond what this system's clock can show")))
}

/// As [`system_time`], for a limit that may be absent.
fn limit(at: Option<Timestamp>) -> Result<Option<SystemTime>, ApiError> {
    at.map(system_time).transpose()
}
