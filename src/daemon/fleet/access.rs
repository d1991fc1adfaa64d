//! The rules of a site for who may pass, taken while the doors are at work.

use anyhow::Result as Usable;
use tokio::task::spawn_blocking;

use super::board::{BoardError, BoardTask};
use super::lockdown::{DoorOrders, DoorsError};
use crate::access::HouseRules;
use crate::daemon::rulebook::Rulebook;
use crate::domain::{Actor, DaemonEvent, DoorEvent, Event, RulesOutcome};
use crate::fleet::SiteRules;
use crate::setup;
use crate::setup::fleet::{InForce, under};

/// The longest reason that is recorded and reported, in characters.
const LONGEST_TROUBLE: usize = 600;

impl BoardTask {
    /// Records what became of the rules on the disk at this start, where that is not what it was before: the board's configuration may have changed.
    pub(super) async fn record_access_at_start(&self) -> Result<(), BoardError> {
        let Some(rules) = self.rules.clone().filter(|rules| rules.access.is_some()) else { return Ok(()) };
        let (office, fleet) = (self.identity.office, self.identity.fleet);
        let (disk, doors, in_force) = (self.disk.clone(), self.doors.clone(), self.rulebook.now());
        let recorded = spawn_blocking(move || {
            if let Some(why) = &in_force.origin.trouble {
                return doors.go_by(None, event(&rules, RulesOutcome::Refused, Some(why.clone())));
            }
            if disk.access(&office, fleet).is_some_and(|before| before.access == rules.access) {
                return Ok(());
            }
            doors.go_by(None, event(&rules, outcome(&in_force), None))?;
            if let Err(error) = disk.settle_access() {
                tracing::error!(%error, "that the doors go by the newest rules cannot be kept");
            }
            Ok(())
        });
        if let Err(error) = recorded.await? {
            tracing::error!(%error, "what became of the site's rules at this start is not recorded");
        }
        Ok(())
    }

    /// Lets the doors go by what the rules say of who may pass, if that is new. Returns whether the doors go by it: where the board cannot use it, they go
    /// on as before. `None` if the doors did not answer or could not record it: it is tried again.
    pub(super) async fn take_access(&self, rules: &SiteRules) -> Result<Option<bool>, BoardError> {
        let is_usable = self.rulebook.now().origin.trouble.is_none();
        if let Some(usable) = settled(self.rules.as_ref(), rules, is_usable) {
            return Ok(Some(usable));
        }
        let (rulebook, doors, rules) = (self.rulebook.clone(), self.doors.clone(), rules.clone());
        match spawn_blocking(move || take(&rulebook, &doors, &rules)).await? {
            Ok(usable) => Ok(Some(usable)),
            Err(error) => {
                tracing::error!(%error, "the doors did not take the site's rules; they are asked again");
                Ok(None)
            }
        }
    }
}

/// Whether the board can use what the rules say of who may pass, where that is not new; `None` where it is to be taken. `is_usable` is how it stands now. A board
/// that has no rules and is in trouble could not read them at its start: nobody passes there until some come, whatever they say.
fn settled(held: Option<&SiteRules>, rules: &SiteRules, is_usable: bool) -> Option<bool> {
    let could_read = held.is_some() || is_usable;
    let is_same = rules.access.as_ref() == held.and_then(|held| held.access.as_ref());
    (could_read && is_same).then_some(is_usable)
}

/// Lets the doors go by new rules, where the board can use them. Whether it can.
fn take(rulebook: &Rulebook, doors: &DoorOrders, rules: &SiteRules) -> Result<bool, DoorsError> {
    let (in_force, house) = match usable(rulebook, rules) {
        Ok(usable) => usable,
        Err(error) => {
            let why: String = format!("{error:#}").chars().take(LONGEST_TROUBLE).collect();
            tracing::error!(why, "this board cannot go by the site's newest rules, and the doors go on as before");
            doors.go_by(None, event(rules, RulesOutcome::Refused, Some(why.clone())))?;
            rulebook.note_trouble(why);
            return Ok(false);
        }
    };
    for warning in in_force.config.warnings() {
        tracing::warn!("{warning}");
    }
    let outcome = outcome(&in_force);
    doors.go_by(Some(house), event(rules, outcome, None))?;
    tracing::info!(version = rules.version, ?outcome, "the site's rules for who may pass");
    let before = setup::liveness::low_assurance(&rulebook.now().config);
    for (door, assurance) in setup::liveness::low_assurance(&in_force.config) {
        if !before.contains(&(door.clone(), assurance.clone())) {
            doors.go_by(None, Event::Door(DoorEvent::LowAssurance { door, assurance }))?;
        }
    }
    rulebook.put(in_force);
    Ok(true)
}

fn usable(rulebook: &Rulebook, rules: &SiteRules) -> Usable<(InForce, HouseRules)> {
    let in_force = under(rulebook.own(), rules)?;
    let house = setup::house::rules(&in_force.config)?;
    Ok((in_force, house))
}

fn outcome(in_force: &InForce) -> RulesOutcome {
    if in_force.origin.site.is_some() { RulesOutcome::Followed } else { RulesOutcome::Ended }
}

fn event(rules: &SiteRules, outcome: RulesOutcome, reason: Option<String>) -> Event {
    let access = rules.access.as_ref();
    let by = Actor::Fleet(access.map(|access| access.by.clone()).unwrap_or_default());
    let version = access.map_or(rules.version, |access| access.version);
    Event::Daemon(DaemonEvent::SiteRules { site: rules.site.to_string(), version, outcome, reason, by })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fleet::SiteAccess;

    #[test]
    fn a_board_that_could_not_read_its_rules_takes_any_that_come() {
        let rules = |access| SiteRules {
            site: "berlin".parse().unwrap(),
            version: 8,
            lockdown: None,
            lockdown_ended_by: None,
            since_ms: 0,
            resend: BTreeMap::new(),
            access,
            models: None,
        };
        let access = SiteAccess { version: 7, by: "anna".into(), since_ms: 0, rules: None };
        let (silent, says) = (rules(None), rules(Some(access)));
        assert_eq!(settled(None, &silent, false), None, "also those that leave it to the board");
        assert_eq!(settled(None, &silent, true), Some(true));
        assert_eq!(settled(None, &says, true), None);
        assert_eq!(settled(Some(&says), &silent, true), None);
        assert_eq!(settled(Some(&says), &says, false), Some(false), "they cannot be used, and come again");
    }
}
