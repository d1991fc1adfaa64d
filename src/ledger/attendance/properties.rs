//! Hours of days whose result is known, and properties of all others.

use jiff::civil::time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{Card, Direction, PersonId};

fn rules(zone: &str) -> Rules {
    Rules {
        method: Method::Side,
        double_read: SignedDuration::from_mins(2),
        day_starts: time(0, 0, 0, 0),
        zone: TimeZone::get(zone).unwrap(),
        long_day: SignedDuration::from_hours(12),
        longest_stint: SignedDuration::from_hours(26),
    }
}

fn reading(direction: Direction, at: Timestamp, record: u64) -> Reading {
    Reading {
        person: PersonId(7),
        newest: PersonId(7),
        name: "Ada".into(),
        card: Some(Card { employee_id: Some("E042".into()), groups: vec!["staff".into()] }),
        at,
        direction: Some(direction),
        door: "front".into(),
        id: Uuid::from_u128(u128::from(record)),
        record,
        amended: false,
        doubtful: false,
    }
}

/// `in 2026-03-29T08:00 out 2026-03-29T16:00`, in local time.
fn read(zone: &TimeZone, text: &str) -> Vec<Reading> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .chunks(2)
        .zip(1..)
        .map(|(pair, record)| {
            let direction = if pair[0] == "in" { Direction::In } else { Direction::Out };
            let at: jiff::civil::DateTime = pair[1].parse().unwrap();
            reading(direction, at.to_zoned_datetime(zone.clone()).unwrap().timestamp(), record)
        })
        .collect()
}

/// Date, hours, whether open, anomalies: long after.
fn summary(rules: &Rules, text: &str) -> Vec<(String, f64, bool, String)> {
    summary_at(rules, text, "2027-01-01T00:00:00Z")
}

fn summary_at(rules: &Rules, text: &str, now: &str) -> Vec<(String, f64, bool, String)> {
    let days = reckon(&read(&rules.zone, text), rules, now.parse().unwrap());
    days.iter()
        .map(|day| {
            let anomalies = day.anomalies.iter().map(|anomaly| anomaly.as_str()).collect::<Vec<_>>().join(" ");
            (day.date.to_string(), day.worked.as_secs_f64() / 3600.0, day.open, anomalies)
        })
        .collect()
}

fn day(date: &str, hours: f64, open: bool, anomalies: &str) -> (String, f64, bool, String) {
    (date.to_owned(), hours, open, anomalies.to_owned())
}

#[test]
fn a_plain_day_with_a_break() {
    let rules = rules("Europe/Berlin");
    let text = "in 2026-05-04T08:00 out 2026-05-04T12:00 in 2026-05-04T12:45 out 2026-05-04T17:00";
    assert_eq!(summary(&rules, text), [day("2026-05-04", 8.25, false, "")]);
    let days = reckon(&read(&rules.zone, text), &rules, Timestamp::MAX);
    assert_eq!(days[0].gaps, SignedDuration::from_mins(45));
    assert_eq!(days[0].first_in().unwrap().to_string(), "2026-05-04T06:00:00Z");
    assert_eq!(days[0].last_out().unwrap().to_string(), "2026-05-04T15:00:00Z");
}

#[test]
fn hours_are_real_on_the_days_when_the_clocks_change() {
    let berlin = rules("Europe/Berlin");
    // 02:00 becomes 03:00; 03:00 becomes 02:00.
    assert_eq!(summary(&berlin, "in 2026-03-29T00:30 out 2026-03-29T08:30"), [day("2026-03-29", 7.0, false, "")]);
    assert_eq!(summary(&berlin, "in 2026-10-25T00:30 out 2026-10-25T08:30"), [day("2026-10-25", 9.0, false, "")]);
    assert_eq!(summary(&berlin, "in 2026-03-28T22:00 out 2026-03-29T06:00"), [day("2026-03-28", 7.0, false, "")]);
    let lord_howe = rules("Australia/Lord_Howe");
    // Half an hour only.
    assert_eq!(summary(&lord_howe, "in 2026-10-04T01:00 out 2026-10-04T05:00"), [day("2026-10-04", 3.5, false, "")]);
}

#[test]
fn a_night_shift_belongs_to_the_evening() {
    let mut rules = rules("Europe/Berlin");
    let text = "in 2026-05-04T22:00 out 2026-05-05T06:00";
    assert_eq!(summary(&rules, text), [day("2026-05-04", 8.0, false, "")]);
    // With a break after midnight, and days that begin at noon.
    rules.day_starts = time(12, 0, 0, 0);
    let text = "in 2026-05-04T22:00 out 2026-05-05T01:00 in 2026-05-05T01:30 out 2026-05-05T06:00";
    assert_eq!(summary(&rules, text), [day("2026-05-04", 7.5, false, "")]);
    rules.method = Method::FirstLast;
    assert_eq!(summary(&rules, text), [day("2026-05-04", 8.0, false, "")]);
}

