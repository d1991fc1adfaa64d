//! Accounts of people and tokens of programs.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Area, CheckedForm, Page, Refusal, Session, Site, Words};
use crate::accounts::{LONGEST_NAME, Role, SHORTEST_PASSWORD};
use crate::api::accounts::{Account, AccountUpdate, IssuedToken, NewAccount, NewToken, Token};

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/accounts", get(show).post(add))
        .route("/accounts/{name}/role", post(set_role))
        .route("/accounts/{name}/password", post(set_password))
        .route("/accounts/{name}/remove", post(remove))
        .route("/tokens", post(add_token))
        .route("/tokens/{name}/remove", post(remove_token))
}

async fn show(session: Session) -> Result<Response, Refusal> {
    page(&session, None).await
}

async fn page(session: &Session, issued: Option<&IssuedToken>) -> Result<Response, Refusal> {
    let accounts: Vec<Account> = session.get("/v1/accounts").await?;
    let tokens: Vec<Token> = session.get("/v1/tokens").await?;
    let words = session.words();
    let title = words.get("area-accounts");
    Ok(Page::new(session, Area::Accounts, title.clone()).render(&html! {
        h1 { (title) }
        table.wide {
            caption { (words.get("accounts-people")) }
            (heads(words))
            tbody { @for account in &accounts { (row(session, account)) } }
        }
        (new_account(session))
        h2 { (words.get("accounts-tokens")) }
        p { (words.get("accounts-tokens-about")) " " a href="/v1/openapi.json" { "OpenAPI" } }
        @if let Some(IssuedToken { name, secret, .. }) = issued {
            div.card.good role="status" {
                p { (words.with("accounts-token-issued", &[("name", name.as_str().into())])) }
                p { code.secret { (secret) } }
            }
        }
        @if !tokens.is_empty() {
            table.wide {
                caption { (words.get("accounts-tokens")) }
                (heads(words))
                tbody { @for token in &tokens { tr {
                    th scope="row" { (token.name) }
                    td { (role_name(words, token.role)) }
                    td { (session.rfc3339(&token.created)) }
                    td { (removal(session, &format!("/tokens/{}/remove", token.name), &token.name)) }
                } } }
            }
        }
        (new_token(session))
    }))
}

/// The heads of both tables.
fn heads(words: &Words) -> Markup {
    html! { thead { tr {
        @for head in ["accounts-name", "accounts-role", "accounts-since"] { th scope="col" { (words.get(head)) } }
        th scope="col" { span.unseen { (words.get("accounts-acts")) } }
    } } }
}

fn row(session: &Session, account: &Account) -> Markup {
    let (words, name) = (session.words(), account.name.as_str());
    html! { tr {
        th scope="row" { (name) }
        td {
            form.row method="post" action={ "/accounts/" (name) "/role" } {
                (session.csrf())
                label.unseen for={ "role-" (name) } { (words.with("accounts-role-of", &[("name", name.into())])) }
                (roles(words, &format!("role-{name}"), account.role))
                button { (words.get("accounts-set")) }
            }
        }
        td { (session.rfc3339(&account.created)) }
        td.acts {
            details {
                summary { (words.get("accounts-new-password")) }
                form method="post" action={ "/accounts/" (name) "/password" } {
                    (session.csrf())
                    (password_field(words))
                    button { (words.get("accounts-set")) }
                }
            }
            (removal(session, &format!("/accounts/{name}/remove"), name))
        }
    } }
}

fn new_account(session: &Session) -> Markup {
    let words = session.words();
    html! { details.card {
        summary { (words.get("accounts-add")) }
        form method="post" action="/accounts" {
            (session.csrf())
            (name_field(words))
            label for="new-role" { (words.get("accounts-role")) }
            (roles(words, "new-role", Role::Viewer))
            (password_field(words))
            button.main { (words.get("accounts-add")) }
        }
    } }
}

fn new_token(session: &Session) -> Markup {
    let words = session.words();
    html! { details.card {
        summary { (words.get("accounts-token-add")) }
        form method="post" action="/tokens" {
            (session.csrf())
            (name_field(words))
            label for="token-role" { (words.get("accounts-role")) }
            (roles(words, "token-role", Role::Viewer))
            button.main { (words.get("accounts-token-add")) }
        }
    } }
}

fn name_field(words: &Words) -> Markup {
    html! { label { (words.get("accounts-name")) input name="name" required maxlength=(LONGEST_NAME) autocomplete="off"; } }
}

fn password_field(words: &Words) -> Markup {
    html! { label {
        (words.with("accounts-password", &[("least", SHORTEST_PASSWORD.into())]))
        input name="password" type="password" required minlength=(SHORTEST_PASSWORD) autocomplete="new-password";
    } }
}

fn removal(session: &Session, path: &str, name: &str) -> Markup {
    let words = session.words();
    html! { details.confirm {
        summary { (words.get("accounts-remove")) }
        form method="post" action=(path) {
            (session.csrf())
            p { (words.with("accounts-remove-sure", &[("name", name.into())])) }
            button.danger { (words.get("accounts-remove")) }
        }
    } }
}

fn roles(words: &Words, id: &str, chosen: Role) -> Markup {
    html! { select id=(id) name="role" {
        @for role in Role::ALL { option value=(role) selected[role == chosen] { (role_name(words, role)) } }
    } }
}

fn role_name(words: &Words, role: Role) -> String {
    words.get(match role {
        Role::Viewer => "role-viewer",
        Role::Attendance => "role-attendance",
        Role::Operator => "role-operator",
        Role::Admin => "role-admin",
    })
}

async fn add(session: Session, CheckedForm(account): CheckedForm<NewAccount>) -> Result<Response, Refusal> {
    let _: Account = session.send(Method::POST, "/v1/accounts", &account).await?;
    Ok(session.done("/accounts", "accounts-added"))
}

#[derive(Deserialize)]
struct RoleForm {
    role: Role,
}

async fn set_role(
    session: Session,
    Path(name): Path<String>,
    CheckedForm(RoleForm { role }): CheckedForm<RoleForm>,
) -> Result<Response, Refusal> {
    change(&session, &name, AccountUpdate { role: Some(role), password: None }).await
}

#[derive(Deserialize)]
struct PasswordForm {
    password: String,
}

async fn set_password(
    session: Session,
    Path(name): Path<String>,
    CheckedForm(PasswordForm { password }): CheckedForm<PasswordForm>,
) -> Result<Response, Refusal> {
    change(&session, &name, AccountUpdate { role: None, password: Some(password) }).await
}

async fn change(session: &Session, name: &str, update: AccountUpdate) -> Result<Response, Refusal> {
    let _: Account = session.send(Method::PATCH, &format!("/v1/accounts/{name}"), &update).await?;
    Ok(session.done("/accounts", "accounts-changed"))
}

#[derive(Deserialize)]
struct NoFields {}

async fn remove(session: Session, Path(name): Path<String>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    let () = session.send(Method::DELETE, &format!("/v1/accounts/{name}"), &()).await?;
    Ok(session.done("/accounts", "accounts-removed"))
}

async fn add_token(session: Session, CheckedForm(token): CheckedForm<NewToken>) -> Result<Response, Refusal> {
    let issued: IssuedToken = session.send(Method::POST, "/v1/tokens", &token).await?;
    page(&session, Some(&issued)).await
}

async fn remove_token(
    session: Session,
    Path(name): Path<String>,
    _: CheckedForm<NoFields>,
) -> Result<Response, Refusal> {
    let () = session.send(Method::DELETE, &format!("/v1/tokens/{name}"), &()).await?;
    Ok(session.done("/accounts", "accounts-removed"))
}
