//! What commands ask of the office and what it answers: one line of JSON each way, on a Unix socket in the office's folder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::feed::FeedPlace;
pub use super::rolls::{ModelsAct, Photographs, RollRow};
pub use super::told::{BesideReport, BoardReport, JournalMessage, MOST_DOORS};
use crate::fleet::{AccessText, Board, FleetId, Site, SiteAccess};

/// The longest line either way, in bytes.
pub const MAX_LINE: u64 = 16 << 20;
/// The most records in one answer.
pub const MAX_RECORDS: usize = 500;
/// The office's socket, in its folder.
pub const SOCKET: &str = "office.sock";
/// The socket of its API, in its folder.
pub const API_SOCKET: &str = "api.sock";

/// What a command asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Adds somebody at a site.
    Enroll(Enrolment),
    /// Forgets somebody of a site for good.
    Forget { site: Site, name: String },
    /// Begins a site's lockdown, or ends it. With a group, its people still pass.
    Lockdown { site: Site, on: bool, group: Option<String> },
    /// Says who may pass at a site, and when; or (`None`) that each of its boards goes by its own configuration again.
    PushRules { site: Site, rules: Option<AccessText> },
    /// Who may pass at a site, as it was said last.
    Rules { site: Site },
    /// Leads a site to another model.
    Models { site: Site, act: ModelsAct },
    /// A token for one board.
    Invite { site: Site, board: Board },
    /// The files of a leaf server for a site.
    Leaf { site: Site, server: String, replace: bool },
    /// Shuts a board out for good.
    Revoke { board: Board },
    /// All boards.
    Status,
    /// Who is enrolled at a site.
    People { site: Site },
    /// Collected records that are new or were changed after a place, for a copy elsewhere.
    Changes { after: Option<FeedPlace> },
    /// Lets doors of a site open for somebody, or for whom they open no longer.
    SetEnabled { site: Site, name: String, enabled: bool },
    /// The requests of boards that wait for a decision, and those that were refused.
    Requests,
    /// Carries a board's request out; `who` is the name or the uuid of the person.
    Accept { who: String, force: bool },
    /// Refuses a board's request for good.
    Refuse { who: String, why: String },
    /// Collected records, oldest first.
    Journal { board: Option<Board>, after: Option<Position> },
}

/// Somebody to be enrolled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    pub site: Site,
    pub name: String,
    #[serde(default)]
    pub employee_id: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    /// The model that made the templates.
    pub model: String,
    /// As [`crate::gallery::write_template`] writes them.
    pub templates: Vec<Vec<u8>>,
    /// The same of the other model, while the site goes over from one to another; empty otherwise.
    #[serde(default)]
    pub beside: Vec<Vec<u8>>,
    /// What each template was made from.
    pub labels: Vec<String>,
    /// Enrol even if the name or the face is like somebody's.
    pub force: bool,
}

/// A collected record's place: its board and its number there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub board: String,
    pub seq: u64,
}

/// What the office answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done(Done),
    /// The token for a board, which is secret.
    Token {
        token: String,
        /// Whether the site begins with this board.
        begins: bool,
    },
    /// A leaf server's files are there.
    Leaf {
        folder: String,
        /// The boards of the site that joined before: they go on at the fleet's own servers until they join again.
        boards: Vec<Board>,
        /// Why the servers still admit the leaf that this one replaces.
        still_admitted: Option<String>,
        /// Whether no board of the site was invited yet.
        begins: bool,
    },
    Status(OfficeStatus),
    Models(ModelsStatus),
    People {
        people: Vec<PersonRow>,
    },
    Records {
        records: Vec<CollectedRecord>,
    },
    /// The fleet, and a part of the changes of its records.
    Changes {
        fleet: FleetId,
        changes: Changes,
    },
    /// `None` where nothing was said yet.
    Rules {
        access: Option<SiteAccess>,
    },
    Requests {
        requests: Vec<RequestRow>,
    },
    /// Why not, and what to do; and whether the same is done if the operator insists.
    Refused {
        why: String,
        may_force: bool,
    },
}

/// A change that is in the office's store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// What was done, in words.
    pub what: String,
    /// Whether the servers have it. Otherwise it goes out when they can be reached.
    pub sent: bool,
    /// Whether all boards that it concerns have confirmed it; of a lockdown and of rules, one at least.
    #[serde(default)]
    pub in_force: bool,
    /// Boards that have confirmed it.
    pub confirmed: Vec<String>,
    /// Boards that have not yet.
    pub missing: Vec<String>,
    /// Boards that were invited and never heard. They are not waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unheard: Vec<String>,
    /// What the operator should know besides, each in a line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Of somebody who was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// What can be shown of a forgetting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    pub uuid: String,
    /// BLAKE3 of the last signed record, which nobody can open any more, in hexadecimal digits.
    pub record: String,
    /// BLAKE3 of the signed mark in its place.
    pub mark: String,
    /// The epoch whose key opened the record, and was destroyed at the office.
    pub destroyed_epoch: u64,
    /// The epoch that everybody else is sealed by now.
    pub epoch: u64,
    /// Collected records from which the person was erased.
    pub erased_records: u64,
}

