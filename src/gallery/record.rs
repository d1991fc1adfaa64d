//! People and templates as bytes: the keys and values of the store. Reading never panics, whatever the bytes are.
//!
//! | key | value |
//! |---|---|
//! | person: id, 4 bytes | JSON, so that later versions can add fields |
//! | template: id, 4 bytes; number, 4 bytes | version 1 byte, created 8, quality 6 × 4, number of values 4, the values 4 each, the model's name |
//!
//! Keys are big-endian, so that they sort by number; values are little-endian.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::domain::{Embedding, ModelId, PersonId, Quality};

use super::error::RecordError;
use super::person::{NewPerson, Template};

/// The first byte of a template's value.
const TEMPLATE_VERSION: u8 = 1;
/// The byte that overwrites a template before it is deleted.
const ERASED: u8 = 0;

/// A person as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub person: NewPerson,
    pub enabled: bool,
    pub valid_from: Option<SystemTime>,
    pub valid_until: Option<SystemTime>,
    pub created: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u8,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    employee_id: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_from_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until_ns: Option<u64>,
    created_ns: u64,
}

/// A person's key, and the prefix of their templates' keys.
pub fn person_key(id: PersonId) -> [u8; 4] {
    id.0.to_be_bytes()
}

/// A template's key.
pub fn template_key(id: PersonId, number: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (id.0.to_be_bytes(), number.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// The person of a key; `None` if it is not a person's key.
pub fn read_person_key(key: &[u8]) -> Option<PersonId> {
    Some(PersonId(u32::from_be_bytes(key.try_into().ok()?)))
}

/// The person and number of a template's key; `None` if it is not a template's key.
pub fn read_template_key(key: &[u8]) -> Option<(PersonId, u32)> {
    let key: [u8; 8] = key.try_into().ok()?;
    let [a, b, c, d, e, f, g, h] = key;
    Some((PersonId(u32::from_be_bytes([a, b, c, d])), u32::from_be_bytes([e, f, g, h])))
}

/// Describes a key for people: `person 7`, `template 2 of person 7`, or the bytes in hexadecimal.
pub fn describe(key: &[u8]) -> String {
    match (read_person_key(key), read_template_key(key)) {
        (Some(id), _) => format!("person {id}"),
        (_, Some((id, number))) => format!("template {number} of person {id}"),
        _ => key.iter().fold("key 0x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// Encodes a person.
pub fn write_person(stored: &Stored) -> Result<Vec<u8>, RecordError> {
    let NewPerson { name, employee_id, groups } = stored.person.clone();
    let wire = Wire {
        v: 1,
        name,
        employee_id,
        groups,
        enabled: stored.enabled,
        valid_from_ns: stored.valid_from.map(to_nanoseconds),
        valid_until_ns: stored.valid_until.map(to_nanoseconds),
        created_ns: to_nanoseconds(stored.created),
    };
    Ok(serde_json::to_vec(&wire)?)
}

/// Decodes a person.
pub fn read_person(bytes: &[u8]) -> Result<Stored, RecordError> {
    let wire: Wire = serde_json::from_slice(bytes)?;
    if wire.v != 1 {
        return Err(RecordError::Version { found: wire.v, known: 1 });
    }
    let person = NewPerson { name: wire.name, employee_id: wire.employee_id, groups: wire.groups };
    Ok(Stored {
        person,
        enabled: wire.enabled,
        valid_from: wire.valid_from_ns.map(from_nanoseconds),
        valid_until: wire.valid_until_ns.map(from_nanoseconds),
        created: from_nanoseconds(wire.created_ns),
    })
}

/// Encodes a template.
pub fn write_template(template: &Template) -> Vec<u8> {
    let Template { embedding, quality: q, created } = template;
    let values = embedding.values();
    let mut bytes = Vec::with_capacity(64 + 4 * values.len() + embedding.model().as_str().len());
    bytes.push(TEMPLATE_VERSION);
    bytes.extend(to_nanoseconds(*created).to_le_bytes());
    for number in [q.size, q.sharpness, q.yaw, q.pitch, q.roll, q.brightness] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((values.len() as u32).to_le_bytes());
    for value in values {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(embedding.model().as_str().as_bytes());
    bytes
}

/// Decodes a template. The embedding is bit for bit the one that was written.
pub fn read_template(bytes: &[u8]) -> Result<Template, RecordError> {
    let mut rest = bytes;
    let [version] = take(&mut rest)?;
    if version != TEMPLATE_VERSION {
        return Err(RecordError::Version { found: version, known: TEMPLATE_VERSION });
    }
    let created = from_nanoseconds(u64::from_le_bytes(take(&mut rest)?));
    let mut float = || take(&mut rest).map(f32::from_le_bytes);
    let (size, sharpness, yaw, pitch, roll, brightness) = (float()?, float()?, float()?, float()?, float()?, float()?);
    let count = u32::from_le_bytes(take(&mut rest)?) as usize;
    let split = count.checked_mul(4).and_then(|length| rest.split_at_checked(length));
    let (values, model) = split.ok_or(RecordError::Truncated)?;
    let values: Box<[f32]> = values.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let model = ModelId::new(std::str::from_utf8(model).map_err(|_| RecordError::ModelName)?);
    let embedding = Embedding::normalised(model, values.clone()).ok_or(RecordError::NoDirection)?;
    if *embedding.values() != *values {
        return Err(RecordError::NotUnitLength);
    }
    Ok(Template { embedding, quality: Quality { size, sharpness, yaw, pitch, roll, brightness }, created })
}

/// Removes the first `N` bytes of `rest`.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], RecordError> {
    let (head, tail) = rest.split_first_chunk().ok_or(RecordError::Truncated)?;
    *rest = tail;
    Ok(*head)
}

/// The bytes that overwrite a template of `length` bytes before it is deleted.
pub fn erased(length: usize) -> Vec<u8> {
    vec![ERASED; length]
}

/// Whether a value was overwritten.
pub fn is_erased(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| b == ERASED)
}

/// Nanoseconds since 1970. Times outside 1970 to 2554 are clamped.
fn to_nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn from_nanoseconds(ns: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(values: Vec<f32>, quality: [f32; 6], ns: u64) -> Option<Template> {
        let [size, sharpness, yaw, pitch, roll, brightness] = quality;
        Some(Template {
            embedding: Embedding::normalised(ModelId::new("net-1é"), values.into())?,
            quality: Quality { size, sharpness, yaw, pitch, roll, brightness },
            created: from_nanoseconds(ns),
        })
    }

    proptest! {
        #[test]
        fn templates_round_trip_bit_for_bit(
            values in prop::collection::vec(-9.0f32..9.0, 1..600), quality in prop::array::uniform6(-99.0f32..99.0), ns: u64,
        ) {
            let Some(template) = template(values, quality, ns) else { return Ok(()) };
            prop_assert_eq!(read_template(&write_template(&template)).unwrap(), template);
        }

        #[test]
        fn people_round_trip(name in "\\PC{1,40}", employee_id: Option<String>, groups: Vec<String>, enabled: bool, days: [Option<u64>; 2], ns: u64) {
            let person = NewPerson { name, employee_id, groups };
            let [valid_from, valid_until] = days.map(|day| day.map(from_nanoseconds));
            let stored = Stored { person, enabled, valid_from, valid_until, created: from_nanoseconds(ns) };
            prop_assert_eq!(read_person(&write_person(&stored).unwrap()).unwrap(), stored);
        }

        #[test]
        fn any_bytes_end_in_a_value_or_a_reason(bytes: Vec<u8>, cut in 0usize..100) {
            prop_assert!(read_person(&bytes).is_err());
            let _ = describe(&bytes);
            const HEADER: usize = 1 + 8 + 6 * 4 + 4;
            let whole = write_template(&template(vec![3.0, 4.0], [1.0; 6], 5).unwrap());
            let cut = cut.min(HEADER + 7);
            prop_assert!(read_template(&whole[..cut]).is_err());
            let mut versioned = whole[..HEADER].to_vec();
            versioned.extend(&bytes);
            let _ = read_template(&versioned);
        }
    }

    #[test]
    fn a_vector_that_is_not_of_unit_length_is_damage() {
        const HEADER: usize = 1 + 8 + 6 * 4 + 4;
        let mut bytes = write_template(&template(vec![3.0, 4.0], [1.0; 6], 5).unwrap());
        bytes[HEADER + 3] ^= 1;
        assert_eq!(read_template(&bytes), Err(RecordError::NotUnitLength));
        assert!(is_erased(&erased(9)) && read_template(&erased(99)).is_err());
    }
}
