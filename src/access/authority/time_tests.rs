//! Tests of who may pass while the time is not known.

use super::tests::{FRONT, WEDNESDAY, ask, ask_at, holder, house, later, now};
use super::*;
use crate::domain::TimeQuality;

const HOUR: Duration = Duration::from_secs(3600);

/// A Wednesday morning by the last record; the clock shows something else, in another boot of the machine.
fn unknown(wall: &str, quality: TimeQuality) -> Now {
    Now { quality, at_least: now(WEDNESDAY).wall, boot: [2; 16], ..now(wall) }
}

/// A clock in 1970, and one with yesterday's time after a power cut.
fn doubts() -> [Now; 2] {
    [unknown("1970-01-01T08:00:20Z", TimeQuality::Unset), unknown("2026-01-13T09:00:00Z", TimeQuality::Wrong)]
}

fn allowing(door: DoorRules) -> Authority {
    let mut authority = house(door, Passback::Off);
    authority.rules.without_sync = WithoutSync::Allow;
    authority
}

fn temporary(from: Option<&str>, until: Option<&str>) -> Holder {
    let at = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    Holder { valid_from: at(from), valid_until: at(until), ..holder(1, &[]) }
}

#[test]
fn an_expired_visitor_stays_expired_after_a_power_cut() {
    let mut authority = house(DoorRules::default(), Passback::Off);
    let visitor = temporary(None, Some("2026-01-14T00:00:00Z"));
    for now in doubts() {
        assert_eq!(ask(&mut authority, &visitor, now), Some(Reason::Expired), "earlier records prove it");
        assert_eq!(ask(&mut allowing(DoorRules::default()), &visitor, now), Some(Reason::Expired));
    }
}

#[test]
fn temporary_people_wait_for_the_time_and_others_do_not() {
    for now in doubts() {
        let mut authority = house(DoorRules::default(), Passback::Off);
        for visitor in [
            temporary(None, Some("2026-01-15T00:00:00Z")),
            temporary(Some("2026-01-10T00:00:00Z"), Some("2026-01-15T00:00:00Z")),
            temporary(Some("2026-01-15T00:00:00Z"), None),
        ] {
            assert_eq!(ask(&mut authority, &visitor, now), Some(Reason::ClockUnknown), "{visitor:?}");
            assert_eq!(ask(&mut allowing(DoorRules::default()), &visitor, now), None, "{visitor:?}");
        }
        assert_eq!(ask(&mut authority, &holder(2, &[]), now), None);
        let begun = temporary(Some("2026-01-10T00:00:00Z"), None);
        assert_eq!(ask(&mut authority, &begun, now), None, "that day has surely come");
        let disabled = Holder { enabled: false, ..temporary(None, Some("2026-01-15T00:00:00Z")) };
        assert_eq!(ask(&mut allowing(DoorRules::default()), &disabled, now), Some(Reason::Disabled));
    }
}

#[test]
fn the_gates_say_why_the_time_is_not_known() {
    let [unset, wrong] = doubts();
    let mut authority = house(DoorRules::default(), Passback::Off);
    let visitor = temporary(None, Some("2026-01-15T00:00:00Z"));
    let mut input = |now| ask_at(&mut authority, FRONT, None, &visitor, &Mode::Normal, now).gates[1].input.clone();
    assert_eq!(
        input(unset),
        "person 1, enabled, 1970-01-01 09:00; the clock is not set, it is 2026-01-14 10:00 or later"
    );
    assert_eq!(
        input(wrong),
        "person 1, enabled, 2026-01-13 10:00; the clock is behind earlier records, it is 2026-01-14 10:00 or later"
    );
}

