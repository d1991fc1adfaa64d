//! The names of kinds, gates and measures in the language of whoever looks.

use crate::web::Words;

/// Each kind of record with the id of its name.
const KINDS: &[(&str, &str)] = &[
    ("granted", "timeline-kind-granted"),
    ("denied", "timeline-kind-denied"),
    ("denials_repeated", "timeline-kind-denials-repeated"),
    ("passed", "timeline-kind-passed"),
    ("admitted", "timeline-kind-admitted"),
    ("pin_entered", "timeline-kind-pin-entered"),
    ("amnesty", "timeline-kind-amnesty"),
    ("cut_moved", "timeline-kind-cut-moved"),
    ("exit_requested", "timeline-kind-exit-requested"),
    ("operator_unlocked", "timeline-kind-operator-unlocked"),
    ("operator_locked", "timeline-kind-operator-locked"),
    ("mode_set", "timeline-kind-mode-set"),
    ("command_refused", "timeline-kind-command-refused"),
    ("schedule_began", "timeline-kind-schedule-began"),
    ("schedule_ended", "timeline-kind-schedule-ended"),
    ("unlocked", "timeline-kind-unlocked"),
    ("locked", "timeline-kind-locked"),
    ("unlock_refused", "timeline-kind-unlock-refused"),
    ("door_failed", "timeline-kind-door-failed"),
    ("door_opened", "timeline-kind-door-opened"),
    ("door_closed", "timeline-kind-door-closed"),
    ("held_open_warning", "timeline-kind-held-open-warning"),
    ("alarm_raised", "timeline-kind-alarm-raised"),
    ("alarm_ended", "timeline-kind-alarm-ended"),
    ("contact_chattered", "timeline-kind-contact-chattered"),
    ("contacts_lost", "timeline-kind-contacts-lost"),
    ("contacts_back", "timeline-kind-contacts-back"),
    ("reader_lost", "timeline-kind-reader-lost"),
    ("reader_back", "timeline-kind-reader-back"),
    ("low_assurance", "timeline-kind-low-assurance"),
    ("enrolled", "timeline-kind-enrolled"),
    ("renamed", "timeline-kind-renamed"),
    ("changed", "timeline-kind-changed"),
    ("enabled", "timeline-kind-enabled"),
    ("disabled", "timeline-kind-disabled"),
    ("removed", "timeline-kind-removed"),
    ("templates_made", "timeline-kind-templates-made"),
    ("attendance_amended", "timeline-kind-attendance-amended"),
    ("template_learned", "timeline-kind-template-learned"),
    ("lookalike_noted", "timeline-kind-lookalike-noted"),
    ("templates_forgotten", "timeline-kind-templates-forgotten"),
    ("templates_added", "timeline-kind-templates-added"),
    ("template_removed", "timeline-kind-template-removed"),
    ("exported", "timeline-kind-exported"),
    ("visitors_forgotten", "timeline-kind-visitors-forgotten"),
    ("sealed", "timeline-kind-sealed"),
    ("templates_locked", "timeline-kind-templates-locked"),
    ("store_key_changed", "timeline-kind-store-key-changed"),
    ("head_kept", "timeline-kind-head-kept"),
    ("account_changed", "timeline-kind-account-changed"),
    ("head_removed", "timeline-kind-head-removed"),
    ("model_switch_begun", "timeline-kind-model-switch-begun"),
    ("model_switched", "timeline-kind-model-switched"),
    ("model_switch_cancelled", "timeline-kind-model-switch-cancelled"),
    ("model_switch_finished", "timeline-kind-model-switch-finished"),
    ("store_mended", "timeline-kind-store-mended"),
    ("journal_back", "timeline-kind-journal-back"),
    ("outbox_shed", "timeline-kind-outbox-shed"),
    ("pruned", "timeline-kind-pruned"),
    ("erased", "timeline-kind-erased"),
    ("backup_taken", "timeline-kind-backup-taken"),
    ("restored", "timeline-kind-restored"),
    ("started", "timeline-kind-started"),
    ("stopped", "timeline-kind-stopped"),
    ("stage_failed", "timeline-kind-stage-failed"),
    ("clock_jumped", "timeline-kind-clock-jumped"),
    ("time_quality", "timeline-kind-time-quality"),
    ("clock_trusted", "timeline-kind-clock-trusted"),
    ("site_rules", "timeline-kind-site-rules"),
    ("camera_lost", "timeline-kind-camera-lost"),
    ("camera_back", "timeline-kind-camera-back"),
    ("camera_changed", "timeline-kind-camera-changed"),
    ("camera_turned", "timeline-kind-camera-turned"),
    ("hub_message_refused", "timeline-kind-hub-message-refused"),
];

