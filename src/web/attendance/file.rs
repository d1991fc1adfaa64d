//! Files for spreadsheets and other programs. What a file leaves out is told before it is downloaded.

use axum::extract::Query;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::cells::of_group;
use crate::api::attendance::ExportFile;
use crate::ledger::attendance::export::Format;
use crate::web::query::{escape, unless_empty};
use crate::web::{Area, Page, Refusal, Session, Words};

/// Which file.
#[derive(Clone, Debug, Deserialize)]
pub struct Asked {
    format: String,
    month: String,
    #[serde(default, deserialize_with = "unless_empty")]
    person: Option<u32>,
    #[serde(default, deserialize_with = "unless_empty")]
    group: Option<String>,
    /// With semicolons and a byte order mark.
    #[serde(default, deserialize_with = "unless_empty")]
    excel: Option<String>,
    /// What is left out was read.
    #[serde(default, deserialize_with = "unless_empty")]
    anyway: Option<String>,
}

impl Asked {
    /// Whether a separator can be chosen for the format.
    fn takes_form(&self) -> bool {
        Format::ALL.into_iter().any(|format| format.as_str() == self.format && format.takes_form())
    }

    /// The query of the page that downloads all the same.
    fn anyway(&self) -> String {
        let person = self.person.map(|person| format!("&person={person}")).unwrap_or_default();
        let excel = if self.excel.is_some() { "&excel=yes" } else { "" };
        let (format, month) = (escape(&self.format), escape(&self.month));
        format!("format={format}&month={month}{person}{}{excel}&anyway=yes", of_group(self.group.as_deref()))
    }
}

/// The form for the file of a month.
pub fn form(t: &Words, month: &str, person: Option<u32>, group: Option<&str>) -> Markup {
    html! {
        section.card {
            h2 { (t.get("attendance-export")) }
            p.soft { (t.get("attendance-export-what")) }
            form method="get" action="/attendance/export" {
                input type="hidden" name="month" value=(month);
                @if let Some(person) = person { input type="hidden" name="person" value=(person); }
                @if let Some(group) = group { input type="hidden" name="group" value=(group); }
                label { (t.get("attendance-format"))
                    select name="format" {
                        @for format in Format::ALL {
                            option value=(format.as_str()) { (t.get(name_of(format))) }
                        }
                    }
                }
                label.check { input type="checkbox" name="excel" value="yes"; " " (t.get("attendance-excel")) }
                button { (t.get("attendance-download")) }
            }
        }
    }
}

/// The id of a format's name.
fn name_of(format: Format) -> &'static str {
    match format {
        Format::Csv => "attendance-format-csv",
        Format::Frappe => "attendance-format-frappe",
        Format::Odoo => "attendance-format-odoo",
        Format::OrangeHrm => "attendance-format-orangehrm",
        Format::ZkTeco => "attendance-format-zkteco",
        Format::Timesheet => "attendance-format-timesheet",
    }
}

/// The file, or first the page that says what is left out of it.
pub async fn download(session: Session, Query(asked): Query<Asked>) -> Result<Response, Refusal> {
    let person = asked.person.map(|person| format!("&person={person}")).unwrap_or_default();
    // Only some formats have a choice.
    let form = if asked.excel.is_some() && asked.takes_form() { "&bom=true&separator=semicolon" } else { "" };
    let (format, month, of) = (escape(&asked.format), escape(&asked.month), of_group(asked.group.as_deref()));
    let path = format!("/v1/attendance/export?format={format}&month={month}{person}{of}{form}");
    let file: ExportFile = session.get(&path).await?;
    if asked.anyway.is_none() && !(file.left_out.is_empty() && file.remarks.is_empty()) {
        return Ok(doubts(&session, &asked, &file));
    }
    let disposition = format!("attachment; filename=\"{}\"", file.name);
    Ok(([(CONTENT_TYPE, file.media_type), (CONTENT_DISPOSITION, disposition)], file.text).into_response())
}

fn doubts(session: &Session, asked: &Asked, file: &ExportFile) -> Response {
    let t = session.words();
    Page::new(session, Area::Attendance, t.get("attendance-export")).render(&html! {
        h1 { (file.name) }
        @for (heading, lines) in [("attendance-left-out", &file.left_out), ("attendance-remarks-of-file", &file.remarks)] {
            @if !lines.is_empty() {
                h2 { (t.get(heading)) }
                ul { @for line in lines { li { (line) } } }
            }
        }
        p { a.button href={ "/attendance/export?" (asked.anyway()) } { (t.get("attendance-download-anyway")) } }
        p { a href={ "/attendance?month=" (asked.month) } { (t.get("attendance-month")) } }
    })
}
