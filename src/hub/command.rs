//! Commands for doors from the broker: reading them, and refusing those that are not fresh. Anybody who may publish to a command topic can send
//! anything, so a message is hostile until it has been read.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;

use super::client::Incoming;
use crate::clock::Clock;
use crate::domain::{Actor, Moment};

/// The limit for a payload; longer ones are not read.
pub const LARGEST_COMMAND_BYTES: usize = 1024;
/// The limit for a sender's name, in characters; longer ones are cut off.
const LONGEST_NAME: usize = 64;
/// The limit for an id, in characters.
const LONGEST_ID: usize = 64;
/// The limit for a group, in characters, as in the gallery.
const LONGEST_GROUP: usize = 100;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubAction {
    /// Unlock for a while.
    Unlock,
    /// End everything that had unlocked the door.
    Lock,
    /// Let nobody through until another command.
    Lockdown,
    /// Return to the rules.
    Normal,
}

impl HubAction {
    /// The word in the payload.
    pub fn as_str(self) -> &'static str {
        match self {
            HubAction::Unlock => "unlock",
            HubAction::Lock => "lock",
            HubAction::Lockdown => "lockdown",
            HubAction::Normal => "normal",
        }
    }

    /// Whether the door may let more people through afterwards.
    pub(super) fn opens(self) -> bool {
        matches!(self, HubAction::Unlock | HubAction::Normal)
    }
}

/// A command that may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubCommand {
    pub door: String,
    pub action: HubAction,
    /// The group that a lockdown lets through; `None` for nobody.
    pub group: Option<String>,
    /// Who claims to have sent it, as in `mqtt/anna`. MQTT does not identify the sender.
    pub by: Actor,
    /// It does not move a relay after this moment, when it reaches its greatest age.
    pub not_after: Moment,
}

/// A command that must not be carried out, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCommand {
    pub door: String,
    pub action: HubAction,
    /// As [`HubCommand::by`].
    pub by: Actor,
    pub reason: String,
}

impl HubCommand {
    pub(super) fn refuse(self, reason: String) -> RefusedCommand {
        RefusedCommand { door: self.door, action: self.action, by: self.by, reason }
    }
}

/// A message that is a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadCommand {
    pub command: Result<HubCommand, RefusedCommand>,
    /// Identifies the command if it arrives again; `None` if it has neither an id nor a time.
    pub identity: Option<String>,
}

/// The payload: `{"act": "unlock", "at": "2026-01-02T10:32:07Z", "by": "anna"}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandWire {
    #[serde(rename = "act")]
    action: HubAction,
    /// When it was sent, in RFC 3339.
    at: Option<String>,
    by: Option<String>,
    /// Only for a lockdown.
    group: Option<String>,
    /// Chosen by the sender.
    id: Option<String>,
}

/// Reads a message on the topic `<topics>/<door>`. `None` if it is not a command for one of `doors`.
pub fn read(
    message: &Incoming,
    topics: &str,
    doors: &[String],
    clock: &dyn Clock,
    max_age: Duration,
) -> Option<ReadCommand> {
    let door = message.topic.strip_prefix(topics)?.strip_prefix('/')?;
    if message.payload.len() > LARGEST_COMMAND_BYTES || !doors.iter().any(|known| known == door) {
        return None;
    }
    // An object and nothing else: serde would also read the fields from a list, in their order.
    if !message.payload.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let wire: CommandWire = serde_json::from_slice(&message.payload).ok()?;
    if wire.id.as_deref().is_some_and(|id| !(1..=LONGEST_ID).contains(&id.chars().count())) {
        return None;
    }
    if wire.group.as_deref().is_some_and(|group| wire.action != HubAction::Lockdown || !is_group(group)) {
        return None;
    }
    let name: String =
        wire.by.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let by = Actor::Hub(name.trim().to_owned());
    let at = wire.at.map(|at| at.parse::<Timestamp>()).transpose().ok()?;
    let now = clock.wall();
    let refused = stale(message, at, now, max_age);
    let not_after = clock.now().after(time_left(message, at, now, max_age));
    let action = wire.action;
    let identity = match (wire.id, at) {
        // Not by the id alone: if a sender gives each command the same id, its lockdown must not be taken for an unlock.
        (Some(id), _) => Some(format!("{door} {} {id}", action.as_str())),
        (None, Some(at)) => {
            Some(format!("{door} {} {at} {by} {}", action.as_str(), wire.group.as_deref().unwrap_or_default()))
        }
        (None, None) => None,
    };
    let command = HubCommand { door: door.to_owned(), action, group: wire.group, by, not_after };
    let command = match refused {
        Some(reason) => Err(command.refuse(reason)),
        None => Ok(command),
    };
    Some(ReadCommand { command, identity })
}

/// Whether the gallery would accept the group. Nobody can be in any other, so the lockdown would let nobody through.
fn is_group(group: &str) -> bool {
    let fits = (1..=LONGEST_GROUP).contains(&group.chars().count());
    fits && group.trim() == group && !group.chars().any(char::is_control)
}

