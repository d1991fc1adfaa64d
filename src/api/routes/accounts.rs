//! Accounts of the page and tokens of programs.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, patch_with};
use axum::Json;
use axum::extract::State;

use crate::accounts::{AccountChange, Prepared, Role};
use crate::api::accounts::{Account, AccountUpdate, IssuedToken, NamePath, NewAccount, NewToken, Token};
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Operator, PathOf, blocking};
use crate::api::state::ApiState;
use crate::domain::{AccountAct, Actor, Event, StoreEvent};

pub fn routes() -> ApiRouter<Arc<ApiState>> {
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

async fn list(State(state): State<Arc<ApiState>>) -> Result<Json<Vec<Account>>, ApiError> {
    Ok(Json(state.accounts.list().into_iter().map(Account::from).collect()))
}

async fn add(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(NewAccount { name, role, password }): JsonBody<NewAccount>,
) -> Result<Json<Account>, ApiError> {
    blocking(move || {
        let change = AccountChange::Add { role, password: &password };
        let prepared = state.accounts.prepare(&name, &change, state.clock.wall())?;
        commit(&state, prepared, &name, AccountAct::Added, Some(role), by)?;
        account(&state, &name)
    })
    .await
}

async fn change(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(NamePath { name }): PathOf<NamePath>,
    JsonBody(AccountUpdate { role, password }): JsonBody<AccountUpdate>,
) -> Result<Json<Account>, ApiError> {
    blocking(move || {
        if let Some(password) = password {
            let prepared = state.accounts.prepare(&name, &AccountChange::Password(&password), state.clock.wall())?;
            let role = state.accounts.account(&name).map(|account| account.role);
            commit(&state, prepared, &name, AccountAct::PasswordSet, role, by.clone())?;
        }
        if let Some(role) = role {
            let prepared = state.accounts.prepare(&name, &AccountChange::Role(role), state.clock.wall())?;
            commit(&state, prepared, &name, AccountAct::RoleSet, Some(role), by)?;
        }
        account(&state, &name)
    })
    .await
}

async fn remove(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(NamePath { name }): PathOf<NamePath>,
) -> Result<Json<()>, ApiError> {
    blocking(move || {
        let prepared = state.accounts.prepare(&name, &AccountChange::Remove, state.clock.wall())?;
        commit(&state, prepared, &name, AccountAct::Removed, None, by).map(Json)
    })
    .await
}

async fn tokens(State(state): State<Arc<ApiState>>) -> Result<Json<Vec<Token>>, ApiError> {
    Ok(Json(state.accounts.tokens().into_iter().map(Token::from).collect()))
}

async fn add_token(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    JsonBody(NewToken { name, role }): JsonBody<NewToken>,
) -> Result<Json<IssuedToken>, ApiError> {
    blocking(move || {
        let (prepared, secret) = state.accounts.prepare_token(&name, role, state.clock.wall())?;
        commit(&state, prepared, &name, AccountAct::TokenAdded, Some(role), by)?;
        Ok(Json(IssuedToken { name, role, secret: secret.to_string() }))
    })
    .await
}

async fn remove_token(
    State(state): State<Arc<ApiState>>,
    Operator(by): Operator,
    PathOf(NamePath { name }): PathOf<NamePath>,
) -> Result<Json<()>, ApiError> {
    blocking(move || {
        let prepared = state.accounts.prepare_no_token(&name)?;
        commit(&state, prepared, &name, AccountAct::TokenRemoved, None, by).map(Json)
    })
    .await
}

/// Commits a change together with its record; from then on it is in force.
fn commit(
    state: &ApiState,
    prepared: Prepared<'_>,
    name: &str,
    what: AccountAct,
    role: Option<Role>,
    by: Actor,
) -> Result<(), ApiError> {
    let role = role.map(|role| role.as_str().to_owned());
    let event = Event::Store(StoreEvent::AccountChanged { account: name.to_owned(), what, role, by });
    state.recorder.record_change(&event, &prepared.changes)?;
    prepared.done();
    Ok(())
}

fn account(state: &ApiState, name: &str) -> Result<Json<Account>, ApiError> {
    let account = state.accounts.account(name);
    account.map(|account| Json(account.into())).ok_or(ApiError::Failed("the account is gone again".to_owned()))
}
