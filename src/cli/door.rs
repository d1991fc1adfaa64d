//! `usher door`

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::tz::TimeZone;

use super::argument::span;
use super::client::Client;
use super::context::Context;
use super::listing::local_minute;
use super::print::{Tone, toned};
use super::whom;
use crate::api::credentials::{AdmitDirection, AdmitRequest};
use crate::api::doors::{DoorOrder, DoorRequest, DoorStatus};
use crate::clock::SystemClock;
use crate::door::{self, WiringSettings};
use crate::setup::{self, claims};

/// Unlock, lock, lock down or release doors; admit a person; show the doors' status.
///
/// Orders go to the running daemon, which records each with your user name before it carries it out. Without --door, an order goes to all
/// doors. An order needs the daemon's socket alone (--socket, else the configuration's, else the usual one): it works while the configuration
/// has mistakes.
///
/// A lockdown lets nobody through, or only people of one group. A release keeps doors unlocked for an evacuation. Both last until
/// `usher door normal`, even over restarts.
#[derive(Args)]
pub struct Door {
    #[command(subcommand)]
    action: Action,
    /// The door, by its name in the configuration
    #[arg(long, global = true, value_name = "NAME")]
    door: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Show the doors' status
    Status,
    /// Unlock for some time
    Unlock {
        /// How long, as 5s or 2m [default: as long as after a grant]
        #[arg(long = "for", value_name = "SPAN", value_parser = span)]
        duration: Option<Duration>,
    },
    /// Lock, whatever had unlocked the door
    Lock,
    /// Let nobody through, whatever the rules say
    Lockdown {
        /// Let people of this group through, as the rules allow
        #[arg(long)]
        group: Option<String>,
    },
    /// Keep doors unlocked for an evacuation
    Release,
    /// Return to the rules after a lockdown or a release
    Normal,
    /// Let a person in whose face, PIN and liveness are not asked
    ///
    /// For somebody who stands at the door and whom you know. The rules about the person and the door are asked: mode, days, permit and hours,
    /// anti-passback, interlock, first and second person. The journal records you, the person and the reason, and attendance counts the passage.
    Admit {
        /// Employee id, whole name, or number as in '#7'
        person: String,
        /// Why, for the record
        #[arg(long)]
        reason: String,
        /// The way through the door [default: in, where its cameras name their sides]
        #[arg(long, value_enum)]
        direction: Option<Way>,
    },
    /// Set relays to their safe level, even without a daemon
    ///
    /// For ExecStopPost= of the service, so that relays end at their safe level however the daemon ended. A running daemon is ordered to lock
    /// instead. This works without a readable configuration: the daemon leaves a list of its lines beside its socket.
    Safe,
    /// Trust the clock, whatever earlier records say
    ///
    /// For a device without a time server whose clock was once years ahead: the records of that time make every later time look wrong. Set the
    /// clock first. Your user name is recorded.
    TrustClock,
    /// List who is in which zone, as far as doors have reported
    ///
    /// Doors report where somebody is once they have passed; that needs zones (`outside` and `inside` of [[door]]). Whoever left unseen is still
    /// listed: for a roll call it is a list of names to ask for, not a count to rely on.
    Inside,
    /// Forget where people are, for anti-passback
    Amnesty {
        /// Employee id, whole name, or number as in '#7' [default: everybody]
        person: Option<String>,
    },
}

/// A way through a door.
#[derive(Clone, Copy, ValueEnum)]
enum Way {
    In,
    Out,
}

impl From<Way> for AdmitDirection {
    fn from(way: Way) -> AdmitDirection {
        match way {
            Way::In => AdmitDirection::In,
            Way::Out => AdmitDirection::Out,
        }
    }
}

impl Door {
    pub fn run(self, context: &Context) -> Result<()> {
        if let Action::Safe = self.action {
            return safe(context, self.door);
        }
        let client = context.daemon()?;
        let order = match self.action {
            Action::Safe | Action::Status => None,
            Action::Unlock { duration } => {
                Some(DoorOrder::Unlock { for_ms: duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)) })
            }
            Action::Lock => Some(DoorOrder::Lock),
            Action::Lockdown { group } => Some(DoorOrder::Lockdown { group }),
            Action::Release => Some(DoorOrder::Release),
            Action::Normal => Some(DoorOrder::Normal),
            Action::TrustClock => {
                client.trust_clock()?;
                say!("the clock is trusted")?;
                return Ok(());
            }
            Action::Amnesty { person } => return amnesty(&client, person.as_deref()),
            Action::Inside => return inside(&client, self.json),
            Action::Admit { person, reason, direction } => {
                let person = whom::enrolled_person(&client, &person)?;
                let direction = direction.map(AdmitDirection::from);
                client.admit(&AdmitRequest { person: person.id, door: self.door, direction, reason })?;
                match self.json {
                    true => say!("{}", serde_json::to_string(&person)?)?,
                    false => say!("{} (#{}) is admitted", person.name, person.id)?,
                }
                return Ok(());
            }
        };
        let doors = match order {
            Some(order) => client.order(&DoorRequest { door: self.door.clone(), order })?,
            None => client.status()?.doors,
        };
        let mut out = std::io::stdout().lock();
        let shown = doors.iter().filter(|door| self.door.as_ref().is_none_or(|name| door.name == *name));
        let mut found = false;
        for door in shown {
            found = true;
            match self.json {
                true => writeln!(out, "{}", serde_json::to_string(door)?)?,
                false => writeln!(out, "{}", toned(tone(door), &words(door)))?,
            }
        }
        if !found {
            bail!("there is no such door; `usher door status` lists all");
        }
        Ok(())
    }
}

