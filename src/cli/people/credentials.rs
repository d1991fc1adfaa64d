//! `usher people pin` and `usher people tag`

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::api::credentials::{NoPinRequest, NoTagRequest, PinKindForm, PinRequest, Secret, TagForm, TagRequest};
use crate::cli::client::Client;
use crate::cli::secret;
use crate::cli::whom::enrolled_person;

/// Set or remove a person's PIN, for doors that ask for it
///
/// Asks for it twice on a terminal, without showing it; elsewhere it reads one line of standard input. A PIN has 4 to 10 digits. It is kept as a
/// hash (argon2id), sealed where there is a key, and no record, log or answer shows it.
///
/// The duress PIN (--duress) opens as the usual one does, and raises a silent alarm: docs/second-factor.md.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher people pin \"Ada Lovelace\"               ask for it twice\n  usher people pin \"Ada Lovelace\" --remove      remove it, and the duress PIN"
)]
pub struct Pin {
    /// Employee id, whole name, or number as in '#7'
    person: String,
    /// The duress PIN; it has as many digits as the PIN
    #[arg(long)]
    duress: bool,
    /// Remove the duress PIN (with --duress), or both PINs
    #[arg(long)]
    remove: bool,
}

/// Add, remove or list a person's tags, for doors that ask for one
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher people tag \"Ada Lovelace\" add 04:A2:2B:1F --label \"blue fob\"\n  usher people tag \"Ada Lovelace\" remove \"blue fob\""
)]
pub struct Tag {
    /// Employee id, whole name, or number as in '#7'
    person: String,
    #[command(subcommand)]
    act: TagAct,
}

#[derive(Subcommand)]
enum TagAct {
    /// Add a tag
    Add {
        /// Its number, as the reader sends it; `-` reads it from standard input, so that no list of processes shows it
        number: String,
        /// What to call it
        #[arg(long)]
        label: Option<String>,
    },
    /// Remove a tag
    Remove {
        /// Its label or its number; `-` reads that from standard input
        tag: String,
    },
    /// List the tags by label, with the last characters of their numbers
    List,
}

impl Pin {
    pub fn run(&self, client: &Client, json: bool) -> Result<()> {
        let found = enrolled_person(client, &self.person)?;
        let kind = if self.duress { PinKindForm::Duress } else { PinKindForm::Usual };
        let which = if self.duress { "duress PIN" } else { "PIN" };
        let person = if self.remove {
            client.remove_pin(found.id, &NoPinRequest { kind })?
        } else {
            let pin = secret::ask_twice(which)?;
            client.set_pin(found.id, &PinRequest { pin: Secret::new(pin.to_string()), kind })?
        };
        let mut out = std::io::stdout().lock();
        match (json, self.remove) {
            (true, _) => writeln!(out, "{}", serde_json::to_string(&person)?)?,
            (false, true) => writeln!(out, "the {which} of {} (#{}) is removed", person.name, person.id)?,
            (false, false) => writeln!(out, "the {which} of {} (#{}) is set", person.name, person.id)?,
        }
        Ok(())
    }
}

impl Tag {
    pub fn run(&self, client: &Client, json: bool) -> Result<()> {
        let found = enrolled_person(client, &self.person)?;
        let given = |text: &String| match text.as_str() {
            "-" => secret::line("tag").map(|line| Secret::new(line.to_string())),
            text => Ok(Secret::new(text.to_owned())),
        };
        let mut out = std::io::stdout().lock();
        let (person, done) = match &self.act {
            TagAct::List => return list(&mut out, &client.tags(found.id)?, json),
            TagAct::Add { number, label } => {
                let request = TagRequest { number: given(number)?, label: label.clone() };
                (client.add_tag(found.id, &request)?, "has one more tag")
            }
            TagAct::Remove { tag } => {
                (client.remove_tag(found.id, &NoTagRequest { tag: given(tag)? })?, "has one tag less")
            }
        };
        match json {
            true => writeln!(out, "{}", serde_json::to_string(&person)?)?,
            false => writeln!(out, "{} (#{}) {done}: {} in all", person.name, person.id, person.tags)?,
        }
        Ok(())
    }
}

fn list(out: &mut impl Write, tags: &[TagForm], json: bool) -> Result<()> {
    if json {
        for tag in tags {
            writeln!(out, "{}", serde_json::to_string(tag)?)?;
        }
    } else if tags.is_empty() {
        writeln!(out, "no tags")?;
    } else {
        for TagForm { label, ending } in tags {
            writeln!(out, "…{ending}  {}", label.as_deref().unwrap_or("-"))?;
        }
    }
    Ok(())
}
