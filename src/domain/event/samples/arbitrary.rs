//! Arbitrary events of every kind, for property tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use crate::domain::event::*;
use crate::domain::{
    Actor, Assurance, Direction, Distance, Gate, Mode, ModelId, PersonId, Reason, Rotation, TimeQuality, TrackId,
};

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn name() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

fn actor() -> impl Strategy<Value = Actor> {
    text().prop_map(Actor::from)
}

fn span() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_millis)
}

fn time() -> impl Strategy<Value = SystemTime> {
    (0u64..4_000_000_000, 0u32..1_000_000_000).prop_map(|(s, ns)| SystemTime::UNIX_EPOCH + Duration::new(s, ns))
}

fn distance() -> impl Strategy<Value = Distance> {
    (0f32..2.0).prop_map(Distance)
}

/// With few decimals: serde_json does not read all digits of others back.
fn share() -> impl Strategy<Value = f64> {
    (0u16..=1000).prop_map(|share| f64::from(share) / 1000.0)
}

fn direction() -> impl Strategy<Value = Option<Direction>> {
    prop::sample::select(vec![None, Some(Direction::In), Some(Direction::Out)])
}

fn personal<T: Clone + std::fmt::Debug>(known: impl Strategy<Value = T>) -> impl Strategy<Value = Personal<T>> {
    prop_oneof![4 => known.prop_map(Personal::Known), 1 => Just(Personal::Erased)]
}

fn named() -> impl Strategy<Value = Named> {
    let card = (prop::option::of(text()), prop::collection::vec(text(), 0..3));
    let card = prop::option::of(card.prop_map(|(employee_id, groups)| Card { employee_id, groups }));
    (any::<u32>(), prop::option::of(text()), card).prop_map(|(id, name, card)| Named { id: PersonId(id), name, card })
}

fn somebody() -> impl Strategy<Value = Personal<Named>> {
    personal(named())
}

/// Any event of any kind.
pub fn arbitrary() -> impl Strategy<Value = Event> {
    prop_oneof![
        access().prop_map(Event::from),
        door().prop_map(Event::from),
        people().prop_map(Event::from),
        store().prop_map(Event::from),
        daemon().prop_map(Event::from),
    ]
}

fn access() -> impl Strategy<Value = AccessEvent> {
    let outcome = prop::sample::select(Reason::ALL.to_vec()).prop_map(Outcome::Denied);
    let outcome = prop_oneof![Just(Outcome::Granted), outcome];
    let gate = || {
        let gate = (text(), text(), text(), any::<[bool; 2]>());
        gate.prop_map(|(name, input, limit, [passed, cannot_judge])| {
            let (name, cannot_judge) = (name.into(), cannot_judge && !passed);
            Gate { name, input, limit, passed, cannot_judge }
        })
    };
    let runner_up = (personal((any::<u32>(), prop::option::of(text()))), distance()).prop_map(|(person, distance)| {
        let named = |(id, name)| Named { id: PersonId(id), name, card: None };
        let person = match person {
            Personal::Known(known) => Personal::Known(named(known)),
            Personal::Erased => Personal::Erased,
        };
        RunnerUp { person, distance }
    });
    let seen = (name(), name(), direction(), outcome, prop::option::of(somebody()), prop::option::of(distance()));
    let rest = (prop::option::of(runner_up), any::<[u32; 2]>(), any::<[u64; 2]>(), span());
    let decided = (seen, rest, prop::collection::vec(gate(), 0..3)).prop_map(|(seen, rest, gates)| {
        let (door, camera, direction, outcome, person, distance) = seen;
        let (runner_up, [agree, of], [track, frame], capture_to_verdict) = rest;
        AccessEvent::Decided(Box::new(Decided {
            door,
            camera,
            direction,
            outcome,
            person,
            distance,
            runner_up,
            frames: Frames { agree, of },
            track: TrackId(track),
            frame,
            capture_to_verdict,
            gates,
            captured_at: None,
        }))
    });
    let admitted = (name(), somebody(), direction(), personal(text()), actor(), prop::collection::vec(gate(), 0..3))
        .prop_map(|(door, person, direction, reason, by, gates)| AccessEvent::Admitted {
            door,
            person,
            direction,
            reason,
            by,
            gates,
        });
    let reason = prop::sample::select(Reason::ALL.to_vec());
    let repeated = (name(), name(), direction(), reason, prop::option::of(somebody()), any::<[u64; 2]>(), span());
    prop_oneof![
        decided,
        repeated.prop_map(|(door, camera, direction, reason, person, [count, faces], span)| {
            AccessEvent::DenialsRepeated { door, camera, direction, reason, person, count, faces, span }
        }),
        (name(), somebody(), direction(), prop::option::of(text()), any::<u64>()).prop_map(
            |(door, person, direction, zone, record)| AccessEvent::Passed { door, person, direction, zone, record }
        ),
        admitted,
        (name(), somebody(), prop::option::of(Just("5f3a91c2".to_owned())))
            .prop_map(|(door, person, note)| AccessEvent::PinEntered { door, person, note }),
        (prop::option::of(somebody()), actor()).prop_map(|(person, by)| AccessEvent::Amnesty { person, by }),
        (any::<[u8; 2]>(), any::<bool>(), distance(), distance(), share(), any::<bool>()).prop_map(
            |([people, templates], today, before, after, false_identification_rate, extrapolated)| {
                let (people, templates) = (people.into(), today.then_some(templates.into()));
                AccessEvent::CutMoved { people, templates, before, after, false_identification_rate, extrapolated }
            }
        ),
    ]
}

