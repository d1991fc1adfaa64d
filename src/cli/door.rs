//! `usher door`

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use hyper::Method;

use super::client::Client;
use super::context::Context;
use super::whom;
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::daemon::claims;
use crate::daemon::wire::{AmnestyRequest, DoorRequest, DoorStatus, OrderWire, PersonWire, Status};
use crate::door::{self, WiringSettings};
use crate::setup;

/// Tell doors to unlock, lock, lock down or stand open; show how they are.
///
/// Orders go to the running daemon; each is written into the journal with your user name before it is followed. Without --door
/// an order goes to all doors.
///
/// A lockdown lets nobody through, or only people of a group. A release keeps doors unlocked for an evacuation. Both last, over
/// restarts too, until `usher door normal`.
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
    /// Show how the doors are
    Status,
    /// Unlock for a while
    Unlock {
        /// How long, as 5s or 2m [default: as long as after a grant]
        #[arg(long = "for", value_name = "SPAN", value_parser = span)]
        duration: Option<Duration>,
    },
    /// End whatever had unlocked it
    Lock,
    /// Let nobody through, whatever the rules say
    Lockdown {
        /// Let people of this group through, by the rules
        #[arg(long)]
        group: Option<String>,
    },
    /// Keep doors unlocked for an evacuation
    Release,
    /// Back to the rules, after a lockdown or a release
    Normal,
    /// Put relays at their safe level, also when no daemon runs
    ///
    /// For ExecStopPost= of the service: whatever became of the daemon, the relays end at their safe level. A running daemon is ordered to
    /// lock instead. This works without a readable configuration: the daemon leaves what it has claimed beside its socket.
    Safe,
    /// Say that the clock is right, whatever earlier records say
    ///
    /// For a device without a time server whose clock was once years ahead: its records of then would make every later time wrong. Set the
    /// clock first; who said it is recorded.
    TrustClock,
    /// Forget where people are, for anti-passback
    Amnesty {
        /// Employee id, whole name, or number as in '#7' [default: everybody]
        person: Option<String>,
    },
}

impl Door {
    pub fn run(self, context: &Context) -> Result<()> {
        if let Action::Safe = self.action {
            return safe(context.config(), self.door);
        }
        let config = context.config()?;
        let client = Client::connect(&config.control.socket)?;
        let order = match self.action {
            Action::Safe => None,
            Action::Status => None,
            Action::Unlock { duration } => {
                Some(OrderWire::Unlock { for_ms: duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)) })
            }
            Action::Lock => Some(OrderWire::Lock),
            Action::Lockdown { group } => Some(OrderWire::Lockdown { group }),
            Action::Release => Some(OrderWire::Release),
            Action::Normal => Some(OrderWire::Normal),
            Action::TrustClock => {
                need(client.as_ref(), &config)?.send::<()>(Method::POST, "/v1/clock/trust", &())?;
                println!("the clock is taken for right");
                return Ok(());
            }
            Action::Amnesty { person } => return amnesty(need(client.as_ref(), &config)?, person.as_deref()),
        };
        let client = need(client.as_ref(), &config)?;
        let doors: Vec<DoorStatus> = match order {
            Some(order) => client.send(Method::POST, "/v1/doors", &DoorRequest { door: self.door.clone(), order })?,
            None => client.get::<Status>("/v1/status")?.doors,
        };
        let mut out = std::io::stdout().lock();
        let shown = doors.iter().filter(|door| self.door.as_ref().is_none_or(|name| door.name == *name));
        let mut none = true;
        for door in shown {
            none = false;
            match self.json {
                true => writeln!(out, "{}", serde_json::to_string(door)?)?,
                false => writeln!(out, "{}", words(door))?,
            }
        }
        if none {
            bail!("there is no such door; `usher door status` lists them");
        }
        Ok(())
    }
}

fn need<'a>(client: Option<&'a Client>, config: &Config) -> Result<&'a Client> {
    client
        .with_context(|| format!("no daemon answers on {}; start it with `usher run`", config.control.socket.display()))
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
    parts.extend(door.alarms.iter().map(|alarm| format!("ALARM {alarm}")));
    parts.extend(door.trouble.clone());
    format!("{}: {} ({})", door.name, parts.join(", "), door.wires)
}

/// Puts relays at their safe level: those that the configuration names, and those that the last daemon claimed, where it differed.
fn safe(config: Result<Config>, door: Option<String>) -> Result<()> {
    let socket = config.as_ref().map_or_else(|_| claims::usual_socket(), |config| config.control.socket.clone());
    if let Some(client) = Client::connect(&socket)? {
        let order = DoorRequest { door, order: OrderWire::Lock };
        client.send::<Vec<DoorStatus>>(Method::POST, "/v1/doors", &order)?;
        return Ok(());
    }
    let claimed = claims::read_beside(&socket).unwrap_or_else(|error| {
        eprintln!("usher: what the daemon left beside {} cannot be read: {error}", socket.display());
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
                "no relay is known: the configuration cannot be read, and no daemon left what it claimed beside {}",
                socket.display()
            )));
        }
        Err(error) => {
            eprintln!("usher: the configuration cannot be read; going by what the last daemon claimed:\n{error:#}");
        }
    }
    let clock = std::sync::Arc::new(SystemClock::new());
    let mut failures = Vec::new();
    for wiring in wirings.into_iter().filter(|wiring| door.as_ref().is_none_or(|name| wiring.door == *name)) {
        // Only the relay's line: a lamp or an input that cannot be claimed must not keep it from its safe level. Claiming it puts it
        // there; saying so again costs nothing.
        let wiring = WiringSettings { indicator: None, inputs: Vec::new(), ..wiring };
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

fn amnesty(client: &Client, person: Option<&str>) -> Result<()> {
    let found = person.map(|wanted| whom::find(&client.get::<Vec<PersonWire>>("/v1/people")?, wanted)).transpose()?;
    client.send::<()>(Method::POST, "/v1/amnesty", &AmnestyRequest { person: found.as_ref().map(|p| p.id) })?;
    match found {
        Some(person) => println!("it is not known any more where {} is", person.name),
        None => println!("it is not known any more where anybody is"),
    }
    Ok(())
}

/// A span as the configuration writes it, above zero.
fn span(text: &str) -> Result<Duration, String> {
    let span = config::duration(text).filter(|span| !span.is_zero());
    span.ok_or_else(|| format!("`{text}` is no span of time; write 5s, 2m or 1500ms"))
}
