//! Accounts of the page and tokens of programs.

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, patch_with};
use axum::Json;
use axum::extract::{FromRef, State};

use crate::accounts::{AccountChange, Prepared, Role};
use crate::api::accounts::{Account, AccountUpdate, AccountsDesk, IssuedToken, NamePath, NewAccount, NewToken, Token};
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf, blocking};
use crate::domain::{AccountAct, Actor, Event, StoreEvent};

/// The routes over any state that has accounts: a daemon's, or that of a fleet's office.
pub fn routes<S: Clone + Send + Sync + 'static>() -> ApiRouter<S>
where
    AccountsDesk: FromRef<S>,
{
    ApiRouter::new()
        .api_route(
            "/v1/accounts",
            get_with(list, |op| op.id("listAccounts").tag("accounts").summary("List the accounts of the page"))
                .post_with(add, |op| op.id("addAccount").tag("accounts").summary("Add an account")),
        )
        .api_route(
            "/v1/accounts/{name}",
            patch_with(change, |op| {
                op.id("changeAccount")
                    .tag("accounts")
                    .summary("Give an account another role or password")
                    .description("Ends the sessions of that account.")
            })
            .delete_with(remove, |op| op.id("removeAccount").tag("accounts").summary("Remove an account")),
        )
        .api_route(
            "/v1/tokens",
            get_with(tokens, |op| op.id("listTokens").tag("accounts").summary("List the tokens of programs"))
                .post_with(add_token, |op| {
                    op.id("addToken")
                        .tag("accounts")
                        .summary("Add a token")
                        .description("The answer has the secret, which cannot be read again.")
                }),
        )
        .api_route(
            "/v1/tokens/{name}",
            delete_with(remove_token, |op| op.id("removeToken").tag("accounts").summary("Remove a token")),
        )
}

async fn list(State(desk): State<AccountsDesk>) -> Result<Json<Vec<Account>>, ApiError> {
    Ok(Json(desk.accounts.list().into_iter().map(Account::from).collect()))
}

async fn add(
    State(desk): State<AccountsDesk>,
    Operator(by): Operator,
    JsonBody(NewAccount { name, role, password }): JsonBody<NewAccount>,
) -> Result<Json<Account>, ApiError> {
    blocking(move || {
        let change = AccountChange::Add { role, password: &password };
        let prepared = desk.accounts.prepare(&name, &change, desk.clock.wall())?;
        commit(&desk, prepared, &name, AccountAct::Added, Some(role), by)?;
        account(&desk, &name)
    })
    .await
}

async fn change(
    State(desk): State<AccountsDesk>,
    Operator(by): Operator,
    PathOf(NamePath { name }): PathOf<NamePath>,
    JsonBody(AccountUpdate { role, password }): JsonBody<AccountUpdate>,
) -> Result<Json<Account>, ApiError> {
    blocking(move || {
        if let Some(password) = password {
            let prepared = desk.accounts.prepare(&name, &AccountChange::Password(&password), desk.clock.wall())?;
            let role = desk.accounts.account(&name).map(|account| account.role);
            commit(&desk, prepared, &name, AccountAct::PasswordSet, role, by.clone())?;
        }
        if let Some(role) = role {
            let prepared = desk.accounts.prepare(&name, &AccountChange::Role(role), desk.clock.wall())?;
            commit(&desk, prepared, &name, AccountAct::RoleSet, Some(role), by)?;
        }
        account(&desk, &name)
    })
    .await
}

async fn remove(
    State(desk): State<AccountsDesk>,
    Operator(by): Operator,
    PathOf(NamePath { name }): PathOf<NamePath>,
) -> Result<Json<()>, ApiError> {
    blocking(move || {
        let prepared = desk.accounts.prepare(&name, &AccountChange::Remove, desk.clock.wall())?;
        commit(&desk, prepared, &name, AccountAct::Removed, None, by).map(Json)
    })
    .await
}

async fn tokens(State(desk): State<AccountsDesk>) -> Result<Json<Vec<Token>>, ApiError> {
    Ok(Json(desk.accounts.tokens().into_iter().map(Token::from).collect()))
}

async fn add_token(
    State(desk): State<AccountsDesk>,
    Operator(by): Operator,
    JsonBody(NewToken { name, role }): JsonBody<NewToken>,
) -> Result<Json<IssuedToken>, ApiError> {
    blocking(move || {
        let (prepared, secret) = desk.accounts.prepare_token(&name, role, desk.clock.wall())?;
        commit(&desk, prepared, &name, AccountAct::TokenAdded, Some(role), by)?;
        Ok(Json(IssuedToken { name, role, secret: secret.to_string() }))
    })
    .await
}

async fn remove_token(
    State(desk): State<AccountsDesk>,
    Operator(by): Operator,
    PathOf(NamePath { name }): PathOf<NamePath>,
) -> Result<Json<()>, ApiError> {
    blocking(move || {
        let prepared = desk.accounts.prepare_no_token(&name)?;
        commit(&desk, prepared, &name, AccountAct::TokenRemoved, None, by).map(Json)
    })
    .await
}

/// Commits a change together with its record; from then on it is in force.
fn commit(
    desk: &AccountsDesk,
    prepared: Prepared<'_>,
    name: &str,
    what: AccountAct,
    role: Option<Role>,
    by: Actor,
) -> Result<(), ApiError> {
    let role = role.map(|role| role.as_str().to_owned());
    let event = Event::Store(StoreEvent::AccountChanged { account: name.to_owned(), what, role, by });
    desk.book.commit(&event, &prepared.changes)?;
    prepared.done();
    Ok(())
}

fn account(desk: &AccountsDesk, name: &str) -> Result<Json<Account>, ApiError> {
    let account = desk.accounts.account(name);
    account.map(|account| Json(account.into())).ok_or(ApiError::Failed("the account is gone again".to_owned()))
}
