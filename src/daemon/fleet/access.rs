//! The rules of a site for who may pass, taken while the doors are at work.

use tokio::task::spawn_blocking;

use super::board::{BoardError, BoardTask};
use crate::domain::{Actor, DaemonEvent, Event, RulesOutcome};
use crate::fleet::SiteRules;
use crate::setup;
use crate::setup::fleet::under;

/// The longest reason that is recorded and reported, in characters.
const LONGEST_TROUBLE: usize = 600;

impl BoardTask {
    /// Lets the doors go by what the rules say of who may pass, if that is new. Returns whether the doors go by it: where the board cannot use it, they go
    /// on as before. `None` if the doors did not answer or could not record it: it is tried again.
    pub(super) async fn take_access(&self, rules: &SiteRules) -> Result<Option<bool>, BoardError> {
        let held = self.rules.as_ref().and_then(|held| held.access.as_ref());
        if rules.access.as_ref() == held {
            return Ok(Some(self.rulebook.now().origin.trouble.is_none()));
        }
        let (rulebook, doors, rules) = (self.rulebook.clone(), self.doors.clone(), rules.clone());
        let taken = spawn_blocking(move || {
            let event = |outcome, reason| {
                let access = rules.access.as_ref();
                let by = Actor::Fleet(access.map(|access| access.by.clone()).unwrap_or_default());
                let version = access.map_or(rules.version, |access| access.version);
                Event::Daemon(DaemonEvent::SiteRules { site: rules.site.to_string(), version, outcome, reason, by })
            };
            let usable = under(rulebook.own(), &rules).and_then(|in_force| {
                let house = setup::house::rules(&in_force.config)?;
                Ok((in_force, house))
            });
            let (in_force, house) = match usable {
                Ok(usable) => usable,
                Err(error) => {
                    let why: String = format!("{error:#}").chars().take(LONGEST_TROUBLE).collect();
                    tracing::error!(
                        why,
                        "this board cannot go by the site's newest rules, and the doors go on as before"
                    );
                    doors.go_by(None, event(RulesOutcome::Refused, Some(why.clone())))?;
                    rulebook.note_trouble(why);
                    return Ok(false);
                }
            };
            for warning in in_force.config.warnings() {
                tracing::warn!("{warning}");
            }
            let outcome = if in_force.origin.site.is_some() { RulesOutcome::Followed } else { RulesOutcome::Ended };
            doors.go_by(Some(house), event(outcome, None))?;
            tracing::info!(version = rules.version, ?outcome, "the site's rules for who may pass");
            rulebook.put(in_force);
            Ok::<_, super::lockdown::DoorsError>(true)
        });
        match taken.await? {
            Ok(usable) => Ok(Some(usable)),
            Err(error) => {
                tracing::error!(%error, "the doors did not take the site's rules; they are asked again");
                Ok(None)
            }
        }
    }
}
