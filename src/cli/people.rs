//! `usher people`

mod credentials;
mod import;
mod kept;
mod many;
mod personal_data;
mod unknown;

use std::io::{IsTerminal, Write};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::client::Client;
use super::context::Context;
use super::listing::{self, Listing};
use super::print::{Tone, ask};
use super::when;
use super::whom::enrolled_person;
use crate::api::people::{FleetStanding, Person};
use many::Several;

/// List, show, rename, disable, enable or remove people; set their groups, days, PINs and tags, also by a list; export or erase what is kept of
/// somebody; show and erase templates, unknown visitors and lookalikes.
///
/// Name a person by employee id, by the whole name, or by number as in `'#7'` (quote it: # begins a comment in a shell). `id:7` is always
/// an employee id. A word that matches several people is an error that lists them.
#[derive(Args)]
pub struct People {
    #[command(subcommand)]
    action: Action,
    /// Print JSON, one object a line
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
    /// Rename a person
    Rename {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// The new name
        name: String,
    },
    /// Replace a person's groups
    Groups {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// The new groups; without any, the person is in no group
        groups: Vec<String>,
    },
    /// Set the first and the last day on which doors open for a person
    ///
    /// Without --from and --until, the limits are removed.
    Valid {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// The first day, as 2026-12-01, today or tomorrow
        #[arg(long, value_name = "DAY", value_parser = when::parse_day)]
        from: Option<when::Day>,
        /// The last day, as 2026-12-31, today or tomorrow
        #[arg(long, value_name = "DAY", value_parser = when::parse_day)]
        until: Option<when::Day>,
    },
    /// Change or remove a person's employee id
    Id {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// The new employee id; it must be unique
        #[arg(required_unless_present = "none")]
        employee_id: Option<String>,
        /// Remove the employee id
        #[arg(long, conflicts_with = "employee_id")]
        none: bool,
    },
    /// Keep people enrolled, but open no door for them
    ///
    /// If one of them cannot be found, nobody is disabled.
    Disable(Several),
    /// Open doors for disabled people again
    Enable(Several),
    /// Remove people and their templates; the journal keeps its records
    ///
    /// If one of them cannot be found, nobody is removed.
    ///
    /// The templates are overwritten and deleted. Where templates are sealed, the person's sub-key is destroyed, so neither an old page of
    /// the database nor a backup can restore them; save the key ring again afterwards (usher store ring save). Without a key, old bytes stay
    /// in the database file until the space is reused, and in backups.
    Remove {
        #[command(flatten)]
        several: Several,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    Import(import::Import),
    Export(personal_data::Export),
    Erase(personal_data::Erase),
    Unknown(unknown::Unknown),
    Templates(kept::Templates),
    NotThis(kept::NotThis),
    Pin(credentials::Pin),
    Tag(credentials::Tag),
}

impl People {
    pub fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let numbered = |wanted: &str| enrolled_person(&client, wanted).map(|person| person.id);
        let done = match &self.action {
            Action::Unknown(unknown) => return unknown.run(&client, self.json),
            Action::Import(import) => {
                let calendar = when::Calendar::of_device(&client.calendar()?)?;
                return import.run(&client, calendar.zone(), self.json);
            }
            Action::Export(export) => return export.run(&client),
            Action::Erase(erase) => return erase.run(&client, self.json),
            Action::Templates(templates) => return templates.run(&client, self.json),
            Action::NotThis(not_this) => return not_this.run(&client, self.json),
            Action::Pin(pin) => return pin.run(&client, self.json),
            Action::Tag(tag) => return tag.run(&client, self.json),
            Action::List => return list(&client.people()?, self.json, &TimeZone::system()),
            Action::Show { person } => enrolled_person(&client, person)?,
            Action::Rename { person, name } => client.rename(numbered(person)?, name)?,
            Action::Groups { person, groups } => client.set_groups(numbered(person)?, groups.clone())?,
            Action::Valid { person, from, until } => {
                let calendar = when::Calendar::of_device(&client.calendar()?)?;
                let start = |day: Date| calendar.zone().to_timestamp(day.at(0, 0, 0, 0));
                let from = from.map(|day| start(calendar.date(day))).transpose()?;
                let until = until.map(|day| calendar.date(day).tomorrow().and_then(start)).transpose()?;
                client.set_validity(numbered(person)?, from, until)?
            }
            Action::Id { person, employee_id, .. } => {
                client.set_employee_id(numbered(person)?, employee_id.as_deref())?
            }
            Action::Disable(several) => return self.each(&client, several, Act::Disable),
            Action::Enable(several) => return self.each(&client, several, Act::Enable),
            Action::Remove { several, yes } => return self.each(&client, several, Act::Remove { yes: *yes }),
        };
        self.print(&done, None)
    }