/// Each gate with the id of its name.
const GATES: &[(&str, &str)] = &[
    ("quality", "timeline-gate-quality"),
    ("embedding", "timeline-gate-embedding"),
    ("distance", "timeline-gate-distance"),
    ("margin", "timeline-gate-margin"),
    ("lookalike", "timeline-gate-lookalike"),
    ("agreement", "timeline-gate-agreement"),
    ("age", "timeline-gate-age"),
    ("mode", "timeline-gate-mode"),
    ("fleet", "timeline-gate-fleet"),
    ("person", "timeline-gate-person"),
    ("permit", "timeline-gate-permit"),
    ("backoff", "timeline-gate-backoff"),
    ("passback", "timeline-gate-passback"),
    ("first_person", "timeline-gate-first-person"),
    ("interlock", "timeline-gate-interlock"),
    ("second_person", "timeline-gate-second-person"),
    ("assurance", "timeline-gate-assurance"),
    ("passive", "timeline-gate-passive"),
    ("challenge", "timeline-gate-challenge"),
    ("infrared", "timeline-gate-infrared"),
    ("tag", "timeline-gate-tag"),
    ("pin", "timeline-gate-pin"),
];

/// Each measure of a gate with the id of its name.
const MEASURES: &[(&str, &str)] = &[
    ("size", "timeline-measure-size"),
    ("sharpness", "timeline-measure-sharpness"),
    ("yaw", "timeline-measure-yaw"),
    ("pitch", "timeline-measure-pitch"),
    ("length", "timeline-measure-length"),
    ("distance", "timeline-measure-distance"),
    ("margin", "timeline-measure-margin"),
    ("frames", "timeline-measure-frames"),
    ("age", "timeline-measure-age"),
];

/// The name of a kind.
pub fn kind(words: &Words, kind: &str) -> String {
    named(words, KINDS, kind)
}

/// The name of a gate.
pub fn gate(words: &Words, gate: &str) -> String {
    named(words, GATES, gate)
}

/// The name of a measure.
pub fn measure(words: &Words, measure: &str) -> String {
    named(words, MEASURES, measure)
}

/// The name in a table; what this version does not know is named as the record has it.
fn named(words: &Words, table: &[(&str, &str)], what: &str) -> String {
    match table.iter().find(|(known, _)| *known == what) {
        Some((_, id)) => words.get(id),
        None => what.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::Event;
    use crate::domain::samples::one_of_each;

    #[test]
    fn every_kind_and_every_gate_has_a_name() {
        let named: BTreeSet<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(named, Event::kinds().collect());
        let events = one_of_each();
        let gates = events.iter().filter_map(Event::decided).flat_map(|decided| &decided.gates);
        let gates: BTreeSet<&str> = gates.map(|gate| &*gate.name).collect();
        assert!(!gates.is_empty());
        let nameless: Vec<_> = gates.iter().filter(|gate| !GATES.iter().any(|(name, _)| name == *gate)).collect();
        assert!(nameless.is_empty(), "{nameless:?}");
    }

    #[test]
    fn what_a_later_version_records_is_named_as_it_is() {
        assert_eq!(kind(Words::english(), "roof_opened"), "roof opened");
        assert_eq!(kind(Words::english(), "denied"), "denied");
    }
}
