//! Who caused an event: an operator, a client of the hub, an account of the page, the fleet's office, a schedule, or usher itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What [`Actor::Schedule`] is called in journals. It cannot be `usher`: that is the name of the daemon's own user, who may be an operator.
const SCHEDULE: &str = "usher, by a schedule";
const HUB: &str = "mqtt";
const PAGE: &str = "web";
const FLEET: &str = "fleet";

/// Who caused an event. Its text form ([`fmt::Display`], and `From<&str>` to read it back) is the `by` of journals, of the socket and of
/// the hub's messages; reading a text and writing it again gives the same text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Actor {
    /// A user of this machine, who asked at the socket or in a command: the user name, or `uid 1000` where the user has none. Written as
    /// it is.
    Operator(String),
    /// A client of the hub's broker, by the name it gives itself, which nothing proves; empty where it gives none. Written `mqtt/anna`,
    /// or `mqtt`.
    Hub(String),
    /// An account of the page, or a token of a program, by its name. Written `web/anna`.
    Web(String),
    /// The fleet's office, which signed it; with the name of its operator, or empty where it says none. Written `fleet/anna`, or `fleet`.
    Fleet(String),
    /// The hours in which a door is unlocked.
    Schedule,
    /// usher itself.
    System(SystemAct),
}

/// What usher does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SystemAct {
    /// Takes a mode back that could not be recorded in time.
    UndoMode,
    /// Goes on with the mode from before a restart.
    ResumeMode,
    /// Makes a template of a grant.
    Learn,
    /// Makes templates from a visit, while the site is led to another model.
    LearnFromVisit,
    /// Goes over to the model that the site was led to.
    SwitchModel,
}

impl SystemAct {
    const ALL: [SystemAct; 5] = [
        SystemAct::UndoMode,
        SystemAct::ResumeMode,
        SystemAct::Learn,
        SystemAct::LearnFromVisit,
        SystemAct::SwitchModel,
    ];

    fn as_str(self) -> &'static str {
        match self {
            SystemAct::UndoMode => "usher, because the disk had stalled",
            SystemAct::ResumeMode => "kept over a restart",
            SystemAct::Learn => "usher, from a grant",
            SystemAct::LearnFromVisit => "usher, from a visit",
            SystemAct::SwitchModel => "usher, at its start",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Operator(name) => f.write_str(name),
            Actor::Hub(name) if name.is_empty() => f.write_str(HUB),
            Actor::Hub(name) => write!(f, "{HUB}/{name}"),
            Actor::Web(name) => write!(f, "{PAGE}/{name}"),
            Actor::Fleet(name) if name.is_empty() => f.write_str(FLEET),
            Actor::Fleet(name) => write!(f, "{FLEET}/{name}"),
            Actor::Schedule => f.write_str(SCHEDULE),
            Actor::System(act) => f.write_str(act.as_str()),
        }
    }
}

impl From<String> for Actor {
    fn from(text: String) -> Actor {
        let by_itself = SystemAct::ALL.into_iter().find(|act| text == act.as_str());
        if let Some(act) = by_itself {
            return Actor::System(act);
        }
        match text.as_str() {
            SCHEDULE => Actor::Schedule,
            HUB => Actor::Hub(String::new()),
            FLEET => Actor::Fleet(String::new()),
            other => match other.split_once('/') {
                Some((HUB, name)) if !name.is_empty() => Actor::Hub(name.to_owned()),
                Some((PAGE, name)) if !name.is_empty() => Actor::Web(name.to_owned()),
                Some((FLEET, name)) if !name.is_empty() => Actor::Fleet(name.to_owned()),
                _ => Actor::Operator(text),
            },
        }
    }
}

impl From<&str> for Actor {
    fn from(text: &str) -> Actor {
        Actor::from(text.to_owned())
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> String {
        match actor {
            Actor::Operator(name) => name,
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_forms_are_the_documented_ones() {
        let forms = [
            (Actor::Operator("anna".into()), "anna"),
            (Actor::Operator("usher".into()), "usher"),
            (Actor::Operator("uid 1000".into()), "uid 1000"),
            (Actor::Hub("anna".into()), "mqtt/anna"),
            (Actor::Hub(String::new()), "mqtt"),
            (Actor::Web("anna".into()), "web/anna"),
            (Actor::Fleet("anna".into()), "fleet/anna"),
            (Actor::Fleet(String::new()), "fleet"),
            (Actor::System(SystemAct::UndoMode), "usher, because the disk had stalled"),
            (Actor::System(SystemAct::ResumeMode), "kept over a restart"),
            (Actor::Schedule, "usher, by a schedule"),
        ];
        for (actor, text) in forms {
            assert_eq!((actor.to_string().as_str(), Actor::from(text)), (text, actor.clone()));
            assert_eq!(serde_json::to_string(&actor).unwrap(), format!("{text:?}"));
        }
        assert_eq!(Actor::from("mqtt/"), Actor::Operator("mqtt/".into()));
    }

    proptest! {
        #[test]
        fn a_text_comes_back_as_it_was(text in "(mqtt|usher|web|fleet)?[/a-z, ]{0,6}|\\PC{0,12}") {
            prop_assert_eq!(Actor::from(text.as_str()).to_string(), text);
        }
    }
}
