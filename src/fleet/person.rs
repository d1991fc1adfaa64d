//! A person's record: who they are and their templates, sealed; and the mark that somebody was forgotten.
//!
//! The body is sealed by a key made for it, and that key by the gallery's key of an epoch. A new epoch wraps the key anew and leaves the body as it is,
//! so a board sees by the sealed body that nothing about the person changed.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::encoding;
use super::name::{FleetId, Gallery};
use super::sealed::{EpochKey, SealKey, SealedError, context};
use super::signed::{Body, Kind};
use crate::domain::ModelId;

/// The most templates in a record.
pub const MAX_FLEET_TEMPLATES: usize = 64;
/// The longest body before it is sealed, in bytes. Sealed, in base64 and signed, it stays below the longest record.
const MAX_BODY: usize = 360 * 1024;

/// Where a person's record belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The fleet.
    pub fleet: FleetId,
    /// Whose doors know the person.
    pub gallery: Gallery,
    /// Who it is, over all galleries and versions.
    pub uuid: Uuid,
    /// The model of the templates.
    pub model: ModelId,
}

/// What is said of a person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonBody {
    pub name: String,
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
    /// Whether doors may open for them.
    pub enabled: bool,
    /// Doors open for them from this moment on.
    pub valid_from: Option<SystemTime>,
    /// Doors open for them before this moment.
    pub valid_until: Option<SystemTime>,
    /// Who asked the office for this version, as journals name them.
    pub by: String,
    /// Templates, each as the gallery writes them; at most [`MAX_FLEET_TEMPLATES`].
    pub templates: Vec<Zeroizing<Vec<u8>>>,
}

/// The part of a body that is JSON.
#[derive(Serialize, Deserialize)]
struct Header {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    employee_id: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    enabled: bool,
    /// Nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_from_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until_ns: Option<u64>,
    #[serde(default)]
    by: String,
}

impl PersonBody {
    /// As bytes: the length of the JSON, 4 bytes, and the JSON; then for each template its length, 4 bytes, and the template. Lengths are
    /// little-endian.
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let unreadable = |why: &str| SealedError::Unreadable(why.to_owned());
        if self.templates.len() > MAX_FLEET_TEMPLATES {
            return Err(unreadable("it has too many templates: a person can have 64"));
        }
        let header = Header {
            name: self.name.clone(),
            employee_id: self.employee_id.clone(),
            groups: self.groups.clone(),
            enabled: self.enabled,
            valid_from_ns: self.valid_from.map(to_nanoseconds),
            valid_until_ns: self.valid_until.map(to_nanoseconds),
            by: self.by.clone(),
        };
        let json = serde_json::to_vec(&header).map_err(|error| SealedError::Unreadable(error.to_string()))?;
        let lengths = self.templates.iter().map(|template| template.len().saturating_add(4));
        let length = lengths.fold(json.len().saturating_add(4), usize::saturating_add);
        if length > MAX_BODY {
            return Err(unreadable("it is too long: enrol the person with fewer photographs"));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        for part in std::iter::once(&json).chain(self.templates.iter().map(|template| &**template)) {
            bytes.extend((part.len() as u32).to_le_bytes());
            bytes.extend(part);
        }
        Ok(bytes)
    }

    /// Reads what [`PersonBody::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<PersonBody, SealedError> {
        let unreadable = |why: &str| SealedError::Unreadable(why.to_owned());
        let mut rest = bytes;
        let json = part(&mut rest).ok_or_else(|| unreadable("it is truncated"))?;
        let header: Header =
            serde_json::from_slice(json).map_err(|error| SealedError::Unreadable(error.to_string()))?;
        let mut templates = Vec::new();
        while !rest.is_empty() {
            if templates.len() == MAX_FLEET_TEMPLATES {
                return Err(unreadable("it has more than 64 templates"));
            }
            let template = part(&mut rest).ok_or_else(|| unreadable("it is truncated"))?;
            templates.push(Zeroizing::new(template.to_vec()));
        }
        let Header { name, employee_id, groups, enabled, valid_from_ns, valid_until_ns, by } = header;
        let [valid_from, valid_until] = [valid_from_ns, valid_until_ns].map(|ns| ns.map(from_nanoseconds));
        Ok(PersonBody { name, employee_id, groups, enabled, valid_from, valid_until, by, templates })
    }
}

/// Removes a length and as many bytes from the beginning of `rest`.
pub(super) fn part<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(part)
}