#[test]
fn nothing_is_made_up() {
    let rules = rules("UTC");
    let (early, late) = ("2026-05-04T15:00:00Z", "2026-05-05T12:00:00Z");
    let text = "in 2026-05-04T08:00";
    assert_eq!(summary_at(&rules, text, early), [day("2026-05-04", 0.0, true, "")]);
    assert_eq!(summary_at(&rules, text, late), [day("2026-05-04", 0.0, false, "no_out")]);
    // Somebody on a night shift is still there after midnight.
    assert_eq!(summary_at(&rules, "in 2026-05-04T20:00", "2026-05-05T03:00:00Z"), [day("2026-05-04", 0.0, true, "")]);
    assert_eq!(summary(&rules, "out 2026-05-04T17:00"), [day("2026-05-04", 0.0, false, "out_without_in")]);
    let text = "in 2026-05-04T08:00 in 2026-05-04T13:00 out 2026-05-04T17:00";
    assert_eq!(summary(&rules, text), [day("2026-05-04", 4.0, false, "in_twice")]);
    // The out of Monday is missing, and the in of Tuesday.
    let text = "in 2026-05-04T08:00 out 2026-05-05T17:00";
    let expected = [day("2026-05-04", 0.0, false, "no_out"), day("2026-05-05", 0.0, false, "out_without_in")];
    assert_eq!(summary(&rules, text), expected);
    let text = "in 2026-05-04T06:00 out 2026-05-04T19:00";
    assert_eq!(summary(&rules, text), [day("2026-05-04", 13.0, false, "long_day")]);
}

#[test]
fn a_long_day_is_marked_and_never_torn() {
    let mut rules = rules("Europe/Berlin");
    for hours in [1, 8, 12, 24] {
        rules.long_day = SignedDuration::from_hours(hours);
        let long = if hours < 13 { "long_day" } else { "" };
        let night = "in 2026-07-13T18:30 out 2026-07-14T07:10";
        assert_eq!(summary(&rules, night), [day("2026-07-13", 12.0 + 2.0 / 3.0, false, long)], "{hours}");
        let by_day = "in 2026-07-16T07:00 out 2026-07-16T19:40";
        assert_eq!(summary(&rules, by_day), [day("2026-07-16", 12.0 + 2.0 / 3.0, false, long)], "{hours}");
    }
    // A guard's day, handed over late; while it lasts, they are there.
    rules.long_day = SignedDuration::from_hours(12);
    assert_eq!(
        summary(&rules, "in 2026-07-13T08:00 out 2026-07-14T08:15"),
        [day("2026-07-13", 24.25, false, "long_day")]
    );
    let still = summary_at(&rules, "in 2026-07-13T08:00", "2026-07-14T06:00:00Z");
    assert_eq!(still, [day("2026-07-13", 0.0, true, "")]);
    // Who comes again in the morning has gone before.
    let again = summary_at(&rules, "in 2026-07-13T12:00 in 2026-07-14T08:00", "2026-07-14T07:00:00Z");
    assert_eq!(again, [day("2026-07-13", 0.0, false, "no_out"), day("2026-07-14", 0.0, true, "")]);
}

#[test]
fn who_was_enrolled_anew_has_one_day() {
    let rules = rules("Europe/Berlin");
    let mut readings = read(&rules.zone, "in 2026-05-04T08:00 out 2026-05-04T17:00 in 2026-05-05T08:00");
    readings[0].newest = PersonId(9);
    for later in &mut readings[1..] {
        (later.person, later.newest) = (PersonId(9), PersonId(9));
    }
    readings[2].card = Some(Card { employee_id: Some("E142".into()), groups: vec!["night".into()] });
    readings[2].name = "Ada Lovelace".into();
    let days = reckon(&readings, &rules, Timestamp::MAX);
    assert_eq!(days.len(), 2);
    assert_eq!((days[0].worked, days[0].person), (SignedDuration::from_hours(9), PersonId(9)));
    assert_eq!(days[0].numbers, [PersonId(7), PersonId(9)]);
    // Each day as it was then.
    let who = |day: &Day| (day.name.clone(), day.card.employee_id.clone().unwrap(), day.card.groups[0].clone());
    assert_eq!(who(&days[0]), ("Ada".into(), "E042".into(), "staff".into()));
    assert_eq!(who(&days[1]), ("Ada Lovelace".into(), "E142".into(), "night".into()));
}

#[test]
fn the_other_methods() {
    let mut rules = rules("UTC");
    rules.method = Method::Alternate;
    let text = "in 2026-05-04T08:00 in 2026-05-04T12:00 in 2026-05-04T13:00 in 2026-05-04T17:00";
    assert_eq!(summary(&rules, text), [day("2026-05-04", 8.0, false, "")]);
    let text = "in 2026-05-04T08:00 in 2026-05-04T12:00 in 2026-05-04T13:00";
    assert_eq!(summary(&rules, text), [day("2026-05-04", 4.0, false, "no_out")]);
    rules.method = Method::FirstLast;
    assert_eq!(summary(&rules, text), [day("2026-05-04", 5.0, false, "")]);
    assert_eq!(summary(&rules, "in 2026-05-04T08:00"), [day("2026-05-04", 0.0, false, "no_out")]);
}

