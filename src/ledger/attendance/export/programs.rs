//! The formats of other programs, each its own. Rows that a program would reject are left out and reported.

use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::sheets::local;
use super::{LeftOut, Result};
use crate::ledger::attendance::{Day, Reading, Stint};

/// ZKTeco's codes for a recognised face, and for an operator's entry.
const VERIFIED_FACE: u8 = 15;
const VERIFIED_OTHERWISE: u8 = 0;
/// The width to which a device pads a user's number, in characters.
const PIN_WIDTH: usize = 9;
/// The longest user's number, in characters.
const PIN_LONGEST: usize = 24;

/// Odoo's import of `hr.attendance`: a row for each stint, under the fields' technical names, which do not depend on the language. The
/// employee's External ID must be the employee id. The row has an External ID too, so that a second import of the same days updates rows
/// instead of adding them. Times are local. An open stint has no end.
pub fn odoo(out: &mut impl Write, all: &[Day], zone: &TimeZone) -> Result<LeftOut> {
    let mut left_out = LeftOut::default();
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["id", "employee_id/id", "check_in", "check_out"])?;
    for (day, stint) in stints(all) {
        let Some(employee) = &day.card.employee_id else {
            left_out.person(day, "no employee id, which must be the External ID of the employee in Odoo");
            continue;
        };
        let last = day.stints.last() == Some(stint);
        let (came, went) = match (&stint.came, &stint.went) {
            (Some(came), Some(went)) => (came, local(went.at, zone)),
            (Some(came), None) if day.open && last => (came, String::new()),
            _ => {
                left_out.stint(day, one_end(stint));
                continue;
            }
        };
        csv.write_record([&format!("usher_attendance_{}", came.id), employee, &local(came.at, zone), &went])?;
    }
    csv.flush()?;
    Ok(left_out)
}

/// OrangeHRM: a row for each complete stint, under the names of its web API for a punch in and a punch out, with the UTC offset of each time
/// in hours. The note holds the record's id.
pub fn orangehrm(out: &mut impl Write, all: &[Day], zone: &TimeZone) -> Result<LeftOut> {
    let mut left_out = LeftOut::default();
    let mut csv = csv::Writer::from_writer(out);
    let fields = ["Date", "Time", "TimezoneOffset", "TimezoneName", "Note"];
    let headings = ["punchIn", "punchOut"].into_iter().flat_map(|punch| fields.map(|field| format!("{punch}{field}")));
    csv.write_record(std::iter::once("employeeId".to_owned()).chain(headings))?;
    for (day, stint) in stints(all) {
        let Some(employee) = &day.card.employee_id else {
            left_out.person(day, "no employee id");
            continue;
        };
        let (Some(came), Some(went)) = (&stint.came, &stint.went) else {
            left_out.stint(day, one_end(stint));
            continue;
        };
        let punches = [came, went].into_iter().flat_map(|reading| punch(reading, zone));
        csv.write_record(std::iter::once(employee.clone()).chain(punches))?;
    }
    csv.flush()?;
    Ok(left_out)
}

fn punch(reading: &Reading, zone: &TimeZone) -> [String; 5] {
    let at = reading.at.to_zoned_datetime(zone.clone());
    let hours = f64::from(at.offset().seconds()) / 3600.0;
    [
        at.strftime("%Y-%m-%d").to_string(),
        at.strftime("%H:%M").to_string(),
        hours.to_string(),
        zone.iana_name().unwrap_or_default().to_owned(),
        format!("usher {}", reading.id),
    ]
}

/// `attlog.dat`, as ZKTeco's devices write it to a USB stick: a line for each reading, by time. Fields are separated by tabs: the user's
/// number, padded with spaces on the left; the local time; the device's number, here the door's position in the configuration; 0 for in and
/// 1 for out; the verification code; the work code, 0. Lines end with CR and LF.
pub fn zkteco(out: &mut impl Write, all: &[Day], zone: &TimeZone, doors: &[String]) -> Result<LeftOut> {
    let mut left_out = LeftOut::default();
    let mut lines: Vec<(Timestamp, u64, String)> = Vec::new();
    for (day, stint) in stints(all) {
        let pin = match &day.card.employee_id {
            Some(id) if is_pin(id) => id,
            Some(_) => {
                left_out.person(
                    day,
                    "a user's number in ZKTeco has at most 24 digits or letters, which the employee id does not fit",
                );
                continue;
            }
            None => {
                left_out.person(day, "no employee id");
                continue;
            }
        };
        for (reading, state) in [(&stint.came, 0), (&stint.went, 1)] {
            let Some(reading) = reading else { continue };
            let device = doors.iter().position(|door| *door == reading.door).map_or(1, |place| place.saturating_add(1));
            let verified = if reading.amended { VERIFIED_OTHERWISE } else { VERIFIED_FACE };
            let at = local(reading.at, zone);
            let line = format!("{pin:>PIN_WIDTH$}\t{at}\t{device}\t{state}\t{verified}\t0\r\n");
            lines.push((reading.at, reading.record, line));
        }
    }
    lines.sort();
    for (_, _, line) in lines {
        out.write_all(line.as_bytes())?;
    }
    Ok(left_out)
}

fn is_pin(id: &str) -> bool {
    (1..=PIN_LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn stints(all: &[Day]) -> impl Iterator<Item = (&Day, &Stint)> {
    all.iter().flat_map(|day| day.stints.iter().map(move |stint| (day, stint)))
}

/// What is missing, for a program that needs complete stints.
fn one_end(stint: &Stint) -> &'static str {
    match stint.came {
        Some(_) => "in without out",
        None => "out without in",
    }
}
