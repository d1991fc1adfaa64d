//! Tests of who may pass.

use super::*;
use crate::access::{Clear, Window};
use crate::domain::Distance;

const HOUR: Duration = Duration::from_secs(3600);
pub(super) const FRONT: DoorIndex = DoorIndex(0);

pub(super) fn now(text: &str) -> Now {
    Now::by_the_wall(Moment::default(), text.parse().unwrap())
}

pub(super) fn later(now: Now, span: Duration) -> Now {
    Now { moment: now.moment + span, wall: now.wall + span, since_boot: now.since_boot + span, ..now }
}

pub(super) fn holder(person: u32, groups: &[&str]) -> Holder {
    Holder {
        person: PersonId(person),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        enabled: true,
        valid_from: None,
        valid_until: None,
    }
}

fn office_hours(zone: &TimeZone) -> Schedule {
    Schedule {
        name: "office".into(),
        zone: zone.clone(),
        week: std::array::from_fn(
            |day| if day < 5 { vec![Window { from_min: 480, to_min: 1080 }] } else { Vec::new() },
        ),
        holidays: Default::default(),
        on_holidays: Vec::new(),
    }
}

/// Two doors with the same rules, in Berlin.
pub(super) fn house(door: DoorRules, passback: Passback) -> Authority {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    Authority::new(HouseRules {
        schedules: vec![office_hours(&zone)],
        zone,
        doors: vec![door.clone(), door],
        passback,
        passback_for: Some(12 * HOUR),
        backoff: Backoff { after: 0, first: HOUR, longest: HOUR },
        without_sync: WithoutSync::Deny,
        source: None,
    })
}

pub(super) fn ask(authority: &mut Authority, holder: &Holder, now: Now) -> Option<Reason> {
    ask_at(authority, FRONT, None, holder, &Mode::Normal, now).refused
}

pub(super) fn ask_at(
    authority: &mut Authority,
    door: DoorIndex,
    direction: Option<Direction>,
    holder: &Holder,
    mode: &Mode,
    now: Now,
) -> Judgement {
    ask_as(authority, door, direction, holder, mode, &Shown::person(holder.person.0), Some(&holder_of), now)
}

/// How everybody is enrolled unless a test changes it.
fn holder_of(person: PersonId) -> Option<Holder> {
    Some(holder(person.0, &[]))
}

#[expect(clippy::too_many_arguments, reason = "each of them is what some test is about")]
fn ask_as(
    authority: &mut Authority,
    door: DoorIndex,
    direction: Option<Direction>,
    holder: &Holder,
    mode: &Mode,
    shown: &Shown,
    enrolled: Option<&dyn Fn(PersonId) -> Option<Holder>>,
    now: Now,
) -> Judgement {
    let first = authority.waits(door).and_then(|first| enrolled?(first));
    let (shown, first) = (Some(shown), first.as_ref());
    authority
        .judge(&PassRequest { door, direction, holder, shown, first, mode, other_open: None, interlocked: false }, now)
}

/// A Wednesday morning at ten.
pub(super) const WEDNESDAY: &str = "2026-01-14T09:00:00Z";
const SUNDAY: &str = "2026-01-18T09:00:00Z";

#[test]
fn without_permits_everybody_enabled_passes_within_their_days() {
    let mut authority = house(DoorRules::default(), Passback::Off);
    let mut ada = holder(1, &[]);
    assert_eq!(ask(&mut authority, &ada, now(SUNDAY)), None);
    ada.enabled = false;
    assert_eq!(ask(&mut authority, &ada, now(SUNDAY)), Some(Reason::Disabled));
    let day = |text: &str| Some(text.parse().unwrap());
    let ada = Holder {
        enabled: true,
        valid_from: day("2026-01-14T00:00:00Z"),
        valid_until: day("2026-01-15T00:00:00Z"),
        ..ada
    };
    let at = |authority: &mut Authority, text: &str| ask(authority, &ada, now(text));
    assert_eq!(at(&mut authority, "2026-01-13T23:59:59Z"), Some(Reason::NotYetValid));
    assert_eq!(at(&mut authority, "2026-01-14T00:00:00Z"), None);
    assert_eq!(at(&mut authority, "2026-01-15T00:00:00Z"), Some(Reason::Expired));
}

