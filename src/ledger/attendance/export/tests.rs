//! Each program's file, to the byte: tests/data/attendance has what that program is to be given.

use jiff::SignedDuration;
use jiff::civil::{DateTime, time};
use uuid::Uuid;

use super::*;
use crate::domain::{Card, Direction, PersonId};
use crate::ledger::attendance::{Method, Reading, Rules, reckon};

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

/// Readings from lines such as `Ada E042 in 2026-05-04T08:00 front`: a door, or `-` for an amendment; `-` for no employee id. The local
/// time is that of the rules.
fn found(rules: &Rules, now: &str, text: &str) -> Vec<Day> {
    let reading = |(line, record): (&str, u64)| {
        let [name, id, way, at, door] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let at: DateTime = at.parse().unwrap();
        let person = PersonId(name.bytes().next().unwrap().into());
        Reading {
            person,
            newest: person,
            name: name.into(),
            card: Some(Card { employee_id: (id != "-").then(|| id.into()), groups: Vec::new() }),
            at: at.to_zoned_datetime(rules.zone.clone()).unwrap().timestamp(),
            direction: Some(if way == "in" { Direction::In } else { Direction::Out }),
            door: door.trim_matches('-').into(),
            id: Uuid::from_u128(0x019b_7e3c_1153_7a10_8b1e_0000_0000_0000 + u128::from(record)),
            record,
            amended: door == "-",
            doubtful: false,
        }
    };
    let readings: Vec<Reading> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).zip(1..).map(reading).collect();
    reckon(&readings, rules, now.parse().unwrap())
}

/// A night shift, a winter's day, an amendment, somebody who is still there, and what is odd.
const DAYS: &str = "
    Ada E042 in 2026-01-14T08:00:10 front
    Ada E042 out 2026-01-14T16:30 front
    Ada E042 in 2026-05-04T18:30 front
    Ben 1077 in 2026-05-04T08:31 yard
    Ben 1077 out 2026-05-04T12:00 front
    Ben 1077 in 2026-05-04T12:45 front
    Cyd - in 2026-05-04T09:00 front
    Cyd - out 2026-05-04T17:00 front
    Ada E042 out 2026-05-05T07:10 -
    Dan 1078 out 2026-05-05T16:00 front
    Eve 1079 in 2026-05-05T08:00 yard
";
const NOW: &str = "2026-05-05T18:00:00Z";

fn made(format: Format, rules: &Rules, text: &str) -> Made {
    let doors = ["front".to_owned(), "yard".to_owned()];
    make(format, &found(rules, NOW, text), &rules.zone, &doors, CsvForm::default()).unwrap()
}

/// With `USHER_TEST_WRITE_GOLDEN` set the file is written instead.
fn expect(file: &str, written: Vec<u8>) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/attendance").join(file);
    let written = String::from_utf8(written).unwrap();
    if std::env::var_os("USHER_TEST_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    assert_eq!(written, std::fs::read_to_string(&path).unwrap(), "{file}");
}

#[test]
fn odoo_is_given_stints_that_it_takes() {
    let rules = rules("Europe/Berlin");
    let Made { bytes, left_out, .. } = made(Format::Odoo, &rules, DAYS);
    expect("odoo.csv", bytes);
    let [ben, cyd, dan] = &left_out[..] else { panic!("{left_out:?}") };
    assert!(ben.starts_with("Ben of 2026-05-04: in without out") && ben.contains("amend that day"), "{ben}");
    assert!(cyd.starts_with("Cyd (67): no employee id"), "{cyd}");
    assert!(dan.starts_with("Dan of 2026-05-05: out without in"), "{dan}");
}

#[test]
fn orangehrm_is_given_whole_stints_with_their_offsets() {
    let rules = rules("Europe/Berlin");
    let Made { bytes, left_out, .. } = made(Format::OrangeHrm, &rules, DAYS);
    expect("orangehrm.csv", bytes);
    assert_eq!(left_out.len(), 4, "{left_out:?}");
    // Offsets that are no whole hours.
    let rules = self::rules("Asia/Kathmandu");
    let text = "Ada E042 in 2026-05-04T08:00 front\nAda E042 out 2026-05-04T17:00 front";
    let Made { bytes, .. } = made(Format::OrangeHrm, &rules, text);
    assert!(String::from_utf8(bytes).unwrap().contains("2026-05-04,17:00,5.75,Asia/Kathmandu,usher 019b7e3c-"));
}

#[test]
fn zkteco_is_given_what_its_devices_write() {
    let rules = rules("Europe/Berlin");
    let Made { bytes, left_out, .. } = made(Format::ZkTeco, &rules, DAYS);
    let lines = String::from_utf8(bytes.clone()).unwrap();
    expect("1_attlog.dat", bytes);
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    // By the rule of ZKTeco's own reader: fields up to each tab, the last up to CR.
    let mut last = "";
    for line in lines.split_terminator("\r\n") {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!((fields.len(), fields[1].len()), (6, "2026-05-04 18:30:00".len()), "{line}");
        assert!(fields[2..].iter().all(|field| field.parse::<u8>().is_ok()) && fields[1] >= last, "{line}");
        last = fields[1];
    }
    let odd = "Ada E-42 in 2026-05-04T08:00 front";
    let Made { left_out, .. } = made(Format::ZkTeco, &rules, odd);
    assert!(left_out[0].contains("digits or letters"), "{left_out:?}");
}

#[test]
fn frappe_is_given_checkins() {
    let rules = rules("Europe/Berlin");
    let Made { bytes, remarks, .. } = made(Format::Frappe, &rules, DAYS);
    expect("frappe.csv", bytes);
    assert!(remarks.len() == 1 && remarks[0].starts_with("Cyd (#67) has no employee id"), "{remarks:?}");
}

#[test]
fn a_separator_is_for_lists_alone() {
    let (days, rules) = (found(&rules("UTC"), NOW, DAYS), rules("UTC"));
    let form = CsvForm { bom: true, ..CsvForm::default() };
    for format in Format::ALL {
        let made = make(format, &days, &rules.zone, &[], form);
        assert_eq!(made.is_ok(), format.takes_form(), "{made:?}");
        assert!(made.is_err() || made.unwrap().bytes.starts_with("\u{feff}".as_bytes()));
    }
}

#[test]
fn a_file_is_named_after_its_days() {
    let period = |from: &str, to: &str| Period { from: from.parse().unwrap(), to: to.parse().unwrap() };
    assert_eq!(Format::Csv.file_name(period("2026-05-01", "2026-05-31")), "attendance-2026-05.csv");
    assert_eq!(Format::Odoo.file_name(period("2026-05-04", "2026-05-04")), "attendance-2026-05-04-odoo.csv");
    assert_eq!(Format::Csv.file_name(period("2026-05-04", "2026-06-03")), "attendance-2026-05-04-2026-06-03.csv");
    assert_eq!(Format::ZkTeco.file_name(period("2026-05-01", "2026-05-31")), "1_attlog.dat");
}
