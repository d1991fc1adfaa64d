//! What changes while the page is open, as server-sent events. Each carries pieces of HTML in the viewer's language, made by what made the page.

use std::convert::Infallible;

use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use serde_json::{Value, json};

use super::{aiming, faces, state};
use crate::api::doors::DoorStatus;
use crate::api::live::{LiveCamera, LiveLine};
use crate::web::{Refusal, Session};

/// The events, until the browser leaves.
pub async fn follow(session: Session) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let lines = session.lines::<LiveLine>("/v1/live").await?;
    Ok(Sse::new(stream::unfold((lines, session), |(mut lines, session)| async move {
        let (name, data) = event(&session, &lines.next().await?);
        Some((Ok(Event::default().event(name).data(data.to_string())), (lines, session)))
    })))
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
