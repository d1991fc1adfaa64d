//! Faces beside records, while `[web] keep_faces` is on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which records have a face.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptFaces {
    /// Whether faces are kept: they are asked for, and can be sealed.
    pub kept: bool,
    /// The numbers of the records that have one, in order of time.
    pub records: Vec<u64>,
}

/// Addresses the face beside a record.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FacePath {
    /// The record's number.
    pub record: u64,
}
