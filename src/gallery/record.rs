//! People and templates as bytes: the keys and values of the store. Reading never panics, whatever the bytes are.
//!
//! | key | value |
//! |---|---|
//! | person: id, 4 bytes | JSON, so that later versions can add fields |
//! | template: id, 4 bytes; number, 4 bytes | version 1 byte, created 8, quality 6 × 4, but in version 1 the embedding's length 4, number of values 4, the values 4 each, the model's name |
//!
//! Version 4 is a template of a grey picture; its length is 0 where it is not known. Versions 1 and 2 are of pictures with colour, and of all
//! pictures before there was version 4.
//!
//! A template's number says what it is for: from 2^30 on it was learned from a grant, from 2^31 on it is a negative reference. The value of a
//! negative reference begins with a version of its own, so that no version of usher that does not know them takes it for a template.
//!
//! Keys are big-endian, so that they sort by number; values are little-endian.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Chroma, Embedding, ModelId, PersonId, Quality};

use super::error::RecordError;
use super::person::{NewPerson, Template};

/// The first byte of a template's value: one whose embedding's length is not known, as usher 0.1.0 writes it.
const WITHOUT_LENGTH: u8 = 1;
/// As [`WITHOUT_LENGTH`], with the length.
const WITH_LENGTH: u8 = 2;
/// As [`WITH_LENGTH`], of a grey picture.
const GREY: u8 = 4;
/// Precedes the value of a negative reference.
const NEGATIVE: u8 = 3;
/// The byte that overwrites a template before it is deleted.
const ERASED: u8 = 0;

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To recognise the person: made at an enrolment.
    Enrolled,
    /// To recognise the person: made of a frame that a door was opened for.
    Learned,
    /// A negative reference: the face of somebody else who looks like the person.
    NotThem,
}

impl Kind {
    /// The numbers of such templates.
    pub fn numbers(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Kind::Enrolled => 0..=(1 << 30) - 1,
            Kind::Learned => 1 << 30..=(1 << 31) - 1,
            Kind::NotThem => 1 << 31..=u32::MAX,
        }
    }

    /// The kind of the template with this number.
    pub fn of(number: u32) -> Kind {
        let is = |kind: &Kind| kind.numbers().contains(&number);
        [Kind::Learned, Kind::NotThem].into_iter().find(is).unwrap_or(Kind::Enrolled)
    }
}

/// A person as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub person: NewPerson,
    pub enabled: bool,
    pub valid_from: Option<SystemTime>,
    pub valid_until: Option<SystemTime>,
    pub created: SystemTime,
    /// Who the person is in the fleet.
    pub uuid: Option<Uuid>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<Uuid>,
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

/// What the template of this key is for.
pub fn kind_of(key: &[u8]) -> Kind {
    read_template_key(key).map_or(Kind::Enrolled, |(_, number)| Kind::of(number))
}

/// Describes a key for people: `person 7`, `template 2 of person 7`, or the bytes in hexadecimal.
pub fn describe(key: &[u8]) -> String {
    match (read_person_key(key), read_template_key(key)) {
        (Some(id), _) => format!("person {id}"),
        (_, Some((id, number))) => {
            let kind = Kind::of(number);
            let number = number - kind.numbers().start();
            match kind {
                Kind::Enrolled => format!("template {number} of person {id}"),
                Kind::Learned => format!("learned template {number} of person {id}"),
                Kind::NotThem => format!("negative reference {number} of person {id}"),
            }
        }
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
        uuid: stored.uuid,
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
        uuid: wire.uuid,
    })
}

