//! The store: room on its disk, its seal, its model, its backups; and the time of its records.

use jiff::{SignedDuration, Timestamp};

use crate::api::checks::Check;
use crate::api::status::SealStatus;
use crate::office::DiskSpace;

/// From this age on the last backup is too old.
const OLD_BACKUP: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Room on the disk of the store.
pub fn disk(space: Option<DiskSpace>) -> Option<Check> {
    let space = space?;
    let (free, total) = (gigabytes(space.free), gigabytes(space.total));
    Some(match space.is_low() {
        false => Check::well("disk", format!("{free} GB of {total} GB are free")),
        true => Check::warning(
            "disk",
            format!(
                "{free} GB of {total} GB are free: denials are only counted, to leave room for grants and alarms; free some space"
            ),
        ),
    })
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e9)
}

/// Plain templates are a warning; templates that cannot be opened are broken.
pub fn sealed(seal: &SealStatus) -> Check {
    match (&seal.trouble, seal.state.as_str()) {
        (None, _) => {
            let key = seal.key.as_deref().unwrap_or_default();
            Check::well("seal", format!("templates are sealed with the key {key}"))
        }
        (Some(trouble), "plain") => Check::warning("seal", trouble),
        (Some(trouble), _) => Check::broken("seal", trouble),
    }
}

/// Templates that are set aside; `None` if there are none.
pub fn foreign(templates: usize) -> Option<Check> {
    let text = format!(
        "{templates} templates were made by another model and are not used: lead these people over with `usher models switch`, enrol them again, or set \
         [models] embedder back"
    );
    (templates > 0).then(|| Check::warning("gallery", text))
}

/// Explains a quality of the time.
pub fn time_in_words(quality: &str) -> &str {
    match quality {
        "synchronised" => "the clock is synchronised with a time source",
        "plausible" => "the clock is plausible but not synchronised, so nothing is deleted by age",
        "unset" => {
            "the clock is not set: rules that need the day or the hour follow [time] without_sync. Set the clock, or connect a time server"
        }
        "wrong" => {
            "the clock is behind earlier records: rules that need the day or the hour follow [time] without_sync. Set the clock; if it is \
             right, run `usher door trust-clock`"
        }
        other => other,
    }
}

/// How far the clock can be relied on.
pub fn time(quality: &str) -> Check {
    match quality {
        "unset" | "wrong" => Check::broken("time", time_in_words(quality)),
        _ => Check::well("time", time_in_words(quality)),
    }
}

/// When the last backup was taken, as the journal has it. None at all is a choice: a house may be backed up by other means.
pub fn backup(last: Option<Timestamp>, now: Timestamp) -> Check {
    let Some(last) = last else {
        return Check::well("backup", "the journal has no backup; `usher backup FILE` takes one");
    };
    let age = last.duration_until(now);
    let days = age.as_hours() / 24;
    let text = match days {
        ..=0 => "the last backup was taken less than a day ago".to_owned(),
        1 => "the last backup was taken a day ago".to_owned(),
        days => format!("the last backup was taken {days} days ago"),
    };
    match age > OLD_BACKUP {
        false => Check::well("backup", text),
        true => Check::warning("backup", format!("{text}: take one with `usher backup FILE`, and keep it elsewhere")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::checks::CheckState;

    #[test]
    fn an_old_backup_is_a_warning() {
        let now: Timestamp = "2026-06-30T12:00:00Z".parse().unwrap();
        let at = |text: &str| backup(Some(text.parse().unwrap()), now);
        assert_eq!(backup(None, now).state, CheckState::Ok);
        assert!(at("2026-06-30T11:00:00Z").text.ends_with("less than a day ago"));
        assert!(at("2026-06-29T11:00:00Z").text.ends_with("a day ago"));
        let month = at("2026-05-20T12:00:00Z");
        assert!(month.state == CheckState::Warning && month.text.contains("41 days ago"), "{month:?}");
    }

    #[test]
    fn a_full_disk_is_a_warning() {
        let card = |free| disk(Some(DiskSpace { total: 32 << 30, free })).unwrap();
        assert_eq!(card(8 << 30), Check::well("disk", "8.6 GB of 34.4 GB are free"));
        assert_eq!(card(10 << 20).state, CheckState::Warning);
        assert_eq!(disk(None), None);
    }
}