/// Nanoseconds since 1970. Times outside 1970 to 2554 are clamped.
fn to_nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn from_nanoseconds(ns: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(ns)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What the office says of one uuid. The higher version counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeopleRecord {
    Person(PersonRecord),
    Forgotten(Tombstone),
}

impl Body for PeopleRecord {
    const KIND: Kind = Kind::People;
}

impl PeopleRecord {
    /// Who it is about.
    pub fn uuid(&self) -> Uuid {
        match self {
            PeopleRecord::Person(record) => record.uuid,
            PeopleRecord::Forgotten(tombstone) => tombstone.uuid,
        }
    }

    /// Whose doors it is for.
    pub fn gallery(&self) -> &Gallery {
        match self {
            PeopleRecord::Person(record) => &record.gallery,
            PeopleRecord::Forgotten(tombstone) => &tombstone.gallery,
        }
    }

    /// The model of the set that it belongs to.
    pub fn model(&self) -> &ModelId {
        match self {
            PeopleRecord::Person(record) => &record.model,
            PeopleRecord::Forgotten(tombstone) => &tombstone.model,
        }
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        match self {
            PeopleRecord::Person(record) => record.version,
            PeopleRecord::Forgotten(tombstone) => tombstone.version,
        }
    }
}

/// Somebody was forgotten. The record stays for good, so that no older one brings them back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub gallery: Gallery,
    pub uuid: Uuid,
    /// The model of the person's record that it replaces: while a site goes over to another model, somebody has a record of each.
    pub model: ModelId,
    /// Above that of every record of the person.
    pub version: u64,
}

/// A person as they travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    pub gallery: Gallery,
    pub uuid: Uuid,
    /// Grows with each record about this person, from 1.
    pub version: u64,
    /// The model of the templates.
    pub model: ModelId,
    /// Which key of the gallery opens it.
    pub epoch: u64,
    /// The key of the body, sealed with the gallery's key.
    #[serde(with = "encoding")]
    pub(super) key: Vec<u8>,
    #[serde(with = "encoding")]
    pub(super) body: Vec<u8>,
}

impl PersonRecord {
    /// Seals what is said of a person, with a key made for it.
    pub fn seal(
        place: &Place,
        version: u64,
        body: &PersonBody,
        epoch: u64,
        with: &EpochKey,
    ) -> Result<PersonRecord, SealedError> {
        let own = SealKey::generate()?;
        let sealed = own.seal(&bound_body(place), &body.to_bytes()?)?;
        let key = with.seals().seal(&bound_key(place, version, epoch), own.as_bytes())?;
        let Place { gallery, uuid, model, .. } = place.clone();
        Ok(PersonRecord { gallery, uuid, version, model, epoch, key, body: sealed })
    }

    /// What is said of the person. `with` is the gallery's key of [`PersonRecord::epoch`].
    pub fn open(&self, fleet: FleetId, with: &EpochKey) -> Result<PersonBody, SealedError> {
        let place = self.place(fleet);
        PersonBody::from_bytes(&self.own_key(&place, with)?.open(&bound_body(&place), &self.body)?)
    }

    /// The same for a new epoch, as a new version. The sealed body stays as it is.
    pub fn rewrap(
        &self,
        fleet: FleetId,
        old: &EpochKey,
        new: &EpochKey,
        epoch: u64,
        version: u64,
    ) -> Result<PersonRecord, SealedError> {
        let place = self.place(fleet);
        let own = self.own_key(&place, old)?;
        let key = new.seals().seal(&bound_key(&place, version, epoch), own.as_bytes())?;
        Ok(PersonRecord { version, epoch, key, ..self.clone() })
    }

    /// BLAKE3 of the sealed body: as long as it is the same, nothing is said anew of the person.
    pub fn content(&self) -> [u8; 32] {
        *blake3::hash(&self.body).as_bytes()
    }

    fn place(&self, fleet: FleetId) -> Place {
        Place { fleet, gallery: self.gallery.clone(), uuid: self.uuid, model: self.model.clone() }
    }

    fn own_key(&self, place: &Place, with: &EpochKey) -> Result<SealKey, SealedError> {
        SealKey::read(&with.seals().open(&bound_key(place, self.version, self.epoch), &self.key)?)
    }
}

fn bound_body(place: &Place) -> Vec<u8> {
    let Place { fleet, gallery, uuid, model } = place;
    let (gallery, model) = (gallery.as_str().as_bytes(), model.as_str().as_bytes());
    context("a person", &[fleet.0.as_bytes(), gallery, uuid.as_bytes(), model])
}

