//! Weekly schedules in a time zone, with holidays: whether a schedule is open at a given moment, and until when.
//!
//! A window begins at the first moment of its day at which the clock shows its start or later, and ends at the first moment at which the
//! clock shows its end or later. So windows that touch by the clock also touch in time: on a day that skips or repeats an hour (DST), no moment
//! is between them, and none belongs to both.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, ToSpan};

use super::holidays::Holidays;

/// Minutes of a day.
const DAY_MIN: u16 = 24 * 60;
/// Joined windows this long have no natural beginning.
const ONE_DAY: SignedDuration = SignedDuration::from_hours(24);
/// How far ahead the next change is reported.
const LOOK_AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The number of days computed for that, from yesterday on.
const HORIZON_DAYS: i32 = 17;

/// A part of a day by the clock: from `from_min` up to but excluding `to_min`, in minutes since midnight. `to_min` may be on the next day:
/// 22:00 to 06:00 is 1320 to 1800.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    pub from_min: u16,
    pub to_min: u16,
}

/// A weekly schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The configured name.
    pub name: String,
    pub zone: TimeZone,
    /// The windows that begin on each weekday, Monday first.
    pub week: [Vec<Window>; 7],
    pub holidays: Holidays,
    /// The windows that begin on a holiday of any weekday.
    pub on_holidays: Vec<Window>,
}

/// The state of a schedule at some moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    pub open: bool,
    /// When that changes next; `None` if it does not within two weeks.
    pub until: Option<Timestamp>,
    /// The local time, the weekday, and the holiday if it is one: `Sun 2026-03-29 03:00 +02:00, Easter`.
    pub local: String,
}

impl Schedule {
    /// Whether the schedule is open at `at`, and until when.
    pub fn at(&self, at: Timestamp) -> Hours {
        let today = self.zone.to_datetime(at).date();
        let spans = self.spans(today);
        let open = spans.iter().find(|span| span.contains(at));
        let until = match open {
            Some(span) => Some(span.end),
            None => spans.iter().map(|span| span.start).find(|start| *start > at),
        };
        let until = until.filter(|until| until.duration_since(at) <= LOOK_AHEAD);
        Hours { open: open.is_some(), until, local: self.local(at) }
    }

    /// Whether a window begins on `day`.
    pub fn has_hours(&self, day: Date) -> bool {
        !self.windows(day).is_empty()
    }

    /// When the hours that are open at `at` began; `None` if they are closed. Windows that touch or overlap count as one, unless they last a day or
    /// longer together; then each counts separately, because the hours would never end otherwise.
    pub fn began(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(at).date();
        let joined = self.spans(today).into_iter().find(|span| span.contains(at))?;
        match joined.start.duration_until(joined.end) < ONE_DAY {
            true => Some(joined.start),
            false => self.intervals(today).into_iter().find(|span| span.contains(at)).map(|span| span.start),
        }
    }

    /// When it is open on `day` by its own clock, in minutes since midnight up to 1440, in order, with touching and overlapping windows joined. What
    /// began the day before and goes on belongs to it.
    pub fn on_the_clock(&self, day: Date) -> Vec<Window> {
        let before = day.yesterday().map(|yesterday| self.windows(yesterday)).unwrap_or_default();
        let rest = before.iter().filter(|window| window.to_min > DAY_MIN);
        let rest = rest.map(|window| Window {
            from_min: window.from_min.saturating_sub(DAY_MIN),
            to_min: window.to_min - DAY_MIN,
        });
        let own = self.windows(day).iter().filter(|window| window.from_min < DAY_MIN);
        let own = own.map(|window| Window { from_min: window.from_min, to_min: window.to_min.min(DAY_MIN) });
        let mut windows: Vec<Window> = rest.chain(own).filter(|window| window.from_min < window.to_min).collect();
        windows.sort();
        windows.into_iter().fold(Vec::<Window>::new(), |mut joined, window| {
            match joined.last_mut() {
                Some(last) if window.from_min <= last.to_min => last.to_min = last.to_min.max(window.to_min),
                _ => joined.push(window),
            }
            joined
        })
    }

