//! The client's acts on accounts of the page and tokens of programs.

use anyhow::Result;
use hyper::Method;

use super::Client;
use super::transport::encode;
use crate::api::accounts::{Account, AccountUpdate, IssuedToken, NewAccount, NewToken, Token};

impl Client {
    /// The accounts of the page.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        self.get("/v1/accounts")
    }

    /// Adds an account.
    pub fn add_account(&self, account: &NewAccount) -> Result<Account> {
        self.send(Method::POST, "/v1/accounts", account)
    }

    /// Gives an account another role or password.
    pub fn change_account(&self, name: &str, update: &AccountUpdate) -> Result<Account> {
        self.send(Method::PATCH, &format!("/v1/accounts/{}", encode(name)), update)
    }

    /// Removes an account.
    pub fn remove_account(&self, name: &str) -> Result<()> {
        self.send(Method::DELETE, &format!("/v1/accounts/{}", encode(name)), &())
    }

    /// The tokens of programs.
    pub fn tokens(&self) -> Result<Vec<Token>> {
        self.get("/v1/tokens")
    }

    /// Adds a token; the answer has its secret.
    pub fn add_token(&self, token: &NewToken) -> Result<IssuedToken> {
        self.send(Method::POST, "/v1/tokens", token)
    }

    /// Removes a token.
    pub fn remove_token(&self, name: &str) -> Result<()> {
        self.send(Method::DELETE, &format!("/v1/tokens/{}", encode(name)), &())
    }
}
