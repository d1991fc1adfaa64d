//! The lockdown of a site, as commands and the page order it: what is done, and in which words it is told.

use std::sync::Arc;

use super::confirming::{RULES, Refused, changed, done};
use super::desk::Office;
use crate::fleet::{Lockdown, Site};
use crate::office::fleet::protocol::Done;

/// Begins a site's lockdown, or ends it.
pub async fn lockdown(
    office: &Arc<Office>,
    site: Site,
    on: bool,
    group: Option<String>,
    by: String,
) -> Result<Done, Refused> {
    let at_ms = office.now_ms();
    let lockdown = on.then_some(Lockdown { group, by: by.clone() });
    let who = lockdown.as_ref().map(who_passes);
    let at = site.clone();
    match lockdown {
        Some(lockdown) => {
            tracing::warn!(%site, by, "a lockdown begins: {}", who.as_deref().unwrap_or_default());
            changed(office, move |book| book.lockdown(&at, lockdown, at_ms)).await?;
        }
        None => {
            tracing::warn!(%site, by, "a lockdown ends");
            changed(office, move |book| book.end_lockdown(&at, &by, at_ms)).await?;
        }
    }
    let done = at_a_door(done(office, &site, String::new(), RULES).await);
    Ok(Done { what: ordered(&site, who.as_deref(), &done), ..done })
}

/// Who still passes, in words.
pub fn who_passes(lockdown: &Lockdown) -> String {
    match &lockdown.group {
        Some(group) => format!("only the group {group} passes"),
        None => "nobody passes".to_owned(),
    }
}

/// What was ordered, and whether it is so: `who` passes in a lockdown; `None` is its end.
fn ordered(site: &Site, who: Option<&str>, done: &Done) -> String {
    let but = match (done.confirmed.is_empty(), done.missing.is_empty()) {
        (true, true) => format!("and no door follows: {site} has no board that was heard"),
        (true, false) => "and not in force anywhere yet, as far as is known".to_owned(),
        (false, _) => "and not in force everywhere yet".to_owned(),
    };
    match (who, done.in_force) {
        (Some(who), true) => format!("{site} is locked down: {who}"),
        (Some(who), false) => format!("a lockdown of {site} is ordered ({who}), {but}"),
        (None, true) => format!("the lockdown of {site} is over"),
        (None, false) => format!("the end of the lockdown of {site} is ordered, {but}"),
    }
}

/// A change that says how doors behave is in force if one board at least follows.
pub fn at_a_door(done: Done) -> Done {
    Done { in_force: done.in_force && !done.confirmed.is_empty(), ..done }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockdown_that_no_door_follows_is_not_told_as_done() {
        let site: Site = "paris".parse().unwrap();
        let told = |done: Done| {
            let done = at_a_door(done);
            (ordered(&site, Some("nobody passes"), &done), ordered(&site, None, &done))
        };
        let (one, other) = (vec!["front".to_owned()], vec!["back".to_owned()]);
        let whole = Done { sent: true, in_force: true, confirmed: one.clone(), ..Done::default() };
        assert_eq!(told(whole.clone()).0, "paris is locked down: nobody passes");
        assert_eq!(told(whole.clone()).1, "the lockdown of paris is over");
        let part = Done { in_force: false, missing: other.clone(), ..whole.clone() };
        assert!(told(part).0.ends_with("not in force everywhere yet"));
        let unheard = Done { in_force: false, confirmed: vec![], missing: other, ..whole.clone() };
        assert!(told(unheard.clone()).0.contains("is ordered (nobody passes), and not in force anywhere yet"));
        assert!(told(unheard).1.starts_with("the end of the lockdown of paris is ordered, "));
        let nobody = Done { confirmed: vec![], ..whole };
        assert!(told(nobody).0.ends_with("no door follows: paris has no board that was heard"));
    }
}