#[test]
fn a_permit_names_groups_and_hours() {
    let permit = |groups: &[&str], schedule| Permit {
        groups: groups.iter().map(|g| (*g).into()).collect(),
        schedule,
        assurance: None,
    };
    let rules = DoorRules {
        permits: Some(vec![permit(&["staff"], Some(ScheduleIndex(0))), permit(&["guards"], None)]),
        ..DoorRules::default()
    };
    let mut authority = house(rules, Passback::Off);
    let (staff, guard, guest) = (holder(1, &["staff"]), holder(2, &["staff", "guards"]), holder(3, &["guests"]));
    assert_eq!(ask(&mut authority, &staff, now(WEDNESDAY)), None);
    assert_eq!(ask(&mut authority, &staff, now(SUNDAY)), Some(Reason::OutsideSchedule));
    assert_eq!(ask(&mut authority, &guard, now(SUNDAY)), None);
    assert_eq!(ask(&mut authority, &guest, now(WEDNESDAY)), Some(Reason::NotPermitted));

    let refused = ask_at(&mut authority, FRONT, None, &staff, &Mode::Normal, now(SUNDAY));
    let permit = refused.gates.iter().find(|gate| gate.name == "permit").unwrap();
    assert_eq!(permit.input, "in staff; Sun 2026-01-18 10:00 +01:00, opens Mon 2026-01-19 08:00");
    assert_eq!((permit.limit.as_str(), permit.passed), ("staff: office", false));

    // Permits for other doors only permit nobody.
    let mut authority = house(DoorRules { permits: Some(Vec::new()), ..DoorRules::default() }, Passback::Off);
    assert_eq!(ask(&mut authority, &guard, now(WEDNESDAY)), Some(Reason::NotPermitted));
}

#[test]
fn a_lockdown_lets_nobody_through_but_its_group() {
    let mut authority = house(DoorRules::default(), Passback::Off);
    let mode = |group: Option<&str>| Mode::Lockdown { group: group.map(str::to_owned) };
    let (guard, staff) = (holder(1, &["guards"]), holder(2, &["staff"]));
    let mut ask =
        |holder: &Holder, mode: Mode| ask_at(&mut authority, FRONT, None, holder, &mode, now(WEDNESDAY)).refused;
    assert_eq!(ask(&guard, mode(None)), Some(Reason::Lockdown));
    assert_eq!(ask(&guard, mode(Some("guards"))), None);
    assert_eq!(ask(&staff, mode(Some("guards"))), Some(Reason::Lockdown));
}

#[test]
fn the_first_person_opens_the_day_for_the_others() {
    let rules = DoorRules { first_person: Some("keys".into()), ..DoorRules::default() };
    let mut authority = house(rules, Passback::Off);
    let (keeper, staff) = (holder(1, &["keys"]), holder(2, &["staff"]));
    let morning = now(WEDNESDAY);
    assert_eq!(ask(&mut authority, &staff, morning), Some(Reason::FirstPerson));
    assert_eq!(ask(&mut authority, &keeper, morning), None);
    assert_eq!(authority.opens_day(FRONT, &keeper, morning), Some(When::of(&morning)));
    assert!(!authority.hours_may_begin(FRONT, morning));
    authority.granted(FRONT, &keeper, morning);
    assert_eq!((ask(&mut authority, &staff, morning), authority.opens_day(FRONT, &keeper, morning)), (None, None));
    assert_eq!(ask(&mut authority, &staff, now("2026-01-14T22:59:00Z")), None, "a minute before midnight in Berlin");
    assert_eq!(ask(&mut authority, &staff, now("2026-01-14T23:00:00Z")), Some(Reason::FirstPerson));
    // The other door has not been opened by anybody.
    let other = ask_at(&mut authority, DoorIndex(1), None, &staff, &Mode::Normal, morning);
    assert_eq!(other.refused, Some(Reason::FirstPerson));
}