#[test]
fn a_permit_with_a_schedule_needs_the_time_and_one_without_does_not() {
    let permit = |group: &str, schedule| Permit { groups: vec![group.into()], schedule, assurance: None };
    let rules = DoorRules {
        permits: Some(vec![
            permit("staff", Some(ScheduleIndex(0))),
            permit("guards", Some(ScheduleIndex(0))),
            permit("guards", None),
        ]),
        ..DoorRules::default()
    };
    for now in doubts() {
        let mut authority = house(rules.clone(), Passback::Off);
        assert_eq!(ask(&mut authority, &holder(1, &["staff"]), now), Some(Reason::ClockUnknown));
        assert_eq!(ask(&mut authority, &holder(2, &["guards"]), now), None);
        assert_eq!(ask(&mut authority, &holder(3, &["visitors"]), now), Some(Reason::NotPermitted));
        let mut authority = allowing(rules.clone());
        assert_eq!(ask(&mut authority, &holder(1, &["staff"]), now), None);
        assert_eq!(ask(&mut authority, &holder(3, &["visitors"]), now), Some(Reason::NotPermitted));
    }
}

#[test]
fn a_first_person_without_the_time_counts_once_it_is_known() {
    let rules = DoorRules { first_person: Some("keys".into()), ..DoorRules::default() };
    let mut authority = house(rules.clone(), Passback::Off);
    let (keeper, staff) = (holder(1, &["keys"]), holder(2, &["staff"]));
    let [unset, _] = doubts();
    assert_eq!(ask(&mut authority, &staff, unset), Some(Reason::ClockUnknown));
    assert_eq!(ask(&mut authority, &keeper, unset), None);
    authority.granted(FRONT, &keeper, unset);
    assert_eq!(ask(&mut authority, &staff, later(unset, HOUR)), Some(Reason::ClockUnknown), "who knows what day it is");
    assert_eq!(ask(&mut allowing(rules), &staff, unset), None);
    // The time becomes known three hours later: by uptime, she came this morning.
    let set = Now { quality: TimeQuality::Synchronised, wall: now(WEDNESDAY).wall, ..later(unset, 3 * HOUR) };
    assert_eq!(ask(&mut authority, &staff, set), None);
    // At two in the morning it would have been yesterday.
    let night = Now { wall: "2026-01-14T01:00:00Z".parse().unwrap(), ..set };
    assert_eq!(ask(&mut authority, &staff, night), Some(Reason::FirstPerson));
    // In the next boot it cannot be determined when that was.
    let next = Now { boot: [3; 16], ..set };
    assert_eq!(ask(&mut authority, &staff, next), Some(Reason::FirstPerson));
}

#[test]
fn hours_begin_only_when_the_time_is_known() {
    for now in doubts() {
        assert!(!house(DoorRules::default(), Passback::Off).hours_may_begin(FRONT, now));
        assert!(allowing(DoorRules::default()).hours_may_begin(FRONT, now));
    }
    assert!(house(DoorRules::default(), Passback::Off).hours_may_begin(FRONT, now(WEDNESDAY)));
}

#[test]
fn people_inside_stay_inside_after_a_power_cut() {
    let zones = Zones { outside: "street".into(), inside: "office".into() };
    let rules = DoorRules { zones: Some(zones), ..DoorRules::default() };
    let mut authority = house(rules, Passback::Hard);
    let ada = holder(1, &[]);
    let went_in = Now { boot: [1; 16], ..now(WEDNESDAY) };
    authority.passed(FRONT, ada.person, Some(Direction::In), went_in);
    let mut asks = |direction, now| ask_at(&mut authority, FRONT, Some(direction), &ada, &Mode::Normal, now).refused;
    for now in doubts().into_iter().flat_map(|now| [now, later(now, 100 * HOUR)]) {
        assert_eq!(asks(Direction::In, now), Some(Reason::Passback));
        assert_eq!(asks(Direction::Out, now), None);
    }
    let known = Now { quality: TimeQuality::Synchronised, ..unknown("2026-01-14T22:00:00Z", TimeQuality::Plausible) };
    assert_eq!(asks(Direction::In, known), None, "thirteen hours later, by a clock that is right");
}
