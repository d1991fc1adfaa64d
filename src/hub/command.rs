//! What somebody on the broker wants of a door: read, judged, and handed on with a reason where it is refused.
//!
//! Knows nothing of doors beyond their names; who receives a command decides what comes of it. Whoever may publish to a command
//! topic may try: what arrives here is hostile until it has been read.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use super::client::Incoming;
use crate::clock::Clock;
use crate::domain::Moment;

/// Longer payloads are not read.
pub const LARGEST_COMMAND_BYTES: usize = 1024;
/// Longer names are cut off.
const LONGEST_NAME: usize = 64;
/// Characters of an id.
const LONGEST_ID: usize = 64;
/// Characters of a group: as many as a person's may have.
const LONGEST_GROUP: usize = 100;

/// Whether and how commands are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSettings {
    /// The oldest command that is still obeyed; a clock that goes ahead is forgiven as much.
    pub max_age: Duration,
    /// How many commands a minute are taken: so many that unlock or end a lockdown, and as many others.
    pub per_minute: u32,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubAct {
    /// Unlock for a while.
    Unlock,
    /// End whatever had unlocked the door.
    Lock,
    /// Let nobody through until told otherwise.
    Lockdown,
    /// Go by the rules again.
    Normal,
}

impl HubAct {
    /// The word in the payload.
    pub fn as_str(self) -> &'static str {
        match self {
            HubAct::Unlock => "unlock",
            HubAct::Lock => "lock",
            HubAct::Lockdown => "lockdown",
            HubAct::Normal => "normal",
        }
    }

    /// Whether the door may let more through afterwards.
    fn opens(self) -> bool {
        matches!(self, HubAct::Unlock | HubAct::Normal)
    }
}

/// A command that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubCommand {
    pub door: String,
    pub act: HubAct,
    /// Whom a lockdown lets through; `None`: nobody.
    pub group: Option<String>,
    /// Who says to have sent it, as in `mqtt/anna`. MQTT does not tell, so it is no more than their word.
    pub by: String,
    /// It moves no relay after this: what is left of its greatest age when it is read.
    pub not_after: Moment,
    /// Why it must not be carried out; it is handed on to be written down.
    pub refused: Option<String>,
    /// By what the same command is known when it comes again; `None` when it cannot be told.
    pub identity: Option<String>,
}

/// As it is sent: `{"act": "unlock", "at": "2026-01-02T10:32:07Z", "by": "anna"}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandWire {
    act: HubAct,
    /// When it was sent: RFC 3339.
    at: Option<String>,
    by: Option<String>,
    /// For a lockdown only.
    group: Option<String>,
    /// Of the sender's choice.
    id: Option<String>,
}

/// Reads a message of the topic `<topics>/<door>`; `None` when it is no command for one of `doors`.
pub fn read(
    message: &Incoming,
    topics: &str,
    doors: &[String],
    clock: &dyn Clock,
    max_age: Duration,
) -> Option<HubCommand> {
    let door = message.topic.strip_prefix(topics)?.strip_prefix('/')?;
    if message.payload.len() > LARGEST_COMMAND_BYTES || !doors.iter().any(|known| known == door) {
        return None;
    }
    // An object and nothing else: serde would also take the fields as a list, by their order.
    if !message.payload.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let wire: CommandWire = serde_json::from_slice(&message.payload).ok()?;
    if wire.id.as_deref().is_some_and(|id| !(1..=LONGEST_ID).contains(&id.chars().count())) {
        return None;
    }
    if wire.group.as_deref().is_some_and(|group| wire.act != HubAct::Lockdown || !is_group(group)) {
        return None;
    }
    let name: String =
        wire.by.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let by = if name.trim().is_empty() { "mqtt".to_owned() } else { format!("mqtt/{}", name.trim()) };
    let at = wire.at.map(|at| at.parse::<Timestamp>()).transpose().ok()?;
    let now = clock.wall();
    let refused = stale(message, at, now, max_age);
    let not_after = clock.now() + time_left(message, at, now, max_age);
    let act = wire.act;
    let identity = match (wire.id, at) {
        // Not by the id alone: a sender that gives each command the same one must not have its lockdown taken for an unlock.
        (Some(id), _) => Some(format!("{door} {} {id}", act.as_str())),
        (None, Some(at)) => {
            Some(format!("{door} {} {at} {by} {}", act.as_str(), wire.group.as_deref().unwrap_or_default()))
        }
        (None, None) => None,
    };
    Some(HubCommand { door: door.to_owned(), act, group: wire.group, by, not_after, refused, identity })
}

