//! People and templates as bytes: the keys and values of the store.
//!
//! Knows nothing of trees and transactions. Whatever the bytes are, reading them ends in a value or in a reason.
//!
//! | key | value |
//! |---|---|
//! | person: id, 4 bytes | JSON, so that a later version can add to it |
//! | template: id, 4 bytes; number, 4 bytes | version 1 byte, created 8, quality 6 × 4, count of numbers 4, the numbers 4 each, the model's name |
//!
//! Keys are big-endian, so that sled sorts by them; values are little-endian.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::domain::{Embedding, ModelId, PersonId, Quality};

use super::person::{NewPerson, Template};

/// First byte of a template's value.
const TEMPLATE_VERSION: u8 = 1;
/// First byte of a template that was written over and is about to be removed.
const ERASED: u8 = 0;
/// Bytes before the numbers.
const HEADER: usize = 1 + 8 + 6 * 4 + 4;

/// What is stored of a person.
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
    let mut key = [0; 8];
    key[..4].copy_from_slice(&id.0.to_be_bytes());
    key[4..].copy_from_slice(&number.to_be_bytes());
    key
}

/// Whose key it is. `None` when it is no person's.
pub fn read_person_key(key: &[u8]) -> Option<PersonId> {
    Some(PersonId(u32::from_be_bytes(key.try_into().ok()?)))
}

/// Whose template it is, and its number. `None` when it is no template's key.
pub fn read_template_key(key: &[u8]) -> Option<(PersonId, u32)> {
    let key: [u8; 8] = key.try_into().ok()?;
    let [a, b, c, d, e, f, g, h] = key;
    Some((PersonId(u32::from_be_bytes([a, b, c, d])), u32::from_be_bytes([e, f, g, h])))
}

/// A key in words: `person 7`, `template 2 of person 7`, else in hexadecimal.
pub fn describe(key: &[u8]) -> String {
    match (read_person_key(key), read_template_key(key)) {
        (Some(id), _) => format!("person {id}"),
        (_, Some((id, number))) => format!("template {number} of person {id}"),
        _ => key.iter().fold("key 0x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// A person's value.
pub fn write_person(stored: &Stored) -> Result<Vec<u8>, String> {
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
    serde_json::to_vec(&wire).map_err(|e| e.to_string())
}

/// A person from their value.
pub fn read_person(bytes: &[u8]) -> Result<Stored, String> {
    let wire: Wire = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if wire.v != 1 {
        return Err(format!("it is of version {}, and this usher knows version 1", wire.v));
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

/// A template's value.
pub fn write_template(template: &Template) -> Vec<u8> {
    let Template { embedding, quality: q, created } = template;
    let values = embedding.values();
    let mut bytes = Vec::with_capacity(HEADER + 4 * values.len() + embedding.model().as_str().len());
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

/// A template from its value; the embedding is the one that was written, bit for bit.
pub fn read_template(bytes: &[u8]) -> Result<Template, String> {
    let (head, rest) = bytes.split_at_checked(HEADER).ok_or("it is cut short")?;
    if head[0] != TEMPLATE_VERSION {
        return Err(format!("it is of version {}, and this usher knows version {TEMPLATE_VERSION}", head[0]));
    }
    let mut created = [0; 8];
    created.copy_from_slice(&head[1..9]);
    let words: Vec<[u8; 4]> = head[9..].as_chunks::<4>().0.to_vec();
    let [size, sharpness, yaw, pitch, roll, brightness] = [0, 1, 2, 3, 4, 5].map(|i| f32::from_le_bytes(words[i]));
    let count = u32::from_le_bytes(words[6]) as usize;
    let (numbers, model) =
        count.checked_mul(4).and_then(|n| rest.split_at_checked(n)).ok_or("its numbers are cut short")?;
    let values: Box<[f32]> = numbers.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let model = ModelId::new(std::str::from_utf8(model).map_err(|_| "its model's name is not text")?);
    let embedding = Embedding::normalised(model, values.clone()).ok_or("its numbers are no direction")?;
    if *embedding.values() != *values {
        return Err("its numbers are not of unit length".to_owned());
    }
    let quality = Quality { size, sharpness, yaw, pitch, roll, brightness };
    Ok(Template { embedding, quality, created: from_nanoseconds(u64::from_le_bytes(created)) })
}

/// What a template of `length` bytes is written over with before it is removed.
pub fn erased(length: usize) -> Vec<u8> {
    vec![ERASED; length]
}

/// Whether it was written over.
pub fn is_erased(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| b == ERASED)
}

/// Since 1970; clocks outside of 1970 to 2554 are moved to the nearer end.
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
        fn templates_come_back_bit_for_bit(
            values in prop::collection::vec(-9.0f32..9.0, 1..600), quality in prop::array::uniform6(-99.0f32..99.0), ns: u64,
        ) {
            let Some(template) = template(values, quality, ns) else { return Ok(()) };
            prop_assert_eq!(read_template(&write_template(&template)).unwrap(), template);
        }

        #[test]
        fn people_come_back(name in "\\PC{1,40}", employee_id: Option<String>, groups: Vec<String>, enabled: bool, days: [Option<u64>; 2], ns: u64) {
            let person = NewPerson { name, employee_id, groups };
            let [valid_from, valid_until] = days.map(|day| day.map(from_nanoseconds));
            let stored = Stored { person, enabled, valid_from, valid_until, created: from_nanoseconds(ns) };
            prop_assert_eq!(read_person(&write_person(&stored).unwrap()).unwrap(), stored);
        }

        #[test]
        fn any_bytes_end_in_a_value_or_a_reason(bytes: Vec<u8>, cut in 0usize..100) {
            prop_assert!(read_person(&bytes).is_err());
            let _ = describe(&bytes);
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
        let mut bytes = write_template(&template(vec![3.0, 4.0], [1.0; 6], 5).unwrap());
        bytes[HEADER + 3] ^= 1;
        assert!(read_template(&bytes).unwrap_err().contains("unit length"));
        assert!(is_erased(&erased(9)) && read_template(&erased(99)).is_err());
    }
}
