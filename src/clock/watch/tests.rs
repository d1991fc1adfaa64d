//! Tests of the quality of the time.

use super::*;
use crate::clock::{Clock, SimulatedClock};

const DAY: Duration = Duration::from_secs(86_400);

/// Days after 2026-01-01.
fn day(n: u32) -> SystemTime {
    earliest() + DAY * n
}

fn look(watch: &mut Watch, clock: &SimulatedClock) -> TimeQuality {
    watch.look(clock.now(), &clock.stamp()).quality
}

/// Ran on day 100 for an hour, in step or not, and what is known then.
fn ran(synchronised: Option<bool>) -> (Watch, SimulatedClock) {
    let (mut watch, clock) = (Watch::new(Evidence::default()), SimulatedClock::new(day(100)));
    clock.set_synchronised(synchronised);
    for _ in 0..60 {
        look(&mut watch, &clock);
        clock.advance(Duration::from_secs(60));
    }
    (Watch::new(watch.evidence()), clock)
}

#[test]
fn a_board_that_wakes_in_1970_has_no_time() {
    for kernel in [Some(false), None, Some(true)] {
        let (mut watch, clock) = (Watch::new(Evidence::default()), SimulatedClock::new(SystemTime::UNIX_EPOCH));
        clock.set_synchronised(kernel);
        assert_eq!(look(&mut watch, &clock), TimeQuality::Unset, "{kernel:?}");
        clock.set_wall(day(0) - Duration::from_secs(1));
        assert_eq!(look(&mut watch, &clock), TimeQuality::Unset);
        clock.set_wall(day(100));
        assert!(look(&mut watch, &clock).is_known());
    }
}

#[test]
fn yesterdays_time_after_a_power_cut_is_provably_wrong_until_the_network_sets_it() {
    for kernel in [Some(false), None, Some(true)] {
        let (mut watch, clock) = ran(kernel);
        clock.reboot(day(99));
        assert_eq!(look(&mut watch, &clock), TimeQuality::Wrong, "{kernel:?}");
        // It does not become right by waiting, and what it shows does not become evidence.
        clock.advance(DAY / 2);
        assert_eq!(look(&mut watch, &clock), TimeQuality::Wrong);
        clock.set_wall(day(101));
        clock.set_synchronised(Some(true));
        assert_eq!(look(&mut watch, &clock), TimeQuality::Synchronised);
    }
}

#[test]
fn a_clock_that_is_behind_by_less_than_a_minute_is_not_wrong() {
    let (mut watch, clock) = ran(Some(false));
    clock.reboot(clock.wall() - Duration::from_secs(90));
    assert_eq!(look(&mut watch, &clock), TimeQuality::Plausible, "behind by 30 s");
    // And does not creep back from there.
    for _ in 0..10 {
        clock.reboot(clock.wall() - Duration::from_secs(50));
        watch = Watch::new(watch.evidence());
        look(&mut watch, &clock);
    }
    assert_eq!(look(&mut watch, &clock), TimeQuality::Wrong);
}

#[test]
fn what_must_be_goes_on_with_the_run_of_the_machine() {
    let (mut watch, clock) = ran(Some(true));
    let last = clock.wall() - Duration::from_secs(60);
    clock.set_wall(SystemTime::UNIX_EPOCH);
    clock.set_synchronised(Some(false));
    clock.advance(DAY);
    let reading = watch.look(clock.now(), &clock.stamp());
    assert_eq!((reading.quality, reading.at_least), (TimeQuality::Unset, last + Duration::from_secs(60) + DAY));
    // In another run nobody knows how long the power was off.
    clock.reboot(SystemTime::UNIX_EPOCH);
    clock.advance(DAY);
    assert_eq!(watch.look(clock.now(), &clock.stamp()).at_least, last);
}