/// As the gallery takes it: nobody can be in another, and the lockdown would let nobody through.
fn is_group(group: &str) -> bool {
    let fits = (1..=LONGEST_GROUP).contains(&group.chars().count());
    fits && group.trim() == group && !group.chars().any(char::is_control)
}

/// For how long a command may still be carried out: until it is `max_age` old, or has expired.
fn time_left(message: &Incoming, at: Option<Timestamp>, now: SystemTime, max_age: Duration) -> Duration {
    let age = at.zip(Timestamp::try_from(now).ok()).map(|(at, now)| now.duration_since(at));
    let left = age.map_or(max_age, |age| max_age.saturating_sub(age.try_into().unwrap_or_default()));
    left.min(message.expires_in_s.map_or(max_age, |left| Duration::from_secs(left.into())))
}

/// Why the command's age speaks against it.
fn stale(message: &Incoming, at: Option<Timestamp>, now: SystemTime, max_age: Duration) -> Option<String> {
    if message.retained {
        return Some("it was retained: a command must not be kept by the broker".to_owned());
    }
    let Some(at) = at else {
        // The broker has thrown away what expired. A sender that gives it so little time means a command of now.
        let bounded = message.expires_in_s.is_some_and(|left| Duration::from_secs(left.into()) <= max_age);
        return (!bounded).then(|| "it has neither a time in `at` nor a short message expiry".to_owned());
    };
    let Ok(now) = Timestamp::try_from(now) else {
        return Some(
            "its age cannot be told: this device's clock is beyond the years 0 to 9999; set the time".to_owned(),
        );
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

/// Sees to it that nobody drums at the door: a bucket of tokens for what opens, and one for what closes, so that a flood of the
/// one cannot keep out the other.
#[derive(Debug)]
pub struct Limiter {
    per_minute: u32,
    buckets: [Bucket; 2],
}

/// What the limiter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// To be looked at.
    Good,
    /// Too many; the first of them, which is worth writing down.
    FirstTooMany,
    /// Too many, and that is written down already.
    TooMany,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
    overflowing: bool,
}

impl Limiter {
    /// Full buckets of `per_minute` tokens.
    pub fn new(per_minute: u32, now: Instant) -> Limiter {
        let bucket = || Bucket { tokens: per_minute.into(), filled: now, overflowing: false };
        Limiter { per_minute, buckets: [bucket(), bucket()] }
    }

    /// Takes a token for `act`.
    pub fn pace(&mut self, act: HubAct, now: Instant) -> Pace {
        let most = f64::from(self.per_minute);
        let bucket = &mut self.buckets[usize::from(act.opens())];
        let since = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * most / 60.0).min(most);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            bucket.overflowing = false;
            return Pace::Good;
        }
        if std::mem::replace(&mut bucket.overflowing, true) { Pace::TooMany } else { Pace::FirstTooMany }
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

    fn judged(message: &Incoming) -> Option<HubCommand> {
        read(message, "usher/d/command", &["front".to_owned()], &SimulatedClock::new(now()), MAX_AGE)
    }

    fn refusal(message: &Incoming) -> String {
        judged(message).unwrap().refused.unwrap_or_default()
    }

    #[test]
    fn a_command_of_now_is_taken_with_its_sender() {
        let command =
            judged(&message(r#"{"act":"unlock","at":"2026-01-02T11:32:05.5+01:00","by":" anna\u0007 "}"#)).unwrap();
        let (by, door) = ("mqtt/anna".into(), "front".into());
        // It is 1.5 s old.
        let not_after = Moment(MAX_AGE - Duration::from_millis(1500));
        let identity = Some("front unlock 2026-01-02T10:32:05.5Z mqtt/anna ".to_owned());
        let expected = HubCommand { door, act: HubAct::Unlock, group: None, by, not_after, refused: None, identity };
        assert_eq!(command, expected);
        for act in [HubAct::Unlock, HubAct::Lock, HubAct::Lockdown, HubAct::Normal] {
            let text = format!(r#"{{"act":"{}","at":"2026-01-02T10:32:07Z"}}"#, act.as_str());
            let command = judged(&message(&text)).unwrap();
            assert_eq!((command.act, command.by.as_str(), command.refused), (act, "mqtt", None));
        }
    }

    #[test]
    fn a_command_is_known_by_its_id_or_by_when_who_what_and_where() {
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
        assert_eq!(of("lockdown", r#""night guards""#).unwrap().group.as_deref(), Some("night guards"));
        assert_eq!(of("lockdown", "null").unwrap().group, None);
        let long = format!("{:?}", "g".repeat(LONGEST_GROUP + 1));
        for group in [r#""""#, r#"" guards""#, r#""a\u0007""#, "7", &long] {
            assert_eq!(of("lockdown", group), None, "{group}");
        }
        assert_eq!(of("unlock", r#""guards""#), None);
        assert_eq!(of("normal", r#""guards""#), None);
    }

    #[test]
    fn what_is_not_of_now_is_refused_with_the_reason() {
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
    fn a_clock_that_no_date_can_tell_lets_no_dated_command_through() {
        let dated = message(r#"{"act":"unlock","at":"2026-01-02T10:32:07Z"}"#);
        for days in [5_000_000, 1 << 40] {
            let beyond = SimulatedClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400));
            let command = read(&dated, "usher/d/command", &["front".to_owned()], &beyond, MAX_AGE).unwrap();
            assert!(command.refused.unwrap().contains("set the time"));
        }
    }

    #[test]
    fn without_a_time_only_a_short_expiry_speaks_for_a_command() {
        let undated = message(r#"{"act":"lock"}"#);
        assert!(refusal(&undated).contains("neither"));
        let expiring = |left| Incoming { expires_in_s: Some(left), ..undated.clone() };
        assert_eq!(refusal(&expiring(10)), "");
        assert!(refusal(&expiring(11)).contains("neither"));
        assert!(refusal(&Incoming { retained: true, ..expiring(5) }).contains("retained"));
    }

    #[test]
    fn what_cannot_be_read_or_is_for_nobody_is_no_command() {
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

    #[test]
    fn a_flood_of_unlocks_is_told_once_and_does_not_keep_out_a_lockdown() {
        let start = Instant::now();
        let mut limiter = Limiter::new(3, start);
        let paces: Vec<Pace> = (0..6).map(|_| limiter.pace(HubAct::Unlock, start)).collect();
        assert_eq!(paces[..3], [Pace::Good; 3]);
        assert_eq!(paces[3..], [Pace::FirstTooMany, Pace::TooMany, Pace::TooMany]);
        assert_eq!(limiter.pace(HubAct::Lockdown, start), Pace::Good);
        let later = start + Duration::from_secs(20);
        assert_eq!(
            [limiter.pace(HubAct::Unlock, later), limiter.pace(HubAct::Unlock, later)],
            [Pace::Good, Pace::FirstTooMany]
        );
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
        fn no_bytes_panic_and_nothing_old_is_let_through(
            payload in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), nearly_a_command()],
            topic in prop_oneof![Just("usher/d/command/front".to_owned()), any::<String>()],
            retained: bool,
            expires_in_s: Option<u32>,
        ) {
            let message = Incoming { topic, payload: payload.clone().into(), retained, expires_in_s };
            if let Some(command) = judged(&message) {
                prop_assert!(command.by.starts_with("mqtt") && command.by.chars().count() <= LONGEST_NAME + 5);
                prop_assert!(!command.by.chars().any(char::is_control));
                if command.refused.is_none() {
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