    /// Does `act` to several people, once all of them are found.
    fn each(&self, client: &Client, several: &Several, act: Act) -> Result<()> {
        let people = several.among(&client.people()?)?;
        if several.dry_run {
            return people.iter().try_for_each(|person| self.print(person, Some(act.would())));
        }
        if let Act::Remove { yes: false } = act
            && !confirmed(&people)?
        {
            bail!("nothing was removed");
        }
        for (done, person) in people.iter().enumerate() {
            let result = match act {
                Act::Disable => client.set_enabled(person.id, false),
                Act::Enable => client.set_enabled(person.id, true),
                Act::Remove { .. } => client.remove(person.id),
            };
            let person = result.with_context(|| match people.len() {
                1 => format!("{} (#{})", person.name, person.id),
                all => format!("{} (#{}), after {done} of {all} people", person.name, person.id),
            })?;
            let outcome = (people.len() > 1 || matches!(act, Act::Remove { .. })).then(|| act.is());
            self.print(&person, outcome)?;
        }
        Ok(())
    }

    /// Prints a person: in full, or in one line with the outcome.
    fn print(&self, person: &Person, outcome: Option<&str>) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match (self.json, outcome) {
            (true, _) => writeln!(out, "{}", serde_json::to_string(person)?)?,
            (false, Some(outcome)) => writeln!(out, "{} (#{}) {outcome}", person.name, person.id)?,
            (false, None) => show(&mut out, person)?,
        }
        Ok(())
    }
}

/// What can be done to several people at once.
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

fn confirmed(people: &[Person]) -> Result<bool> {
    let who = match people {
        [person] => format!("{} (#{})", person.name, person.id),
        several => {
            let names: Vec<_> = several.iter().map(|person| format!("{} (#{})", person.name, person.id)).collect();
            format!("{} people: {}", several.len(), names.join(", "))
        }
    };
    if !std::io::stdin().is_terminal() {
        bail!("pass --yes to remove {who} without confirmation");
    }
    let templates: usize = people.iter().map(|person| person.templates).sum();
    Ok(ask(&format!("Remove {who} with {templates} templates?"))?)
}

fn show(out: &mut impl Write, person: &Person) -> Result<()> {
    writeln!(out, "{} (#{})", person.name, person.id)?;
    writeln!(out, "  employee id  {}", person.employee_id.as_deref().unwrap_or("-"))?;
    writeln!(out, "  groups       {}", if person.groups.is_empty() { "-".into() } else { person.groups.join(", ") })?;
    writeln!(out, "  state        {}", state(person))?;
    if let Some(standing) = &person.fleet {
        writeln!(out, "  fleet        {}", in_fleet(standing))?;
    }
    writeln!(out, "  valid        {}", validity(person))?;
    writeln!(out, "  enrolled     {}", listing::local_minute(&person.created, &TimeZone::system()))?;
    writeln!(out, "  templates    {}", templates(person))?;
    writeln!(out, "  PIN          {}", pin(person))?;
    writeln!(out, "  tags         {}", tags(person))?;
    Ok(())
}

