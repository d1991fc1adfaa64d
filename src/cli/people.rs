//! `usher people`

mod many;
mod unknown;

use std::io::{IsTerminal, Write};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::book::Book;
use super::context::Context;
use crate::daemon::wire::PersonWire;
use crate::setup;
use many::Several;

/// List, show, rename, disable, enable or remove people; set their groups and days; show visitors whom nobody knew.
///
/// A person is named by employee id, by the whole name, or by number as in `'#7'` (in quotes: for a shell # begins a comment). `id:7` is
/// the employee id alone. A word that could mean two people is an error that lists them.
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
        /// Employee id, whole name, or number as in '#7'
        person: String,
    },
    /// Give a person another name
    Rename {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// The new name
        name: String,
    },
    /// Put a person into these groups and no others
    Groups {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// The groups; none takes the person out of all
        groups: Vec<String>,
    },
    /// Set the first and the last day on which doors open for a person
    ///
    /// Without --from and --until there is no limit any more.
    Valid {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// The first day, as 2026-12-01
        #[arg(long, value_name = "DAY")]
        from: Option<Date>,
        /// The last day, as 2026-12-31
        #[arg(long, value_name = "DAY")]
        until: Option<Date>,
    },
    /// Give a person another employee id
    Id {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// The new employee id, which nobody else may have
        #[arg(required_unless_present = "none")]
        employee_id: Option<String>,
        /// Take the employee id away
        #[arg(long, conflicts_with = "employee_id")]
        none: bool,
    },
    /// Keep people enrolled, but let no door open for them
    ///
    /// Everybody is found before anybody is disabled: where one cannot be found, nothing is done.
    Disable(Several),
    /// Let doors open for disabled people again
    Enable(Several),
    /// Remove people and their templates; the journal keeps what happened
    ///
    /// Everybody is found before anybody is removed: where one cannot be found, nothing is done.
    ///
    /// The templates are overwritten and deleted, and where templates are sealed their sub-key is destroyed: no old page of the database and
    /// no backup gives them back. Save the key ring anew afterwards (usher store ring save). Without a key, old bytes stay in the database's
    /// file until their place is used again, and in backups.
    Remove {
        #[command(flatten)]
        several: Several,
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
            Action::Id { person, employee_id, .. } => {
                book.set_employee_id(book.find(person)?.id, employee_id.as_deref())?
            }
            Action::Disable(several) => return self.each(&book, several, Act::Disable),
            Action::Enable(several) => return self.each(&book, several, Act::Enable),
            Action::Remove { several, yes } => return self.each(&book, several, Act::Remove { yes: *yes }),
        };
        self.tell(&done, None)
    }

    /// Does one thing to several people, after all of them were found.
    fn each(&self, book: &Book, several: &Several, act: Act) -> Result<()> {
        let people = several.find(&book.people()?)?;
        if several.dry_run {
            return people.iter().try_for_each(|person| self.tell(person, Some(act.would())));
        }
        if let Act::Remove { yes: false } = act
            && !confirmed(&people)?
        {
            bail!("nothing was removed");
        }
        for (done, person) in people.iter().enumerate() {
            let result = match act {
                Act::Disable => book.set_enabled(person.id, false),
                Act::Enable => book.set_enabled(person.id, true),
                Act::Remove { .. } => book.remove(person.id),
            };
            let person = result.with_context(|| match people.len() {
                1 => format!("{} (#{})", person.name, person.id),
                all => format!("{} (#{}), after {done} of {all} people were done", person.name, person.id),
            })?;
            let told = (people.len() > 1 || matches!(act, Act::Remove { .. })).then(|| act.is());
            self.tell(&person, told)?;
        }
        Ok(())
    }

    /// Shows a person: whole, or in a line that says what became of them.
    fn tell(&self, person: &PersonWire, what: Option<&str>) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match (self.json, what) {
            (true, _) => writeln!(out, "{}", serde_json::to_string(person)?)?,
            (false, Some(what)) => writeln!(out, "{} (#{}) {what}", person.name, person.id)?,
            (false, None) => show(&mut out, person)?,
        }
        Ok(())
    }
}

/// What is done to several people.
#[derive(Clone, Copy)]
enum Act {
    Disable,
    Enable,
    Remove { yes: bool },
}

impl Act {
    fn is(self) -> &'static str {
        match self {
            Act::Disable => "is disabled",
            Act::Enable => "is enabled",
            Act::Remove { .. } => "is removed",
        }
    }

    fn would(self) -> &'static str {
        match self {
            Act::Disable => "would be disabled",
            Act::Enable => "would be enabled",
            Act::Remove { .. } => "would be removed",
        }
    }
}

fn confirmed(people: &[PersonWire]) -> Result<bool> {
    let who = match people {
        [person] => format!("{} (#{})", person.name, person.id),
        several => {
            let names: Vec<_> = several.iter().map(|person| format!("{} (#{})", person.name, person.id)).collect();
            format!("{} people: {}", several.len(), names.join(", "))
        }
    };
    if !std::io::stdin().is_terminal() {
        bail!("pass --yes to remove {who} without being asked");
    }
    let templates: usize = people.iter().map(|person| person.templates).sum();
    eprint!("Remove {who} with {templates} templates? [y/N] ");
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