fn door() -> impl Strategy<Value = DoorEvent> {
    let cause = prop::sample::select(vec![Cause::Grant, Cause::Exit, Cause::Operator, Cause::Schedule, Cause::Release]);
    let alarm = || prop::sample::select(vec![Alarm::Forced, Alarm::HeldOpen, Alarm::Tamper]);
    let mode = prop_oneof![
        Just(Mode::Normal),
        Just(Mode::Release),
        prop::option::of(text()).prop_map(|group| Mode::Lockdown { group }),
    ];
    let input = prop::sample::select(Input::ALL.to_vec());
    let unlocked = (name(), cause, any::<u64>(), prop::option::of(span()), prop::option::of(span()));
    let operated = prop_oneof![
        (name(), prop::option::of(text())).prop_map(|(door, refused)| DoorEvent::ExitRequested { door, refused }),
        (name(), span(), actor()).prop_map(|(door, duration, by)| DoorEvent::OperatorUnlocked { door, duration, by }),
        (name(), actor()).prop_map(|(door, by)| DoorEvent::OperatorLocked { door, by }),
        (name(), mode, actor()).prop_map(|(door, mode, by)| DoorEvent::ModeSet { door, mode, by }),
        (name(), text(), actor(), text()).prop_map(|(door, command, by, reason)| DoorEvent::CommandRefused {
            door,
            command,
            by,
            reason
        }),
        (name(), text()).prop_map(|(door, schedule)| DoorEvent::ScheduleBegan { door, schedule }),
        (name(), text()).prop_map(|(door, schedule)| DoorEvent::ScheduleEnded { door, schedule }),
        unlocked.prop_map(|(door, cause, record, duration, capture_to_door)| {
            DoorEvent::Unlocked { door, cause, record, duration, capture_to_door }
        }),
        (name(), text()).prop_map(|(door, reason)| DoorEvent::Locked { door, reason }),
        (name(), text()).prop_map(|(door, reason)| DoorEvent::UnlockRefused { door, reason }),
    ];
    let sensed = prop_oneof![
        (name(), text()).prop_map(|(door, reason)| DoorEvent::DoorFailed { door, reason }),
        name().prop_map(|door| DoorEvent::DoorOpened { door }),
        (name(), span()).prop_map(|(door, open_for)| DoorEvent::DoorClosed { door, open_for }),
        (name(), span()).prop_map(|(door, open_for)| DoorEvent::HeldOpenWarning { door, open_for }),
        (name(), alarm()).prop_map(|(door, alarm)| DoorEvent::AlarmRaised { door, alarm }),
        (name(), alarm(), span()).prop_map(|(door, alarm, lasted)| DoorEvent::AlarmEnded { door, alarm, lasted }),
        (name(), input, any::<u64>(), span(), any::<[bool; 2]>()).prop_map(
            |(door, input, changes, span, [active, over])| {
                DoorEvent::ContactChattered { door, input, changes, span, active, over }
            }
        ),
        (name(), text()).prop_map(|(door, reason)| DoorEvent::ContactsLost { door, reason }),
        name().prop_map(|door| DoorEvent::ContactsBack { door }),
        (name(), name(), text()).prop_map(|(door, reader, reason)| DoorEvent::ReaderLost { door, reader, reason }),
        (name(), name()).prop_map(|(door, reader)| DoorEvent::ReaderBack { door, reader }),
        (name(), prop::sample::subsequence(Assurance::ALL.to_vec(), 1..4))
            .prop_map(|(door, assurance)| DoorEvent::LowAssurance { door, assurance }),
    ];
    prop_oneof![operated, sensed]
}

