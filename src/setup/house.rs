//! From the configuration to the rules of the house: how near is near enough, who may pass where and when, and how each door behaves.
//!
//! Reads the files that the configuration names: calibrations and lists of holidays.

use std::io::ErrorKind;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;

use crate::access::{
    Backoff, Calibration, CalibrationError, DoorRules, DoorwaySettings, Holidays, HouseRules, NearEnough, Passback,
    Permit, Point, Schedule, Window, WithoutSync, Zones,
};
use crate::config::{self, Config, DistanceLimit};
use crate::domain::{Direction, DoorIndex, ScheduleIndex};
use crate::vision::calibration_file::{CalibrationFile, file_name};
use crate::vision::head_file::HeadFile;
use crate::vision::manifest::Model;

/// The folder, in the store's, of calibrations that were measured on this site.
pub const SITE_CALIBRATIONS: &str = "calibration";

/// How near is near enough for `model`: the configured distance, or one that follows `[access] false_identification_rate`. The
/// calibration is the site head's if there is one, else the site's own, else the one beside the model, else the manifest's operating points.
pub fn near_enough(config: &Config, model: &Model, head: Option<&HeadFile>) -> Result<NearEnough> {
    if let Some(file) = head {
        let calibration = calibration(&file.calibration).context("the site head's calibration is of no use")?;
        return Ok(calibrated(calibration, config));
    }
    if let DistanceLimit::Fixed(distance) = config.access.distance {
        return Ok(NearEnough::Fixed(distance));
    }
    let name = file_name(&model.name);
    let places = [config.store.path.join(SITE_CALIBRATIONS).join(&name), config.models.path.join(&name)];
    for path in places {
        let Some(file) = CalibrationFile::load(&path)? else { continue };
        if file.model != model.id().as_str() {
            bail!(
                "the calibration {} was measured with {}, and {} is in use: remove it, or measure again with \
                 `usher calibrate DIR --write`",
                path.display(),
                file.model,
                model.id()
            );
        }
        let calibration =
            calibration(&file).with_context(|| format!("the calibration {} is of no use", path.display()))?;
        return Ok(calibrated(calibration, config));
    }
    // The rates of the manifest are measured ones; how many pairs stand behind them it says only in words.
    let mut impostor: Vec<Point> =
        model.operating.iter().map(|p| Point { rate: p.fmr, distance: f64::from(p.distance) }).collect();
    impostor.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let pairs = impostor.first().map_or(0.0, |least| 10.0 / least.rate) as u64;
    let calibration = Calibration::new(impostor, Vec::new(), pairs).with_context(|| {
        format!(
            "nothing is known of the distances of {}: measure them with `usher calibrate DIR --write`, or set [access] distance",
            model.name
        )
    })?;
    Ok(calibrated(calibration, config))
}

/// What stands in a calibration's file, as the rules want it.
pub fn calibration(file: &CalibrationFile) -> Result<Calibration, CalibrationError> {
    let points = |table: &[[f64; 2]]| table.iter().map(|&[rate, distance]| Point { rate, distance }).collect();
    let calibration = Calibration::new(points(&file.impostor), points(&file.genuine), file.impostor_pairs)?;
    file.repeats.map_or(Ok(calibration.clone()), |repeats| calibration.with_repeats(repeats))
}

fn calibrated(calibration: Calibration, config: &Config) -> NearEnough {
    NearEnough::Calibrated {
        calibration: Arc::new(calibration),
        false_identification_rate: config.access.false_identification_rate,
    }
}

/// `[[schedule]]`, `[[permit]]` and what `[[door]]` and `[access]` say of people.
pub fn rules(config: &Config) -> Result<HouseRules> {
    let zone = time_zone(config)?;
    let schedules = config.schedules.iter().map(|s| schedule(s, &zone)).collect::<Result<Vec<_>>>()?;
    let access = &config.access;
    Ok(HouseRules {
        doors: config.doors.iter().map(|door| door_rules(config, door)).collect::<Result<_>>()?,
        schedules,
        zone,
        passback: match access.passback {
            config::Passback::Off => Passback::Off,
            config::Passback::Soft => Passback::Soft,
            config::Passback::Hard => Passback::Hard,
        },
        passback_for: access.passback_for,
        backoff: Backoff { after: access.backoff_after, first: access.backoff_first, longest: access.backoff_longest },
        without_sync: match config.time.without_sync {
            config::WithoutSync::Deny => WithoutSync::Deny,
            config::WithoutSync::Allow => WithoutSync::Allow,
        },
    })
}

/// Whose clock days and schedules go by: `[device] time_zone`, else the system's.
pub fn time_zone(config: &Config) -> Result<TimeZone> {
    config.device.time_zone.as_deref().map_or_else(system_zone, named_zone)
}

