//! What the status says of this board in its fleet.

use crate::api::checks::Check;
use crate::api::status::FleetStatus;
use crate::config::Config;

/// A clock that is further off than this makes records of different boards hard to compare, in milliseconds.
const CLOCK_OFF_MS: u64 = 2_000;
/// Without a limit of its own, a board says that it has heard nothing after this time, in seconds.
const QUIET_S: u64 = 600;

/// What is well with the board in its fleet, and what is not; nothing for a board that is in none.
pub fn all(config: &Config, status: Option<&FleetStatus>) -> Vec<Check> {
    let Some(status) = status else {
        let missing = "[fleet] enabled is set, but the daemon runs without it: restart it (systemctl restart usher)";
        return config.fleet.enabled.then(|| Check::broken("fleet", missing)).into_iter().collect();
    };
    let mut found = vec![connection(status), age(status)];
    found.extend(whole(status));
    found.extend(places(status));
    if status.refused > 0 {
        let text = format!(
            "{} records were refused, because the office did not sign them: somebody else writes to the servers",
            status.refused
        );
        found.push(Check::broken("fleet", text));
    }
    if status.set_aside > 0 {
        let text = format!(
            "{} records were set aside: update usher on this board, or use the office's model",
            status.set_aside
        );
        found.push(Check::warning("fleet", text));
    }
    found.extend(rules(status));
    if let Some(ahead) = status.clock_ahead_ms.filter(|ahead| ahead.unsigned_abs() >= CLOCK_OFF_MS) {
        let (off, which) = (ahead.unsigned_abs(), if ahead > 0 { "ahead of" } else { "behind" });
        found.push(Check::warning(
            "fleet",
            format!("the clock is {off} ms {which} the servers: set both by a time server"),
        ));
    }
    found
}

fn connection(status: &FleetStatus) -> Check {
    let FleetStatus { board, site, state, waiting, .. } = status;
    match &**state {
        "online" => {
            Check::well("fleet", format!("{board} of {site} is online; {waiting} records wait for the servers"))
        }
        "connecting" => {
            Check::warning("fleet", format!("{board} of {site} is connecting; doors go on with what is on disk"))
        }
        trouble => Check::broken("fleet", format!("{trouble}; doors go on with what is on disk")),
    }
}

fn age(status: &FleetStatus) -> Check {
    match (status.heard_s, status.max_age_s) {
        (None, None) => Check::warning("fleet", "the office was not heard yet"),
        (None, Some(_)) => Check::broken(
            "fleet",
            "the office was not heard yet, and [fleet] max_age limits how long doors go on without it",
        ),
        (Some(age), Some(limit)) if age > limit => {
            Check::broken("fleet", format!("the office was heard {age} s ago, and the limit is {limit} s"))
        }
        (Some(age), _) if age > QUIET_S => {
            Check::warning("fleet", format!("the office was heard {age} s ago: does `usher fleet office` run?"))
        }
        (Some(age), _) => Check::well("fleet", format!("the office was heard {age} s ago")),
    }
}

/// Whose rules say who may pass.
fn rules(status: &FleetStatus) -> Option<Check> {
    let FleetStatus { site, access, rules_trouble, .. } = status;
    Some(match (rules_trouble, access) {
        (Some(trouble), _) => {
            Check::broken("fleet", format!("the doors do not go by the newest rules of {site}: {trouble}"))
        }
        (None, 0) => return None,
        (None, version) => Check::well(
            "fleet",
            format!("the doors go by rules {version} of {site}; the board's own permits do not count"),
        ),
    })
}

fn whole(status: &FleetStatus) -> Option<Check> {
    Some(match status.whole? {
        true => Check::well("fleet", format!("holds all {} people of the office's list", status.people)),
        false => Check::warning("fleet", format!("holds {} people, which is not the office's list yet", status.people)),
    })
}

fn places(status: &FleetStatus) -> Option<Check> {
    Some(match status.places_current? {
        true => Check::well("fleet", "knows where people went at the other boards of the site"),
        false => Check::warning(
            "fleet",
            "does not know where people went at the other boards of the site; nobody is refused for that until they can be heard",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::checks::CheckState;

    fn status() -> FleetStatus {
        FleetStatus {
            board: "front".into(),
            site: "berlin".into(),
            state: "online".into(),
            heard_s: Some(20),
            max_age_s: Some(300),
            whole: Some(true),
            people: 3,
            epoch: Some(1),
            rules: 1,
            access: 1,
            rules_trouble: None,
            waiting: 0,
            set_aside: 0,
            refused: 0,
            clock_ahead_ms: Some(3),
            places_current: Some(true),
        }
    }

    fn worst(status: &FleetStatus) -> Vec<CheckState> {
        let found = all(&Config::default(), Some(status));
        found.into_iter().map(|check| check.state).filter(|state| *state != CheckState::Ok).collect()
    }

    #[test]
    fn a_board_that_is_well_has_no_complaint() {
        assert!(worst(&status()).is_empty());
        assert!(all(&Config::default(), None).is_empty());
    }

    #[test]
    fn each_trouble_is_told() {
        use CheckState::{Broken, Warning};
        assert_eq!(worst(&FleetStatus { heard_s: Some(301), ..status() }), [Broken]);
        assert_eq!(worst(&FleetStatus { heard_s: Some(601), max_age_s: None, ..status() }), [Warning]);
        assert_eq!(worst(&FleetStatus { state: "no server answers".into(), ..status() }), [Broken]);
        assert_eq!(worst(&FleetStatus { whole: Some(false), ..status() }), [Warning]);
        assert_eq!(worst(&FleetStatus { refused: 1, ..status() }), [Broken]);
        assert_eq!(worst(&FleetStatus { rules_trouble: Some("no reader".into()), ..status() }), [Broken]);
        assert_eq!(worst(&FleetStatus { set_aside: 1, ..status() }), [Warning]);
        assert_eq!(worst(&FleetStatus { clock_ahead_ms: Some(-2_000), ..status() }), [Warning]);
        assert_eq!(worst(&FleetStatus { places_current: Some(false), ..status() }), [Warning]);
        let mut config = Config::default();
        config.fleet.enabled = true;
        assert!(matches!(&all(&config, None)[..], [one] if one.state == Broken));
    }
}
