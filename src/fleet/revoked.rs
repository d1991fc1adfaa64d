//! Which credentials were taken back, as the office says it at the servers. An office whose folder was restored from a backup learns there whom it has
//! shut out since.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::signed::{Body, Kind};

/// All credentials that were taken back, by their public keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    pub credentials: BTreeSet<String>,
}

impl Body for Revocations {
    const KIND: Kind = Kind::Revocations;
    /// The most that can be revoked (5,000) take 300 KB.
    const MAX: usize = 512 * 1024;
}