fn people() -> impl Strategy<Value = PeopleEvent> {
    let count = || any::<u16>().prop_map(usize::from);
    let amendment = prop_oneof![
        (any::<bool>(), time())
            .prop_map(|(out, at)| Amendment::Add { direction: if out { Direction::Out } else { Direction::In }, at }),
        any::<u64>().prop_map(|record| Amendment::Void { record }),
    ];
    prop_oneof![
        (somebody(), count(), actor()).prop_map(|(person, templates, by)| PeopleEvent::Enrolled {
            person,
            templates,
            by
        }),
        (somebody(), personal(text()), actor()).prop_map(|(person, before, by)| PeopleEvent::Renamed {
            person,
            before,
            by
        }),
        (somebody(), personal(text()), actor()).prop_map(|(person, what, by)| PeopleEvent::Changed {
            person,
            what,
            by
        }),
        (somebody(), actor()).prop_map(|(person, by)| PeopleEvent::Enabled { person, by }),
        (somebody(), actor()).prop_map(|(person, by)| PeopleEvent::Disabled { person, by }),
        (somebody(), actor()).prop_map(|(person, by)| PeopleEvent::Removed { person, by }),
        (somebody(), text(), count(), prop::option::of(any::<u64>()), actor()).prop_map(
            |(person, model, templates, record, by)| PeopleEvent::TemplatesMade {
                person,
                model: ModelId::new(&model),
                templates,
                record,
                by
            }
        ),
        (somebody(), amendment, personal(text()), actor()).prop_map(|(person, amendment, reason, by)| {
            PeopleEvent::AttendanceAmended { person, amendment, reason, by }
        }),
        (somebody(), any::<u64>(), count(), actor())
            .prop_map(|(person, record, learned, by)| PeopleEvent::TemplateLearned { person, record, learned, by }),
        (somebody(), any::<u64>(), actor()).prop_map(|(person, record, by)| PeopleEvent::LookalikeNoted {
            person,
            record,
            by
        }),
        (somebody(), any::<bool>(), count(), actor()).prop_map(|(person, learned, count, by)| {
            let what = if learned { Forgotten::Learned } else { Forgotten::Lookalikes };
            PeopleEvent::TemplatesForgotten { person, what, count, by }
        }),
        (somebody(), count(), actor()).prop_map(|(person, templates, by)| PeopleEvent::TemplatesAdded {
            person,
            templates,
            by
        }),
        (somebody(), text(), count(), actor()).prop_map(|(person, template, left, by)| PeopleEvent::TemplateRemoved {
            person,
            template,
            left,
            by
        }),
        (somebody(), actor()).prop_map(|(person, by)| PeopleEvent::Exported { person, by }),
        (count(), actor()).prop_map(|(visits, by)| PeopleEvent::VisitorsForgotten { visits, by }),
    ]
}

fn account_act() -> impl Strategy<Value = AccountAct> {
    use AccountAct::{Added, PasswordSet, Removed, RoleSet, TokenAdded, TokenRemoved};
    prop::sample::select(&[Added, RoleSet, PasswordSet, Removed, TokenAdded, TokenRemoved][..])
}