#[test]
fn the_first_person_of_a_night_opens_it_to_its_end() {
    let rules =
        DoorRules { first_person: Some("keys".into()), unlock_hours: Some(ScheduleIndex(0)), ..DoorRules::default() };
    let mut authority = house(rules, Passback::Off);
    authority.rules.schedules[0].week = std::array::from_fn(|_| vec![Window { from_min: 1200, to_min: 1680 }]);
    let (keeper, staff) = (holder(1, &["keys"]), holder(2, &["staff"]));
    // Berlin is an hour ahead: 23:59, and 20:00 to 04:00.
    authority.granted(FRONT, &keeper, now("2026-01-14T22:59:00Z"));
    for (time, open) in [
        ("2026-01-14T22:59:59Z", true),
        ("2026-01-14T23:00:00Z", true),
        ("2026-01-15T02:59:00Z", true),
        // The window is over, and this day has not been opened.
        ("2026-01-15T03:00:00Z", false),
        ("2026-01-15T19:30:00Z", false),
    ] {
        assert_eq!(authority.first_person_came(FRONT, now(time)), open, "{time}");
        assert_eq!(ask(&mut authority, &staff, now(time)).is_none(), open, "{time}");
    }
    // A person who came before the window began has opened it too; one who comes after midnight also opens the new day.
    authority.granted(FRONT, &keeper, now("2026-01-15T18:00:00Z"));
    assert!(authority.first_person_came(FRONT, now("2026-01-16T01:00:00Z")));
    assert_eq!(
        authority.opens_day(FRONT, &keeper, now("2026-01-16T01:00:00Z")),
        Some(When::of(&now("2026-01-16T01:00:00Z")))
    );
    authority.granted(FRONT, &keeper, now("2026-01-16T01:00:00Z"));
    assert!(authority.first_person_came(FRONT, now("2026-01-16T02:59:00Z")));
    assert!(authority.first_person_came(FRONT, now("2026-01-16T10:00:00Z")));
    // A clock that was years ahead has opened nothing.
    authority.granted(FRONT, &keeper, now("2028-01-16T10:00:00Z"));
    assert!(!authority.first_person_came(FRONT, now("2026-01-17T20:00:00Z")));
}

#[test]
fn two_people_must_be_different_and_in_time() {
    let rules = DoorRules { two_person: Some(Duration::from_secs(15)), ..DoorRules::default() };
    let mut authority = house(rules, Passback::Off);
    let (ada, bob) = (holder(1, &[]), holder(2, &[]));
    let start = now(WEDNESDAY);
    assert_eq!(ask(&mut authority, &ada, start), Some(Reason::SecondPerson));
    assert_eq!(ask(&mut authority, &ada, later(start, Duration::from_secs(1))), Some(Reason::SecondPerson));
    let in_time = later(start, Duration::from_secs(16));
    let both = ask_at(&mut authority, FRONT, None, &bob, &Mode::Normal, in_time);
    assert_eq!((both.refused, both.with), (None, Some(PersonId(1))), "fifteen seconds after she was seen last");
    authority.granted(FRONT, &bob, in_time);
    assert_eq!(ask(&mut authority, &ada, in_time), Some(Reason::SecondPerson), "each opening takes two");
    let too_late = later(in_time, Duration::from_secs(16));
    assert_eq!(ask(&mut authority, &bob, too_late), Some(Reason::SecondPerson));
}

