//! Attendance: the month of everybody and of one person, a day with its absentees, amendments, files for other programs.
//!
//! - `month`: totals of everybody, days of one person
//! - `day`: who was there on a day, and who was not
//! - `amend`: times that are added, readings that do not count
//! - `file`: exports
//! - `cells`: what the tables share

mod amend;
mod cells;
mod day;
mod file;
mod month;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::web::Site;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/attendance", get(month::show))
        .route("/attendance/day", get(day::show))
        .route("/attendance/amend", get(amend::show).post(amend::save))
        .route("/attendance/export", get(file::download))
}
