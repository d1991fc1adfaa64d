//! New rows of the timeline: as a stream of server-sent events while a page is open, and as a fragment for those who ask.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Query;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use maud::{Markup, html};
use serde::Deserialize;

use super::ROWS;
use super::face::Shown;
use super::filter::Filter;
use super::row::row;
use crate::api::journal::Record;
use crate::domain;
use crate::ledger::Dated;
use crate::web::query::unless_empty;
use crate::web::{Place, Refusal, Session};

/// A comment goes out this often while nothing happens, so that a connection that is gone is noticed.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// The header by which a browser says, after a reconnection, which row it has.
const LAST_ROW: &str = "last-event-id";
/// How long a face may take to be stored after its record.
const FACE_WITHIN: Duration = Duration::from_millis(300);

/// From where on new rows are wanted.
#[derive(Deserialize)]
pub struct After {
    /// The number of the last record that the page has.
    #[serde(default, deserialize_with = "unless_empty")]
    after: Option<u64>,
}

/// The rows after a number, newest first: at most a page of them.
pub async fn rows(
    session: Session,
    Query(filter): Query<Filter>,
    Query(After { after }): Query<After>,
) -> Result<Markup, Refusal> {
    let after = after.unwrap_or_default();
    let query = filter.selection();
    // Records of a fleet are numbered by board, and come in the order of their times: the ones after a record are asked for.
    let (since, after) = match session.site().settings.place {
        Place::Office => (format!("&after={after}"), 0),
        Place::Board => (String::new(), after),
    };
    let mut records: Vec<Record> = session.get(&format!("/v1/journal?limit={ROWS}{query}{since}")).await?;
    if !since.is_empty() {
        records.reverse();
    }
    let faces = Shown::of(&session).await?;
    let new = records.iter().filter(|Record(dated)| dated.record.seq > after);
    Ok(html! { @for Record(dated) in new { (row(&session, dated, &faces)) } })
}

/// A row for each new record. After a reconnection the browser says which row it has.
pub async fn events(
    session: Session,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
    Query(After { after }): Query<After>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let last = headers.get(LAST_ROW).and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let after = last.or(after).map(|after| format!("after={after}")).unwrap_or_default();
    let lines = session.lines::<Record>(&format!("/v1/journal/follow?{after}{}", filter.selection())).await?;
    let events = futures_util::stream::unfold((lines, session), |(mut lines, session)| async move {
        let Record(dated) = lines.next().await?;
        let faces = faces_of(&session, &dated).await;
        let event = Event::default().id(dated.record.seq.to_string()).data(row(&session, &dated, &faces).into_string());
        Some((Ok(event), (lines, session)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

/// The faces, once the one beside a new decision can be there: it is cut out and stored after its record.
async fn faces_of(session: &Session, dated: &Dated) -> Shown {
    let faces = Shown::of(session).await.unwrap_or_default();
    if !faces.are_kept() || dated.record.content.event().and_then(domain::Event::decided).is_none() {
        return faces;
    }
    tokio::time::sleep(FACE_WITHIN).await;
    Shown::of(session).await.unwrap_or(faces)
}
