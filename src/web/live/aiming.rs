//! Help with aiming a camera: how large, sharp and light the nearest face is, and whether the camera hangs turned.

use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::camera_path;
use crate::accounts::Permission;
use crate::api::live::{LiveCamera, RotateAnswer, RotateRequest};
use crate::web::{Area, CheckedForm, Page, Refusal, Session};

/// The help with aiming a camera.
pub fn panel(session: &Session, camera: &LiveCamera) -> Markup {
    let words = session.words();
    html! {
        details.aim open[camera.aim.is_some()] {
            summary { (words.get("live-aim")) }
            div data-meters="" { p.soft { (words.get("live-nobody")) } }
            div data-aim="" aria-live="polite" { (found(session, camera)) }
            @if session.may(Permission::Operate) {
                form method="post" action={ "/cameras/" (camera.name) "/aim" } {
                    (session.csrf())
                    button { (words.get("live-look-for-turn")) }
                }
            }
        }
    }
}

/// What was found about how a camera hangs.
pub fn found(session: &Session, camera: &LiveCamera) -> Markup {
    let Some(aim) = camera.aim else { return html! {} };
    let words = session.words();
    let counts = [("looks", aim.looks.into()), ("faces", aim.faces.into())];
    html! {
        p { (words.with("live-aim-counts", &counts)) }
        @if let Some(turn) = aim.turn_deg {
            p.warn { (words.with("live-hangs-turned", &[("degrees", turn.into())])) }
            @if session.may(Permission::Administer) {
                form method="post" action={ "/cameras/" (camera.name) "/rotate" } {
                    (session.csrf())
                    input type="hidden" name="turn_deg" value=(turn);
                    button.main { (words.with("live-turn-by", &[("degrees", turn.into())])) }
                }
            } @else {
                p.soft { (words.get("live-ask-admin")) }
            }
        }
    }
}

#[derive(Deserialize)]
pub struct NoFields {}

/// Looks for a minute whether a camera hangs turned.
pub async fn aim(session: Session, Path(name): Path<String>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    let () = session.send(Method::POST, &camera_path(&name, "aim"), &()).await?;
    Ok(session.done("/live", "live-aim-begun"))
}

/// Turns a camera's picture. Where the configuration cannot be written, a page says what to add.
pub async fn rotate(
    session: Session,
    Path(name): Path<String>,
    CheckedForm(request): CheckedForm<RotateRequest>,
) -> Result<Response, Refusal> {
    let answer: RotateAnswer = session.send(Method::POST, &camera_path(&name, "rotate"), &request).await?;
    let Some(trouble) = answer.trouble.filter(|_| !answer.written) else {
        return Ok(session.done("/live", "live-turned"));
    };
    let words = session.words();
    let title = words.get("live-by-hand");
    Ok(Page::new(&session, Area::Live, title.clone()).render(&html! {
        h1 { (title) }
        p.warn { (words.with("live-not-written", &[("file", answer.file.as_str().into()), ("why", trouble.as_str().into())])) }
        p { (words.with("live-add-line", &[("camera", name.as_str().into())])) }
        p { code.secret { "rotate = " (answer.rotate_deg) } }
        p { a href="/live" { (words.get("area-live")) } }
    }))
}
