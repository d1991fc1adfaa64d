//! Orders to doors. Those that open a door or shut people out stand behind a second click.

use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::api::doors::{DoorOrder, DoorRequest, DoorStatus};
use crate::web::{CheckedForm, Refusal, Session};

/// The orders to a door, or to all (`None`).
pub fn forms(session: &Session, door: Option<&str>) -> Markup {
    let words = session.words();
    let confirmed = |order: &str, act: &str, sure: &str, more: Markup| {
        html! {
            details.confirm {
                summary { (words.get(act)) }
                (form(session, door, html! {
                    p { (words.get(sure)) }
                    (more)
                    button.danger name="order" value=(order) { (words.get(act)) }
                }))
            }
        }
    };
    let group = html! { label { (words.get("live-group")) input name="group" autocomplete="off"; } };
    html! {
        div.acts {
            (form(session, door, html! {
                button name="order" value="lock" { (words.get("live-lock")) }
                " "
                button name="order" value="normal" { (words.get("live-normal")) }
            }))
            (confirmed("unlock", "live-unlock", "live-unlock-sure", html! {}))
            (confirmed("lockdown", "live-lockdown", "live-lockdown-sure", group))
            (confirmed("release", "live-release", "live-release-sure", html! {}))
        }
    }
}

fn form(session: &Session, door: Option<&str>, fields: Markup) -> Markup {
    let action = door.map_or_else(|| "/doors/order".to_owned(), |door| format!("/doors/{door}/order"));
    html! { form method="post" action=(action) { (session.csrf()) (fields) } }
}

#[derive(Deserialize)]
pub struct OrderForm {
    order: Order,
    /// Whom a lockdown lets through; empty is nobody.
    #[serde(default)]
    group: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Unlock,
    Lock,
    Lockdown,
    Release,
    Normal,
}

/// An order to the door of the path.
pub async fn to_one(
    session: Session,
    Path(door): Path<String>,
    CheckedForm(form): CheckedForm<OrderForm>,
) -> Result<Response, Refusal> {
    order(&session, Some(door), form).await
}

/// An order to all doors.
pub async fn to_all(session: Session, CheckedForm(form): CheckedForm<OrderForm>) -> Result<Response, Refusal> {
    order(&session, None, form).await
}

async fn order(session: &Session, door: Option<String>, form: OrderForm) -> Result<Response, Refusal> {
    let group = Some(form.group.trim().to_owned()).filter(|group| !group.is_empty());
    let (order, done) = match form.order {
        Order::Unlock => (DoorOrder::Unlock { for_ms: None }, "live-done-unlock"),
        Order::Lock => (DoorOrder::Lock, "live-done-lock"),
        Order::Lockdown => (DoorOrder::Lockdown { group }, "live-done-lockdown"),
        Order::Release => (DoorOrder::Release, "live-done-release"),
        Order::Normal => (DoorOrder::Normal, "live-done-normal"),
    };
    let _: Vec<DoorStatus> = session.send(Method::POST, "/v1/doors", &DoorRequest { door, order }).await?;
    Ok(session.done("/live", done))
}