#[test]
fn a_person_who_may_not_pass_is_no_second_person() {
    let rules = DoorRules { two_person: Some(Duration::from_secs(15)), ..DoorRules::default() };
    let mut authority = house(rules, Passback::Off);
    let disabled = Holder { enabled: false, ..holder(1, &[]) };
    assert_eq!(ask(&mut authority, &disabled, now(WEDNESDAY)), Some(Reason::Disabled));
    assert_eq!(ask(&mut authority, &holder(2, &[]), now(WEDNESDAY)), Some(Reason::SecondPerson));
}

/// Ada (1) was recognised at `start`; Bob (2) comes a second later. Returns his judgement, with Ada enrolled as `ada` by then.
fn bob_after(ada: Option<Holder>, mode: &Mode, authority: &mut Authority, start: Now) -> Judgement {
    let bob = holder(2, &["guards"]);
    let enrolled = move |_| ada.clone();
    let now = later(start, Duration::from_secs(1));
    ask_as(authority, FRONT, None, &bob, mode, &Shown::person(2), Some(&enrolled), now)
}

#[test]
fn the_first_of_two_is_judged_again_when_the_second_comes() {
    let permit = |group: &str| Permit { groups: vec![group.into()], schedule: None, assurance: None };
    let rules = DoorRules {
        two_person: Some(Duration::from_secs(15)),
        permits: Some(vec![permit("staff"), permit("guards")]),
        ..DoorRules::default()
    };
    let start = now(WEDNESDAY);
    let ada = || holder(1, &["staff"]);
    let ended = Some("2026-01-14T09:00:01Z".parse().unwrap());
    let guards_only = Mode::Lockdown { group: Some("guards".into()) };
    let cases = [
        (Some(ada()), Mode::Normal, None),
        (Some(Holder { enabled: false, ..ada() }), Mode::Normal, Some("disabled")),
        (Some(Holder { valid_until: ended, ..ada() }), Mode::Normal, Some("expired")),
        (Some(holder(1, &[])), Mode::Normal, Some("not_permitted")),
        (None, Mode::Normal, Some("is not enrolled now")),
        (Some(ada()), guards_only, Some("lockdown")),
    ];
    for (first, mode, why) in cases {
        let mut authority = house(rules.clone(), Passback::Off);
        assert_eq!(ask(&mut authority, &ada(), start), Some(Reason::SecondPerson));
        let judgement = bob_after(first.clone(), &mode, &mut authority, start);
        let gate = judgement.gates.iter().find(|gate| gate.name == "second_person").unwrap();
        let refused = why.is_some().then_some(Reason::SecondPerson);
        assert_eq!((judgement.refused, judgement.with.is_none()), (refused, why.is_some()), "{first:?} {gate:?}");
        assert!(gate.input.contains(why.unwrap_or("may pass")), "{gate:?}");
        assert_eq!(authority.waits(FRONT), Some(PersonId(if why.is_some() { 2 } else { 1 })), "{first:?}");
    }
}

#[test]
fn the_first_of_two_is_subject_to_backoff_and_passback_too() {
    let zones = Some(Zones { outside: "street".into(), inside: "house".into() });
    let rules = DoorRules { two_person: Some(Duration::from_secs(15)), zones, ..DoorRules::default() };
    let (ada, bob, start) = (holder(1, &[]), holder(2, &[]), now(WEDNESDAY));
    let go = |authority: &mut Authority, holder: &Holder| {
        ask_at(authority, FRONT, Some(Direction::In), holder, &Mode::Normal, start).refused
    };
    for spoil in [
        (|authority: &mut Authority, start| (0..3).for_each(|_| authority.near_miss(FRONT, PersonId(1), start)))
            as fn(&mut Authority, Now),
        |authority, start| authority.whereabouts_mut().enter(PersonId(1), "house", &start),
    ] {
        let mut authority = house(rules.clone(), Passback::Hard);
        authority.rules.backoff.after = 3;
        assert_eq!(go(&mut authority, &ada), Some(Reason::SecondPerson));
        let mut fine = authority.clone();
        assert_eq!(go(&mut fine, &bob), None);
        spoil(&mut authority, start);
        assert_eq!(go(&mut authority, &bob), Some(Reason::SecondPerson));
    }
}