/// The system's time zone: `TZ`, else `/etc/localtime`; UTC where there is neither.
///
/// # Errors
/// What `TZ` or `/etc/localtime` names is not known or cannot be read. The library would go by UTC then.
pub fn system_zone() -> Result<TimeZone> {
    const LOCAL: &str = "/etc/localtime";
    let named = std::env::var_os("TZ");
    // A link that leads nowhere is a mistake; that there is none at all means UTC.
    if named.is_none() && std::fs::symlink_metadata(LOCAL).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(TimeZone::UTC);
    }
    TimeZone::try_system().with_context(|| match named {
        Some(name) => format!(
            "TZ={} in the environment names no time zone: write it as in TZ=Europe/Berlin, take it out, or install the package tzdata",
            name.to_string_lossy()
        ),
        None => format!(
            "the system's time zone, {LOCAL}, cannot be read: set it with `timedatectl set-timezone Europe/Berlin`, or name one in [device] time_zone"
        ),
    })
}

fn named_zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).with_context(|| format!("the time zone {name} is not known: install the package tzdata"))
}

fn schedule(schedule: &config::Schedule, zone: &TimeZone) -> Result<Schedule> {
    let holidays = match &schedule.holidays {
        None => Holidays::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("the holidays of [[schedule]] {}: {}", schedule.name, path.display()))?;
            Holidays::parse(&text).map_err(|lines| {
                let lines: Vec<String> =
                    lines.iter().map(|bad| format!("{}:{}: {}", path.display(), bad.line, bad.why)).collect();
                anyhow::anyhow!("the holidays of [[schedule]] {}:\n{}", schedule.name, lines.join("\n"))
            })?
        }
    };
    let window = |hours: &config::Hours| Window { from_min: hours.from_min, to_min: hours.to_min };
    let on = |day: usize| schedule.hours.iter().filter(|h| h.days[day]).map(window).collect();
    Ok(Schedule {
        name: schedule.name.clone(),
        zone: schedule.time_zone.as_deref().map_or_else(|| Ok(zone.clone()), named_zone)?,
        week: std::array::from_fn(on),
        holidays,
        on_holidays: schedule.on_holidays.iter().map(window).collect(),
    })
}

fn door_rules(config: &Config, door: &config::Door) -> Result<DoorRules> {
    let applies = |permit: &&config::Permit| permit.doors.is_empty() || permit.doors.contains(&door.name);
    let permit = |permit: &config::Permit| -> Result<Permit> {
        let schedule = permit.schedule.as_deref().map(|name| schedule_index(config, name)).transpose()?;
        Ok(Permit { groups: permit.groups.clone(), schedule })
    };
    let permits = || config.permits.iter().filter(applies).map(permit).collect::<Result<_>>();
    Ok(DoorRules {
        permits: (!config.permits.is_empty()).then(permits).transpose()?,
        first_person: door.passing.first_person.clone(),
        unlock_hours: unlock_hours(config, door)?,
        two_person: door.passing.two_person,
        zones: door.passing.zones.clone().map(|(outside, inside)| Zones { outside, inside }),
    })
}

/// How a door behaves.
pub fn doorway(door: &config::Door, has_sensor: bool) -> DoorwaySettings {
    let passing = &door.passing;
    DoorwaySettings {
        name: door.name.as_str().into(),
        pulse: door.pulse,
        has_sensor,
        relock_on_close: passing.relock_on_close,
        held_open_warning: passing.held_open_warning,
        held_open_alarm: passing.held_open_alarm,
        forced_open_alarm: passing.forced_open_alarm,
    }
}

/// The schedule by which a door stands unlocked.
pub fn unlock_hours(config: &Config, door: &config::Door) -> Result<Option<ScheduleIndex>> {
    door.passing.unlock_schedule.as_deref().map(|name| schedule_index(config, name)).transpose()
}

/// For each camera its door, and its side of it.
pub fn cameras(config: &Config) -> Result<Vec<(DoorIndex, Option<Direction>)>> {
    let of_camera = |camera: &config::Camera| {
        let door = config.doors.iter().position(|door| door.name == camera.door);
        let door = door.with_context(|| format!("[[camera]] {}: there is no door {}", camera.name, camera.door))?;
        Ok((DoorIndex(door), camera.side))
    };
    config.cameras.iter().map(of_camera).collect()
}

fn schedule_index(config: &Config, name: &str) -> Result<ScheduleIndex> {
    let at = config.schedules.iter().position(|schedule| schedule.name == name);
    at.map(ScheduleIndex).with_context(|| format!("there is no [[schedule]] {name}"))
}