/// The office and its boards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfficeStatus {
    /// `connecting`, `online`, or what is wrong.
    pub state: String,
    /// Changes that the servers do not have yet.
    pub unsent: u64,
    /// Those of them that the servers refuse. They are tried again each minute.
    #[serde(default)]
    pub refused: Vec<RefusedRow>,
    /// Enrolments at doors that were refused or wait for a decision.
    #[serde(default)]
    pub requests: u64,
    pub sites: Vec<SiteRow>,
    pub boards: Vec<BoardRow>,
}

/// What the servers refuse of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedRow {
    pub site: String,
    /// `rules`, `keys`, `people` or `answers`.
    pub what: String,
    /// How many records.
    pub count: u64,
    /// Why, in the servers' words.
    pub why: String,
}

impl RefusedRow {
    /// What it means, in a sentence.
    pub fn in_words(&self) -> String {
        let RefusedRow { site, what, count, why } = self;
        format!(
            "the servers refuse {count} records of the {what} of {site} ({why}), so its boards do not hear of them; tried again each minute"
        )
    }
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteRow {
    pub site: String,
    pub people: u64,
    pub epoch: u64,
    pub rules: u64,
    /// The lockdown in force, in words.
    pub lockdown: Option<String>,
    /// The version in which the rules were pushed that say who may pass; 0 where each board goes by its own.
    #[serde(default)]
    pub access: u64,
}

/// The models of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelsStatus {
    /// The name of the model in force; `None` while the office's own is.
    pub current: Option<String>,
    /// The name of the model whose templates are kept besides.
    pub beside: Option<String>,
    /// The way to another model, if the site is on one.
    pub roll: Option<RollRow>,
    /// The site's boards that were not revoked.
    pub boards: Vec<BoardModel>,
}

/// The model of a board.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardModel {
    pub board: String,
    /// The id of the model that it compares by; `None` if it was not heard.
    pub model: Option<String>,
    /// Whether that is the one in force at the site.
    pub follows: bool,
    /// What it holds of the other one.
    pub beside: Option<BesideReport>,
    /// Why it does not follow, in words.
    pub trouble: Option<String>,
}

/// A board.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoardRow {
    pub board: String,
    pub site: String,
    pub revoked: bool,
    /// What the board last said; `None` if it was never heard.
    pub said: Option<BoardReport>,
    /// Whether it was heard since it was invited, if only before the office's start.
    #[serde(default)]
    pub joined: bool,
    /// Whether two boards speak by this name: one token was used twice.
    #[serde(default)]
    pub twice: bool,
    /// How long ago that was, by the servers' clock, in seconds.
    pub heard_s: Option<u64>,
    /// Whether it holds the office's list of people.
    pub whole: bool,
    /// The newest record that was collected from it.
    pub collected: u64,
    /// Records of it that are missing before that, while they are asked for again.
    pub gap: bool,
}

/// A clock that is further off than this needs somebody, in milliseconds.
const CLOCK_OFF_MS: u64 = 2_000;
/// A board that was silent for longer needs somebody, in seconds. Boards speak each minute.
const SILENT_S: u64 = 120;

impl BoardRow {
    /// Whether the board's clock is two seconds off or more.
    pub fn clock_is_off(&self) -> bool {
        self.said.as_ref().and_then(|said| said.clock_ahead_ms).is_some_and(|ms| ms.unsigned_abs() >= CLOCK_OFF_MS)
    }

    /// Whether the board was not heard lately, or never.
    pub fn is_silent(&self) -> bool {
        self.heard_s.is_none_or(|seconds| seconds >= SILENT_S)
    }

    /// Whether nobody needs to look after the board.
    pub fn is_well(&self) -> bool {
        let in_trouble = self.said.as_ref().is_some_and(|said| said.rules_trouble.is_some());
        self.whole && !self.gap && !self.twice && !self.is_silent() && !self.clock_is_off() && !in_trouble
    }
}

/// Somebody who is enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PersonRow {
    pub uuid: String,
    pub name: String,
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
    pub templates: usize,
    /// Whether doors open for them.
    #[serde(default)]
    pub enabled: bool,
}

/// A board's request to take somebody who was enrolled at a door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// Who it is, if they are taken.
    pub uuid: String,
    pub board: String,
    pub site: String,
    pub name: String,
    pub groups: Vec<String>,
    pub templates: usize,
    /// Who enrolled them at the board.
    pub by: String,
    /// Whether it waits for a decision; otherwise it was refused.
    pub waits: bool,
    /// Why.
    pub why: String,
    /// When it came, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A collected record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectedRecord {
    pub board: String,
    pub site: String,
    /// As `usher journal --json` prints it.
    pub record: Value,
}

/// A part of the collected records that are new or were changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// The changed records, as they are now. None means that there are no more.
    pub records: Vec<CollectedRecord>,
    /// Where to read on.
    pub place: FeedPlace,
    /// The place asked for is not one of this store: these are the first of all records.
    pub anew: bool,
}
