//! Everything that is kept of a person, for the person: articles 15 and 20 of the GDPR; and what erasing all of it erased, article 17.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credentials::TagForm;
use super::journal::Record;
use super::kept_templates::KeptTemplate;
use super::people::Person;
use super::rfc3339_of;
use super::template::Template;
use super::visitors::Visit;
use crate::gallery;
use crate::ledger::attendance::Reading;

/// Everything that is kept of a person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonalData {
    /// When it was put together. RFC 3339, UTC.
    pub exported: String,
    /// The version of usher that put it together.
    pub usher: String,
    /// Null for somebody who was removed.
    pub person: Option<Person>,
    /// The tags, without their numbers, as no answer shows those. Whether there is a PIN is in `person`; the PIN itself is kept as a hash.
    pub tags: Vec<TagForm>,
    pub templates: Vec<ExportedTemplate>,
    /// Faces kept of grants.
    pub visits: Vec<ExportedVisit>,
    /// Pictures of faces beside records, while those are kept.
    #[serde(default)]
    pub pictures: Vec<ExportedPicture>,
    /// When the person went in and out, after all amendments.
    pub attendance: Vec<ExportedReading>,
    /// Every record of the journal that says something about the person, oldest first. Other people are left out of them.
    pub records: Vec<Record>,
    /// What is left out, and why.
    pub left_out: Vec<String>,
}

/// A template with its embedding.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExportedTemplate {
    #[serde(flatten)]
    pub kept: KeptTemplate,
    /// The unit vector; null for a negative reference, which is the face of somebody else, and where the template cannot be read.
    pub embedding: Option<Vec<f32>>,
}

impl From<&gallery::KeptTemplate> for ExportedTemplate {
    fn from(kept: &gallery::KeptTemplate) -> ExportedTemplate {
        let own = kept.template.as_ref().ok().filter(|_| kept.id.kind() != gallery::Kind::NotThem);
        ExportedTemplate { kept: kept.into(), embedding: own.map(|template| template.embedding.values().to_vec()) }
    }
}

/// A face that was kept of a grant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExportedVisit {
    #[serde(flatten)]
    pub visit: Visit,
    pub face: Template,
}

impl From<&gallery::KeptVisit> for ExportedVisit {
    fn from(kept: &gallery::KeptVisit) -> ExportedVisit {
        let face = Template::new(&kept.visit.template.embedding, &kept.visit.template.quality);
        ExportedVisit { visit: kept.into(), face }
    }
}

/// The picture of the person's face beside a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportedPicture {
    /// The record's number.
    pub record: u64,
    /// A JPEG file, in hexadecimal digits.
    pub jpeg: String,
}

impl From<gallery::KeptFace> for ExportedPicture {
    fn from(face: gallery::KeptFace) -> ExportedPicture {
        let jpeg = face.jpeg.iter().map(|byte| format!("{byte:02x}")).collect();
        ExportedPicture { record: face.record, jpeg }
    }
}

/// The person at a door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExportedReading {
    /// RFC 3339, UTC.
    pub at: String,
    /// `in` or `out`; null where the camera has no side.
    pub direction: Option<String>,
    /// Empty for an amendment.
    pub door: String,
    /// The number of the record that says it.
    pub record: u64,
    /// An operator added it.
    pub amended: bool,
    /// The clock was not right when it was written.
    pub doubtful: bool,
}

impl From<&Reading> for ExportedReading {
    fn from(reading: &Reading) -> ExportedReading {
        ExportedReading {
            at: rfc3339_of(reading.at),
            direction: reading.direction.map(|direction| direction.as_str().to_owned()),
            door: reading.door.clone(),
            record: reading.record,
            amended: reading.amended,
            doubtful: reading.doubtful,
        }
    }
}

/// What was erased of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasedPerson {
    /// The person was enrolled, and was removed.
    pub removed: bool,
    /// Templates that were erased, readable or not.
    pub templates: usize,
    /// Faces kept of grants that were erased.
    pub visits: usize,
    /// Records of the journal that named the person and do so no longer.
    pub records: u64,
}