fn list(people: &[Person], json: bool, zone: &TimeZone) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        for person in people {
            writeln!(out, "{}", serde_json::to_string(person)?)?;
        }
        return Ok(());
    }
    if people.is_empty() {
        writeln!(out, "Nobody is enrolled yet: usher enroll NAME PHOTO…")?;
        return Ok(());
    }
    let heads = ["#", "NAME", "EMPLOYEE", "GROUPS", "STATE", "TEMPLATES", "PIN", "TAGS", "ENROLLED"];
    let mut table = Listing::new(heads).giving_way(&["ENROLLED", "TAGS", "PIN", "EMPLOYEE"]);
    let mut refused = false;
    for person in people {
        let tone = match (person.enabled, person.templates) {
            (false, _) => Tone::Faint,
            (true, 0) => Tone::Bad,
            (true, _) => Tone::Plain,
        };
        let cells = [
            person.id.to_string(),
            person.name.clone(),
            person.employee_id.clone().unwrap_or_default(),
            person.groups.join(", "),
            with_fleet(person),
            templates(person),
            pin(person).to_owned(),
            tags(person),
            listing::local_day(&person.created, zone),
        ];
        table.row(tone, cells);
        refused |=
            matches!(person.fleet, Some(FleetStanding::Refused { .. } | FleetStanding::DisabledHere { why: Some(_) }));
    }
    table.write(&mut out)?;
    if refused {
        writeln!(out, "usher people show NAME says why the fleet's office has refused somebody.")?;
    }
    Ok(())
}

/// The state in few words, with where the person counts.
fn with_fleet(person: &Person) -> String {
    let here = match &person.fleet {
        None | Some(FleetStanding::Taken) => return state(person).to_owned(),
        Some(FleetStanding::Asked | FleetStanding::Waits) => "here only, asked",
        Some(FleetStanding::Refused { .. }) => "here only, refused",
        Some(FleetStanding::DisabledHere { .. }) => "here, asked",
    };
    format!("{} {here}", state(person))
}

/// How a person stands with the fleet's office.
fn in_fleet(standing: &FleetStanding) -> String {
    match standing {
        FleetStanding::Taken => "of the fleet: its office changes them".to_owned(),
        FleetStanding::Asked => {
            "counts at this board alone; the office was asked to take them for the whole site".to_owned()
        }
        FleetStanding::Waits => {
            "counts at this board alone; somebody at the office has to decide (usher fleet requests list)".to_owned()
        }
        FleetStanding::Refused { why } => format!("counts at this board alone; the office has refused: {why}"),
        FleetStanding::DisabledHere { why: None } => {
            "disabled at this board; the office was asked to disable them everywhere".to_owned()
        }
        FleetStanding::DisabledHere { why: Some(why) } => {
            format!("disabled at this board; the office has refused to do so everywhere: {why}")
        }
    }
}

fn state(person: &Person) -> &'static str {
    match (person.enabled, person.templates) {
        (false, _) => "disabled",
        (true, 0) if person.locked_templates > 0 => "cannot be opened",
        (true, 0) if person.foreign_templates > 0 => "must be enrolled again",
        (true, 0) => "has no face yet",
        (true, _) => "enabled",
    }
}

fn pin(person: &Person) -> &'static str {
    match (person.credentials_unreadable, person.pin) {
        (true, _) => "cannot be read",
        (false, true) => "yes",
        (false, false) => "no",
    }
}

fn tags(person: &Person) -> String {
    if person.credentials_unreadable { "cannot be read".to_owned() } else { person.tags.to_string() }
}

fn validity(person: &Person) -> String {
    let at = |moment: &Option<String>| moment.as_deref().map(|at| listing::local_minute(at, &TimeZone::system()));
    match (at(&person.valid_from), at(&person.valid_until)) {
        (None, None) => "always".into(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(until)) => format!("before {until}"),
        (Some(from), Some(until)) => format!("from {from}, before {until}"),
    }
}

fn templates(person: &Person) -> String {
    let more = match (person.foreign_templates, person.locked_templates) {
        (0, 0) => String::new(),
        (foreign, 0) => format!(" (+{foreign} of another model)"),
        (0, locked) => format!(" (+{locked} locked)"),
        (foreign, locked) => format!(" (+{foreign} of another model, {locked} locked)"),
    };
    format!("{}{more}", person.templates)
}