#[test]
fn setting_the_mode_forgets_who_waits() {
    let rules = DoorRules { two_person: Some(Duration::from_secs(300)), ..DoorRules::default() };
    let mut authority = house(rules, Passback::Off);
    let (ada, start) = (holder(1, &[]), now(WEDNESDAY));
    assert_eq!(ask(&mut authority, &ada, start), Some(Reason::SecondPerson));
    assert_eq!(authority.waits(FRONT), Some(ada.person));
    authority.mode_set(DoorIndex(1));
    assert_eq!(authority.waits(FRONT), Some(ada.person), "another door");
    authority.mode_set(FRONT);
    authority.mode_set(DoorIndex(7));
    assert_eq!(bob_after(Some(ada), &Mode::Normal, &mut authority, start).refused, Some(Reason::SecondPerson));
}

#[test]
fn one_face_is_not_two_people() {
    let rules = DoorRules { two_person: Some(Duration::from_secs(15)), ..DoorRules::default() };
    let (ada, bob, start) = (holder(1, &[]), holder(2, &[]), now(WEDNESDAY));
    let of_ada = Shown::person(1);
    let resembling = |shown: Shown, other: u32| Shown { resembles: vec![PersonId(other)], ..shown };
    let same_track = Shown { track: of_ada.track, ..Shown::person(2) };
    let cases = [
        (of_ada.clone(), Shown::person(2), true),
        (of_ada.clone(), same_track.clone(), false),
        // Tracks are numbered camera by camera.
        (of_ada.clone(), Shown { camera: "yard".into(), ..same_track }, true),
        (of_ada.clone(), resembling(Shown::person(2), 1), false),
        (resembling(of_ada.clone(), 2), Shown::person(2), false),
        (resembling(of_ada, 3), resembling(Shown::person(2), 3), true),
    ];
    for (first, second, two) in cases {
        let mut authority = house(rules.clone(), Passback::Off);
        let mut go = |holder: &Holder, shown: &Shown| {
            ask_as(&mut authority, FRONT, None, holder, &Mode::Normal, shown, Some(&holder_of), start)
        };
        assert_eq!(go(&ada, &first).refused, Some(Reason::SecondPerson));
        let both = go(&bob, &second);
        assert_eq!(both.refused.is_none(), two, "{first:?} {second:?} {both:?}");
    }
}

#[test]
fn a_request_without_a_face_makes_nobody_a_first_or_second() {
    let rules = DoorRules { two_person: Some(Duration::from_secs(15)), ..DoorRules::default() };
    let mut authority = house(rules, Passback::Off);
    let (ada, bob, start) = (holder(1, &[]), holder(2, &[]), now(WEDNESDAY));
    let without = |authority: &mut Authority, holder: &Holder, first: Option<&Holder>| {
        let request = PassRequest {
            door: FRONT,
            direction: None,
            holder,
            shown: None,
            first,
            mode: &Mode::Normal,
            other_open: None,
            interlocked: false,
        };
        authority.judge(&request, start).refused
    };
    assert_eq!(without(&mut authority, &ada, None), Some(Reason::SecondPerson));
    assert_eq!(authority.waits(FRONT), None);
    assert_eq!(ask(&mut authority, &ada, start), Some(Reason::SecondPerson));
    assert_eq!(without(&mut authority, &bob, Some(&ada)), Some(Reason::SecondPerson));
}

