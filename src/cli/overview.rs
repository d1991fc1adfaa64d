//! `usher` without a command: what is there, and what to do next.

use std::io::Write;

use anyhow::{Context as _, Result};

use super::client::Client;
use super::context::{Context, no_config};
use super::next;
use crate::config::Config;

/// What a look at the machine found.
enum Situation {
    NoConfig,
    /// With what is wrong.
    BrokenConfig(String),
    /// Whether a daemon answers; the number of people, or why it is not known.
    Sound {
        daemon: bool,
        people: Result<usize>,
        /// Where the running daemon serves the page.
        page: Option<String>,
    },
}

/// Says what is there. Not an error, whatever that is.
///
/// # Errors
/// Standard output is closed.
pub fn run(context: &Context) -> Result<()> {
    let situation = look(context);
    let mut out = std::io::stdout().lock();
    writeln!(out, "usher {}\n", env!("CARGO_PKG_VERSION"))?;
    match &situation {
        Situation::NoConfig => writeln!(out, "configuration  none: {}", no_config())?,
        Situation::BrokenConfig(what) => writeln!(out, "configuration  {}", what.replace('\n', "\n               "))?,
        Situation::Sound { daemon, people, page } => {
            writeln!(out, "configuration  {}", context.path().display())?;
            match people {
                Ok(0) => writeln!(out, "people         nobody is enrolled")?,
                Ok(people) => writeln!(out, "people         {people} enrolled")?,
                Err(why) => writeln!(out, "people         not known: {why:#}")?,
            }
            writeln!(out, "daemon         {}", if *daemon { "runs" } else { "does not run" })?;
            if let Some(page) = page {
                writeln!(out, "page           {page}")?;
            }
        }
    }
    writeln!(out, "\nNext:")?;
    for (command, what) in steps(&situation, context) {
        writeln!(out, "  {command:<36} {what}")?;
    }
    writeln!(out, "\nAll commands: usher --help")?;
    Ok(())
}

fn look(context: &Context) -> Situation {
    if !context.has_config() {
        return Situation::NoConfig;
    }
    match context.config() {
        Err(error) => Situation::BrokenConfig(format!("{error:#}")),
        Ok(config) => match Client::connect(&config.control.socket) {
            Ok(Some(client)) => Situation::Sound { daemon: true, people: count(Ok(client)), page: page(&config) },
            Ok(None) => Situation::Sound { daemon: false, people: resting(&config), page: None },
            // It is there, but not for this user.
            Err(error) => Situation::Sound { daemon: true, people: Err(error), page: page(&config) },
        },
    }
}

/// Where the configuration has the page.
fn page(config: &Config) -> Option<String> {
    let scheme = if config.web.speaks_tls() { "https" } else { "http" };
    config.web.enabled.then(|| config.web.url.clone().unwrap_or_else(|| format!("{scheme}://{}", config.web.listen)))
}

/// How many people are in a store that no daemon holds. A store that is not there is not made.
fn resting(config: &Config) -> Result<usize> {
    let path = &config.store.path;
    match path.try_exists().with_context(|| format!("{} cannot be read", path.display()))? {
        true => count(Client::open(config)),
        false => Ok(0),
    }
}

fn count(client: Result<Client>) -> Result<usize> {
    Ok(client?.people()?.len())
}

/// Commands and what they do, the most useful first.
fn steps(situation: &Situation, context: &Context) -> Vec<(String, &'static str)> {
    let command = |arguments: &str| next::command(context.path(), arguments);
    let start = || (next::start(context.path()), "watch the doors");
    match situation {
        Situation::NoConfig => vec![
            (next::plain("init"), "set up a first door"),
            (next::plain("demo"), "see usher at work, without any hardware"),
        ],
        Situation::BrokenConfig(_) => vec![(command("config check"), "after each change, until the file is sound")],
        Situation::Sound { people: Ok(0), daemon, .. } => {
            let mut steps = vec![(command("enroll NAME --camera"), "enrol a first person; photographs work, too")];
            steps.extend((!daemon).then(start));
            steps
        }
        Situation::Sound { people: Err(_), .. } => vec![(command("doctor"), "find out what is wrong")],
        Situation::Sound { daemon: false, .. } => {
            vec![start(), (command("doctor"), "check everything that usher needs")]
        }
        Situation::Sound { daemon: true, .. } => vec![
            (command("status"), "how cameras and doors are"),
            (command("journal list"), "what happened"),
            (command("why"), "why the last decision was made"),
        ],
    }
}