fn store() -> impl Strategy<Value = StoreEvent> {
    let counts = || any::<[u16; 2]>().prop_map(|counts| counts.map(usize::from));
    let model = || text().prop_map(|text| ModelId::new(&text));
    let gap = (any::<u64>(), time()).prop_map(|(unlocked, since)| GapDetails { unlocked, since });
    let restore = (any::<Option<u64>>(), prop::collection::vec(text(), 0..3));
    let restore = restore.prop_map(|(replaced, lockdown)| RestoreDetails { replaced, lockdown });
    let shares = [share(), share(), share()];
    let numbers = prop::collection::btree_set(any::<u64>(), 0..5);
    let kept = (model(), text(), counts(), shares, actor());
    prop_oneof![
        (counts(), text()).prop_map(|([people, templates], key)| StoreEvent::Sealed { people, templates, key }),
        (counts(), text()).prop_map(|([people, templates], reason)| StoreEvent::TemplatesLocked {
            people,
            templates,
            reason
        }),
        (text(), actor()).prop_map(|(key, by)| StoreEvent::StoreKeyChanged { key, by }),
        kept.prop_map(|(head, sha256, [people, photographs], shares, by)| {
            let [false_match_rate, missed_without, missed_behind] = shares;
            StoreEvent::HeadKept {
                head,
                sha256,
                people,
                photographs,
                false_match_rate,
                missed_without,
                missed_behind,
                by,
            }
        }),
        (prop::option::of(model()), text(), actor()).prop_map(|(head, sha256, by)| StoreEvent::HeadRemoved {
            head,
            sha256,
            by
        }),
        (text(), account_act(), prop::option::of(text()), actor())
            .prop_map(|(account, what, role, by)| StoreEvent::AccountChanged { account, what, role, by }),
        (model(), model(), any::<[bool; 2]>(), prop::option::of(text()), actor()).prop_map(
            |(from, to, [learn, shadow], after, by)| StoreEvent::ModelSwitchBegun {
                from,
                to,
                learn,
                shadow,
                after,
                by
            }
        ),
        (model(), model(), counts(), actor()).prop_map(|(from, to, [moved, left], by)| StoreEvent::ModelSwitched {
            from,
            to,
            moved,
            left,
            by
        }),
        (model(), model(), actor()).prop_map(|(from, to, by)| StoreEvent::ModelSwitchCancelled { from, to, by }),
        (model(), model(), counts(), actor()).prop_map(|(kept, removed, [people, templates], by)| {
            StoreEvent::ModelSwitchFinished { kept, removed, people, templates, by }
        }),
        (text(), any::<u64>()).prop_map(|(what, lost)| StoreEvent::StoreMended { what, lost }),
        (any::<u64>(), prop::option::of(gap), span(), text()).prop_map(|(lost, details, failed_for, reason)| {
            StoreEvent::JournalBack { lost, details, failed_for, reason }
        }),
        any::<[u64; 3]>().prop_map(|[records, from, through]| StoreEvent::OutboxShed { records, from, through }),
        (any::<[u64; 2]>(), any::<[u8; 32]>(), text())
            .prop_map(|([through, records], hash, reason)| StoreEvent::Pruned { through, hash, records, reason }),
        (numbers, actor()).prop_map(|(numbers, by)| StoreEvent::erased(&numbers.into_iter().collect::<Vec<_>>(), by)),
        actor().prop_map(|by| StoreEvent::BackupTaken { by }),
        (any::<u64>(), prop::option::of(restore), actor()).prop_map(|(through, details, by)| StoreEvent::Restored {
            through,
            details,
            by
        }),
    ]
}

fn rules_outcome() -> impl Strategy<Value = RulesOutcome> {
    prop::sample::select(vec![RulesOutcome::Followed, RulesOutcome::Ended, RulesOutcome::Refused])
}

fn daemon() -> impl Strategy<Value = DaemonEvent> {
    let quality = prop::sample::select(vec![
        TimeQuality::Unset,
        TimeQuality::Wrong,
        TimeQuality::Plausible,
        TimeQuality::Synchronised,
    ]);
    prop_oneof![
        (text(), text(), text()).prop_map(|(version, config, model)| {
            DaemonEvent::Started { version, config, model: ModelId::new(&model) }
        }),
        text().prop_map(|reason| DaemonEvent::Stopped { reason }),
        (text(), text()).prop_map(|(stage, reason)| DaemonEvent::StageFailed { stage, reason }),
        any::<i64>().prop_map(|milliseconds| DaemonEvent::ClockJumped { milliseconds }),
        quality.prop_map(|quality| DaemonEvent::TimeQualityChanged { quality }),
        actor().prop_map(|by| DaemonEvent::ClockTrusted { by }),
        (text(), any::<u64>(), rules_outcome(), prop::option::of(text()), actor()).prop_map(
            |(site, version, outcome, reason, by)| DaemonEvent::SiteRules { site, version, outcome, reason, by }
        ),
        (name(), text()).prop_map(|(camera, reason)| DaemonEvent::CameraLost { camera, reason }),
        (name(), span()).prop_map(|(camera, lost_for)| DaemonEvent::CameraBack { camera, lost_for }),
        (name(), text(), text()).prop_map(|(camera, before, now)| DaemonEvent::CameraChanged { camera, before, now }),
        (name(), prop::sample::select(Rotation::ALL.to_vec()), actor())
            .prop_map(|(camera, rotation, by)| DaemonEvent::CameraTurned { camera, rotation, by }),
        (text(), any::<u64>(), text()).prop_map(|(topic, bytes, reason)| DaemonEvent::HubMessageRefused {
            topic,
            bytes,
            reason
        }),
    ]
}
