//! Schedules as pictures of a week, with the same in a table.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use maud::{Markup, html};

use super::query;
use crate::api::hours::{DayHours, HouseHours, ScheduleHours};
use crate::web::{Session, Words};

/// Sizes of the picture: the labels' width, pixels an hour, a day's height, the height of the hours' labels.
const LABELS: u32 = 110;
const HOUR: u32 = 26;
const DAY: u32 = 26;
const HEAD: u32 = 20;
/// Every so many hours there is a line.
const LINES: usize = 3;

/// All schedules in one week.
pub fn section(session: &Session, hours: &HouseHours) -> Markup {
    let words = session.words();
    let monday: Option<Date> = hours.monday.parse().ok();
    let shifted = |days: i64| monday.and_then(|day| day.checked_add(days.days()).ok()).map(|day| day.to_string());
    html! {
        section aria-labelledby="week" {
            div.spread {
                h2 #week { (words.with("doors-week", &[("monday", hours.monday.as_str().into())])) }
                nav.row aria-label=(words.get("doors-weeks")) {
                    @if let Some(day) = shifted(-7) { a href={ "/doors?" (query(&[("week", &day)])) "#week" } rel="prev" { (words.get("doors-week-before")) } }
                    a href="/doors#week" { (words.get("doors-week-this")) }
                    @if let Some(day) = shifted(7) { a href={ "/doors?" (query(&[("week", &day)])) "#week" } rel="next" { (words.get("doors-week-after")) } }
                }
            }
            @if hours.schedules.is_empty() { p.soft { (words.get("doors-no-schedule")) } }
            @for schedule in &hours.schedules { (card(session, schedule)) }
        }
    }
}

fn card(session: &Session, schedule: &ScheduleHours) -> Markup {
    let words = session.words();
    let id = format!("schedule-{}", schedule.name);
    html! {
        div.card #(id) {
            div.spread {
                h3 { (schedule.name) }
                span {
                    @if schedule.open { span.badge.good { (words.get("doors-open-now")) } } @else { span.badge.quiet { (words.get("doors-closed-now")) } }
                    @if let Some(until) = &schedule.until { " " span.soft { (words.get("doors-until")) " " (session.rfc3339(until)) } }
                }
            }
            (picture(words, schedule))
            @if !schedule.zone.is_empty() { p.soft { (schedule.zone) } }
            details {
                summary { (words.get("doors-as-table")) }
                table {
                    caption { (schedule.name) }
                    thead { tr { th scope="col" { (words.get("doors-day")) } th scope="col" { (words.get("doors-hours")) } } }
                    tbody { @for day in &schedule.days { tr {
                        th scope="row" { (day_name(words, day)) " " (day.date) }
                        td { (in_words(words, day)) }
                    } } }
                }
            }
            @if !schedule.holidays.is_empty() {
                details {
                    summary { (words.with("doors-holidays", &[("count", schedule.holidays.len().into())])) }
                    ul { @for holiday in &schedule.holidays { li { (holiday.date) " " (holiday.name) } } }
                }
            }
        }
    }
}

/// The week: a line a day, from midnight to midnight.
fn picture(words: &Words, schedule: &ScheduleHours) -> Markup {
    let (width, height) = (LABELS + 24 * HOUR + 20, HEAD + 7 * DAY);
    let at = |minutes: u16| LABELS as f32 + f32::from(minutes) / 60.0 * HOUR as f32;
    html! {
        svg.week viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(words.with("doors-week-of", &[("schedule", schedule.name.as_str().into())])) {
            @for hour in (0..=24_u16).step_by(LINES) {
                line.axis x1=(at(hour * 60)) x2=(at(hour * 60)) y1=(HEAD - 4) y2=(height) {}
                text x=(at(hour * 60)) y=(HEAD - 7) text-anchor="middle" { (hour) }
            }
            @for (line, day) in (0_u32..).zip(&schedule.days) {
                @let y = HEAD + line * DAY;
                text class=[day.holiday.as_ref().map(|_| "holiday")] x="0" y=(y + DAY * 2 / 3) { (day_name(words, day)) " " (day.date.get(5..).unwrap_or_default()) }
                rect.track x=(LABELS) y=(y + 4) width=(24 * HOUR) height=(DAY - 8) {}
                @for [from, to] in &day.open_min {
                    rect.value x=(at(*from)) y=(y + 4) width=(at(*to) - at(*from)) height=(DAY - 8) {}
                }
            }
        }
    }
}

/// `08:00–12:00, 13:00–18:00`, with the holiday's name.
fn in_words(words: &Words, day: &DayHours) -> String {
    let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let open: Vec<String> = day.open_min.iter().map(|[from, to]| format!("{}–{}", clock(*from), clock(*to))).collect();
    let open = if open.is_empty() { words.get("doors-closed") } else { open.join(", ") };
    match day.holiday.as_deref() {
        None => open,
        Some("") => format!("{open} ({})", words.get("doors-holiday")),
        Some(name) => format!("{open} ({name})"),
    }
}

fn day_name(words: &Words, day: &DayHours) -> String {
    words.get(match day.date.parse().map(Date::weekday) {
        Ok(Weekday::Monday) => "doors-monday",
        Ok(Weekday::Tuesday) => "doors-tuesday",
        Ok(Weekday::Wednesday) => "doors-wednesday",
        Ok(Weekday::Thursday) => "doors-thursday",
        Ok(Weekday::Friday) => "doors-friday",
        Ok(Weekday::Saturday) => "doors-saturday",
        Ok(Weekday::Sunday) => "doors-sunday",
        Err(_) => return String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str, holiday: Option<&str>, open_min: &[[u16; 2]]) -> DayHours {
        DayHours { date: date.to_owned(), holiday: holiday.map(str::to_owned), open_min: open_min.to_vec() }
    }

    #[test]
    fn a_day_is_told_by_the_clock_with_its_holiday() {
        let words = Words::english();
        let told = |day: &DayHours| in_words(words, day);
        assert_eq!(told(&day("2026-06-05", None, &[[480, 720], [1320, 1440]])), "08:00–12:00, 22:00–24:00");
        assert_eq!(told(&day("2026-12-25", Some("Christmas"), &[])), "closed (Christmas)");
        assert_eq!(told(&day("2026-12-26", Some(""), &[[0, 60]])), "00:00–01:00 (holiday)");
        assert_eq!(day_name(words, &day("2026-12-25", None, &[])), "Fri");
    }

    #[test]
    fn the_picture_has_a_bar_for_each_window() {
        let days = vec![day("2026-06-01", None, &[[480, 1080]]), day("2026-06-02", None, &[])];
        let schedule = ScheduleHours {
            name: "office".to_owned(),
            zone: String::new(),
            open: false,
            until: None,
            days,
            holidays: Vec::new(),
        };
        let picture = picture(Words::english(), &schedule).into_string();
        assert_eq!(picture.matches("class=\"value\"").count(), 1);
        assert!(picture.contains("x=\"318\"") && picture.contains("width=\"260\""), "{picture}");
    }
}