/// How long a command may still be carried out: until it is `max_age` old or has expired.
fn time_left(message: &Incoming, at: Option<Timestamp>, now: SystemTime, max_age: Duration) -> Duration {
    let age = at.zip(Timestamp::try_from(now).ok()).map(|(at, now)| now.duration_since(at));
    let left = age.map_or(max_age, |age| max_age.saturating_sub(age.try_into().unwrap_or_default()));
    left.min(message.expires_in_s.map_or(max_age, |left| Duration::from_secs(left.into())))
}

/// Why a command is not fresh; `None` if it is.
fn stale(message: &Incoming, at: Option<Timestamp>, now: SystemTime, max_age: Duration) -> Option<String> {
    if message.retained {
        return Some("it was retained: a command must not be kept by the broker".to_owned());
    }
    let Some(at) = at else {
        // The broker discards expired messages, so a short expiry proves that a command is fresh.
        let bounded = message.expires_in_s.is_some_and(|left| Duration::from_secs(left.into()) <= max_age);
        return (!bounded).then(|| "it has neither a time in `at` nor a short message expiry".to_owned());
    };
    let Ok(now) = Timestamp::try_from(now) else {
        return Some("its age is unknown: this device's clock is outside the years 0 to 9999; set the time".to_owned());
    };
    let age = now.duration_since(at);
    if age.unsigned_abs() <= max_age {
        None
    } else if age.is_positive() {
        Some(format!("it is {} s old", age.as_secs()))
    } else {
        Some(format!("it is dated {} s ahead of this device's clock", age.as_secs().unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::SimulatedClock;

    const MAX_AGE: Duration = Duration::from_secs(10);

    fn now() -> SystemTime {
        // 2026-01-02T10:32:07Z
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927)
    }

    fn message(payload: &str) -> Incoming {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        Incoming { topic: "usher/d/command/front".into(), payload, retained: false, expires_in_s: None }
    }

    fn judged(message: &Incoming) -> Option<ReadCommand> {
        read(message, "usher/d/command", &["front".to_owned()], &SimulatedClock::new(now()), MAX_AGE)
    }

    fn refusal(message: &Incoming) -> String {
        judged(message).unwrap().command.err().map(|refused| refused.reason).unwrap_or_default()
    }

    #[test]
    fn a_fresh_command_is_read_with_its_sender() {
        let command =
            judged(&message(r#"{"act":"unlock","at":"2026-01-02T11:32:05.5+01:00","by":" anna\u0007 "}"#)).unwrap();
        let (by, door) = ("mqtt/anna".into(), "front".into());
        // It is 1.5 s old.
        let not_after = Moment(MAX_AGE - Duration::from_millis(1500));
        let identity = Some("front unlock 2026-01-02T10:32:05.5Z mqtt/anna ".to_owned());
        let expected = HubCommand { door, action: HubAction::Unlock, group: None, by, not_after };
        assert_eq!(command, ReadCommand { command: Ok(expected), identity });
        for action in [HubAction::Unlock, HubAction::Lock, HubAction::Lockdown, HubAction::Normal] {
            let text = format!(r#"{{"act":"{}","at":"2026-01-02T10:32:07Z"}}"#, action.as_str());
            let command = judged(&message(&text)).unwrap().command.unwrap();
            assert_eq!((command.action, command.by), (action, "mqtt".into()));
        }
    }

    #[test]
    fn a_command_is_identified_by_its_id_or_by_its_content() {
        let of = |fields: &str| judged(&message(&format!(r#"{{{fields}}}"#))).unwrap().identity;
        let at = r#""at":"2026-01-02T10:32:07Z""#;
        let same = of(&format!(r#""act":"unlock","by":"anna",{at}"#));
        assert_eq!(same, of(r#""act":"unlock","by":"anna","at":"2026-01-02T11:32:07+01:00""#));
        for other in
            [r#""act":"lock","by":"anna""#, r#""act":"unlock","by":"ben""#, r#""act":"unlock","by":"anna","id":"1""#]
        {
            assert_ne!(same, of(&format!("{other},{at}")), "{other}");
        }
        let by_id = of(r#""act":"unlock","id":"1""#);
        assert_eq!(by_id, of(&format!(r#""act":"unlock","by":"ben","id":"1",{at}"#)));
        assert_ne!(by_id, of(r#""act":"lockdown","id":"1""#));
        assert_eq!(of(r#""act":"unlock""#), None);
        assert_eq!(judged(&message(&format!(r#"{{"act":"unlock","id":"",{at}}}"#))), None);
        assert_eq!(judged(&message(&format!(r#"{{"act":"unlock","id":"{}",{at}}}"#, "x".repeat(65)))), None);
    }

    #[test]
    fn a_lockdown_may_name_a_group_and_nothing_else_may() {
        let of = |act: &str, group: &str| {
            judged(&message(&format!(r#"{{"act":"{act}","at":"2026-01-02T10:32:07Z","group":{group}}}"#)))
        };
        let group = |group| of("lockdown", group).unwrap().command.unwrap().group;
        assert_eq!(group(r#""night guards""#).as_deref(), Some("night guards"));
        assert_eq!(group("null"), None);
        let long = format!("{:?}", "g".repeat(LONGEST_GROUP + 1));
        for group in [r#""""#, r#"" guards""#, r#""a\u0007""#, "7", &long] {
            assert_eq!(of("lockdown", group), None, "{group}");
        }
        assert_eq!(of("unlock", r#""guards""#), None);
        assert_eq!(of("normal", r#""guards""#), None);
    }

    #[test]
    fn a_command_that_is_not_fresh_is_refused_with_the_reason() {
        let of = |at: &str| message(&format!(r#"{{"act":"unlock","at":"{at}"}}"#));
        assert_eq!(refusal(&of("2026-01-02T10:31:56Z")), "it is 11 s old");
        assert_eq!(refusal(&of("2026-01-02T10:31:57Z")), "");
        assert_eq!(refusal(&of("2026-01-02T10:32:17Z")), "");
        assert!(refusal(&of("2026-01-02T10:32:18Z")).contains("11 s ahead"));
        assert!(refusal(&of("-009998-01-01T00:00:00Z")).contains("old"));
        let retained = Incoming { retained: true, ..of("2026-01-02T10:32:07Z") };
        assert!(refusal(&retained).contains("retained"));
    }

    #[test]
    fn a_clock_outside_all_dates_refuses_dated_commands() {
        let dated = message(r#"{"act":"unlock","at":"2026-01-02T10:32:07Z"}"#);
        for days in [5_000_000, 1 << 40] {
            let beyond = SimulatedClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400));
            let command = read(&dated, "usher/d/command", &["front".to_owned()], &beyond, MAX_AGE).unwrap();
            assert!(command.command.unwrap_err().reason.contains("set the time"));
        }
    }

    #[test]
    fn an_undated_command_needs_a_short_expiry() {
        let undated = message(r#"{"act":"lock"}"#);
        assert!(refusal(&undated).contains("neither"));
        let expiring = |left| Incoming { expires_in_s: Some(left), ..undated.clone() };
        assert_eq!(refusal(&expiring(10)), "");
        assert!(refusal(&expiring(11)).contains("neither"));
        assert!(refusal(&Incoming { retained: true, ..expiring(5) }).contains("retained"));
    }

    #[test]
    fn an_unreadable_message_or_an_unknown_door_is_no_command() {
        let long =
            format!(r#"{{"act":"lock","at":"2026-01-02T10:32:07Z","by":"{}"}}"#, "a".repeat(LARGEST_COMMAND_BYTES));
        for text in [
            "",
            "UNLOCK",
            "{}",
            "[]",
            r#"["unlock","2026-01-02T10:32:07Z","anna"]"#,
            r#"{"act":"open"}"#,
            r#"{"act":"unlock","at":5}"#,
            r#"{"act":"unlock","x":1}"#,
            &long,
        ] {
            assert_eq!(judged(&message(text)), None, "{text}");
        }
        let elsewhere = |topic: &str| Incoming { topic: topic.into(), ..message(r#"{"act":"lock"}"#) };
        for topic in ["usher/d/command/back", "usher/d/command", "usher/d/command/", "usher/d/commandfront", "x"] {
            assert_eq!(judged(&elsewhere(topic)), None, "{topic}");
        }
    }

    fn nearly_a_command() -> impl Strategy<Value = Vec<u8>> {
        let word = prop::sample::select(vec!["unlock", "lock", "lockdown", "normal", "open", "\\u0000", ""]);
        let at = prop_oneof![
            any::<i64>().prop_map(|seconds| seconds.to_string()),
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
            "\"[-+0-9]{4,7}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})\""
                .prop_map(|text| text),
        ];
        let by = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
        (word, at, by, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(word, at, by, place, byte)| {
            let mut bytes = format!(r#"{{"act":"{word}","at":{at},"by":{by}}}"#).into_bytes();
            let place = place.index(bytes.len());
            if byte < 64 {
                bytes[place] = byte;
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_old_command_is_accepted(
            payload in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), nearly_a_command()],
            topic in prop_oneof![Just("usher/d/command/front".to_owned()), any::<String>()],
            retained: bool,
            expires_in_s: Option<u32>,
        ) {
            let message = Incoming { topic, payload: payload.clone().into(), retained, expires_in_s };
            if let Some(ReadCommand { command, .. }) = judged(&message) {
                let by = command.as_ref().map_or_else(|refused| &refused.by, |command| &command.by);
                prop_assert!(matches!(by, Actor::Hub(name) if name.chars().count() <= LONGEST_NAME));
                prop_assert!(!by.to_string().chars().any(char::is_control));
                if command.is_ok() {
                    prop_assert!(!retained);
                    let wire: CommandWire = serde_json::from_slice(&payload).unwrap();
                    let fresh = wire.at.is_some_and(|at| {
                        let at: Timestamp = at.parse().unwrap();
                        Timestamp::try_from(now()).unwrap().duration_since(at).unsigned_abs() <= MAX_AGE
                    });
                    prop_assert!(fresh || expires_in_s.is_some_and(|left| left <= 10));
                }
            }
        }
    }
}
