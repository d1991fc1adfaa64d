//! A list of people from a spreadsheet: what it would change, and then the change.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::back;
use crate::accounts::Permission;
use crate::api::import::{COLUMNS, Import, ImportRequest, ImportRow, ImportedChange, ImportedRow, rows_of};
use crate::table::Table;
use crate::web::{Area, CheckedUpload, Page, Refusal, Session, Site, Words};

/// Rows of a preview that are shown; all of them count.
const SHOWN: usize = 500;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/people/import", get(show).post(preview).layer(CheckedUpload::limit()))
        .route("/people/import/apply", post(apply).layer(CheckedUpload::limit()))
}

async fn show(session: Session) -> Result<Response, Refusal> {
    session.needs(Permission::Operate)?;
    Ok(page(&session, &html! {}))
}

fn page(session: &Session, found: &Markup) -> Response {
    let words = session.words();
    let title = words.get("people-import");
    Page::new(session, Area::People, title.clone()).render(&html! {
        (back(words))
        h1 { (title) }
        (found)
        form.card method="post" action="/people/import" enctype="multipart/form-data" {
            (session.csrf())
            label { (words.get("people-list")) input type="file" name="list" required accept=".csv,.txt,text/csv,text/plain"; }
            button.main { (words.get("people-preview")) }
        }
        p { (words.get("people-import-about")) }
        p { (words.get("people-import-columns")) " " code { (COLUMNS.join(", ")) } }
        p.soft { (words.get("people-import-cells")) }
    })
}

async fn preview(session: Session, upload: CheckedUpload) -> Result<Response, Refusal> {
    session.needs(Permission::Operate)?;
    let words = session.words();
    let Some(file) = upload.files.into_iter().next() else {
        return Err(Refusal::invalid(words, words.get("people-no-list")));
    };
    let invalid = |error: &dyn std::fmt::Display| Refusal::invalid(words, error);
    let table = Table::parse(Path::new(&file.name), &file.bytes).map_err(|error| invalid(&error))?;
    let rows = rows_of(&table, &session.site().settings.zone).map_err(|error| invalid(&error))?;
    let as_text = serde_json::to_string(&rows).map_err(|error| Refusal::failed(words, &error))?;
    let import: Import =
        session.send(Method::POST, "/v1/people/import", &ImportRequest { rows, preview: true }).await?;
    let notes: Vec<String> = table.notes.iter().cloned().chain(table.unused(&COLUMNS)).collect();
    Ok(page(
        &session,
        &html! {
            section.card {
                h2 { (words.get("people-import-would")) }
                @for note in &notes { p.warn { (note) } }
                p role="status" { (words.with("people-import-counts", &[
                    ("changed", import.changed.into()), ("new", import.new.into()),
                    ("unchanged", import.unchanged.into()), ("problems", import.problems.into()),
                ])) }
                (rows_table(&session, &import))
                @if import.problems > 0 {
                    p.bad role="alert" { (words.get("people-import-problems")) }
                } @else if import.changed + import.new > 0 {
                    form method="post" action="/people/import/apply" enctype="multipart/form-data" {
                        (session.csrf())
                        input type="hidden" name="rows" value=(as_text);
                        button.main { (words.get("people-import-apply")) }
                    }
                }
            }
        },
    ))
}

fn rows_table(session: &Session, import: &Import) -> Markup {
    let words = session.words();
    let with_news: Vec<&ImportedRow> =
        import.rows.iter().filter(|row| row.problem.is_some() || !row.changes.is_empty()).collect();
    html! { @if !with_news.is_empty() {
        table.wide {
            caption.unseen { (words.get("people-import-would")) }
            thead { tr {
                th.number scope="col" { (words.get("people-line")) }
                th scope="col" { (words.get("people-name")) }
                th scope="col" { (words.get("people-import-change")) }
            } }
            tbody { @for row in with_news.iter().take(SHOWN) { tr {
                td.number data-label=(words.get("people-line")) { (row.line) }
                th scope="row" { @match row.person {
                    Some(id) => { a href={ "/people/" (id) } { (row.name) } }
                    None => { (row.name) @if row.problem.is_none() { " " span.badge.good { (words.get("people-import-new")) } } }
                } }
                td { @match &row.problem {
                    Some(problem) => { span.badge.bad { (words.get("people-problem")) } " " (problem) }
                    None => { ul { @for change in &row.changes { li { (change_of(session, row, change)) } } } }
                } }
            } } }
        }
        @if with_news.len() > SHOWN {
            p.soft { (words.with("people-import-more", &[("rows", (with_news.len() - SHOWN).into())])) }
        }
    } }
}

fn change_of(session: &Session, row: &ImportedRow, change: &ImportedChange) -> Markup {
    let words = session.words();
    let shown = |value: &str| match (value, change.field.starts_with("valid_")) {
        ("", _) => html! { "–" },
        (moment, true) => session.rfc3339(moment),
        (value, false) => html! { (value) },
    };
    html! {
        (field(words, &change.field)) ": "
        @if row.person.is_some() { (shown(&change.before)) " → " }
        (shown(&change.after))
    }
}

fn field(words: &Words, field: &str) -> String {
    words.get(match field {
        "name" => "people-name",
        "employee_id" => "people-employee-id",
        "groups" => "people-groups",
        "enabled" => "people-enabled",
        "valid_from" => "people-from",
        "valid_until" => "people-before",
        other => return other.to_owned(),
    })
}

async fn apply(session: Session, upload: CheckedUpload) -> Result<Response, Refusal> {
    let words = session.words();
    let text = upload.fields.get("rows").map(String::as_str).unwrap_or_default();
    let rows: Vec<ImportRow> = serde_json::from_str(text).map_err(|error| Refusal::invalid(words, error))?;
    let _: Import = session.send(Method::POST, "/v1/people/import", &ImportRequest { rows, preview: false }).await?;
    Ok(session.done("/people", "people-imported"))
}
