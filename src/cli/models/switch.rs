//! `usher models switch`

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::photographs;
use crate::api::models::{ModelSwitch, Models, Seen, SwitchAfter, SwitchRequest};
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::listing::Listing;
use crate::cli::print::Tone;
use crate::cli::when::Calendar;
use crate::config;
use crate::setup;
use crate::setup::models::with_embedder;

/// Lead the enrolled people from one embedder to another.
///
/// Begins a switch to the model NAME, or changes its settings. From then on both sets of templates are kept, and every enrolment makes both.
/// Faces are compared by the old model until everybody who may enter has templates of the new one, or until --after; then the daemon goes over
/// at its next start. `--cancel` goes back. Nothing is erased before `--finish`.
///
/// People move by their photographs (--from), by enrolling again, or as they come by (--learn).
#[derive(Args)]
#[command(override_usage = "usher models switch <NAME> [--from <DIR>] [--learn] [--shadow] [--after <WHEN>]\n       \
    usher models switch [--status | --cancel | --finish]")]
#[command(
    after_help = "Examples:\n  usher models switch sface --from people/ --shadow\n  usher models switch --status\n  \
    usher models switch sface --after 2026-12-24\n  usher models switch --finish"
)]
pub struct Switch {
    /// The new model's name, as `usher models` lists it
    #[arg(conflicts_with_all = ["status", "cancel", "finish"])]
    name: Option<String>,
    /// Show who has moved and what would change; so does no option at all
    #[arg(long, conflicts_with_all = ["cancel", "finish"])]
    status: bool,
    /// Stay with the old model, or go back to it at the daemon's next start; nothing is erased
    #[arg(long, conflicts_with = "finish")]
    cancel: bool,
    /// End the switch: erase the templates of the model that is no longer used
    #[arg(long)]
    finish: bool,
    /// When the daemon goes over, at its first start after that: `all` once everybody has moved, a day, a time (2026-12-24T06:00), a span
    /// from now (36h), or `asked` for not before you say so [default: all; with --shadow: asked]
    #[arg(long, value_name = "WHEN", requires = "name")]
    after: Option<String>,
    /// Make templates of the new model from the next good views of people whom the door lets in; `--learn=false` ends it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", requires = "name")]
    learn: Option<bool>,
    /// Compare visits of people who have moved with both models, and count what would change; `--shadow=false` ends it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", requires = "name")]
    shadow: Option<bool>,
    /// Move people by their photographs: one folder a person, as for `usher enroll --batch`
    #[arg(long, value_name = "DIR", requires = "name")]
    from: Option<PathBuf>,
    /// With --from: a CSV file with the columns folder, name, employee_id; only folder is needed
    #[arg(long, value_name = "CSV", requires = "from")]
    list: Option<PathBuf>,
    /// In a photograph with several faces, take the largest
    #[arg(long, requires = "from")]
    largest: bool,
    /// Take photographs that do not look like the person to the old model, or not like each other
    #[arg(long, requires = "from")]
    force: bool,
}

impl Switch {
    pub fn run(&self, context: &Context, json: bool) -> Result<()> {
        let mut client = context.client()?;
        if let Some(name) = &self.name {
            let before = client.models()?.switch;
            let settings = self.learn.is_some() || self.shadow.is_some() || self.after.is_some();
            if settings || before.as_ref().is_none_or(|switch| switch.to != *name || switch.phase != "begun") {
                client.switch_model(&self.request(name, before.is_none(), &client)?)?;
            }
            if !client.is_daemon() {
                // So that what follows compares by the model in force.
                drop(client);
                client = context.client()?;
            }
            if let Some(folder) = &self.from {
                if client.models()?.switch.is_some_and(|switch| switch.restart) {
                    bail!(
                        "the switch is under way; restart the daemon before you move people, so that it compares by the old model"
                    );
                }
                let from =
                    photographs::From { folder, list: self.list.as_deref(), largest: self.largest, force: self.force };
                let gates = setup::gates(&with_embedder(&context.config()?, &client.models()?.in_use))?;
                photographs::run(&from, &client, &mut context.eyes_of(&client)?, &gates, json)?;
            }
        } else if self.cancel {
            client.switch_model(&SwitchRequest::Cancel)?;
        } else if self.finish {
            let erased = client.switch_model(&SwitchRequest::Finish)?;
            let mut out = std::io::stdout().lock();
            match json {
                true => writeln!(out, "{}", serde_json::json!({ "erased": erased }))?,
                false => writeln!(out, "the switch is over; {erased} templates were erased")?,
            }
            return Ok(());
        }
        print(&client.models()?, self.name.is_some() && self.from.is_none(), json)
    }

