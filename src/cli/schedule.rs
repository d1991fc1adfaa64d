//! `usher schedule`

use std::io::Write;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::client::Client;
use super::context::Context;
use super::when::Calendar;
use super::whom;
use crate::access::{Authority, Holder, Judgement, Now, PassRequest};
use crate::api::people::Person;
use crate::config::Config;
use crate::domain::{DoorIndex, Mode, Moment, PersonId};
use crate::ledger::figures;
use crate::setup;

/// Try the rules out.
///
/// `usher schedule test` shows whether a person may pass at a given time, gate by gate: days, groups, permits and their hours, holidays,
/// daylight saving.
#[derive(Args)]
pub struct Schedule {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show whether a person may pass at a given time, and why
    ///
    /// Uses the configured rules alone: as if no door were in lockdown, everybody's place were unknown, and nobody had come that day. Unlocks
    /// nothing and records nothing.
    Test {
        /// Employee id, whole name, or number as in '#7'
        #[arg(long)]
        person: String,
        /// Local time as 2026-03-29T02:30 or `tomorrow 08:00`, or a moment with its offset as 2026-03-29T02:30:00+02:00 [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// The door [default: all]
        #[arg(long, value_name = "NAME")]
        door: Option<String>,
        /// Print JSON, one object a door
        #[arg(long)]
        json: bool,
    },
}

impl Schedule {
    pub fn run(self, context: &Context) -> Result<()> {
        let Action::Test { person, at, door, json } = self.action;
        let config = context.config()?;
        let rules = setup::house::rules(&config)?;
        let moments = match &at {
            None => vec![Timestamp::now()],
            Some(text) => moments(text, &rules.zone)?,
        };
        let person = whom::enrolled_person(&Client::open(&config)?, &person)?;
        let holder = holder(&person)?;
        let mut authority = Authority::new(rules);
        let mut out = std::io::stdout().lock();
        let mut found = false;
        for (door, name) in doors(&config, door.as_deref()) {
            for wall in &moments {
                found = true;
                let now = Now::by_the_wall(Moment::default(), *wall);
                let (mode, zone) = (Mode::Normal, authority.rules().zone.clone());
                let request = PassRequest {
                    door,
                    direction: None,
                    holder: &holder,
                    shown: None,
                    first: None,
                    mode: &mode,
                    other_open: None,
                    interlocked: false,
                };
                let judgement = authority.judge(&request, now);
                match json {
                    true => writeln!(out, "{}", with_figures(as_json(name, &person, *wall, &judgement)))?,
                    false => write!(out, "{}", as_text(name, &person, *wall, &zone, &judgement))?,
                }
            }
        }
        if !found {
            bail!("there is no such door; `usher config show` lists all");
        }
        Ok(())
    }
}

fn with_figures(mut json: Value) -> Value {
    figures::add(&mut json);
    json
}

fn doors<'a>(config: &'a Config, wanted: Option<&str>) -> Vec<(DoorIndex, &'a str)> {
    let all = config.doors.iter().enumerate().map(|(at, door)| (DoorIndex(at), door.name.as_str()));
    all.filter(|(_, name)| wanted.is_none_or(|wanted| wanted == *name)).collect()
}

/// The moments at which the local clock shows `text`: two in an hour that occurs twice; in an hour that is skipped, the moments on either
/// side.
fn moments(text: &str, zone: &TimeZone) -> Result<Vec<Timestamp>> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(vec![at]);
    }
    let calendar = Calendar::in_zone(zone.clone());
    let named = || calendar.on_a_day(text).or_else(|| Some(calendar.today().to_datetime(text.parse().ok()?)));
    let local: DateTime = text.parse().ok().or_else(named).ok_or_else(|| {
        anyhow!(
            "`{text}` is not a time; write 2026-03-29T02:30, 08:00, `tomorrow 08:00`, or with an offset 2026-03-29T02:30:00+02:00"
        )
    })?;
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let (early, late) = (ambiguous.earlier(), ambiguous.later());
    let (early, late) = (early.context("that time is out of range")?, late.context("that time is out of range")?);
    Ok(if early == late { vec![early] } else { vec![early, late] })
}

fn holder(person: &Person) -> Result<Holder> {
    let moment = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
    Ok(Holder {
        person: PersonId(person.id),
        groups: person.groups.clone(),
        enabled: person.enabled,
        valid_from: moment(&person.valid_from)?,
        valid_until: moment(&person.valid_until)?,
    })
}

fn as_json(door: &str, person: &Person, at: Timestamp, judgement: &Judgement) -> Value {
    json!({
        "door": door,
        "person": { "id": person.id, "name": person.name },
        "at": at.to_string(),
        "passes": judgement.refused.is_none(),
        "reason": judgement.refused.map(|reason| reason.as_str()),
        "gates": judgement.gates,
        "assurance": judgement.assurance,
    })
}

fn as_text(door: &str, person: &Person, at: Timestamp, zone: &TimeZone, judgement: &Judgement) -> String {
    let local = at.to_zoned_datetime(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string();
    let answer = match judgement.refused {
        None => "may pass".to_owned(),
        Some(reason) => format!("is refused ({})", reason.as_str()),
    };
    let mut text = format!("{} {answer} at {door}, {local}\n", person.name);
    for gate in &judgement.gates {
        text += &format!("  {}  {:<13} {} ({})\n", gate.answer(), gate.name, gate.input, gate.limit);
    }
    if !judgement.assurance.is_empty() {
        let tiers: Vec<&str> = judgement.assurance.iter().map(|tier| tier.as_str()).collect();
        text += &format!("  asks    {:<13} {}\n", "assurance", tiers.join(" or "));
    }
    text
}
