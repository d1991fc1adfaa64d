//! Who may pass a door and when: the keys of `[[door]]` about people, `[[schedule]]`, `[[permit]]`, and the checks between them.
//!
//! Knows nothing of wires and faces.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::rules::{any, name, seconds};
use super::unique;
use crate::config::Config;
use crate::config::reader::{Reader, Section};
use crate::config::settings::{Hours, Passback, Passing, Permit, Schedule};
use crate::config::text::quote;

/// Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MIN: u16 = 24 * 60;

pub(super) fn passing(section: &mut Section<'_>) -> Passing {
    let mut span = |key, most, default| Some(section.duration(key, seconds(0)..=seconds(most), seconds(default)));
    let off_at_zero = |span: Option<Duration>| span.filter(|span| !span.is_zero());
    let held_open_warning = off_at_zero(span("held_open_warning", 86_400, 30));
    let held_open_alarm = off_at_zero(span("held_open_alarm", 86_400, 60));
    let two_person = off_at_zero(span("two_person", 300, 0));
    let zones = (section.optional_text("outside", name), section.optional_text("inside", name));
    Passing {
        relock_on_close: section.flag("relock_on_close", true),
        held_open_warning,
        held_open_alarm,
        forced_open_alarm: section.flag("forced_open_alarm", true),
        unlock_schedule: section.optional_text("unlock_schedule", any),
        first_person: section.optional_text("first_person", any),
        two_person,
        zones: match zones {
            (Some(outside), Some(inside)) => Some((outside, inside)),
            (None, None) => None,
            (Some(_), None) => missing(section, "inside", "the zone that going in leads to, as outside is set"),
            (None, Some(_)) => missing(section, "outside", "the zone that going out leads to, as inside is set"),
        },
        interlock: section.optional_text("interlock", name),
    }
}

fn missing<T>(section: &mut Section<'_>, key: &'static str, right: &str) -> Option<T> {
    section.require(key, right);
    None
}

pub(super) fn passback(section: &mut Section<'_>) -> Passback {
    section.choice("passback", [("off", Passback::Off), ("soft", Passback::Soft), ("hard", Passback::Hard)])
}

pub(super) fn schedule(section: &mut Section<'_>) -> Schedule {
    Schedule {
        name: section.required_text("name", name, "a name of your choice"),
        hours: section.required_texts("hours", hours, "a list such as [\"mon-fri 08:00-18:00\"]"),
        holidays: Some(section.path("holidays", "")).filter(|path| !path.as_os_str().is_empty()),
        on_holidays: section.texts("on_holidays", span),
        time_zone: time_zone(section),
    }
}

/// `time_zone`, here and in `[device]`.
pub(super) fn time_zone(section: &mut Section<'_>) -> Option<String> {
    let known = |text: &str| match text.is_empty() || TimeZone::get(text).is_ok() {
        true => Ok(()),
        false => Err("a time zone such as \"Europe/Berlin\", or empty"),
    };
    Some(section.text("time_zone", known, "")).filter(|zone| !zone.is_empty())
}

pub(super) fn permit(section: &mut Section<'_>) -> Permit {
    let plain = |text: &str| any(text).map(|()| text.to_owned()).map_err(str::to_owned);
    Permit {
        doors: section.texts("doors", plain),
        groups: section.texts("groups", plain),
        schedule: section.optional_text("schedule", any),
    }
}

/// `mon-fri 08:00-18:00`, `sat,sun 10:00-12:00`, `daily 00:00-24:00`.
fn hours(text: &str) -> Result<Hours, String> {
    let right = "days and hours, such as \"mon-fri 08:00-18:00\", \"sat,sun 22:00-06:00\" or \"daily 00:00-24:00\"";
    let (days_text, span_text) = text.trim().split_once(char::is_whitespace).ok_or(right)?;
    let days = days(&days_text.to_lowercase()).ok_or(right)?;
    Ok(Hours { days, ..span(span_text)? })
}

