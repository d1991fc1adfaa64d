//! Days on which nobody is expected: holidays, and days without hours in the schedules that let somebody in. For attendance; doors ask the
//! [`super::Authority`].

use jiff::civil::Date;

use super::authority::{HouseRules, Permit};
use super::calendar::Schedule;
use crate::domain::DayOff;

impl HouseRules {
    /// Whether `date` is a day off for somebody of `groups`. The schedules of the permits that cover them say so; where those have none, the
    /// holidays of every schedule count. A permit without a schedule, and a door without permits, have hours on every day.
    pub fn day_off(&self, groups: &[String], date: Date) -> Option<DayOff> {
        let covers = |permit: &&Permit| permit.groups.is_empty() || permit.groups.iter().any(|of| groups.contains(of));
        let permits: Vec<&Permit> =
            self.doors.iter().flat_map(|door| door.permits.iter().flatten()).filter(covers).collect();
        let own: Vec<&Schedule> = permits.iter().filter_map(|permit| self.schedules.get(permit.schedule?.0)).collect();
        let of_holidays: Vec<&Schedule> = if own.is_empty() { self.schedules.iter().collect() } else { own.clone() };
        if let Some(name) = of_holidays.iter().find_map(|schedule| schedule.holidays.name(date)) {
            return Some(DayOff::Holiday(name.to_owned()));
        }
        let always = self.doors.iter().any(|door| door.permits.is_none())
            || permits.iter().any(|permit| permit.schedule.is_none());
        let closed = !own.is_empty() && !always && !own.iter().any(|schedule| schedule.has_hours(date));
        closed.then_some(DayOff::NoHours)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;

    use super::super::authority::DoorRules;
    use super::super::calendar::tests::{daily, window};
    use super::super::{Backoff, Holidays};
    use super::*;
    use crate::domain::{Passback, ScheduleIndex, WithoutSync};

    fn house() -> HouseRules {
        let office = Schedule {
            name: "office".into(),
            week: std::array::from_fn(|day| if day < 5 { vec![window("08:00", "18:00")] } else { Vec::new() }),
            holidays: Holidays::parse("12-25 Christmas Day").unwrap(),
            ..daily(&[])
        };
        let shop = Schedule { name: "shop".into(), ..daily(&[window("09:00", "20:00")]) };
        let permit = |group: &str, schedule: Option<usize>| Permit {
            groups: vec![group.into()],
            schedule: schedule.map(ScheduleIndex),
            assurance: None,
        };
        let permits = vec![permit("staff", Some(0)), permit("shop", Some(1)), permit("cleaners", None)];
        HouseRules {
            zone: office.zone.clone(),
            schedules: vec![office, shop],
            doors: vec![DoorRules { permits: Some(permits), ..DoorRules::default() }],
            passback: Passback::Off,
            passback_for: None,
            backoff: Backoff { after: 0, first: Duration::ZERO, longest: Duration::ZERO },
            without_sync: WithoutSync::Deny,
            source: None,
        }
    }

    #[test]
    fn a_day_off_is_that_of_the_person_s_schedules() {
        let house = house();
        let off = |groups: &[&str], day| {
            house.day_off(&groups.iter().map(|&group| group.to_owned()).collect::<Vec<_>>(), day)
        };
        let (friday, sunday) = (date(2026, 12, 25), date(2026, 12, 27));
        let christmas = Some(DayOff::Holiday("Christmas Day".into()));
        assert_eq!(off(&["staff"], date(2026, 12, 24)), None);
        assert_eq!((off(&["staff"], friday), off(&["staff"], sunday)), (christmas.clone(), Some(DayOff::NoHours)));
        // The shop is open on every day, and so it is for somebody of both.
        assert_eq!((off(&["shop"], friday), off(&["shop"], sunday)), (None, None));
        assert_eq!(off(&["shop", "staff"], sunday), None);
        // A permit at all times names no day off, and then any list of holidays counts.
        assert_eq!((off(&["cleaners"], friday), off(&["cleaners"], sunday)), (christmas, None));
    }
}
