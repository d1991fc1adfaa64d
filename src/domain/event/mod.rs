//! What happened and is recorded: an [`Event`], by subject, and its one form in JSON.
//!
//! To add an event, add its variant, its kind in `kinds!` and its personal parts in [`PersonalData`]; the compiler then names every place
//! that has to handle it.
//!
//! # JSON
//!
//! A record consists of a kind, such as `door_opened`, and a content, whose fields are those of the variant: names in snake_case, spans in
//! whole milliseconds with the suffix `_ms`, times in RFC 3339, distances Euclidean between unit vectors (0 to 2, lower is closer) with four
//! decimals. A person is `{"id": 7, "name": "…", "employee_id": "…", "groups": […]}` as they were at that time; `employee_id` is null for
//! somebody without one. Records of usher 0.1.0 have neither `employee_id` nor `groups`, and neither has a decision about somebody who was
//! removed meanwhile. An erased person is `{"erased": true}`.

mod about;
mod access;
mod content;
mod daemon;
mod door;
mod elsewhere;
mod erasure;
mod form;
mod links;
mod people;
mod person;
mod ranges;
mod store;
mod words;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use access::{AccessEvent, Decided, Frames, Outcome};
pub use content::{Content, Recorded};
pub use daemon::{DaemonEvent, RulesOutcome};
pub use door::DoorEvent;
pub use elsewhere::Elsewhere;
pub use erasure::Erasure;
pub use links::{Claim, Unlocking};
pub use people::{Amendment, Forgotten, PeopleEvent};
pub use person::{Card, Named, Personal, RunnerUp};
pub use ranges::SeqRanges;
pub use store::{AccountAct, GapDetails, RestoreDetails, StoreEvent};
pub use words::{Alarm, Cause, Input};

/// What happened and is recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Event {
    Access(AccessEvent),
    Door(DoorEvent),
    People(PeopleEvent),
    Store(StoreEvent),
    Daemon(DaemonEvent),
}

/// Part of an event that may say who somebody is.
#[derive(Debug)]
pub enum Part<'a> {
    /// The person whom the event is about. Comes before the event's texts.
    Person(&'a mut Personal<Named>),
    /// Somebody else whom it mentions.
    Other(&'a mut Personal<Named>),
    /// A text about the person, or by an operator.
    Text(&'a mut Personal<String>),
    /// Generated words, which name people by number.
    Words(&'a mut String),
}

/// Something that may hold personal data.
pub trait PersonalData {
    /// Visits each part that may say who somebody is. Implementations name every field, so that a new one cannot be forgotten.
    fn each_part(&mut self, visit: &mut dyn FnMut(Part<'_>));
}

/// The kinds of a subject's events, and which variant is of which.
macro_rules! kinds {
    ($subject:ident { $($variant:ident => $kind:literal),* $(,)? }) => {
        impl $subject {
            /// The kinds of these events.
            pub const KINDS: &[&str] = &[$($kind),*];

            /// The event's kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $($subject::$variant { .. } => $kind,)*
                }
            }
        }
    };
}
use kinds;

impl Event {
    /// The event's kind, as records, logs and hubs write it.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Access(event) => event.kind(),
            Event::Door(event) => event.kind(),
            Event::People(event) => event.kind(),
            Event::Store(event) => event.kind(),
            Event::Daemon(event) => event.kind(),
        }
    }

    /// All kinds of events.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        let subjects =
            [AccessEvent::KINDS, DoorEvent::KINDS, PeopleEvent::KINDS, StoreEvent::KINDS, DaemonEvent::KINDS];
        subjects.into_iter().flatten().copied()
    }

    /// The event's content in JSON.
    pub fn to_json(&self) -> Value {
        // Serialised as `{kind: content}`. Every key is a text and every value has a form, so this cannot fail.
        match serde_json::to_value(self) {
            Ok(Value::Object(tagged)) => tagged.into_iter().next().map(|(_, content)| content).unwrap_or_default(),
            _ => Value::Null,
        }
    }

    /// The event of that kind and content; `None` for a kind that this version does not know, or a content that does not fit it. Fields
    /// that the event does not have are passed over.
    fn from_json(kind: &str, content: &Value) -> Option<Event> {
        fn subject<'de, T: Deserialize<'de>>(kind: &'de str, content: &'de Value) -> Option<T> {
            T::deserialize(content::Tagged { kind, content }).ok()
        }
        let event = if AccessEvent::KINDS.contains(&kind) {
            Event::Access(subject(kind, content)?)
        } else if DoorEvent::KINDS.contains(&kind) {
            Event::Door(subject(kind, content)?)
        } else if PeopleEvent::KINDS.contains(&kind) {
            Event::People(subject(kind, content)?)
        } else if StoreEvent::KINDS.contains(&kind) {
            Event::Store(subject(kind, content)?)
        } else {
            Event::Daemon(subject(kind, content)?)
        };
        Some(event)
    }
}

impl PersonalData for Event {
    fn each_part(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        match self {
            Event::Access(event) => event.each_part(visit),
            Event::Door(event) => event.each_part(visit),
            Event::People(event) => event.each_part(visit),
            Event::Store(event) => event.each_part(visit),
            Event::Daemon(event) => event.each_part(visit),
        }
    }
}

impl From<AccessEvent> for Event {
    fn from(event: AccessEvent) -> Event {
        Event::Access(event)
    }
}

impl From<Decided> for Event {
    fn from(decided: Decided) -> Event {
        Event::Access(AccessEvent::Decided(Box::new(decided)))
    }
}

impl From<DoorEvent> for Event {
    fn from(event: DoorEvent) -> Event {
        Event::Door(event)
    }
}

impl From<PeopleEvent> for Event {
    fn from(event: PeopleEvent) -> Event {
        Event::People(event)
    }
}

impl From<StoreEvent> for Event {
    fn from(event: StoreEvent) -> Event {
        Event::Store(event)
    }
}

impl From<DaemonEvent> for Event {
    fn from(event: DaemonEvent) -> Event {
        Event::Daemon(event)
    }
}
