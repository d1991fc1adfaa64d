//! `usher schedule`

use std::io::Write;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::client::Client;
use super::context::Context;
use super::site_rules::under_site;
use super::when::Calendar;
use super::whom;
use crate::api::hours::{self, Tested};
use crate::api::people::Person;
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
    /// Uses the rules of the configuration file alone, so that a change can be tried before the daemon starts with it; on a board of a fleet, under the
    /// rules of its site. As if no door were in lockdown,
    /// everybody's place were unknown, and nobody had come that day. Unlocks nothing and records nothing.
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
        let client = Client::open(&config)?;
        let house = setup::house::known(&under_site(config, &client)?)?;
        let zone = &house.rules.zone;
        let moments = match &at {
            None => vec![Timestamp::now()],
            Some(text) => moments(text, zone)?,
        };
        let person = whom::enrolled_person(&client, &person)?;
        let mut out = std::io::stdout().lock();
        for tested in house.test(&person, door.as_deref(), &moments)? {
            match json {
                true => writeln!(out, "{}", with_figures(serde_json::to_value(tested.form(&person))?))?,
                false => write!(out, "{}", as_text(&tested, &person, zone))?,
            }
        }
        Ok(())
    }
}

fn with_figures(mut json: Value) -> Value {
    figures::add(&mut json);
    json
}

/// The moments that `text` names, which may use a word for the day ([`hours::moments_of`]).
fn moments(text: &str, zone: &TimeZone) -> Result<Vec<Timestamp>> {
    let calendar = Calendar::in_zone(zone.clone());
    let named = || calendar.on_a_day(text).or_else(|| Some(calendar.today().to_datetime(text.parse().ok()?)));
    hours::moments(text, zone).or_else(|| hours::moments_of(named()?, zone)).ok_or_else(|| {
        anyhow!(
            "`{text}` is not a time; write 2026-03-29T02:30, 08:00, `tomorrow 08:00`, or with an offset 2026-03-29T02:30:00+02:00"
        )
    })
}

fn as_text(tested: &Tested, person: &Person, zone: &TimeZone) -> String {
    let Tested { door, at, judgement } = tested;
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
