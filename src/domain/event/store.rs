//! Events of the store: its keys, its damage, records that are missing, deleted, erased or restored, the site head, and switches of
//! models.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::ranges::SeqRanges;
use super::{Part, PersonalData, form, kinds};
use crate::domain::{Actor, ModelId};

/// The store and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreEvent {
    /// Templates that were stored in the clear were sealed.
    Sealed {
        people: usize,
        templates: usize,
        /// The id of the store's key.
        key: String,
    },
    /// These people cannot be recognised, because their templates are sealed and cannot be opened.
    TemplatesLocked { people: usize, templates: usize, reason: String },
    /// The store's key was replaced.
    StoreKeyChanged {
        /// The id of the new key.
        key: String,
        by: Actor,
    },
    /// An operator keeps a head that was learned for this site; the daemon compares behind it from its next start on.
    HeadKept {
        head: ModelId,
        /// Of the head's file, in hexadecimal digits.
        sha256: String,
        people: usize,
        photographs: usize,
        false_match_rate: f64,
        /// The shares, 0 to 1, of one person's pairs that are missed at that false match rate without the head and behind it, measured on
        /// people whom the judged heads had not learned from.
        #[serde(with = "form::four_decimals")]
        missed_without: f64,
        #[serde(with = "form::four_decimals")]
        missed_behind: f64,
        by: Actor,
    },
    /// An operator removes the site head.
    HeadRemoved {
        /// `None` where its file could not be read.
        head: Option<ModelId>,
        sha256: String,
        by: Actor,
    },
    /// An account of the page, or a token of a program, was added, changed or removed.
    AccountChanged {
        /// The name of the account or the token.
        account: String,
        what: AccountAct,
        /// What it may do from now on; `None` where it is gone.
        role: Option<String>,
        by: Actor,
    },
    /// A switch from one model to another begins, or its settings change: from then on both sets of templates are kept.
    ModelSwitchBegun {
        from: ModelId,
        to: ModelId,
        /// Whether templates are made from visits.
        learn: bool,
        /// Whether visits are compared with both models.
        shadow: bool,
        /// When it switches: `all`, a time in RFC 3339, or null until an operator says when.
        after: Option<String>,
        by: Actor,
    },
    /// Faces are compared by the new model from now on.
    ModelSwitched {
        from: ModelId,
        to: ModelId,
        /// People who may enter and have templates of the new model.
        moved: usize,
        /// People who may enter and have none: they are not recognised.
        left: usize,
        by: Actor,
    },
    /// The old model is in use again, or stays so; no templates were erased.
    ModelSwitchCancelled { from: ModelId, to: ModelId, by: Actor },
    /// The switch is over: the templates of the model `removed` are erased.
    ModelSwitchFinished { kept: ModelId, removed: ModelId, people: usize, templates: usize, by: Actor },
    /// The database or its second copy was damaged, and was mended.
    StoreMended {
        what: String,
        /// Commits that had been acknowledged and could not be recovered.
        lost: u64,
    },
    /// Records can be written again.
    JournalBack {
        /// Events that were not recorded.
        lost: u64,
        /// `None` in a record of usher 0.1.0.
        #[serde(flatten)]
        details: Option<GapDetails>,
        #[serde(rename = "failed_for_ms", with = "form::ms")]
        failed_for: Duration,
        reason: String,
    },
    /// The outbox was full: these records will not reach the hub.
    OutboxShed { records: u64, from: u64, through: u64 },
    /// Old records were deleted.
    Pruned {
        /// The newest of them.
        through: u64,
        /// Its hash, from which the chain goes on.
        #[serde(with = "form::hex")]
        hash: [u8; 32],
        records: u64,
        reason: String,
    },
    /// A person's name and number were erased from these records.
    Erased { records: SeqRanges, count: u64, by: Actor },
    /// An operator takes a backup, which holds everything up to this record at least.
    BackupTaken { by: Actor },
    /// The store was restored from a backup.
    Restored {
        /// The newest record of the backup.
        through: u64,
        /// `None` in a record of usher 0.1.0.
        #[serde(flatten)]
        details: Option<RestoreDetails>,
        by: Actor,
    },
}

/// What was done to an account or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountAct {
    Added,
    RoleSet,
    PasswordSet,
    Removed,
    TokenAdded,
    TokenRemoved,
}

/// More about events that were not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapDetails {
    /// How many of them unlocked a door.
    pub unlocked: u64,
    /// When the first of them happened.
    #[serde(with = "form::rfc3339")]
    pub since: SystemTime,
}

/// More about a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreDetails {
    /// The newest record of the store that was replaced; `None` where there was no store, or it could not be read.
    pub replaced: Option<u64>,
    /// The doors that start in lockdown.
    pub lockdown: Vec<String>,
}

kinds!(StoreEvent {
    Sealed => "sealed",
    TemplatesLocked => "templates_locked",
    StoreKeyChanged => "store_key_changed",
    HeadKept => "head_kept",
    HeadRemoved => "head_removed",
    AccountChanged => "account_changed",
    ModelSwitchBegun => "model_switch_begun",
    ModelSwitched => "model_switched",
    ModelSwitchCancelled => "model_switch_cancelled",
    ModelSwitchFinished => "model_switch_finished",
    StoreMended => "store_mended",
    JournalBack => "journal_back",
    OutboxShed => "outbox_shed",
    Pruned => "pruned",
    Erased => "erased",
    BackupTaken => "backup_taken",
    Restored => "restored",
});

impl StoreEvent {
    /// The erasure of a person from the records of these numbers, which ascend.
    pub fn erased(records: &[u64], by: Actor) -> StoreEvent {
        StoreEvent::Erased { records: SeqRanges::of(records), count: records.len() as u64, by }
    }
}

impl PersonalData for StoreEvent {
    /// None of these events is about a person.
    fn each_part(&mut self, _visit: &mut dyn FnMut(Part<'_>)) {
        match self {
            StoreEvent::Sealed { people: _, templates: _, key: _ }
            | StoreEvent::TemplatesLocked { people: _, templates: _, reason: _ }
            | StoreEvent::StoreKeyChanged { key: _, by: _ }
            | StoreEvent::HeadKept {
                head: _,
                sha256: _,
                people: _,
                photographs: _,
                false_match_rate: _,
                missed_without: _,
                missed_behind: _,
                by: _,
            }
            | StoreEvent::HeadRemoved { head: _, sha256: _, by: _ }
            | StoreEvent::AccountChanged { account: _, what: _, role: _, by: _ }
            | StoreEvent::ModelSwitchBegun { from: _, to: _, learn: _, shadow: _, after: _, by: _ }
            | StoreEvent::ModelSwitched { from: _, to: _, moved: _, left: _, by: _ }
            | StoreEvent::ModelSwitchCancelled { from: _, to: _, by: _ }
            | StoreEvent::ModelSwitchFinished { kept: _, removed: _, people: _, templates: _, by: _ }
            | StoreEvent::StoreMended { what: _, lost: _ }
            | StoreEvent::JournalBack { lost: _, details: _, failed_for: _, reason: _ }
            | StoreEvent::OutboxShed { records: _, from: _, through: _ }
            | StoreEvent::Pruned { through: _, hash: _, records: _, reason: _ }
            | StoreEvent::Erased { records: _, count: _, by: _ }
            | StoreEvent::BackupTaken { by: _ }
            | StoreEvent::Restored { through: _, details: _, by: _ } => {}
        }
    }
}