    /// The open intervals from the day before `today` on, in order, with touching and overlapping ones joined.
    fn spans(&self, today: Date) -> Vec<Interval> {
        self.intervals(today).into_iter().fold(Vec::<Interval>::new(), |mut joined, span| {
            match joined.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => joined.push(span),
            }
            joined
        })
    }

    /// The windows from the day before `today` on as intervals, in order.
    fn intervals(&self, today: Date) -> Vec<Interval> {
        let mut spans = Vec::new();
        let mut day = today.checked_sub(1.day()).unwrap_or(today);
        for _ in 0..HORIZON_DAYS {
            for window in self.windows(day) {
                let start = self.first_moment(day, window.from_min);
                let end = self.first_moment(day, window.to_min);
                if let (Some(start), Some(end)) = (start, end)
                    && start < end
                {
                    spans.push(Interval { start, end });
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        spans.sort();
        spans
    }

    fn windows(&self, day: Date) -> &[Window] {
        match self.holidays.name(day) {
            Some(_) => &self.on_holidays,
            None => self.week.get(day.weekday().to_monday_zero_offset() as usize).map_or(&[], Vec::as_slice),
        }
    }

    /// The first moment at which the clock shows `minutes` after midnight of `day` or later.
    fn first_moment(&self, day: Date, minutes: u16) -> Option<Timestamp> {
        let day = day.checked_add(Span::new().days(minutes / DAY_MIN)).ok()?;
        let time = Time::new((minutes % DAY_MIN / 60) as i8, (minutes % 60) as i8, 0, 0).ok()?;
        first_moment(&self.zone, day.to_datetime(time))
    }

    fn local(&self, at: Timestamp) -> String {
        let local = at.to_zoned_datetime(self.zone.clone());
        let text = local.strftime("%a %Y-%m-%d %H:%M %:z").to_string();
        match self.holidays.name(local.date()) {
            Some("") => format!("{text}, a holiday"),
            Some(name) => format!("{text}, {name}"),
            None => text,
        }
    }
}

/// An interval from `start` up to but excluding `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Interval {
    start: Timestamp,
    end: Timestamp,
}

impl Interval {
    fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

/// The first moment at which a clock of `zone` shows `time` or later. For a repeated hour, that is its first occurrence; for a skipped hour,
/// the moment of the skip.
pub(super) fn first_moment(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // By the later offset, this time is before the skip, so the skip is the next transition.
            let before_the_skip = after.to_timestamp(time).ok()?;
            zone.following(before_the_skip).next().map(|skip| skip.timestamp())
        }
    }
}

