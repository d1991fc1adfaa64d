//! The fleet that this board is part of.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::section;
use crate::config::rule::{self, DAY, span};
use crate::config::text::span_text;

section! {
    /// Many boards with one office, which says who may pass. [fleet.md](fleet.md) describes how a board joins.
    Fleet {
        /// Whether this board takes people and lockdowns from the fleet's office, and sends its journal there.
        enabled: bool = false,
        /// The file that `usher fleet join` wrote: the fleet's servers, the office's key, and this board's own keys. It must be readable by usher alone.
        #[schemars(schema_with = "rule::path")]
        membership: PathBuf = "/var/lib/usher-fleet/membership.json".into(),
        /// The longest time without a signed word of the office, which speaks every minute: at least `"3m"`. Beyond it, the board does as `when_stale`
        /// says. `"0s"`: there is no limit.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, { 365 * DAY }>")]
        max_age: Duration = Duration::ZERO,
        /// What the doors do beyond `max_age`. `"continue"`: they open as before, and the receipt says so. `"deny"`: they let nobody in by face, PIN or tag, until
        /// the office is heard again; exit buttons and operators' orders work.
        when_stale: WhenStale = WhenStale::Continue,
        /// What becomes of somebody who is enrolled at this board. `"request"`: they count at this board's doors at once, and the office is asked to take them in for
        /// the whole site. `"local"`: they stay a person of this board alone.
        enroll: FleetEnroll = FleetEnroll::Request,
        /// At the office: what becomes of enrolments at doors. `"take"`: somebody whose face and name are nobody's is taken in at once. `"ask"`: each waits until
        /// somebody decides with `usher fleet requests`.
        requests: FleetRequests = FleetRequests::Take,
        /// Whether anti-passback counts where people went at the site's other boards, and tells them where people went here. It needs `[access] passback`
        /// and doors with zones, of the same names at all boards. Only people of the fleet count at other boards. While they cannot be heard, nobody is refused
        /// for a place that another board told; nobody is ever kept in.
        places: bool = false,
    }
}

/// What doors do when the office was not heard for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenStale {
    Continue,
    Deny,
}

/// What becomes of somebody who is enrolled at a board of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FleetEnroll {
    Request,
    Local,
}

/// What the office does with enrolments at doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FleetRequests {
    Take,
    Ask,
}
