//! From the configuration to the rules of access: the distance limit, who may pass where and when, and how each door behaves. Reads the files
//! that the configuration names: calibrations and lists of holidays.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use jiff::tz::TimeZone;

use crate::access::{
    Backoff, Calibration, CalibrationError, DoorRules, DoorwaySettings, FleetRule, Holidays, HouseRules, NearEnough,
    Permit, Point, Schedule, Window, Zones,
};
use crate::api::RulesUnknown;
use crate::api::hours::House;
use crate::config::{self, Config, DistanceLimit, WhenStale};
use crate::domain::{Direction, Distance, DoorIndex, ScheduleIndex, zone_named};
use crate::vision::calibration_file::{CalibrationFile, file_name};
use crate::vision::head_file::HeadFile;
use crate::vision::manifest::Model;

/// The limit for the age of the fleet's news, from `[fleet]`; `None` for a board without one.
pub fn fleet_rule(config: &Config) -> Option<FleetRule> {
    let fleet = &config.fleet;
    let limited = fleet.enabled && !fleet.max_age.is_zero();
    limited.then(|| FleetRule { max_age: fleet.max_age, denies: fleet.when_stale == WhenStale::Deny })
}

/// The folder, inside the store's, of calibrations that were measured on this site.
pub const SITE_CALIBRATIONS: &str = "calibration";

/// The distance limit for `model`: the configured one, or one that follows `[access] false_identification_rate`. The calibration is the site
/// head's if there is one, else the site's own, else the one beside the model, else the manifest's operating points.
pub fn near_enough(config: &Config, model: &Model, head: Option<&HeadFile>) -> Result<NearEnough> {
    match config.access.distance {
        DistanceLimit::Fixed(distance) if head.is_none() => Ok(NearEnough::Fixed(Distance(distance as f32))),
        DistanceLimit::Fixed(_) | DistanceLimit::Auto => Ok(calibrated(measured(config, model, head)?, config)),
    }
}

/// The share of comparisons of strangers that a challenge may take for the same person, 0 to 1.
const CONFUSED_IN_A_CHALLENGE: f64 = 1e-3;

/// The distance within which a turned face is taken for the person who is challenged ([`crate::access::Rules::same_person`]). Without measurements
/// of the model, the distance that the operator has fixed.
pub fn same_person(config: &Config, model: &Model, head: Option<&HeadFile>) -> Result<Distance> {
    match (measured(config, model, head), config.access.distance) {
        (Ok(calibration), _) => Ok(calibration.cut_at(CONFUSED_IN_A_CHALLENGE).distance),
        (Err(_), DistanceLimit::Fixed(distance)) => Ok(Distance(distance as f32)),
        (Err(error), DistanceLimit::Auto) => Err(error),
    }
}

/// What is measured of `model`.
fn measured(config: &Config, model: &Model, head: Option<&HeadFile>) -> Result<Calibration> {
    if let Some(file) = head {
        return calibration(&file.calibration).context("the site head's calibration cannot be used");
    }
    if let Some(found) = calibration_files(config, model).next() {
        let (path, file) = found?;
        return calibration(&file).with_context(|| format!("the calibration {} cannot be used", path.display()));
    }
    // The manifest's rates are measured, but it gives the number of pairs behind them only in prose: ten errors at the least rate are assumed.
    let mut impostor: Vec<Point> =
        model.operating.iter().map(|p| Point { rate: p.fmr, distance: f64::from(p.distance) }).collect();
    impostor.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let pairs = impostor.first().map_or(0.0, |least| 10.0 / least.rate) as u64;
    Calibration::new(impostor, Vec::new(), pairs).with_context(|| {
        format!(
            "there is no calibration for {}: measure one with `usher calibrate DIR --write`, or set [access] distance",
            model.name
        )
    })
}

/// The calibrations of `model`: the site's own first, then the one beside the model.
fn calibration_files(config: &Config, model: &Model) -> impl Iterator<Item = Result<(PathBuf, CalibrationFile)>> {
    let (name, id) = (file_name(&model.name), model.id());
    let places = [config.store.path.join(SITE_CALIBRATIONS).join(&name), config.models.path.join(&name)];
    places.into_iter().filter_map(move |path| match CalibrationFile::load(&path) {
        Ok(None) => None,
        Ok(Some(file)) if file.model == id.as_str() => Some(Ok((path, file))),
        Ok(Some(file)) => Some(Err(anyhow!(
            "the calibration {} was measured with {}, and {id} is in use: remove it, or measure again with \
             `usher calibrate DIR --write`",
            path.display(),
            file.model
        ))),
        Err(error) => Some(Err(error.into())),
    })
}

