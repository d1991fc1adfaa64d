//! `usher people`

mod unknown;

use std::io::{IsTerminal, Write};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::book::Book;
use super::context::Context;
use crate::daemon::wire::PersonWire;
use crate::setup;

/// List, show, rename, disable, enable or remove people; set their groups and days; show visitors whom nobody knew.
///
/// A person is named by number (`7` or `#7`), by employee id, or by the whole name.
#[derive(Args)]
pub struct People {
    #[command(subcommand)]
    action: Action,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List everybody who is enrolled
    List,
    /// Show one person
    Show {
        /// Number, employee id or whole name
        person: String,
    },
    /// Give a person another name
    Rename {
        /// Number, employee id or whole name
        person: String,
        /// The new name
        name: String,
    },
    /// Put a person into these groups and no others
    Groups {
        /// Number, employee id or whole name
        person: String,
        /// The groups; none takes the person out of all
        groups: Vec<String>,
    },
    /// Set the first and the last day on which doors open for a person
    ///
    /// Without --from and --until there is no limit any more.
    Valid {
        /// Number, employee id or whole name
        person: String,
        /// The first day, as 2026-12-01
        #[arg(long, value_name = "DAY")]
        from: Option<Date>,
        /// The last day, as 2026-12-31
        #[arg(long, value_name = "DAY")]
        until: Option<Date>,
    },
    /// Keep a person enrolled, but let no door open for them
    Disable {
        /// Number, employee id or whole name
        person: String,
    },
    /// Let doors open for a disabled person again
    Enable {
        /// Number, employee id or whole name
        person: String,
    },
    /// Remove a person and their templates; the journal keeps what happened
    ///
    /// The templates are overwritten and deleted, and where templates are sealed their sub-key is destroyed: no old page of the database and
    /// no backup gives them back. Save the key ring anew afterwards (usher store ring save). Without a key, old bytes stay in the database's
    /// file until their place is used again, and in backups.
    Remove {
        /// Number, employee id or whole name
        person: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    Unknown(unknown::Unknown),
}

impl People {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        let book = Book::open(&config)?;
        let done = match &self.action {
            Action::Unknown(unknown) => return unknown.run(&book, &config, self.json),
            Action::List => return list(&book.people()?, self.json),
            Action::Show { person } => book.find(person)?,
            Action::Rename { person, name } => book.rename(book.find(person)?.id, name)?,
            Action::Groups { person, groups } => book.set_groups(book.find(person)?.id, groups.clone())?,
            Action::Valid { person, from, until } => {
                let zone = setup::house::time_zone(&config)?;
                let start = |day: Date| zone.to_timestamp(day.at(0, 0, 0, 0));
                let from = from.map(start).transpose()?;
                let until = until.map(|day| day.tomorrow().and_then(start)).transpose()?;
                book.set_validity(book.find(person)?.id, from, until)?
            }
            Action::Disable { person } => book.set_enabled(book.find(person)?.id, false)?,
            Action::Enable { person } => book.set_enabled(book.find(person)?.id, true)?,
            Action::Remove { person, yes } => {
                let person = book.find(person)?;
                if !yes && !confirmed(&person)? {
                    bail!("nothing was removed");
                }
                book.remove(person.id)?
            }
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&done)?)?;
            return Ok(());
        }
        match self.action {
            Action::Remove { .. } => writeln!(out, "{} (#{}) is removed", done.name, done.id)?,
            _ => show(&mut out, &done)?,
        }
        Ok(())
    }
}

fn confirmed(person: &PersonWire) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("pass --yes to remove {} (#{}) without being asked", person.name, person.id);
    }
    eprint!("Remove {} (#{}) with {} templates? [y/N] ", person.name, person.id, person.templates);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn show(out: &mut impl Write, person: &PersonWire) -> Result<()> {
    writeln!(out, "{} (#{})", person.name, person.id)?;
    writeln!(out, "  employee id  {}", person.employee_id.as_deref().unwrap_or("-"))?;
    writeln!(out, "  groups       {}", if person.groups.is_empty() { "-".into() } else { person.groups.join(", ") })?;
    writeln!(out, "  state        {}", state(person))?;
    writeln!(out, "  valid        {}", validity(person))?;
    writeln!(out, "  enrolled     {}", person.created)?;
    writeln!(out, "  templates    {}", templates(person))?;
    Ok(())
}

fn list(people: &[PersonWire], json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(people)?)?;
        return Ok(());
    }
    if people.is_empty() {
        writeln!(out, "Nobody is enrolled yet: usher enroll NAME PHOTO…")?;
        return Ok(());
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["#", "NAME", "EMPLOYEE", "GROUPS", "STATE", "TEMPLATES", "ENROLLED"]);
    for person in people {
        table.add_row([
            person.id.to_string(),
            person.name.clone(),
            person.employee_id.clone().unwrap_or_default(),
            person.groups.join(", "),
            state(person).to_owned(),
            templates(person),
            person.created.clone(),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    Ok(())
}

fn state(person: &PersonWire) -> &'static str {
    match (person.enabled, person.templates) {
        (false, _) => "disabled",
        (true, 0) if person.locked_templates > 0 => "cannot be opened",
        (true, 0) => "must be enrolled again",
        (true, _) => "enabled",
    }
}

fn validity(person: &PersonWire) -> String {
    match (&person.valid_from, &person.valid_until) {
        (None, None) => "always".into(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(until)) => format!("before {until}"),
        (Some(from), Some(until)) => format!("from {from}, before {until}"),
    }
}

fn templates(person: &PersonWire) -> String {
    let more = match (person.foreign_templates, person.locked_templates) {
        (0, 0) => String::new(),
        (foreign, 0) => format!(" (+{foreign} of another model)"),
        (0, locked) => format!(" (+{locked} locked)"),
        (foreign, locked) => format!(" (+{foreign} of another model, {locked} locked)"),
    };
    format!("{}{more}", person.templates)
}
