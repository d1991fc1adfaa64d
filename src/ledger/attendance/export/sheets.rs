//! Lists for spreadsheets and payroll. Times are local, as payroll expects; hours are decimal.

use std::io::Write;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Result;
use crate::ledger::attendance::{Day, Reading, Stint};
use crate::table::no_formula;

/// A row for each day of each person.
pub fn days(mut csv: csv::Writer<impl Write>, all: &[Day], zone: &TimeZone) -> Result<()> {
    csv.write_record([
        "date",
        "employee",
        "name",
        "person",
        "first_in",
        "last_out",
        "hours",
        "hours_minutes",
        "gap_hours",
        "open",
        "anomalies",
        "ids",
    ])?;
    for day in all {
        let at = |at: Option<Timestamp>| at.map_or_else(String::new, |at| with_offset(at, zone));
        let ids: Vec<String> = read(&day.stints).map(|reading| reading.id.to_string()).collect();
        csv.write_record([
            day.date.to_string(),
            no_formula(&day.employee()),
            no_formula(&day.name),
            day.person.to_string(),
            at(day.first_in()),
            at(day.last_out()),
            decimal(day.worked),
            day.hours_and_minutes(),
            decimal(day.gaps),
            if day.open { "yes".to_owned() } else { String::new() },
            day.anomalies.iter().map(|anomaly| anomaly.as_str()).collect::<Vec<_>>().join(" "),
            ids.join(" "),
        ])?;
    }
    csv.flush()?;
    Ok(())
}

/// A row for each reading, with the headings of Frappe's and ERPNext's import of "Employee Checkin". `ID` is the record's, so importing
/// the same days again gives the same ids.
pub fn frappe(mut csv: csv::Writer<impl Write>, all: &[Day], zone: &TimeZone) -> Result<()> {
    csv.write_record(["ID", "Employee", "Employee Name", "Log Type", "Time", "Location / Device ID"])?;
    for day in all {
        let employee = no_formula(&day.employee());
        for (reading, log_type) in day.stints.iter().flat_map(|stint| [(&stint.came, "IN"), (&stint.went, "OUT")]) {
            let Some(reading) = reading else { continue };
            csv.write_record([
                reading.id.to_string().as_str(),
                &employee,
                &no_formula(&day.name),
                log_type,
                &local(reading.at, zone),
                if reading.amended { "amendment" } else { reading.door.as_str() },
            ])?;
        }
    }
    csv.flush()?;
    Ok(())
}

/// A row for each stint, from in to out; an open stint has no hours. `ID` is that of its first record.
pub fn timesheet(mut csv: csv::Writer<impl Write>, all: &[Day], zone: &TimeZone) -> Result<()> {
    csv.write_record(["ID", "Employee", "Employee Name", "Date", "From Time", "To Time", "Hours"])?;
    for day in all {
        for stint in &day.stints {
            let Some(first) = stint.came.as_ref().or(stint.went.as_ref()) else { continue };
            let at = |reading: &Option<Reading>| reading.as_ref().map_or_else(String::new, |r| local(r.at, zone));
            csv.write_record([
                first.id.to_string(),
                no_formula(&day.employee()),
                no_formula(&day.name),
                day.date.to_string(),
                at(&stint.came),
                at(&stint.went),
                stint.lasted().map_or_else(String::new, decimal),
            ])?;
        }
    }
    csv.flush()?;
    Ok(())
}

fn read(stints: &[Stint]) -> impl Iterator<Item = &Reading> {
    stints.iter().flat_map(|stint| [&stint.came, &stint.went]).flatten()
}

/// `2026-05-04 08:30:00+02:00`, in that zone. The offset distinguishes the hour that occurs twice when clocks change.
fn with_offset(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}

/// `2026-05-04 08:30:00`, in that zone, as other programs import it.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Two decimals.
fn decimal(span: SignedDuration) -> String {
    format!("{:.2}", span.as_secs_f64() / 3600.0)
}