/// The length of an embedding of `model` below which the share `weakest` of a calibration's photographs is: of the site's calibration if it has
/// lengths, else of the one beside the model. `None` if `weakest` is 0, or if neither has.
pub fn least_length(config: &Config, model: &Model, weakest: f64) -> Result<Option<f32>> {
    if weakest <= 0.0 {
        return Ok(None);
    }
    for found in calibration_files(config, model) {
        if let Some(length) = found?.1.length_at(weakest) {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// The calibration in a file.
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

/// The rules for people, from `[[schedule]]`, `[[permit]]`, `[[door]]` and `[access]`, whether the site's or the board's own.
pub fn rules(config: &Config) -> Result<HouseRules> {
    let zone = time_zone(config)?;
    let schedules = config.schedules.iter().map(|s| schedule(config, s, &zone)).collect::<Result<Vec<_>>>()?;
    let access = &config.access;
    Ok(HouseRules {
        doors: config.doors.iter().map(|door| door_rules(config, door)).collect::<Result<_>>()?,
        schedules,
        zone,
        passback: access.passback,
        passback_for: access.passback_for,
        backoff: Backoff { after: access.backoff_after, first: access.backoff_first, longest: access.backoff_longest },
        without_sync: config.time.without_sync,
        source: config.site_source().map(str::to_owned),
    })
}

/// [`rules`] with the doors' names, for the API.
pub fn known(config: &Config) -> Result<House, RulesUnknown> {
    let doors = config.doors.iter().map(|door| door.name.clone()).collect();
    match rules(config) {
        Ok(rules) => Ok(House { rules, doors }),
        Err(error) => Err(RulesUnknown(format!("{error:#}"))),
    }
}

/// The time zone of days and schedules: `[device] time_zone`, else the system's.
pub fn time_zone(config: &Config) -> Result<TimeZone> {
    config.device.time_zone.as_deref().map_or_else(system_zone, named_zone)
}

/// The system's time zone: `TZ`, else `/etc/localtime`; UTC where there is neither.
///
/// # Errors
/// The zone that `TZ` or `/etc/localtime` names is unknown or cannot be read. The library would silently use UTC.
pub fn system_zone() -> Result<TimeZone> {
    const LOCAL: &str = "/etc/localtime";
    let named = std::env::var_os("TZ");
    // A dangling link is a mistake; no link at all means UTC.
    if named.is_none() && std::fs::symlink_metadata(LOCAL).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(TimeZone::UTC);
    }
    TimeZone::try_system().with_context(|| match named {
        Some(name) => format!(
            "TZ={} in the environment names no time zone: write it as in TZ=Europe/Berlin, remove it, or install the package tzdata",
            name.to_string_lossy()
        ),
        None => format!(
            "the system's time zone, {LOCAL}, cannot be read: set it with `timedatectl set-timezone Europe/Berlin`, or name one in [device] time_zone"
        ),
    })
}

fn named_zone(name: &str) -> Result<TimeZone> {
    zone_named(name).with_context(|| format!("the time zone {name} is not known: install the package tzdata"))
}

/// The list of holidays of a schedule: the one that came with the site's rules, else the file that it names.
fn holidays(config: &Config, schedule: &config::Schedule) -> Result<Holidays> {
    let Some(path) = &schedule.holidays else { return Ok(Holidays::default()) };
    let text = match config.holidays_of_site(&schedule.name) {
        Some(text) => text.to_owned(),
        None => std::fs::read_to_string(path)
            .with_context(|| format!("the holidays of [[schedule]] {}: {}", schedule.name, path.display()))?,
    };
    Holidays::parse(&text).map_err(|lines| {
        let lines: Vec<String> =
            lines.iter().map(|bad| format!("{}:{}: {}", path.display(), bad.line, bad.why)).collect();
        anyhow!("the holidays of [[schedule]] {}:\n{}", schedule.name, lines.join("\n"))
    })
}

fn schedule(config: &Config, schedule: &config::Schedule, zone: &TimeZone) -> Result<Schedule> {
    let holidays = holidays(config, schedule)?;
    let window = |window: &config::Window| Window { from_min: window.from_min, to_min: window.to_min };
    let on = |day: usize| {
        let hours = schedule.hours.iter().filter(|hours| hours.days.get(day) == Some(&true));
        hours.map(|hours| window(&hours.window)).collect()
    };
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
        let assurance = permit.assurance.as_ref().map(|tiers| tiers.0.clone());
        Ok(Permit { groups: permit.groups.clone(), schedule, assurance })
    };
    let permits = || config.permits.iter().filter(applies).map(permit).collect::<Result<_>>();
    Ok(DoorRules {
        permits: config.has_permits().then(permits).transpose()?,
        first_person: door.first_person.clone(),
        unlock_hours: unlock_hours(config, door)?,
        two_person: door.two_person,
        zones: door.zones().map(|(outside, inside)| Zones { outside: outside.to_owned(), inside: inside.to_owned() }),
        assurance: door.tiers(),
    })
}

/// The settings of a door's state machine.
pub fn doorway(door: &config::Door, has_sensor: bool) -> DoorwaySettings {
    DoorwaySettings {
        name: door.name.as_str().into(),
        pulse: door.pulse,
        has_sensor,
        relock_on_close: door.relock_on_close,
        held_open_warning: door.held_open_warning,
        held_open_alarm: door.held_open_alarm,
        forced_open_alarm: door.forced_open_alarm,
    }
}

/// The schedule by which a door stands unlocked.
pub fn unlock_hours(config: &Config, door: &config::Door) -> Result<Option<ScheduleIndex>> {
    door.unlock_schedule.as_deref().map(|name| schedule_index(config, name)).transpose()
}

/// For each camera its door, and its side of it.
pub fn cameras(config: &Config) -> Result<Vec<(DoorIndex, Option<Direction>)>> {
    let of_camera = |camera: &config::Camera| {
        let door = config.doors.iter().position(|door| door.name == camera.door);
        let door = door.with_context(|| format!("[[camera]] {}: there is no door {}", camera.name, camera.door))?;
        Ok((DoorIndex(door), camera.direction()))
    };
    config.cameras.iter().map(of_camera).collect()
}

fn schedule_index(config: &Config, name: &str) -> Result<ScheduleIndex> {
    let at = config.schedules.iter().position(|schedule| schedule.name == name);
    at.map(ScheduleIndex).with_context(|| format!("there is no [[schedule]] {name}"))
}
