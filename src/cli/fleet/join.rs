//! `usher fleet init` and `usher fleet join`

use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use zeroize::Zeroizing;

use crate::cli::context::Context;
use crate::config;
use crate::fleet::Site;
use crate::setup::fleet::{self, InitPlan, ServerAddress};

/// The longest line that is read for a token, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;

/// Begin a fleet: make its keys, and the files of its servers.
///
/// Writes the office's folder: the fleet's keys, which are secret, and for each server a folder with its nats-server.conf, its certificate and a unit of
/// systemd. A README in each says what to copy where. Name one server, or three of which one may fail. An existing fleet is not overwritten.
#[derive(Args)]
pub struct Init {
    /// The servers, by the names or addresses at which boards reach them: HOST or HOST:PORT
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST[:PORT]")]
    servers: Vec<ServerAddress>,
    /// A site with a leaf server of its own, and where the site's boards reach that; may be given several times
    #[arg(long = "leaf", value_name = "SITE=HOST[:PORT]", value_parser = leaf)]
    leaves: Vec<(Site, ServerAddress)>,
}

/// Let this board join a fleet, with the token that `usher fleet invite` printed.
///
/// Writes the membership, which only usher may read, and tries to reach a server. Then set `enabled = true` in `[fleet]` of the configuration, and
/// restart usher.
#[derive(Args)]
pub struct Join {
    /// The token; without one, or with `-`, it is read from standard input, so that no history and no log of commands keeps it
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    token: Option<String>,
    /// The file to write [default: [fleet] membership of the configuration]
    #[arg(long, value_name = "FILE")]
    membership: Option<PathBuf>,
}

impl Init {
    pub fn run(self, folder: &Path) -> Result<()> {
        let plan = InitPlan { servers: self.servers, leaves: self.leaves, folder: folder.to_owned(), now: now() };
        let files = fleet::init(&plan)?;
        let place = folder.display();
        say!("the fleet {} begins; its servers are {}", files.fleet, files.servers().join(", "))?;
        say!(
            "1. copy the files of each server as README in its folder in {place}/servers says, and start the servers"
        )?;
        say!("2. usher fleet office --folder {place}")?;
        say!("3. usher fleet invite --folder {place} --site SITE --board BOARD")?;
        Ok(())
    }
}

impl Join {
    pub fn run(self, context: &Context) -> Result<()> {
        let configured = match (context.config_if_any(), &self.membership) {
            (Ok(config), _) => config.map(|config| config.fleet).unwrap_or_default(),
            // A configuration with mistakes is no reason not to join.
            (Err(_), Some(_)) => config::Fleet::default(),
            (Err(error), None) => return Err(error),
        };
        let file = self.membership.unwrap_or_else(|| configured.membership.clone());
        let token = match self.token.filter(|token| token != "-") {
            Some(token) => Zeroizing::new(token),
            None => token_from_input()?,
        };
        let membership = fleet::join(&token, &file, now())?;
        say!("this board is {} of {} now, as {} says", membership.board, membership.site, file.display())?;
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the asynchronous runtime cannot be started")?;
        match tokio.block_on(membership.check()) {
            Ok(_) => say!("a server was reached")?,
            Err(error) => note!("usher: warning: {error:#}"),
        }
        say!("{}", next(&configured, &file, context.path()))?;
        Ok(())
    }
}

/// What is left to do after a membership was written to `file`.
fn next(configured: &config::Fleet, file: &Path, config: &Path) -> String {
    let enabled = (!configured.enabled).then(|| "enabled = true".to_owned());
    let membership = (configured.membership != file).then(|| format!("membership = {file:?}"));
    let settings: Vec<String> = enabled.into_iter().chain(membership).collect();
    match settings.is_empty() {
        true => "restart usher".to_owned(),
        false => format!("set {} in [fleet] of {}, and restart usher", settings.join(" and "), config.display()),
    }
}

/// A site and its leaf server.
fn leaf(text: &str) -> Result<(Site, ServerAddress)> {
    let (site, server) = text.split_once('=').context("write SITE=HOST or SITE=HOST:PORT")?;
    Ok((site.parse()?, server.parse()?))
}

/// The line with the token from standard input.
fn token_from_input() -> Result<Zeroizing<String>> {
    if std::io::stdin().is_terminal() {
        note!("paste the token:");
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .take(LONGEST_LINE)
        .read_line(&mut line)
        .context("the token cannot be read from standard input")?;
    Ok(line)
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_left_to_do_is_told() {
        let (own, config) = (config::Fleet::default(), Path::new("usher.toml"));
        let enabled = config::Fleet { enabled: true, ..own.clone() };
        let told = |fleet: &config::Fleet, file: &Path| next(fleet, file, config);
        assert_eq!(told(&enabled, &own.membership), "restart usher");
        assert_eq!(told(&own, &own.membership), "set enabled = true in [fleet] of usher.toml, and restart usher");
        let other = told(&enabled, Path::new("/other"));
        assert_eq!(other, "set membership = \"/other\" in [fleet] of usher.toml, and restart usher");
    }
}