fn bound_key(place: &Place, version: u64, epoch: u64) -> Vec<u8> {
    let Place { fleet, gallery, uuid, model } = place;
    let (gallery, model) = (gallery.as_str().as_bytes(), model.as_str().as_bytes());
    let (version, epoch) = (version.to_be_bytes(), epoch.to_be_bytes());
    context("a person's key", &[fleet.0.as_bytes(), gallery, &epoch, uuid.as_bytes(), &version, model])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fleet::{OfficeKey, Opened};

    fn place() -> Place {
        Place {
            fleet: FleetId(Uuid::from_u128(1)),
            gallery: "berlin".parse().unwrap(),
            uuid: Uuid::from_u128(2),
            model: ModelId::new("net-1"),
        }
    }

    fn ada() -> PersonBody {
        PersonBody {
            name: "Ada".into(),
            groups: vec!["staff".into()],
            enabled: true,
            valid_until: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9)),
            templates: vec![Zeroizing::new(vec![1, 2, 3]), Zeroizing::new(vec![])],
            ..PersonBody::default()
        }
    }

    #[test]
    fn only_the_key_of_its_epoch_opens_a_person_and_only_in_their_place() {
        let (place, key) = (place(), EpochKey::generate().unwrap());
        let record = PersonRecord::seal(&place, 7, &ada(), 3, &key).unwrap();
        assert_eq!(record.open(place.fleet, &key).unwrap(), ada());
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains("Ada"));
        let other = EpochKey::generate().unwrap();
        assert_eq!(record.open(place.fleet, &other), Err(SealedError::Broken));
        assert_eq!(record.open(FleetId::generate(), &key), Err(SealedError::Broken));
        for wrong in [
            PersonRecord { gallery: "paris".parse().unwrap(), ..record.clone() },
            PersonRecord { uuid: Uuid::from_u128(3), ..record.clone() },
            PersonRecord { version: 8, ..record.clone() },
            PersonRecord { model: ModelId::new("net-2"), ..record.clone() },
            PersonRecord { epoch: 4, ..record.clone() },
        ] {
            assert_eq!(wrong.open(place.fleet, &key), Err(SealedError::Broken), "{wrong:?}");
        }
        // The body of one record with the key of another.
        let second = PersonRecord::seal(&place, 7, &ada(), 3, &key).unwrap();
        let mixed = PersonRecord { body: second.body.clone(), ..record };
        assert_eq!(mixed.open(place.fleet, &key), Err(SealedError::Broken));
    }

    #[test]
    fn a_new_epoch_leaves_the_body_and_shuts_the_old_key_out() {
        let (place, old, new) = (place(), EpochKey::generate().unwrap(), EpochKey::generate().unwrap());
        let record = PersonRecord::seal(&place, 7, &ada(), 3, &old).unwrap();
        let after = record.rewrap(place.fleet, &old, &new, 4, 8).unwrap();
        assert_eq!((after.version, after.epoch, after.content()), (8, 4, record.content()));
        assert_eq!(after.open(place.fleet, &new).unwrap(), ada());
        assert_eq!(after.open(place.fleet, &old), Err(SealedError::Broken));
        assert_eq!(record.open(place.fleet, &new), Err(SealedError::Broken));
        assert_eq!(after.rewrap(place.fleet, &old, &new, 5, 9), Err(SealedError::Broken));
    }

    #[test]
    fn the_longest_body_makes_a_record_that_can_be_signed() {
        let (place, key) = (place(), EpochKey::generate().unwrap());
        let template = Zeroizing::new(vec![7; MAX_BODY / 64 - 8]);
        let whole = PersonBody { templates: vec![template.clone(); 64], ..ada() };
        let record = PersonRecord::seal(&place, 1, &whole, 1, &key).unwrap();
        let office = OfficeKey::from_bytes(&[1; 32]);
        let signed = office.sign(place.fleet, &PeopleRecord::Person(record.clone())).unwrap();
        let opened = office.public().open(place.fleet, signed.as_bytes()).unwrap();
        assert_eq!(opened, Opened::Body(PeopleRecord::Person(record)));

        let many = PersonBody { templates: vec![Zeroizing::new(vec![]); 65], ..ada() };
        assert!(matches!(PersonRecord::seal(&place, 1, &many, 1, &key), Err(SealedError::Unreadable(_))));
        let long = PersonBody { templates: vec![Zeroizing::new(vec![0; MAX_BODY])], ..ada() };
        assert!(matches!(PersonRecord::seal(&place, 1, &long, 1, &key), Err(SealedError::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn bodies_come_back(name: String, groups: Vec<String>, enabled: bool, ns: Option<u64>, templates in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..64)) {
            let body = PersonBody {
                name,
                groups,
                enabled,
                valid_from: ns.map(from_nanoseconds),
                templates: templates.into_iter().map(Zeroizing::new).collect(),
                ..ada()
            };
            prop_assert_eq!(PersonBody::from_bytes(&body.to_bytes().unwrap()).unwrap(), body);
        }

        #[test]
        fn any_bytes_end_in_a_body_or_a_reason(bytes: Vec<u8>, cut: prop::sample::Index) {
            let _ = PersonBody::from_bytes(&bytes);
            let mut whole = ada().to_bytes().unwrap().to_vec();
            whole.extend(&bytes);
            let _ = PersonBody::from_bytes(&whole);
            let _ = PersonBody::from_bytes(&whole[..cut.index(whole.len())]);
        }
    }
}
