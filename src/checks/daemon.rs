//! What the status of a running daemon says: its stages, its broker, the address of its metrics, its configuration.

use std::path::Path;

use super::{access, assurance, cameras, doors, factors, fleet, store};
use crate::api::checks::Check;
use crate::api::people::Person;
use crate::api::status::{HubStatus, Status};
use crate::config::{self, Config};

/// Everything that the configuration, the status and the people say, in the order in which somebody should read it.
pub fn all(config: &Config, status: &Status, people: &[Person]) -> Vec<Check> {
    let mut found = vec![Check::well("daemon", format!("runs version {}, up {} s", status.version, status.uptime_s))];
    found.extend(metrics(config, status));
    found.extend(page(config, status));
    found.extend(status.time.as_deref().map(store::time));
    found.extend(match &status.model_switch {
        Some(switch) => Some(Check::well("switch", switch)),
        None => store::foreign(status.foreign_templates),
    });
    found.push(match &status.journal_trouble {
        None => Check::well("store", format!("{} people", status.people)),
        Some(trouble) => Check::broken("store", trouble),
    });
    found.push(store::sealed(&status.seal));
    found.extend(faces(config, status));
    found.extend(access::lines(config));
    found.extend(assurance::doors(config));
    found.extend(doors::entries(config));
    found.extend(factors::people(config, people));
    found.extend(status.stages.iter().map(|stage| match &stage.trouble {
        None => {
            Check::well(&stage.role, format!("{}: {} handled, {} dropped", stage.name, stage.handled, stage.dropped))
        }
        Some(trouble) => Check::broken(&stage.role, format!("{}: {trouble}", stage.name)),
    }));
    found.extend(cameras::identities(config));
    found.extend(cameras::eyes(config));
    found.extend(doors::held(config, status));
    found.push(broker(status.hub.as_ref()));
    found.extend(fleet::all(config, status.fleet.as_ref()));
    found
}

fn metrics(config: &Config, status: &Status) -> Option<Check> {
    match (&status.metrics_trouble, config.metrics.listen) {
        (Some(trouble), _) => Some(Check::warning("metrics", trouble)),
        (None, Some(address)) => Some(Check::well("metrics", format!("on {address}"))),
        (None, None) => None,
    }
}

/// The page, where it is switched on.
fn page(config: &Config, status: &Status) -> Option<Check> {
    let web = &config.web;
    match &status.web_trouble {
        _ if !web.enabled => None,
        Some(trouble) => Some(Check::warning("page", trouble)),
        None => {
            let scheme = if web.speaks_tls() { "https" } else { "http" };
            Some(Check::well("page", format!("on {scheme}://{}", web.listen)))
        }
    }
}

/// Faces beside records are kept sealed or not at all.
fn faces(config: &Config, status: &Status) -> Option<Check> {
    let wanted = config.web.enabled && !config.web.keep_faces.is_zero();
    let text = "[web] keep_faces is set, but no face is kept: faces are only kept sealed, and the store has no key";
    (wanted && status.seal.state != "sealed").then(|| Check::warning("faces", text))
}

fn broker(hub: Option<&HubStatus>) -> Check {
    let Some(hub) = hub else { return Check::well("broker", "none is configured") };
    if hub.state != "online" {
        return Check::broken("broker", &hub.state);
    }
    match &hub.refused[..] {
        [] => Check::well("broker", "online"),
        [first, others @ ..] => {
            let others = if others.is_empty() { String::new() } else { format!("; and {} other topics", others.len()) };
            let (topic, bytes, reason) = (&first.topic, first.bytes, &first.reason);
            Check::warning("broker", format!("online, but refuses {topic} ({bytes} bytes): {reason}{others}"))
        }
    }
}

/// The file that the daemon was started with, compared with what it runs with.
pub fn configuration(file: &Path, running: &Config) -> Check {
    let name = file.display();
    let read = Config::load(file, config::environment()).map(|mut config| {
        // Found beside the program where nobody names it.
        if !config.is_written("models.path") {
            config.models.path.clone_from(&running.models.path);
        }
        config
    });
    match read {
        Ok(config) if config.fingerprint() == running.fingerprint() => {
            Check::well("configuration", format!("as {name} says"))
        }
        Ok(_) => Check::warning(
            "configuration",
            format!("{name} has changed since the daemon started: restart it (systemctl restart usher)"),
        ),
        Err(error) => Check::broken("configuration", format!("the daemon would not start again with {name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::checks::CheckState;

    #[test]
    fn a_configuration_that_has_changed_or_is_no_longer_sound_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usher.toml");
        let text =
            |name: &str| format!("[device]\nname = {name:?}\n[[door]]\n[[camera]]\nname = \"c\"\nkind = \"v4l2\"\n");
        std::fs::write(&file, text("one")).unwrap();
        let running = Config::load(&file, std::iter::empty()).unwrap();
        assert_eq!(configuration(&file, &running).state, CheckState::Ok);
        std::fs::write(&file, text("two")).unwrap();
        let changed = configuration(&file, &running);
        assert!(changed.state == CheckState::Warning && changed.text.contains("restart it"), "{changed:?}");
        std::fs::write(&file, "[device\n").unwrap();
        let broken = configuration(&file, &running);
        assert!(broken.state == CheckState::Broken && broken.text.contains("would not start again"), "{broken:?}");
    }
}