fn days(text: &str) -> Option<[bool; 7]> {
    if text == "daily" {
        return Some([true; 7]);
    }
    let place = |day: &str| DAYS.iter().position(|name| *name == day);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        // fri-mon goes over the weekend.
        let count = (last + 7 - first) % 7 + 1;
        (first..first + count).for_each(|day| days[day % 7] = true);
    }
    Some(days)
}

/// `08:00-18:00`; `22:00-06:00` ends on the next day.
fn span(text: &str) -> Result<Hours, String> {
    let right = "hours such as \"08:00-18:00\"";
    let minutes = |text: &str| {
        let (hours, minutes) = text.trim().split_once(':')?;
        let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2);
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let all = hours * 60 + minutes;
        (minutes < 60 && all <= DAY_MIN).then_some(all)
    };
    let (from, to) = text.split_once('-').ok_or(right)?;
    let (from_min, to_min) = (minutes(from).ok_or(right)?, minutes(to).ok_or(right)?);
    match from_min % DAY_MIN == to_min % DAY_MIN && to_min - from_min.min(to_min) != DAY_MIN {
        true => Err(format!("{right}; this begins and ends at the same time, and a whole day is 00:00-24:00")),
        false => {
            let to_min = if to_min > from_min { to_min } else { to_min + DAY_MIN };
            Ok(Hours { days: [true; 7], from_min, to_min })
        }
    }
}

/// What one key cannot know alone.
pub(super) fn cross_check(reader: &mut Reader, config: &Config) {
    unique(reader, "schedule", config.schedules.iter().map(|schedule| schedule.name.as_str()));
    for (index, schedule) in config.schedules.iter().enumerate() {
        for (key, hours) in [("hours", &schedule.hours), ("on_holidays", &schedule.on_holidays)] {
            if let Some((one, other)) = overlap(hours) {
                let what = format!("{} and {} overlap: say which is meant, or join them", shown(&one), shown(&other));
                reader.reject(&format!("schedule[{index}].{key}"), what);
            }
        }
    }
    for (index, permit) in config.permits.iter().enumerate() {
        for door in permit.doors.iter().filter(|door| config.doors.iter().all(|known| known.name != **door)) {
            let what = format!(
                "there is no door {}; the doors are {}",
                quote(door),
                names(config.doors.iter().map(|d| &d.name))
            );
            reader.reject(&format!("permit[{index}].doors"), what);
        }
        expect_schedule(reader, config, &format!("permit[{index}].schedule"), permit.schedule.as_deref());
    }
    for (index, door) in config.doors.iter().enumerate() {
        let passing = &door.passing;
        expect_schedule(reader, config, &format!("door[{index}].unlock_schedule"), passing.unlock_schedule.as_deref());
        if passing.unlock_schedule.is_some() && door.max_hold.is_none() {
            let what = "a door that stands unlocked is held open: set max_hold to at least the longest of these hours";
            reader.reject(&format!("door[{index}].unlock_schedule"), what);
        }
        if let (Some(warning), Some(alarm)) = (passing.held_open_warning, passing.held_open_alarm)
            && warning >= alarm
        {
            let what = "the warning must come before held_open_alarm; \"0s\" turns it off";
            reader.reject(&format!("door[{index}].held_open_warning"), what);
        }
        if passing.zones.as_ref().is_some_and(|(outside, inside)| outside == inside) {
            reader.reject(&format!("door[{index}].inside"), "must be another zone than outside");
        }
        let cameras = config.cameras.iter().enumerate().filter(|(_, camera)| camera.door == door.name);
        for (camera, _) in cameras.filter(|(_, camera)| passing.zones.is_some() && camera.side.is_none()) {
            let what = "the door has zones, and this camera does not say which way it leads: set side to in or out";
            reader.warn(&format!("camera[{camera}].side"), what);
        }
        if let Some(interlock) = &passing.interlock {
            let same = config.doors.iter().filter(|other| other.passing.interlock.as_ref() == Some(interlock));
            if same.count() == 1 {
                let what = format!("no other door is in the interlock {}: it is without effect", quote(interlock));
                reader.warn(&format!("door[{index}].interlock"), what);
            }
        }
    }
    if config.access.passback != Passback::Off && config.doors.iter().all(|door| door.passing.zones.is_none()) {
        reader.warn("access.passback", "no door has zones (outside and inside): it is without effect");
    }
}