#[test]
fn nobody_goes_in_twice_without_going_out() {
    let zones = Some(Zones { outside: "street".into(), inside: "house".into() });
    let ada = holder(1, &[]);
    let start = now(WEDNESDAY);
    for (passback, refused) in [(Passback::Hard, Some(Reason::Passback)), (Passback::Soft, None), (Passback::Off, None)]
    {
        let mut authority = house(DoorRules { zones: zones.clone(), ..DoorRules::default() }, passback);
        let go = |authority: &mut Authority, direction, now| {
            ask_at(authority, FRONT, Some(direction), &ada, &Mode::Normal, now)
        };
        assert_eq!(go(&mut authority, Direction::Out, start).refused, None, "it was not known where she was");
        assert_eq!(authority.passed(FRONT, ada.person, Some(Direction::In), start).as_deref(), Some("house"));
        let again = go(&mut authority, Direction::In, start);
        assert_eq!(again.refused, refused, "{passback:?}");
        let gate = again.gates.iter().find(|gate| gate.name == "passback");
        assert_eq!(
            gate.map(|gate| gate.input.contains("soft")),
            (passback != Passback::Off).then_some(refused.is_none())
        );
        assert_eq!(go(&mut authority, Direction::Out, start).refused, None);
        assert_eq!(
            go(&mut authority, Direction::In, later(start, 12 * HOUR)).refused,
            None,
            "trusted for twelve hours"
        );
        authority.whereabouts_mut().forget(ada.person);
        assert_eq!(go(&mut authority, Direction::In, start).refused, None, "an amnesty");
        // Without a direction there is no passback check.
        assert_eq!(authority.passed(FRONT, ada.person, None, start), None);
    }
}

#[test]
fn near_misses_make_that_person_wait() {
    let mut authority = house(DoorRules::default(), Passback::Off);
    authority.rules.backoff = Backoff { after: 3, first: Duration::from_secs(10), longest: Duration::from_secs(60) };
    let (ada, bob) = (holder(1, &[]), holder(2, &[]));
    let start = now(WEDNESDAY);
    (0..3).for_each(|_| authority.near_miss(FRONT, ada.person, start));
    assert_eq!(ask(&mut authority, &ada, start), Some(Reason::Backoff));
    assert_eq!(ask(&mut authority, &bob, start), None);
    let clear = Some(Clear { frames: 3, farthest: Distance(0.5) });
    let clearly = Shown { clear, ..Shown::person(1) };
    let judgement = ask_as(&mut authority, FRONT, None, &ada, &Mode::Normal, &clearly, None, start);
    assert_eq!(judgement.refused, None, "the misses were a lookalike's");
    authority.granted(FRONT, &ada, start);
    assert_eq!(ask(&mut authority, &ada, start), Some(Reason::Backoff), "who still has to wait");
    assert_eq!(ask(&mut authority, &ada, later(start, Duration::from_secs(10))), None);
}

#[test]
fn the_first_failed_gate_gives_the_reason_and_all_are_listed() {
    let rules = DoorRules {
        permits: Some(vec![Permit { groups: vec!["staff".into()], schedule: Some(ScheduleIndex(0)), assurance: None }]),
        first_person: Some("keys".into()),
        two_person: Some(Duration::from_secs(15)),
        zones: Some(Zones { outside: "street".into(), inside: "house".into() }),
        ..DoorRules::default()
    };
    let mut authority = house(rules, Passback::Hard);
    authority.rules.backoff.after = 3;
    let ada = holder(1, &["staff"]);
    let mode = Mode::Normal;
    let request = PassRequest {
        door: FRONT,
        direction: Some(Direction::In),
        holder: &ada,
        shown: None,
        first: None,
        mode: &mode,
        other_open: Some("back"),
        interlocked: true,
    };
    let judgement = authority.judge(&request, now(SUNDAY));
    let gates: Vec<_> = judgement.gates.iter().map(|gate| (&*gate.name, gate.passed)).collect();
    let expected = [
        ("mode", true),
        ("person", true),
        ("permit", false),
        ("backoff", true),
        ("passback", true),
        ("first_person", false),
        ("interlock", false),
        ("second_person", false),
    ];
    assert_eq!(gates, expected);
    assert_eq!(judgement.refused, Some(Reason::OutsideSchedule));
}
