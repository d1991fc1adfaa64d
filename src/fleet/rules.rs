//! What holds at a site. A record is whole: it replaces the one before. The higher version counts, and a board keeps the last good one on its disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::{Board, Site};
use super::signed::{Body, Kind};
use crate::domain::ModelId;

/// The most boards that are asked at once to send records again.
pub const MAX_RESENDS: usize = 5_000;

/// The longest [`SiteAccess`] as JSON, in bytes: a record of a site with the most boards stays within [`super::signed::MAX_RECORD`].
pub const MAX_ACCESS: usize = 128 * 1024;

/// The rules of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRules {
    pub site: Site,
    /// Grows with each record, from 1.
    pub version: u64,
    /// While it is there, no door of the site opens but for whom it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockdown: Option<Lockdown>,
    /// Who ended the last lockdown, as journals name them, while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockdown_ended_by: Option<String>,
    /// Since when they hold, in milliseconds since 1970, by the office's clock.
    pub since_ms: u64,
    /// Boards that are to send their journal again; at most [`MAX_RESENDS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resend: BTreeMap<Board, Resend>,
    /// Who may pass where and when; `None` until the office has said something of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<SiteAccess>,
    /// The models of the site's templates; `None` before the site first went over to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<SiteModels>,
}

/// What the office asks a board to send again. In JSON both numbers are in a list: rules may ask each board of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Resend {
    /// The number of the first record, in the board's journal; of ten digits at most.
    pub from: u64,
    /// The version of the rules in which this was asked: where records were lost again, they are asked for again, with another one.
    pub number: u64,
}

impl From<(u64, u64)> for Resend {
    fn from((from, number): (u64, u64)) -> Resend {
        Resend { from, number }
    }
}

impl From<Resend> for (u64, u64) {
    fn from(resend: Resend) -> (u64, u64) {
        (resend.from, resend.number)
    }
}

/// Who may pass where and when, as the office said it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteAccess {
    /// The version of the record that said it first.
    pub version: u64,
    /// Who ordered it, as journals name them.
    pub by: String,
    /// When, in milliseconds since 1970, by the office's clock.
    pub since_ms: u64,
    /// `None`: each board goes by its own configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<AccessText>,
}

/// Rules as people write them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessText {
    /// TOML with the keys of `[[schedule]]`, `[[permit]]`, and of `[[door]]` the name and the assurance.
    pub text: String,
    /// The lists of holidays, by the paths that the text names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holidays: BTreeMap<String, String>,
}

impl SiteAccess {
    /// Its length as JSON, in bytes.
    pub fn length(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }
}

/// A model of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelName {
    /// Its name in the manifest.
    pub name: String,
    /// The id of its embeddings.
    pub model: ModelId,
}

/// Which model the boards of a site compare faces by, and which one they keep templates of besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteModels {
    /// The one in force.
    pub current: ModelName,
    /// The other one, while the site goes over: the one that it goes to, or after the switch the one that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<ModelName>,
    /// Whether the site has gone over to the one in force from the other one; otherwise it is to go over to the other one.
    #[serde(default)]
    pub switched: bool,
    /// Whether doors make templates of the model that the site goes to.
    #[serde(default)]
    pub learn: bool,
    /// Who ordered it, as journals name them.
    pub by: String,
}

/// A lockdown of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockdown {
    /// The group that may still pass; `None` is nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Who ordered it, as journals name them.
    pub by: String,
}

impl Body for SiteRules {
    const KIND: Kind = Kind::Rules;
}

impl SiteRules {
    /// Whether these rules replace those held. Rules of another site never do.
    pub fn replace(&self, held: Option<&SiteRules>) -> bool {
        held.is_none_or(|held| self.site == held.site && self.version > held.version)
    }

    /// Who ended the lockdown that these rules do not have any more, for the doors' records.
    pub fn ended_by(&self) -> &str {
        self.lockdown_ended_by.as_deref().unwrap_or("office")
    }

    /// Whether they order a lockdown or its end which those held do not: another one, or the same one ordered again. A board without rules knows of no
    /// lockdown that could end.
    pub fn orders_anew(&self, held: Option<&SiteRules>) -> bool {
        held.map_or(self.lockdown.is_some(), |held| (held.since_ms, &held.lockdown) != (self.since_ms, &self.lockdown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{FleetId, OfficeKey, Opened};

    fn rules(site: &str, version: u64) -> SiteRules {
        SiteRules {
            site: site.parse().unwrap(),
            version,
            lockdown: None,
            lockdown_ended_by: None,
            since_ms: 5,
            resend: BTreeMap::new(),
            access: None,
            models: None,
        }
    }

    fn access(text: &str) -> SiteAccess {
        let rules = AccessText { text: text.to_owned(), holidays: BTreeMap::new() };
        SiteAccess { version: 99, by: "anna".into(), since_ms: 40, rules: Some(rules) }
    }

    #[test]
    fn newer_rules_replace_older_ones_and_never_back() {
        let held = rules("berlin", 3);
        assert!(held.replace(None));
        for (version, replaces) in [(2, false), (3, false), (4, true)] {
            assert_eq!(rules("berlin", version).replace(Some(&held)), replaces, "{version}");
        }
        assert!(!rules("paris", 9).replace(Some(&held)));
    }

    #[test]
    fn an_order_counts_although_it_says_the_same_as_before() {
        let lockdown = |since_ms| SiteRules {
            lockdown: Some(Lockdown { group: None, by: "anna".into() }),
            since_ms,
            ..rules("berlin", since_ms)
        };
        let (none, first, again) = (rules("berlin", 1), lockdown(10), lockdown(20));
        assert!(first.orders_anew(Some(&none)) && again.orders_anew(Some(&first)));
        // The lockdown in between may have been carried out at some doors.
        assert!(SiteRules { since_ms: 30, ..none.clone() }.orders_anew(Some(&none)));
        assert!(first.orders_anew(None) && !none.orders_anew(None), "a board that has just joined");
        let resend = BTreeMap::from([("front".parse().unwrap(), Resend { from: 3, number: 9 })]);
        assert!(!SiteRules { version: 99, resend, ..first.clone() }.orders_anew(Some(&first)));
        let access = Some(access("[[permit]]"));
        assert!(
            !SiteRules { version: 99, access, ..first.clone() }.orders_anew(Some(&first)),
            "who may pass is no order"
        );
    }

    #[test]
    fn the_end_of_a_lockdown_is_of_whoever_ordered_it() {
        let ended = SiteRules { lockdown_ended_by: Some("eve".into()), ..rules("berlin", 2) };
        assert_eq!((ended.ended_by(), rules("berlin", 2).ended_by()), ("eve", "office"));
    }

    #[test]
    fn rules_for_the_most_boards_can_be_signed() {
        let lockdown = Some(Lockdown { group: Some("guards".into()), by: "anna".into() });
        let board = |n: usize| format!("a-board-with-a-rather-long-{n:05}").parse().unwrap();
        let resend = (0..MAX_RESENDS).map(|n| (board(n), Resend { from: 9_999_999_999, number: u64::MAX })).collect();
        let longest = access(&"x".repeat(MAX_ACCESS - access("").length()));
        assert_eq!(longest.length(), MAX_ACCESS);
        let whole = SiteRules { lockdown, resend, access: Some(longest), ..rules("berlin", 1) };
        let (office, fleet) = (OfficeKey::from_bytes(&[1; 32]), FleetId::generate());
        let signed = office.sign(fleet, &whole).unwrap();
        assert_eq!(office.public().open(fleet, signed.as_bytes()), Ok(Opened::Body(whole)));
    }
}
