//! What permits say of a person at a door: whether one lets them pass now, and what is asked of them beyond the face.

use super::{Authority, DoorRules, Permit};
use crate::access::person::Holder;
use crate::access::when::Now;
use crate::domain::{Assurance, Gate, Reason, WithoutSync};

impl Authority {
    /// What a door asks of a person: what the permits say that let them pass now, together; what the door says where a permit leaves it to the
    /// door, or where none lets them pass.
    pub(super) fn asked(&self, rules: &DoorRules, holder: &Holder, now: Now) -> Vec<Assurance> {
        let open = |permit: &&Permit| match permit.schedule.map(|at| self.rules.schedules.get(at.0)) {
            None => true,
            Some(_) if !now.is_known() => self.rules.without_sync == WithoutSync::Allow,
            Some(schedule) => schedule.is_some_and(|schedule| schedule.at(now.wall).open),
        };
        let matching = rules.permits.iter().flatten().filter(|permit| permit.covers(holder)).filter(open);
        let mut asked: Vec<Assurance> = Vec::new();
        for tier in matching.flat_map(|permit| permit.assurance.as_ref().unwrap_or(&rules.assurance)) {
            if !asked.contains(tier) {
                asked.push(*tier);
            }
        }
        if asked.is_empty() { rules.assurance.clone() } else { asked }
    }

    pub(super) fn permit_gate(&self, rules: &DoorRules, holder: &Holder, now: Now) -> (Gate, Option<Reason>) {
        let of = self.rules.source.as_ref().map_or_else(String::new, |source| format!(" ({source})"));
        let gate = |input: String, limit: &str, passed| Gate::new("permit", input, format!("{limit}{of}"), passed);
        let groups = match holder.groups.is_empty() {
            true => "in no group".to_owned(),
            false => format!("in {}", holder.groups.join(", ")),
        };
        let Some(permits) = &rules.permits else {
            return (gate(groups, "everybody, always", true), None);
        };
        let (mut closed, mut limits) = (Vec::new(), Vec::new());
        let mut by_calendar = None;
        for permit in permits.iter().filter(|permit| permit.covers(holder)) {
            let schedule = permit.schedule.and_then(|at| self.rules.schedules.get(at.0));
            let (hours, name) = match (schedule, permit.schedule) {
                (Some(schedule), _) if !now.is_known() => (None, schedule.name.as_str()),
                (Some(schedule), _) => (Some(schedule.at(now.wall)), schedule.name.as_str()),
                (None, Some(_)) => continue,
                (None, None) => (None, "always"),
            };
            let limit = format!(
                "{}: {name}",
                if permit.groups.is_empty() { "everybody".into() } else { permit.groups.join(", ") }
            );
            match hours {
                // While the time is not known, a permit without a schedule takes precedence.
                None if permit.schedule.is_some() => by_calendar = by_calendar.or(Some(limit)),
                None => return (gate(groups, &limit, true), None),
                Some(hours) if hours.open => return (gate(format!("{groups}; {}", hours.local), &limit, true), None),
                Some(hours) => {
                    closed.push(hours);
                    limits.push(limit);
                }
            }
        }
        if let Some(limit) = by_calendar {
            let passed = self.rules.without_sync == WithoutSync::Allow;
            let how = if passed { ", let pass (without_sync)" } else { "" };
            let gate = gate(format!("{groups}; {}{how}", now.doubt()), &limit, passed);
            return (gate, (!passed).then_some(Reason::ClockUnknown));
        }
        match closed.first() {
            Some(hours) => {
                let next = closed.iter().filter_map(|hours| hours.until).min();
                let opens = next.map_or_else(String::new, |at| {
                    format!(", opens {}", at.to_zoned_datetime(self.rules.zone.clone()).strftime("%a %Y-%m-%d %H:%M"))
                });
                let input = format!("{groups}; {}{opens}", hours.local);
                (gate(input, &limits.join("; "), false), Some(Reason::OutsideSchedule))
            }
            None => (gate(groups, "a permit of this door", false), Some(Reason::NotPermitted)),
        }
    }
}

impl Permit {
    /// Whether it permits this person, at its hours.
    fn covers(&self, holder: &Holder) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| holder.is_in(group))
    }
}