    fn request(&self, name: &str, first: bool, client: &Client) -> Result<SwitchRequest> {
        let after = match self.after.as_deref() {
            None if first && self.shadow == Some(true) => Some(SwitchAfter::Asked),
            None => None,
            Some("asked") => Some(SwitchAfter::Asked),
            Some("all") => Some(SwitchAfter::All),
            Some(text) => Some(SwitchAfter::At {
                at: moment(text, || Ok(Calendar::of_device(&client.calendar()?)?.zone().clone()))?,
            }),
        };
        Ok(SwitchRequest::Begin { to: name.to_owned(), learn: self.learn, shadow: self.shadow, after })
    }
}

/// A day, which begins at midnight, a time, or a span from now.
fn moment(text: &str, zone: impl FnOnce() -> Result<TimeZone>) -> Result<Timestamp> {
    if let Some(span) = config::duration(text).and_then(|span| i64::try_from(span.as_secs()).ok()) {
        let now = Timestamp::try_from(SystemTime::now())?;
        return now.checked_add(span.seconds()).with_context(|| format!("--after {text} is too long"));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    let local = local.ok().with_context(|| {
        format!(
            "--after {text:?} is not a time: write `all`, `asked`, 2026-12-24, 2026-12-24T06:00, or a span as in 36h"
        )
    })?;
    Ok(zone()?.to_timestamp(local)?)
}

/// How far a switch is, in a line.
pub fn headline(switch: &ModelSwitch) -> String {
    let ModelSwitch { from, to, moved, left, .. } = switch;
    let all = moved + left;
    match switch.phase.as_str() {
        "begun" => format!("switching from {from} to {to}: {moved} of {all} people who may enter have moved"),
        "switched" => format!("switched from {from} to {to}: {moved} of {all} people who may enter have moved"),
        "cancelled" => format!("the switch from {from} to {to} is cancelled"),
        _ => format!("from {from} to {to}: templates are being erased"),
    }
}

/// What happens next, in plain words.
fn explanation(switch: &ModelSwitch) -> Vec<String> {
    let ModelSwitch { from, to, .. } = switch;
    let mut words = Vec::new();
    if switch.restart {
        words.push("Restart the daemon first: it compares faces by another model than the one in force.".to_owned());
    }
    match switch.phase.as_str() {
        "begun" => {
            let when = match switch.after.as_deref() {
                _ if switch.due => "at its next start (`systemctl restart usher`)".to_owned(),
                None => format!("when you say so (`usher models switch {to} --after all`)"),
                Some("all") => "at its first start after everybody has moved".to_owned(),
                Some(at) => format!("at its first start after {at}, with those who have moved by then"),
            };
            words.push(format!("Faces are compared by {from}, as before. The daemon goes over to {to} {when}."));
            words.push(format!("Both sets of templates are kept, and every enrolment makes both. `--cancel` stays with {from}."));
            words.push(match switch.learn {
                true => format!("The next good views of people whom a door lets in become templates of {to}."),
                false => "Visits become no templates (--learn). People move by photographs (--from) or by enrolling again.".to_owned(),
            });
            if switch.shadow {
                words.push("Visits of people who have moved are compared with both models, and counted.".to_owned());
            }
        }
        "switched" => {
            words.push(format!("Faces are compared by {to}. People who have not moved are not recognised."));
            words.push(format!(
                "The templates of {from} are kept: `--cancel` goes back to them at the daemon's next start, `--finish` erases them."
            ));
        }
        "cancelled" => words.push(format!(
            "Faces are compared by {from}. The templates of {to} are kept: `--finish` erases them, `usher models switch {to}` goes on."
        )),
        _ => words.push("`--finish` goes on with it.".to_owned()),
    }
    words
}

fn seen(seen: &Seen) -> [String; 3] {
    [seen.agrees, seen.refuses, seen.other].map(|count| if count == 0 { "-".to_owned() } else { count.to_string() })
}

fn print(models: &Models, begun: bool, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(models)?)?;
        return Ok(());
    }
    let Some(switch) = &models.switch else {
        writeln!(out, "no switch is under way; faces are compared by {}", models.in_use)?;
        return Ok(());
    };
    writeln!(out, "{}", headline(switch))?;
    for line in explanation(switch) {
        writeln!(out, "  {line}")?;
    }
    let Seen { agrees, refuses, other } = switch.seen;
    let visits = u64::from(agrees) + u64::from(refuses) + u64::from(other);
    if switch.shadow || visits > 0 {
        writeln!(
            out,
            "Of {visits} visits seen by both, {} agrees on {agrees}, would refuse {refuses}, and takes {other} for somebody else.",
            switch.to
        )?;
    }
    if begun || switch.people.is_empty() {
        return Ok(());
    }
    let heads = ["#", "NAME", "STATE", &switch.from, &switch.to, "AGREES", "REFUSES", "OTHER"];
    let mut table = Listing::new(heads).giving_way(&["OTHER", "STATE"]);
    for person in &switch.people {
        let state = match (person.enabled, person.new) {
            (false, _) => "disabled",
            (true, 0) => "has not moved",
            (true, _) => "has moved",
        };
        let [agrees, refuses, other] = seen(&person.seen);
        let (old, new) = (person.old.to_string(), person.new.to_string());
        let tone = if person.enabled { Tone::Plain } else { Tone::Faint };
        let who = (person.id.to_string(), person.name.clone());
        table.row(tone, [who.0, who.1, state.to_owned(), old, new, agrees, refuses, other]);
    }
    table.write(&mut out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_a_time_or_a_span_from_now() {
        let zone = || Ok(TimeZone::get("Europe/Berlin")?);
        let at = |text: &str| moment(text, zone).map(|at| at.to_string());
        assert_eq!(at("2026-12-24").unwrap(), "2026-12-23T23:00:00Z");
        assert_eq!(at("2026-12-24T06:30").unwrap(), "2026-12-24T05:30:00Z");
        assert_eq!(at("2026-12-24T06:30:00Z").unwrap(), "2026-12-24T06:30:00Z");
        let span = moment("36h", zone).unwrap().duration_since(Timestamp::now()).as_secs();
        assert!((36 * 3600 - 60..=36 * 3600).contains(&span), "{span}");
        assert!(at("tomorrow").unwrap_err().to_string().contains("write `all`, `asked`"));
    }

    #[test]
    fn every_phase_says_what_comes_next() {
        let switch = |phase: &str, restart| ModelSwitch {
            from: "old".into(),
            to: "new".into(),
            phase: phase.into(),
            begun: String::new(),
            learn: false,
            shadow: false,
            after: Some("all".into()),
            moved: 1,
            left: 2,
            due: false,
            restart,
            people: Vec::new(),
            seen: Seen::default(),
        };
        assert!(headline(&switch("begun", false)).contains("1 of 3"));
        for (phase, word) in [
            ("begun", "goes over to new"),
            ("switched", "--cancel"),
            ("cancelled", "--finish"),
            ("erasing", "--finish"),
        ] {
            assert!(explanation(&switch(phase, false)).join(" ").contains(word), "{phase}");
            assert!(explanation(&switch(phase, true)).join(" ").contains("Restart the daemon"), "{phase}");
        }
    }
}