fn expect_schedule(reader: &mut Reader, config: &Config, key: &str, wanted: Option<&str>) {
    let Some(wanted) = wanted.filter(|name| config.schedules.iter().all(|known| known.name != **name)) else { return };
    let known = match config.schedules.is_empty() {
        true => "there is no [[schedule]] at all".to_owned(),
        false => format!("the schedules are {}", names(config.schedules.iter().map(|s| &s.name))),
    };
    if reader.sound(&[key]) {
        reader.reject(key, format!("there is no schedule {}; {known}", quote(wanted)));
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

/// Two parts of a week that share a moment.
fn overlap(hours: &[Hours]) -> Option<(Hours, Hours)> {
    let spans = |hours: &Hours| {
        let (from, to) = (u32::from(hours.from_min), u32::from(hours.to_min));
        let days = (0..7).filter(|day| hours.days[*day as usize]);
        days.map(|day| (day * 1440 + from, day * 1440 + to)).collect::<Vec<_>>()
    };
    const WEEK: u32 = 7 * 1440;
    let meet = |a: (u32, u32), b: (u32, u32)| a.0 < b.1 && b.0 < a.1;
    let moved = |(from, to): (u32, u32)| (from + WEEK, to + WEEK);
    for (i, one) in hours.iter().enumerate() {
        for other in &hours[..i] {
            for &a in &spans(one) {
                if spans(other).into_iter().any(|b| meet(a, b) || meet(moved(a), b) || meet(a, moved(b))) {
                    return Some((*other, *one));
                }
            }
        }
    }
    None
}

fn shown(hours: &Hours) -> String {
    let clock = |minutes: u16| {
        let minutes = if minutes > DAY_MIN { minutes - DAY_MIN } else { minutes };
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    };
    format!("{}-{}", clock(hours.from_min), clock(hours.to_min))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours_are_read_as_people_write_them() {
        let week = |text: &str| text.chars().map(|c| c == 'x').collect::<Vec<_>>();
        let read = |text: &str| hours(text).map(|h| (h.days.to_vec(), h.from_min, h.to_min));
        assert_eq!(read("mon-fri 08:00-18:30"), Ok((week("xxxxx.."), 480, 1110)));
        assert_eq!(read("Sat,sun  22:00-06:00"), Ok((week(".....xx"), 1320, 1800)));
        assert_eq!(read("fri-mon 00:00-24:00"), Ok((week("x...xxx"), 0, 1440)));
        assert_eq!(read("daily 12:00-00:00"), Ok((week("xxxxxxx"), 720, 1440)));
        for wrong in [
            "",
            "mon",
            "08:00-18:00",
            "mon 8-18",
            "moon 08:00-18:00",
            "mon 08:00-25:00",
            "mon 08:60-09:00",
            "mon 08:00-08:00",
            "mon 24:00-00:00",
            "mon-fri-sat 01:00-02:00",
            "mon 1:00-02:00",
        ] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hours_that_share_a_moment_overlap_also_over_sunday_night() {
        let parse = |texts: &[&str]| overlap(&texts.iter().map(|t| hours(t).unwrap()).collect::<Vec<_>>()).is_some();
        assert!(!parse(&["mon-fri 08:00-12:00", "mon-fri 12:00-18:00", "sat 08:00-18:00"]));
        assert!(parse(&["mon-fri 08:00-12:00", "fri 11:00-13:00"]));
        assert!(parse(&["sun 22:00-06:00", "mon 05:00-07:00"]));
        assert!(!parse(&["sun 22:00-06:00", "mon 06:00-07:00"]));
    }
}