#[test]
fn a_camera_without_a_side_and_a_clock_that_was_not_set_are_told() {
    let rules = rules("UTC");
    let mut readings = read(&rules.zone, "in 2026-05-04T08:00 out 2026-05-04T12:00 in 2026-05-04T13:00");
    readings[2].direction = None;
    readings[0].doubtful = true;
    let days = reckon(&readings, &rules, Timestamp::MAX);
    assert_eq!(days[0].anomalies, [Anomaly::NoDirection, Anomaly::ClockNotSet]);
    assert_eq!(days[0].worked, SignedDuration::from_hours(4));
}

/// Readings over about four weeks around a change of the clocks, in minutes.
fn any_readings() -> impl Strategy<Value = Vec<Reading>> {
    let one = (0i64..40_000, any::<bool>(), 1u32..3);
    prop::collection::vec(one, 0..60).prop_map(|found| {
        let begin: Timestamp = "2026-03-15T00:00:00Z".parse().unwrap();
        let make = |((minutes, out, person), record): ((i64, bool, u32), u64)| Reading {
            person: PersonId(person),
            newest: PersonId(person),
            ..reading(
                if out { Direction::Out } else { Direction::In },
                begin + SignedDuration::from_mins(minutes),
                record,
            )
        };
        found.into_iter().zip(1..).map(make).collect()
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let zones = prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]);
    let methods = prop::sample::select(vec![Method::Side, Method::Alternate, Method::FirstLast]);
    (zones, methods, 0i8..24).prop_map(|(zone, method, hour)| Rules {
        method,
        day_starts: time(hour, 0, 0, 0),
        ..rules(zone)
    })
}

proptest! {
    #[test]
    fn hours_are_what_lies_between_readings(readings in any_readings(), rules in any_rules()) {
        let days = reckon(&readings, &rules, Timestamp::MAX);
        let mut used = std::collections::HashSet::new();
        for day in &days {
            let mut sum = SignedDuration::ZERO;
            let mut before: Option<Timestamp> = None;
            for stint in &day.stints {
                for read in [&stint.came, &stint.went].into_iter().flatten() {
                    // Nothing is counted twice, or comes from nowhere, or from somebody else.
                    prop_assert!(used.insert(read.id));
                    prop_assert!(readings.contains(read) && read.person == day.person);
                    prop_assert!(before.is_none_or(|before| before <= read.at));
                    before = Some(read.at);
                }
                sum += stint.lasted().unwrap_or_default();
                prop_assert!(!stint.lasted().unwrap_or_default().is_negative());
            }
            prop_assert_eq!(day.worked, sum);
            if let (Some(first), Some(last)) = (day.first_in(), day.last_out()) {
                prop_assert!(first > last || day.worked + day.gaps <= first.duration_until(last));
            }
            prop_assert!(!day.open, "long after");
        }
    }

    #[test]
    fn a_second_reading_at_once_changes_nothing(readings in any_readings(), rules in any_rules(), which: prop::sample::Index, seconds in 0i64..=120) {
        let before = reckon(&readings, &rules, Timestamp::MAX);
        let mut twice = readings.clone();
        if let Some(read) = (!readings.is_empty()).then(|| which.get(&readings)) {
            let again = read.at + SignedDuration::from_secs(seconds);
            // Unless it stretches to the next one, or is on the other side of a reading in the other direction.
            let near = |other: &&Reading| other.person == read.person && other.record != read.record
                && other.at.duration_since(read.at).abs() <= SignedDuration::from_mins(5);
            prop_assume!(readings.iter().filter(near).count() == 0);
            twice.push(Reading { at: again, record: 1000, id: Uuid::from_u128(1000), ..read.clone() });
        }
        let after = reckon(&twice, &rules, Timestamp::MAX);
        prop_assert_eq!(before, after);
    }

    #[test]
    fn the_order_of_the_records_does_not_matter(readings in any_readings(), rules in any_rules()) {
        let mut backwards = readings.clone();
        backwards.reverse();
        prop_assert_eq!(reckon(&readings, &rules, Timestamp::MAX), reckon(&backwards, &rules, Timestamp::MAX));
    }

    #[test]
    fn the_zone_moves_days_but_makes_no_hours(readings in any_readings(), rules in any_rules()) {
        // By side, within the longest day, a stint is what it is wherever midnight falls.
        let total = |zone: &str| {
            let rules = Rules { method: Method::Side, zone: TimeZone::get(zone).unwrap(), longest_stint: SignedDuration::from_hours(100_000), ..rules.clone() };
            reckon(&readings, &rules, Timestamp::MAX).iter().map(|day| day.worked.as_secs()).sum::<i64>()
        };
        prop_assert_eq!(total("UTC"), total("Europe/Berlin"));
    }
}
