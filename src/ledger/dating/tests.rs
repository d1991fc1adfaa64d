//! Boots whose clock was set late, and clocks that went back.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// 2026-05-04T06:00:00Z.
const MORNING: u64 = 1_777_874_400;

fn record(seq: u64, boot: u128, since_boot: u64, at: u64, synchronised: Option<bool>) -> Record {
    Record {
        seq,
        id: Uuid::from_u128(u128::from(seq)),
        at: wall(at),
        offset_s: 0,
        since_boot: Duration::from_secs(since_boot),
        boot: Uuid::from_u128(boot),
        synchronised,
        kind: "granted".into(),
        content: crate::domain::Content::Unknown(json!({})),
        erased: false,
        previous: [0; 32],
        hash: [0; 32],
    }
}

fn wall(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn timeline(records: &[Record]) -> Timeline {
    let mut timeline = Timeline::default();
    records.iter().for_each(|record| timeline.add(record));
    timeline
}

fn dated(records: &[Record]) -> Vec<(SystemTime, bool)> {
    let timeline = timeline(records);
    records.iter().map(|record| timeline.date(record.clone())).map(|dated| (dated.at, dated.is_corrected())).collect()
}

#[test]
fn a_boot_in_1970_is_dated_by_its_first_synchronised_record() {
    let records = [
        record(1, 7, 20, 20, Some(false)),
        record(2, 7, 80, 80, Some(false)),
        record(3, 7, 600, MORNING + 600, Some(true)),
        record(4, 7, 700, MORNING + 705, Some(true)),
    ];
    let expected = [
        (wall(MORNING + 20), true),
        (wall(MORNING + 80), true),
        (wall(MORNING + 600), false),
        (wall(MORNING + 705), false),
    ];
    assert_eq!(dated(&records), expected);
}

#[test]
fn yesterday_s_time_after_a_power_cut_is_corrected_too() {
    let records = [record(1, 7, 20, MORNING - 86_400, Some(false)), record(2, 7, 600, MORNING + 600, Some(true))];
    assert_eq!(dated(&records)[0], (wall(MORNING + 20), true));
    // Two years ahead.
    let records = [record(1, 7, 20, MORNING + 63_072_000, Some(false)), record(2, 7, 600, MORNING + 600, Some(true))];
    assert_eq!(dated(&records)[0], (wall(MORNING + 20), true));
}

#[test]
fn another_boot_an_earlier_record_and_an_unknown_boot_say_nothing() {
    let records = [
        record(1, 6, 20, MORNING, Some(true)),
        record(2, 7, 20, MORNING + 5, Some(false)),
        record(3, 8, 600, MORNING + 600, Some(true)),
        // Synchronised before, and not any longer.
        record(4, 8, 700, MORNING + 50, Some(false)),
        record(5, 0, 10, 10, Some(false)),
        record(6, 0, 600, MORNING + 900, Some(true)),
    ];
    let own: Vec<_> = records.iter().map(|record| (record.at, false)).collect();
    assert_eq!(dated(&records), own);
}

#[test]
fn a_clock_set_by_hand_dates_what_was_before_any_usher_and_nothing_else() {
    let records = [
        record(1, 7, 20, 20, Some(false)),
        record(2, 7, 300, MORNING - 3600, Some(false)),
        record(3, 7, 600, MORNING + 600, Some(false)),
    ];
    assert_eq!(dated(&records)[0], (wall(MORNING + 20), true));
    assert_eq!(dated(&records)[1..], [(wall(MORNING - 3600), false), (wall(MORNING + 600), false)]);
}

#[test]
fn a_clock_that_lies_behind_an_earlier_record_is_wrong() {
    // A power cut, and the board goes on with the time of yesterday evening until somebody sets it.
    let records = [
        record(1, 6, 900, MORNING - 3600, Some(false)),
        record(2, 7, 20, MORNING - 43_200, Some(false)),
        record(3, 7, 600, MORNING + 600, Some(false)),
    ];
    assert_eq!(dated(&records)[1], (wall(MORNING + 20), true));
    // As long as nobody does, and when it has only run on, it stays.
    assert_eq!(dated(&records[..2])[1], (wall(MORNING - 43_200), false));
    let records = [
        record(1, 6, 900, MORNING + 100, Some(false)),
        record(2, 7, 20, MORNING + 20, Some(false)),
        record(3, 7, 600, MORNING + 600, Some(false)),
    ];
    assert_eq!(dated(&records)[1], (wall(MORNING + 20), false));
    // A start two years ahead, and back: the time after it is not taken for wrong.
    let ahead = MORNING + 63_072_000;
    let records = [
        record(1, 7, 20, MORNING + 20, Some(false)),
        record(2, 7, 100, ahead, Some(false)),
        record(3, 7, 600, MORNING + 600, Some(false)),
        record(4, 7, 700, MORNING + 700, Some(false)),
    ];
    let own: Vec<_> = records.iter().map(|record| (record.at, false)).collect();
    assert_eq!(dated(&records), own);
}

#[test]
fn both_times_are_told_where_they_lie_apart() {
    let records = [
        record(1, 7, 20, 20, Some(false)),
        record(2, 7, 599, MORNING + 599, Some(false)),
        record(3, 7, 600, MORNING + 600, Some(true)),
    ];
    let timeline = timeline(&records);
    let [first, second, third] = records.map(|record| timeline.date(record));
    assert!(first.differs() && !second.differs() && !third.differs());
    assert!(second.is_corrected());
    for dated in [first, second, third] {
        assert_eq!(Dated::from_json(&dated.to_json()), Some(dated));
    }
}

fn any_records() -> impl Strategy<Value = Vec<Record>> {
    let step = (1u64..4000, any::<bool>(), 0u8..4, prop::option::of(any::<bool>()), -100_000i64..100_000);
    prop::collection::vec(step, 1..60).prop_map(|steps| {
        let (mut boot, mut since_boot, mut true_time, mut wrong) = (1, 0, MORNING, 0);
        let mut records = Vec::new();
        for ((passed, restarts, jumps, synchronised, by), seq) in steps.into_iter().zip(1..) {
            true_time += passed;
            since_boot += passed;
            if restarts && passed > 3000 {
                (boot, since_boot) = (boot + 1, passed % 60 + 1);
            }
            if jumps == 0 {
                wrong = by;
            }
            let shown = match (synchronised, jumps) {
                (Some(true), _) => true_time,
                (_, 1) => since_boot,
                _ => true_time.saturating_add_signed(wrong),
            };
            let mut record = record(seq, boot, since_boot, shown, synchronised);
            record.kind = ["granted", "denied", "locked"][usize::from(jumps % 3)].into();
            records.push(record);
        }
        records
    })
}

proptest! {
    /// A synchronised clock is right in these histories, so what it dates is right as well; what nothing dates stays as it was.
    #[test]
    fn what_is_corrected_is_right(records in any_records()) {
        let timeline = timeline(&records);
        for (place, record) in records.iter().enumerate() {
            let dated = timeline.date(record.clone());
            let later = records[place + 1..].iter().find(|r| r.boot == record.boot && r.synchronised == Some(true));
            match (record.synchronised, later) {
                (Some(true), _) => prop_assert_eq!((dated.at, dated.is_corrected()), (record.at, false)),
                (_, Some(later)) => {
                    prop_assert!(dated.is_corrected());
                    prop_assert_eq!(dated.at, later.at - (later.since_boot - record.since_boot));
                }
                (_, None) => {
                    let says = |later: &Record| {
                        later.boot == record.boot && dated.at == later.at - (later.since_boot - record.since_boot)
                    };
                    prop_assert!(!dated.is_corrected() || records[place + 1..].iter().any(says));
                    prop_assert!(dated.is_corrected() || dated.at == record.at);
                }
            }
        }
    }

    /// Whatever the clocks did, the stretches hold every record that fits.
    #[test]
    fn no_record_that_fits_is_left_out(records in any_records(), since in prop::option::of(0u64..200_000), until in prop::option::of(0u64..200_000), kind in 0usize..4) {
        let timeline = timeline(&records);
        let at = |offset: u64| wall(MORNING - 100_000 + offset);
        let kinds = ["granted", "denied", "locked"].get(kind).map(|kind| (*kind).to_owned()).into_iter().collect();
        let filter = RecordFilter { since: since.map(at), until: until.map(at), kinds, ..RecordFilter::default() };
        let stretches = timeline.stretches(&filter);
        for record in records {
            let seq = record.seq;
            if filter.fits(&timeline.date(record)) {
                prop_assert!(stretches.iter().any(|(first, last)| (*first..=*last).contains(&seq)), "{}", seq);
            }
        }
        prop_assert!(stretches.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }
}
