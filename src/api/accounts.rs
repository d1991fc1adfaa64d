//! Accounts of the page and tokens of programs, as the API shows and changes them.

use std::sync::Arc;

use axum::extract::FromRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::rfc3339;
use super::state::ApiState;
use crate::accounts::{self, Accounts, Role};
use crate::clock::Clock;
use crate::domain::Event;
use crate::office::Recorder;
use crate::store::Change;

/// Where changes of accounts are committed, each together with what is recorded of it.
pub trait AccountBook: Send + Sync {
    /// Commits changes that `event` tells of.
    ///
    /// # Errors
    /// They are not on disk: nothing was changed.
    fn commit(&self, event: &Event, changes: &[Change]) -> Result<(), ApiError>;
}

impl AccountBook for Recorder {
    fn commit(&self, event: &Event, changes: &[Change]) -> Result<(), ApiError> {
        Ok(self.record_change(event, changes).map(drop)?)
    }
}

/// What the routes of accounts act on.
#[derive(Clone)]
pub struct AccountsDesk {
    pub accounts: Arc<Accounts>,
    pub book: Arc<dyn AccountBook>,
    pub clock: Arc<dyn Clock>,
}

impl FromRef<Arc<ApiState>> for AccountsDesk {
    fn from_ref(state: &Arc<ApiState>) -> AccountsDesk {
        let (accounts, clock) = (state.accounts.clone(), state.clock.clone());
        AccountsDesk { accounts, book: state.recorder.clone(), clock }
    }
}

/// A person's account of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    pub name: String,
    pub role: Role,
    /// RFC 3339, UTC.
    pub created: String,
}

impl From<accounts::Account> for Account {
    fn from(account: accounts::Account) -> Account {
        Account { name: account.name, role: account.role, created: rfc3339(account.created) }
    }
}

/// A program's token, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    pub name: String,
    pub role: Role,
    /// RFC 3339, UTC.
    pub created: String,
}

impl From<accounts::Token> for Token {
    fn from(token: accounts::Token) -> Token {
        Token { name: token.name, role: token.role, created: rfc3339(token.created) }
    }
}

/// Adds an account.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// 1 to 40 letters, digits, or any of `. _ - @`.
    pub name: String,
    pub role: Role,
    /// 10 characters or more.
    pub password: String,
}

/// Changes an account. Fields that are left out stay as they are.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountUpdate {
    pub role: Option<Role>,
    /// Ends all sessions of the account.
    pub password: Option<String>,
}

/// Addresses an account or a token in a path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NamePath {
    /// The name.
    pub name: String,
}

/// Adds a token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// 1 to 40 letters, digits, or any of `. _ - @`.
    pub name: String,
    pub role: Role,
}

/// A new token.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct IssuedToken {
    pub name: String,
    pub role: Role,
    /// For `Authorization: Bearer`. It cannot be read again.
    pub secret: String,
}