/// One line: `front: locked, closed, normal (GPIO 17 of gpiochip0, active high)`.
pub fn words(door: &DoorStatus) -> String {
    let mut parts = vec![if door.unlocked { "unlocked" } else { "locked" }.to_owned()];
    parts.extend(door.open.map(|open| if open { "open" } else { "closed" }.to_owned()));
    parts.push(match &door.group {
        Some(group) => format!("{} but for {group}", door.mode),
        None => door.mode.clone(),
    });
    parts.extend(door.hours.as_ref().map(|hours| format!("hours {hours}")));
    let asks = Some(&door.prompt).filter(|prompt| !matches!(prompt.as_str(), "" | "idle"));
    parts.extend(asks.map(|prompt| format!("asks people: {}", prompt.replace('_', " "))));
    parts.extend(door.alarms.iter().map(|alarm| format!("ALARM {alarm}")));
    parts.extend(door.trouble.clone());
    format!("{}: {} ({})", door.name, parts.join(", "), door.wires)
}

/// Alarms and trouble stand out.
pub fn tone(door: &DoorStatus) -> Tone {
    match (door.alarms.is_empty() && door.trouble.is_none(), door.mode.as_str()) {
        (false, _) => Tone::Bad,
        (true, "normal") => Tone::Plain,
        (true, _) => Tone::Warning,
    }
}

/// Sets relays to their safe level: those that the configuration names, and those that the last daemon claimed.
fn safe(context: &Context, door: Option<String>) -> Result<()> {
    let config = context.config();
    let socket = context.socket_by(&config);
    if let Some(client) = Client::connect(&socket)? {
        let order = DoorRequest { door, order: DoorOrder::Lock };
        client.order(&order)?;
        return Ok(());
    }
    let claimed = claims::read_beside(&socket).unwrap_or_else(|error| {
        note!("usher: the daemon's list of lines beside {} cannot be read: {error}", socket.display());
        None
    });
    let mut wirings: Vec<WiringSettings> = claimed.map(|claims| claims.doors).unwrap_or_default();
    match config {
        Ok(config) => {
            for wiring in config.doors.iter().map(setup::wiring_settings) {
                let same = |known: &WiringSettings| (&known.driver, &known.relay) == (&wiring.driver, &wiring.relay);
                if !wirings.iter().any(same) {
                    wirings.push(wiring);
                }
            }
        }
        Err(error) if wirings.is_empty() => {
            return Err(error.context(format!(
                "no relay is known: the configuration cannot be read, and no daemon left a list of its lines beside {}",
                socket.display()
            )));
        }
        Err(error) => {
            note!("usher: the configuration cannot be read; using the last daemon's list of lines:\n{error:#}");
        }
    }
    let clock = std::sync::Arc::new(SystemClock::new());
    let mut failures = Vec::new();
    for wiring in wirings.into_iter().filter(|wiring| door.as_ref().is_none_or(|name| wiring.door == *name)) {
        // Only the relay's line: a lamp or an input that cannot be claimed must not keep the relay from its safe level. Claiming the
        // line sets that level already; setting it again does no harm.
        let wiring = WiringSettings { indicator: None, inputs: Vec::new(), readers: Vec::new(), ..wiring };
        let done = door::open(&wiring, clock.clone()).and_then(|mut open| open.relay.safe());
        if let Err(error) = done {
            failures.push(format!("{}: {error}", wiring.door));
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => bail!("{}", failures.join("\n")),
    }
}

fn inside(client: &Client, json: bool) -> Result<()> {
    let zones = client.inside()?.zones;
    let mut out = std::io::stdout().lock();
    if zones.is_empty() && !json {
        writeln!(out, "nobody, as far as doors have reported")?;
    }
    for zone in zones {
        if json {
            writeln!(out, "{}", serde_json::to_string(&zone)?)?;
            continue;
        }
        writeln!(out, "{}: {}", zone.zone, zone.people.len())?;
        for person in &zone.people {
            let since = person
                .since
                .as_deref()
                .map_or_else(|| "an unknown time".to_owned(), |at| local_minute(at, &TimeZone::system()));
            writeln!(out, "  {} (#{}), since {since}", person.name, person.id)?;
        }
    }
    Ok(())
}

fn amnesty(client: &Client, person: Option<&str>) -> Result<()> {
    let found = person.map(|wanted| whom::enrolled_person(client, wanted)).transpose()?;
    client.forget_places(found.as_ref().map(|person| person.id))?;
    match found {
        Some(person) => say!("forgot where {} is", person.name)?,
        None => say!("forgot where everybody is")?,
    }
    Ok(())
}