#[test]
fn years_ahead_is_plausible_and_gives_way_to_a_clock_in_step() {
    let (mut watch, clock) = ran(Some(false));
    clock.reboot(day(100 + 730));
    assert_eq!(look(&mut watch, &clock), TimeQuality::Plausible);
    // The next start is right, and nobody vouches for it.
    clock.reboot(day(101));
    let mut watch = Watch::new(watch.evidence());
    assert_eq!(look(&mut watch, &clock), TimeQuality::Wrong);
    clock.set_synchronised(Some(true));
    assert_eq!(look(&mut watch, &clock), TimeQuality::Synchronised);
    // The outlier is forgotten: without the network it is no longer wrong, also after a restart.
    clock.reboot(day(102));
    let mut watch = Watch::new(watch.evidence());
    assert_eq!(look(&mut watch, &clock), TimeQuality::Plausible);
}

#[test]
fn a_time_server_that_lied_is_overruled_once_another_has_been_in_step_for_a_while() {
    let (mut watch, clock) = ran(Some(true));
    clock.reboot(day(4_000));
    clock.set_synchronised(Some(true));
    assert_eq!(look(&mut watch, &clock), TimeQuality::Synchronised);
    clock.reboot(day(101));
    clock.set_synchronised(Some(true));
    let mut watch = Watch::new(watch.evidence());
    assert_eq!(look(&mut watch, &clock), TimeQuality::Wrong);
    for minute in 1..=10 {
        clock.advance(Duration::from_secs(60));
        assert_eq!(look(&mut watch, &clock).is_known(), minute == 10, "{minute}");
    }
    assert_eq!(watch.evidence().synchronised.unwrap().at, clock.wall());
}

#[test]
fn in_step_is_counted_from_the_last_jump() {
    let (mut watch, clock) = ran(Some(true));
    let mut in_step_for = |clock: &SimulatedClock| watch.look(clock.now(), &clock.stamp()).in_step_for;
    assert_eq!(in_step_for(&clock), Duration::ZERO);
    clock.advance(DAY);
    assert_eq!(in_step_for(&clock), DAY);
    clock.set_wall(clock.wall() + 3 * DAY);
    assert_eq!(in_step_for(&clock), Duration::ZERO);
    clock.advance(DAY);
    clock.set_synchronised(Some(false));
    assert_eq!(in_step_for(&clock), Duration::ZERO);
}

#[test]
fn an_operators_word_overrules_what_was_claimed() {
    let (mut watch, clock) = ran(None);
    clock.reboot(day(4_000));
    look(&mut watch, &clock);
    clock.reboot(day(101));
    assert_eq!(look(&mut watch, &clock), TimeQuality::Wrong);
    watch.trust(&clock.stamp());
    assert_eq!(look(&mut watch, &clock), TimeQuality::Plausible);
    clock.reboot(SystemTime::UNIX_EPOCH);
    watch.trust(&clock.stamp());
    assert_eq!(look(&mut watch, &clock), TimeQuality::Unset, "1970 is never right");
}

#[test]
fn records_are_taken_in_as_they_were_written() {
    let stamp = |at, synchronised| Stamp { synchronised, ..Stamp::at(at) };
    let mut evidence = Evidence::default();
    for record in [
        stamp(SystemTime::UNIX_EPOCH, Some(true)),
        stamp(day(10), Some(true)),
        stamp(day(4_000), Some(false)),
        stamp(day(9), Some(false)),
        stamp(day(11), Some(true)),
        stamp(day(12), None),
        stamp(day(5), Some(true)),
    ] {
        evidence.add(&record);
    }
    let at = |sign: Option<Sign>| sign.map(|sign| sign.at);
    assert_eq!((at(evidence.synchronised), at(evidence.claimed)), (Some(day(11)), Some(day(12))));
}

#[test]
fn no_time_is_beyond_it() {
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
    let mut watch = Watch::new(Evidence::default());
    for (moment, at) in [(0, far), (u64::MAX, day(1)), (5, SystemTime::UNIX_EPOCH - DAY), (u64::MAX, far)] {
        let moment = Moment(Duration::from_secs(moment));
        watch.look(moment, &Stamp { boot: [1; 16], since_boot: Duration::MAX, ..Stamp::at(at) });
    }
}
