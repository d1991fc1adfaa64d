//! What changes while the page is open, as server-sent events. Each carries pieces of HTML in the viewer's language, made by what made the page.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use serde_json::{Value, json};

use super::{aiming, faces, state};
use crate::api::doors::DoorStatus;
use crate::api::live::{LiveCamera, LiveLine};
use crate::web::ask::Lines;
use crate::web::cookies::secret;
use crate::web::{Refusal, Session, Site};

/// The events, until the browser leaves or the session ends.
pub async fn follow(
    session: Session,
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let lines: Lines<LiveLine> = session.lines("/v1/live").await?;
    let secret = secret(&site, &headers).unwrap_or_default().to_owned();
    let reader = Reader { session, site, secret, lines };
    Ok(Sse::new(stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    })))
}

struct Reader {
    session: Session,
    site: Arc<Site>,
    /// Of the session's cookie.
    secret: String,
    lines: Lines<LiveLine>,
}

impl Reader {
    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        let line = self.lines.next().await?;
        if !self.is_open() {
            return None;
        }
        let (name, data) = event(&self.session, &line);
        Some(Event::default().event(name).data(data.to_string()))
    }

    /// Whether the session goes on: it has neither ended nor changed.
    fn is_open(&self) -> bool {
        let found = self.site.sessions.find(&self.secret, self.site.clock.now());
        let account = self.session.account();
        found.is_some_and(|found| {
            let now = self.site.accounts.account(&found.name);
            found.name == account.name && now.is_some_and(|now| now.generation == found.generation)
        })
    }
}

/// The name of the event that a line becomes, and its data.
fn event(session: &Session, line: &LiveLine) -> (&'static str, Value) {
    let words = session.words();
    match line {
        LiveLine::Doors { doors } => {
            let door = |door: &DoorStatus| json!({ "name": door.name, "html": state::door(words, door).into_string() });
            ("doors", doors.iter().map(door).collect())
        }
        LiveLine::Cameras { cameras } => {
            let camera = |camera: &LiveCamera| {
                json!({
                    "name": camera.name,
                    "away": camera.trouble.is_some(),
                    "state": state::camera(words, camera).into_string(),
                    "aim": aiming::found(session, camera).into_string(),
                })
            };
            ("cameras", cameras.iter().map(camera).collect())
        }
        LiveLine::Faces(seen) => (
            "faces",
            json!({
                "camera": seen.camera,
                "width": seen.width,
                "height": seen.height,
                "boxes": faces::boxes(words, seen).into_string(),
                "list": faces::list(words, seen).into_string(),
                "meters": faces::meters(words, seen).into_string(),
                "said": faces::said(words, seen),
            }),
        ),
        LiveLine::Still => ("still", Value::Null),
    }
}
