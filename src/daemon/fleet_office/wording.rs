//! The one rule for texts that commands and the page hand to the office: a line of visible characters, so that no terminal, log or journal takes a part
//! of them for an order.

use thiserror::Error;

use crate::config::Config;
use crate::fleet::MAX_WHY;
use crate::names::{LONGEST_NAME, LineFault, check_line};
use crate::office::fleet::protocol::{Enrolment, ModelsAct, Request};

/// A text that is not taken.
#[derive(Debug, Error)]
#[error("the {what} cannot be taken: {fault}")]
pub struct BadText {
    what: &'static str,
    fault: LineFault,
}

/// Checks the texts of a request.
///
/// # Errors
/// The first one that is not a line of visible characters, or is too long.
pub fn check(request: &Request) -> Result<(), BadText> {
    let name = |what, text: &str| line(what, text, LONGEST_NAME);
    match request {
        Request::Enroll(Enrolment { name: of, employee_id, groups, model, .. }) => {
            name("name", of)?;
            // An empty text counts as not given.
            employee_id.iter().filter(|id| !id.trim().is_empty()).try_for_each(|id| name("employee id", id))?;
            groups.iter().try_for_each(|group| name("group", group))?;
            name("model", model)
        }
        Request::Lockdown { group: Some(group), .. } => name("group", group),
        Request::Forget { name: of, .. } | Request::SetEnabled { name: of, .. } => name("name", of),
        Request::Accept { who, .. } => name("name", who),
        Request::Refuse { who, why } => {
            name("name", who)?;
            if why.is_empty() { Ok(()) } else { line("reason", why, MAX_WHY) }
        }
        Request::Models { act: ModelsAct::Switch { to, .. }, .. } => name("model", to),
        Request::Models { act: ModelsAct::Photographs(photographs), .. } => name("name", &photographs.name),
        _ => Ok(()),
    }
}

/// The same for the names in rules of a site.
///
/// # Errors
/// As [`check`].
pub fn check_rules(config: &Config) -> Result<(), BadText> {
    let all = |what, texts: &[String]| texts.iter().try_for_each(|text| line(what, text, LONGEST_NAME));
    for permit in &config.permits {
        all("group of a permit", &permit.groups)?;
        all("door of a permit", &permit.doors)?;
    }
    config.schedules.iter().try_for_each(|schedule| line("name of a schedule", &schedule.name, LONGEST_NAME))?;
    config.doors.iter().try_for_each(|door| line("name of a door", &door.name, LONGEST_NAME))
}

fn line(what: &'static str, text: &str, most: usize) -> Result<(), BadText> {
    check_line(text, most).map_err(|fault| BadText { what, fault })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::SiteText;

    #[test]
    fn no_text_of_a_request_may_order_a_terminal_something() {
        const ORDER: &str = "x\u{1b}]0;pwn\u{7}";
        let (site, name) = (|| "paris".parse().unwrap(), || ORDER.to_owned());
        let long = "because ".repeat(100);
        for bad in [
            Request::Lockdown { site: site(), on: true, group: Some(name()) },
            Request::Forget { site: site(), name: name() },
            Request::SetEnabled { site: site(), name: name(), enabled: false },
            Request::Accept { who: name(), force: false },
            Request::Refuse { who: "Ada".into(), why: name() },
            Request::Refuse { who: "Ada".into(), why: long },
            Request::Models {
                site: site(),
                act: ModelsAct::Switch { to: name(), share: 1, after_ms: None, learn: false },
            },
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
        check(&Request::Refuse { who: "Ada".into(), why: String::new() }).unwrap();
        let fault = check(&Request::Lockdown { site: site(), on: true, group: Some(name()) }).unwrap_err().to_string();
        assert!(fault.starts_with("the group cannot be taken") && !fault.contains('\u{1b}'), "{fault}");
    }

    #[test]
    fn the_names_in_rules_may_not_either() {
        let rules = |text| Config::of_site(&SiteText { source: "rules", text, holidays: &BTreeMap::new() });
        check_rules(&rules("[[permit]]\ngroups = [\"staff\"]\n").unwrap()).unwrap();
        // TOML writes them out.
        let fault = check_rules(&rules("[[permit]]\ngroups = [\"a\\u001b[31m\"]\n").unwrap()).unwrap_err();
        assert!(fault.to_string().contains("group of a permit"), "{fault}");
    }
}
