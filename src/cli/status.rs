//! `usher status`

use std::io::Write;

use anyhow::{Result, bail};
use clap::Args;

use super::context::Context;
use super::fleet::difference;
use super::print::{Tone, toned};
use crate::api::status as api;
use crate::checks::store::time_in_words;

/// Show the running daemon's status.
///
/// Lists its stages, doors, models and broker. For a stage, `handled` counts frames or sightings, `dropped` those that newer ones replaced,
/// and `bad` those that could not be used. Fails when no daemon answers, and when a stage or a door does not work or records cannot be written,
/// so that a script need not read the answer.
#[derive(Args)]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub fn run(self, context: &Context) -> Result<()> {
        let status = context.daemon()?.status()?;
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string(&status)?)?,
            false => print(&mut out, &status)?,
        }
        match troubles(&status) {
            0 => Ok(()),
            1 => bail!("one part of the daemon does not work as it should"),
            several => bail!("{several} parts of the daemon do not work as they should"),
        }
    }
}

/// How many stages, doors and stores do not work.
fn troubles(status: &api::Status) -> usize {
    let stages = status.stages.iter().filter(|stage| stage.trouble.is_some()).count();
    let doors = status.doors.iter().filter(|door| door.trouble.is_some()).count();
    stages + doors + usize::from(status.journal_trouble.is_some())
}

fn print(out: &mut impl Write, status: &api::Status) -> Result<()> {
    writeln!(out, "usher {} on {}, up {} s", status.version, status.device, status.uptime_s)?;
    writeln!(
        out,
        "  people   {} enrolled; {} recognises up to distance {:.3}{}",
        status.people,
        status.model,
        status.near_enough.distance,
        if status.near_enough.extrapolated { ", beyond what was measured" } else { "" }
    )?;
    if let Some(switch) = &status.model_switch {
        writeln!(out, "  switch   {switch} (`usher models switch --status`)")?;
    }
    match (&status.seal.key, &status.seal.trouble) {
        (Some(key), None) => writeln!(out, "  store    templates are sealed with the key {key}")?,
        (_, trouble) => writeln!(out, "  store    {}", trouble.as_deref().unwrap_or(&status.seal.state))?,
    }
    if let Some(time) = &status.time {
        writeln!(out, "  time     {}", time_in_words(time))?;
    }
    for (zone, people) in &status.occupancy {
        writeln!(out, "  zone     {zone}: {people} inside")?;
    }
    for stage in &status.stages {
        let trouble = stage.trouble.as_deref().map_or_else(|| "well".to_owned(), |trouble| toned(Tone::Bad, trouble));
        writeln!(
            out,
            "  {:<8} {}: {trouble}; {} handled, {} dropped, {} bad, last took {:.1} ms",
            stage.role, stage.name, stage.handled, stage.dropped, stage.bad, stage.last_ms
        )?;
    }
    for door in &status.doors {
        writeln!(out, "  door     {}", toned(super::door::tone(door), &super::door::words(door)))?;
    }
    if let Some(trouble) = &status.journal_trouble {
        writeln!(out, "  journal  {}", toned(Tone::Bad, &format!("ALARM: {trouble}")))?;
    }
    if let Some(trouble) = &status.metrics_trouble {
        writeln!(out, "  metrics  {}", toned(Tone::Warning, trouble))?;
    }
    if let Some(trouble) = &status.web_trouble {
        writeln!(out, "  page     {}", toned(Tone::Warning, trouble))?;
    }
    for p in &status.placements {
        let why = p.fallback.as_deref().map_or(String::new(), |why| format!(" (asked for {}: {why})", p.asked));
        writeln!(out, "  model    {}: {} in {:.2} ms{why}", p.model, p.on, p.latency_ms)?;
    }
    if let Some(fleet) = &status.fleet {
        write_fleet(out, fleet)?;
    }
    if let Some(hub) = &status.hub {
        writeln!(out, "  broker   {}; {} events wait, {} dropped", hub.state, hub.waiting, hub.dropped)?;
        for refused in &hub.refused {
            writeln!(
                out,
                "  broker   refuses {} ({} bytes, {} times): {}",
                refused.topic, refused.bytes, refused.times, refused.reason
            )?;
        }
    }
    Ok(())
}

/// This board in its fleet, in two lines.
fn write_fleet(out: &mut impl Write, fleet: &api::FleetStatus) -> std::io::Result<()> {
    let tone = if fleet.state == "online" { Tone::Plain } else { Tone::Warning };
    let heard = fleet.heard_s.map_or_else(|| "not heard yet".to_owned(), |seconds| format!("heard {seconds} s ago"));
    let clock = match fleet.clock_ahead_ms {
        Some(ms) => format!("clock {} to the servers'", difference(ms)),
        None => "clock not compared yet".to_owned(),
    };
    writeln!(
        out,
        "  fleet    {} of {}: {}; office {heard}; {clock}",
        fleet.board,
        fleet.site,
        toned(tone, &fleet.state)
    )?;
    let whole = match fleet.whole {
        Some(true) => "all people of the office's list",
        Some(false) => "not the office's list yet",
        None => "the office's list is not known yet",
    };
    let epoch = fleet.epoch.map_or_else(|| "no key".to_owned(), |epoch| format!("key {epoch}"));
    writeln!(
        out,
        "           {} people, {whole}; {epoch}, rules {}; {} records wait, {} set aside, {} refused",
        fleet.people, fleet.rules, fleet.waiting, fleet.set_aside, fleet.refused
    )?;
    match (&fleet.rules_trouble, fleet.access) {
        (Some(trouble), _) => {
            let text = format!("the doors do not go by the site's newest rules: {trouble}");
            writeln!(out, "           {}", toned(Tone::Bad, &text.replace('\n', "\n           ")))
        }
        (None, 0) => writeln!(out, "           the doors go by this board's own permits"),
        (None, version) => writeln!(out, "           the doors go by rules {version} of {}", fleet.site),
    }
}