/// Monday to Sunday, as written in a schedule.
pub const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn window(from: &str, to: &str) -> Window {
        let minutes = |text: &str| {
            let (hours, minutes) = text.split_once(':').unwrap();
            hours.parse::<u16>().unwrap() * 60 + minutes.parse::<u16>().unwrap()
        };
        Window { from_min: minutes(from), to_min: minutes(to) }
    }

    /// The same windows every day, in Berlin.
    pub fn daily(windows: &[Window]) -> Schedule {
        Schedule {
            name: "daily".into(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            week: std::array::from_fn(|_| windows.to_vec()),
            holidays: Holidays::default(),
            on_holidays: Vec::new(),
        }
    }

    pub fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn minutes_open(schedule: &Schedule, from: &str, to: &str) -> i64 {
        let (mut now, end) = (at(from), at(to));
        let mut open = 0;
        while now < end {
            open += i64::from(schedule.at(now).open);
            now += 1.minute();
        }
        open
    }

    #[test]
    fn office_hours_follow_the_local_clock() {
        let office = daily(&[window("08:00", "18:00")]);
        // Winter time, an hour ahead of UTC.
        assert!(!office.at(at("2026-01-14T06:59:59Z")).open);
        let morning = office.at(at("2026-01-14T07:00:00Z"));
        assert_eq!((morning.open, morning.until), (true, Some(at("2026-01-14T17:00:00Z"))));
        assert_eq!(morning.local, "Wed 2026-01-14 08:00 +01:00");
        let evening = office.at(at("2026-01-14T17:00:00Z"));
        assert_eq!((evening.open, evening.until), (false, Some(at("2026-01-15T07:00:00Z"))));
        // Summer time.
        assert!(office.at(at("2026-07-14T06:00:00Z")).open);
    }

    #[test]
    fn a_night_shift_continues_after_midnight_and_belongs_to_the_day_it_began() {
        let mut night = daily(&[]);
        night.week[4] = vec![window("22:00", "30:00")];
        // Friday 16 January, 22:00 to Saturday 06:00.
        assert!(night.at(at("2026-01-16T21:00:00Z")).open);
        assert!(night.at(at("2026-01-17T04:59:00Z")).open);
        assert!(!night.at(at("2026-01-17T05:00:00Z")).open);
        assert!(!night.at(at("2026-01-17T21:30:00Z")).open);
        night.holidays = Holidays::parse("2026-01-17 Saturday off").unwrap();
        assert!(night.at(at("2026-01-17T04:59:00Z")).open, "Friday's shift");
        night.holidays = Holidays::parse("2026-01-16 Friday off").unwrap();
        assert!(!night.at(at("2026-01-17T04:59:00Z")).open);
    }

    #[test]
    fn hours_began_with_the_first_of_their_joined_windows() {
        let night = daily(&[window("20:00", "28:00")]);
        assert_eq!(
            night.began(at("2026-01-15T00:30:00Z")),
            Some(at("2026-01-14T19:00:00Z")),
            "after midnight in Berlin"
        );
        assert_eq!(night.began(at("2026-01-15T03:00:00Z")), None);
        let halves = daily(&[window("00:00", "04:00"), window("20:00", "24:00")]);
        assert_eq!(halves.began(at("2026-01-15T00:30:00Z")), Some(at("2026-01-14T19:00:00Z")));
        // Hours without an end begin again each day.
        let always = daily(&[window("00:00", "24:00")]);
        assert_eq!(always.began(at("2026-01-15T00:30:00Z")), Some(at("2026-01-14T23:00:00Z")));
    }

    #[test]
    fn touching_windows_are_joined() {
        let all_day = daily(&[window("00:00", "12:00"), window("12:00", "24:00")]);
        let hours = all_day.at(at("2026-01-14T10:00:00Z"));
        assert_eq!((hours.open, hours.until), (true, None));
    }

    #[test]
    fn a_schedule_that_never_opens_has_no_next_change() {
        let hours = daily(&[]).at(at("2026-01-14T10:00:00Z"));
        assert_eq!((hours.open, hours.until), (false, None));
    }

    #[test]
    fn a_skipped_hour_leaves_no_gap() {
        // In Berlin 02:00 became 03:00 on 29 March 2026, at 01:00 UTC.
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let moment = |time: &str| first_moment(&zone, time.parse().unwrap()).unwrap();
        for skipped in ["2026-03-29T02:00", "2026-03-29T02:30", "2026-03-29T03:00"] {
            assert_eq!(moment(skipped), at("2026-03-29T01:00:00Z"), "{skipped}");
        }
        let (from, to) = ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        assert_eq!(minutes_open(&daily(&[window("02:00", "03:00")]), from, to), 0);
        assert_eq!(minutes_open(&daily(&[window("01:30", "02:30")]), from, to), 30);
        assert_eq!(minutes_open(&daily(&[window("00:00", "24:00")]), from, to), 23 * 60);
    }

    #[test]
    fn a_repeated_hour_is_open_twice_or_not_at_all() {
        // In Berlin 03:00 became 02:00 on 25 October 2026, at 01:00 UTC.
        let (from, to) = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        assert_eq!(minutes_open(&daily(&[window("02:00", "03:00")]), from, to), 120);
        assert_eq!(minutes_open(&daily(&[window("01:00", "02:30")]), from, to), 90);
        assert_eq!(minutes_open(&daily(&[window("02:30", "04:00")]), from, to), 150);
        assert_eq!(minutes_open(&daily(&[window("00:00", "24:00")]), from, to), 25 * 60);
    }

    #[test]
    fn a_holiday_has_its_own_hours() {
        let mut office = daily(&[window("08:00", "18:00")]);
        office.holidays = Holidays::parse("12-25 Christmas").unwrap();
        let hours = office.at(at("2026-12-25T09:00:00Z"));
        assert_eq!((hours.open, hours.local.as_str()), (false, "Fri 2026-12-25 10:00 +01:00, Christmas"));
        office.on_holidays = vec![window("10:00", "12:00")];
        assert!(office.at(at("2026-12-25T09:00:00Z")).open);
    }

    /// Divides a day at these minutes into touching windows.
    fn pieces(mut cuts: Vec<u16>) -> Vec<Window> {
        cuts.extend([0, DAY_MIN]);
        cuts.sort();
        cuts.windows(2).map(|pair| Window { from_min: pair[0], to_min: pair[1] }).collect()
    }

    proptest! {
        /// In any zone and on any day, windows that cover the day by the clock cover every moment exactly once.
        #[test]
        fn daylight_saving_loses_and_doubles_no_moment(
            zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca"]),
            second in 1_300_000_000i64..2_000_000_000,
            cuts in prop::collection::vec(0u16..DAY_MIN, 0..6),
        ) {
            let now = Timestamp::from_second(second).unwrap();
            let zone = TimeZone::get(zone).unwrap();
            let open: Vec<bool> = pieces(cuts)
                .into_iter()
                .map(|piece| Schedule { zone: zone.clone(), ..daily(&[piece]) }.at(now).open)
                .collect();
            prop_assert_eq!(open.iter().filter(|open| **open).count(), 1, "{:?}", open);
        }

        /// The state stays the same until the reported change, and is the opposite then.
        #[test]
        fn the_state_holds_until_the_reported_change(
            second in 1_700_000_000i64..1_800_000_000,
            cuts in prop::collection::vec(0u16..DAY_MIN, 2..6),
            share in 0.0f64..1.0,
        ) {
            let schedule = daily(&pieces(cuts).into_iter().step_by(2).collect::<Vec<_>>());
            let now = Timestamp::from_second(second).unwrap();
            let hours = schedule.at(now);
            if let Some(until) = hours.until {
                let between = now + SignedDuration::from_secs_f64((until.as_second() - now.as_second()) as f64 * share * 0.999);
                prop_assert_eq!(schedule.at(between).open, hours.open);
                prop_assert_ne!(schedule.at(until).open, hours.open);
            }
        }
    }
}