/// Encodes a template.
pub fn write_template(template: &Template) -> Vec<u8> {
    let Template { embedding, quality: q, created } = template;
    let values = embedding.values();
    let mut bytes = Vec::with_capacity(64 + 4 * values.len() + embedding.model().as_str().len());
    // A length that cannot be read back is left out.
    let length = q.length.filter(|length| is_length(*length));
    let (version, length) = match (q.chroma, length) {
        (Chroma::Grey, length) => (GREY, Some(length.unwrap_or_default())),
        (Chroma::Colour, Some(length)) => (WITH_LENGTH, Some(length)),
        (Chroma::Colour, None) => (WITHOUT_LENGTH, None),
    };
    bytes.push(version);
    bytes.extend(to_nanoseconds(*created).to_le_bytes());
    for number in [q.size, q.sharpness, q.yaw, q.pitch, q.roll, q.brightness] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(length.into_iter().flat_map(f32::to_le_bytes));
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
    if !matches!(version, WITHOUT_LENGTH | WITH_LENGTH | GREY) {
        return Err(RecordError::Version { found: version, known: GREY });
    }
    let created = from_nanoseconds(u64::from_le_bytes(take(&mut rest)?));
    let mut float = || take(&mut rest).map(f32::from_le_bytes);
    let (size, sharpness, yaw, pitch, roll, brightness) = (float()?, float()?, float()?, float()?, float()?, float()?);
    let length = (version != WITHOUT_LENGTH).then(float).transpose()?;
    let chroma = if version == GREY { Chroma::Grey } else { Chroma::Colour };
    let length = length.filter(|length| chroma == Chroma::Colour || *length != 0.0);
    if length.is_some_and(|length| !is_length(length)) {
        return Err(RecordError::Length);
    }
    let count = u32::from_le_bytes(take(&mut rest)?) as usize;
    let split = count.checked_mul(4).and_then(|length| rest.split_at_checked(length));
    let (values, model) = split.ok_or(RecordError::Truncated)?;
    let values: Box<[f32]> = values.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let model = ModelId::new(std::str::from_utf8(model).map_err(|_| RecordError::ModelName)?);
    let embedding = Embedding::normalised(model, values.clone()).ok_or(RecordError::NoDirection)?;
    if *embedding.values() != *values {
        return Err(RecordError::NotUnitLength);
    }
    let quality = Quality { size, sharpness, yaw, pitch, roll, brightness, length, chroma };
    Ok(Template { embedding, quality, created })
}

/// Encodes a template of some kind.
pub fn write_of(kind: Kind, template: &Template) -> Vec<u8> {
    match kind {
        Kind::Enrolled | Kind::Learned => write_template(template),
        Kind::NotThem => [&[NEGATIVE], &write_template(template)[..]].concat(),
    }
}

/// Decodes a template of some kind. A template where a negative reference should be, or the other way round, is refused.
pub fn read_of(kind: Kind, bytes: &[u8]) -> Result<Template, RecordError> {
    match (kind, bytes.strip_prefix(&[NEGATIVE])) {
        (Kind::Enrolled | Kind::Learned, _) => read_template(bytes),
        (Kind::NotThem, Some(rest)) => read_template(rest),
        (Kind::NotThem, None) => Err(match bytes.first() {
            Some(&found) => RecordError::Version { found, known: NEGATIVE },
            None => RecordError::Truncated,
        }),
    }
}

/// The model of an encoded template of any kind.
pub fn model_of(bytes: &[u8]) -> Option<ModelId> {
    let template = read_template(bytes.strip_prefix(&[NEGATIVE]).unwrap_or(bytes)).ok()?;
    Some(template.embedding.model().clone())
}

