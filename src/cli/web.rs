//! `usher web`: who may use the page, and which programs may use the API over the network.

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::client::Client;
use super::context::Context;
use super::listing::Listing;
use super::print::Tone;
use super::secret;
use crate::accounts::Role;
use crate::api::accounts::{AccountUpdate, IssuedToken, NewAccount, NewToken};

/// Manage the accounts of the page and the tokens of programs
///
/// The daemon serves the page while [web] enabled is set. Each account has a role: a viewer sees the doors and the records, attendance reads and
/// amends hours, an operator gives orders to doors and enrols people, and an admin may do everything. docs/web.md explains the page.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher web user add anna --role admin     ask for a password, and add the account\n  usher web token add grafana              print a token that may read"
)]
pub struct Web {
    #[command(subcommand)]
    what: What,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Add, change, remove or list accounts of people
    #[command(subcommand)]
    User(User),
    /// Add, remove or list tokens of programs
    #[command(subcommand)]
    Token(TokenAct),
}

#[derive(Subcommand)]
enum User {
    /// List the accounts
    List,
    /// Add an account
    ///
    /// Asks for the password twice on a terminal, without showing it; elsewhere it reads one line of standard input. A password has 10 characters
    /// or more, and is kept as a hash (argon2id).
    Add {
        /// 1 to 40 letters, digits, or any of . _ - @
        name: String,
        /// What the account may do
        #[arg(long, value_enum, default_value = "viewer")]
        role: Role,
    },
    /// Give an account another role; its sessions end
    Role {
        /// The account's name
        name: String,
        /// What it may do from now on
        #[arg(value_enum)]
        role: Role,
    },
    /// Give an account another password; its sessions end
    Password {
        /// The account's name
        name: String,
    },
    /// Remove an account; its sessions end
    Remove {
        /// The account's name
        name: String,
    },
}

#[derive(Subcommand)]
enum TokenAct {
    /// List the tokens, without their secrets
    List,
    /// Add a token and print it: it cannot be read again
    Add {
        /// What to call it: 1 to 40 letters, digits, or any of . _ - @
        name: String,
        /// What the program may do
        #[arg(long, value_enum, default_value = "viewer")]
        role: Role,
    },
    /// Remove a token; requests with it are refused from then on
    Remove {
        /// The token's name
        name: String,
    },
}

impl Web {
    pub fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let mut out = std::io::stdout().lock();
        match self.what {
            What::User(act) => user(&client, act, self.json, &mut out)?,
            What::Token(act) => token(&client, act, self.json, &mut out)?,
        }
        if context.config_there().is_ok_and(|config| !config.web.enabled) {
            let (place, whom) = match context.is_of_office() {
                true => (" in the usher.toml of its folder", "office"),
                false => ("", "daemon"),
            };
            note!("usher: the page is switched off: set [web] enabled = true{place}, and restart the {whom}");
        }
        Ok(())
    }
}

fn user(client: &Client, act: User, json: bool, out: &mut impl Write) -> Result<()> {
    let (account, done) = match act {
        User::List => {
            let accounts = client.accounts()?;
            let rows = accounts
                .iter()
                .map(|account| [account.name.clone(), account.role.to_string(), account.created.clone()]);
            return list(out, &accounts, rows, json);
        }
        User::Add { name, role } => {
            let password = secret::ask_twice("password")?.to_string();
            (client.add_account(&NewAccount { name, role, password })?, "is added")
        }
        User::Role { name, role } => {
            (client.change_account(&name, &AccountUpdate { role: Some(role), password: None })?, "has its new role")
        }
        User::Password { name } => {
            let password = Some(secret::ask_twice("password")?.to_string());
            (client.change_account(&name, &AccountUpdate { role: None, password })?, "has its new password")
        }
        User::Remove { name } => {
            client.remove_account(&name)?;
            return removed(out, "account", &name, json);
        }
    };
    match json {
        true => writeln!(out, "{}", serde_json::to_string(&account)?)?,
        false => writeln!(out, "the account {} ({}) {done}", account.name, account.role)?,
    }
    Ok(())
}

fn token(client: &Client, act: TokenAct, json: bool, out: &mut impl Write) -> Result<()> {
    match act {
        TokenAct::List => {
            let tokens = client.tokens()?;
            let rows = tokens.iter().map(|token| [token.name.clone(), token.role.to_string(), token.created.clone()]);
            list(out, &tokens, rows, json)
        }
        TokenAct::Add { name, role } => {
            let issued = client.add_token(&NewToken { name, role })?;
            match json {
                true => writeln!(out, "{}", serde_json::to_string(&issued)?)?,
                false => {
                    let IssuedToken { name, secret, .. } = &issued;
                    note!("usher: the token {name} is shown only now; send it as `Authorization: Bearer TOKEN`");
                    writeln!(out, "{secret}")?;
                }
            }
            Ok(())
        }
        TokenAct::Remove { name } => {
            client.remove_token(&name)?;
            removed(out, "token", &name, json)
        }
    }
}

fn removed(out: &mut impl Write, what: &str, name: &str, json: bool) -> Result<()> {
    match json {
        true => writeln!(out, "{}", serde_json::json!({ "removed": name }))?,
        false => writeln!(out, "the {what} {name} is removed")?,
    }
    Ok(())
}

fn list<T: Serialize>(
    out: &mut impl Write,
    items: &[T],
    rows: impl Iterator<Item = [String; 3]>,
    json: bool,
) -> Result<()> {
    if json {
        for item in items {
            writeln!(out, "{}", serde_json::to_string(item)?)?;
        }
        return Ok(());
    }
    let mut listing = Listing::new(["NAME", "ROLE", "SINCE"]);
    rows.for_each(|row| listing.row(Tone::Plain, row));
    Ok(listing.write(out)?)
}