/// Whether an embedding can have had this length.
fn is_length(length: f32) -> bool {
    length.is_finite() && length > 0.0
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
            quality: Quality { size, sharpness, yaw, pitch, roll, brightness, ..Quality::default() },
            created: from_nanoseconds(ns),
        })
    }

    proptest! {
        #[test]
        fn templates_round_trip_bit_for_bit(
            values in prop::collection::vec(-9.0f32..9.0, 1..600), quality in prop::array::uniform6(-99.0f32..99.0), ns: u64,
            length in prop::option::of(0.01f32..99.0), grey: bool,
        ) {
            let Some(mut template) = template(values, quality, ns) else { return Ok(()) };
            template.quality.length = length;
            template.quality.chroma = if grey { Chroma::Grey } else { Chroma::Colour };
            prop_assert_eq!(read_template(&write_template(&template)).unwrap(), template);
        }

        #[test]
        fn people_round_trip(name in "\\PC{1,40}", employee_id: Option<String>, groups: Vec<String>, enabled: bool, days: [Option<u64>; 2], ns: u64, uuid: Option<u128>) {
            let person = NewPerson { name, employee_id, groups };
            let [valid_from, valid_until] = days.map(|day| day.map(from_nanoseconds));
            let created = from_nanoseconds(ns);
            let stored = Stored { person, enabled, valid_from, valid_until, created, uuid: uuid.map(Uuid::from_u128) };
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
    fn people_of_usher_0_1_0_are_read_and_written_unchanged() {
        let old =
            r#"{"v":1,"name":"Ada","employee_id":"E7","groups":["staff"],"enabled":true,"created_ns":1600000000}"#;
        let read = read_person(old.as_bytes()).unwrap();
        assert_eq!((read.person.name.as_str(), read.uuid), ("Ada", None));
        assert_eq!(write_person(&read).unwrap(), old.as_bytes());
    }

    #[test]
    fn the_templates_of_usher_0_1_0_are_read_and_written_unchanged() {
        const OLD: &str = "0100105e5f000000000000803f000000400000404000008040000\
            0a0400000c040020000009a99193fcdcc4c3f6e65742d31";
        let bytes: Vec<u8> =
            (0..OLD.len()).step_by(2).map(|at| u8::from_str_radix(&OLD[at..at + 2], 16).unwrap()).collect();
        let read = read_template(&bytes).unwrap();
        assert_eq!(read.embedding, Embedding::normalised(ModelId::new("net-1"), [3.0, 4.0].into()).unwrap());
        let quality = Quality {
            size: 1.0,
            sharpness: 2.0,
            yaw: 3.0,
            pitch: 4.0,
            roll: 5.0,
            brightness: 6.0,
            ..Quality::default()
        };
        assert_eq!((read.quality, read.created), (quality, from_nanoseconds(1_600_000_000)));
        assert_eq!(read.quality.chroma, Chroma::Colour);
        assert_eq!(write_template(&read), bytes);
    }

    #[test]
    fn a_negative_reference_is_never_read_as_a_template() {
        let template = template(vec![3.0, 4.0], [1.0; 6], 5).unwrap();
        let negative = write_of(Kind::NotThem, &template);
        assert_eq!(read_of(Kind::NotThem, &negative).unwrap(), template);
        // As usher 0.1.0 would see it.
        assert_eq!(read_template(&negative), Err(RecordError::Version { found: 3, known: 4 }));
        assert_eq!(read_of(Kind::Enrolled, &negative), Err(RecordError::Version { found: 3, known: 4 }));
        let positive = write_of(Kind::Learned, &template);
        assert_eq!(read_of(Kind::Learned, &positive).unwrap(), template);
        assert_eq!(read_of(Kind::NotThem, &positive), Err(RecordError::Version { found: 1, known: 3 }));
        assert_eq!(read_of(Kind::NotThem, &[]), Err(RecordError::Truncated));
        assert_eq!([&negative, &positive].map(|bytes| model_of(bytes).unwrap().to_string()), ["net-1é", "net-1é"]);
    }

    #[test]
    fn a_number_says_what_a_template_is_for() {
        for (number, kind, words) in [
            (0, Kind::Enrolled, "template 0 of person 7"),
            ((1 << 30) - 1, Kind::Enrolled, "template 1073741823 of person 7"),
            ((1 << 30) + 2, Kind::Learned, "learned template 2 of person 7"),
            (1 << 31, Kind::NotThem, "negative reference 0 of person 7"),
            (u32::MAX, Kind::NotThem, "negative reference 2147483647 of person 7"),
        ] {
            assert_eq!(Kind::of(number), kind);
            assert_eq!(describe(&template_key(PersonId(7), number)), words);
        }
    }

    #[test]
    fn a_length_is_kept_if_it_is_one() {
        let mut whole = template(vec![3.0, 4.0], [1.0; 6], 5).unwrap();
        for (length, kept) in [(7.5, Some(7.5)), (0.0, None), (-1.0, None), (f32::NAN, None), (f32::INFINITY, None)] {
            whole.quality.length = Some(length);
            assert_eq!(read_template(&write_template(&whole)).unwrap().quality.length, kept);
        }
        whole.quality.length = Some(1.0);
        let mut bytes = write_template(&whole);
        bytes[33..37].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(read_template(&bytes), Err(RecordError::Length));
        bytes[0] = 3;
        assert_eq!(read_template(&bytes), Err(RecordError::Version { found: 3, known: 4 }));
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
