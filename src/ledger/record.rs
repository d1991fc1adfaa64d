//! One entry of the journal: its fields, its bytes, its hash.
//!
//! # Bytes
//!
//! Integers are big-endian. A text is one byte that counts its UTF-8 bytes, then those bytes.
//!
//! ```text
//! version      u8, 2
//! seq          u64, from 1
//! id           16 bytes, UUID version 7 (RFC 9562)
//! time         text, RFC 3339 in UTC with microseconds: 2026-01-02T10:32:07.123456Z
//! offset       i32, seconds that local time was ahead of UTC
//! since boot   u64, nanoseconds since the machine was started, with the time it slept
//! boot         16 bytes, the kernel's random name for that start; zeros when it is not known
//! synchronised u8: 0 the clock was not set, 1 it was, 2 not known
//! kind         text
//! content      32 bytes, BLAKE3 of the content's bytes
//! previous     32 bytes, the hash of the record before; zeros for the first
//! hash         32 bytes, BLAKE3 of all bytes above
//! ```
//!
//! The content is kept apart: 16 random bytes, then JSON. The random bytes keep anybody from guessing an erased content (a name,
//! say) and trying it against the hash. So a person can be erased from a content and the chain still holds: sixteen zeros then replace
//! the random bytes, and the content no longer has the hash of the record.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::Value;
use uuid::Uuid;

use super::LedgerError;
use crate::domain::{Content, Recorded, Stamp};

/// The layout that this file reads and writes.
const VERSION: u8 = 2;
/// Random bytes before the JSON of a content.
const SALT_BYTES: usize = 16;
/// What stands there in a content from which somebody was erased.
const ERASED: [u8; SALT_BYTES] = [0; SALT_BYTES];

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Counts up from 1 without gaps.
    pub seq: u64,
    /// UUID version 7, made from `at`.
    pub id: Uuid,
    /// The wall clock, to the microsecond. It may jump between records; `seq` gives the order.
    pub at: SystemTime,
    /// Seconds that local time was ahead of UTC.
    pub offset_s: i32,
    /// Since the machine was started. Differences are true spans between records of one `boot`, whatever the wall clock did.
    pub since_boot: Duration,
    /// The machine's name for the time between two starts; zeros when it is not known.
    pub boot: Uuid,
    /// Whether the wall clock was set by the network or another source; `None` when that is not known.
    pub synchronised: Option<bool>,
    /// What happened, in one word: `granted`, `door_opened`, …
    pub kind: String,
    /// The event.
    pub content: Content,
    /// A person was erased from the content.
    pub erased: bool,
    /// The hash of the record before; zeros for the first.
    pub previous: [u8; 32],
    /// The hash of this record.
    pub hash: [u8; 32],
}

impl Record {
    /// The time in RFC 3339, UTC, with microseconds.
    pub fn time(&self) -> String {
        // The fields of a record were checked when it was made or read, so the conversion holds.
        Timestamp::try_from(self.at).map(in_utc).unwrap_or_default()
    }

    /// The hash of the record before and that of this one, in hexadecimal digits.
    pub fn hashes(&self) -> (String, String) {
        (hex(&self.previous), hex(&self.hash))
    }

    /// What the hub is given of it.
    pub fn recorded(&self) -> Recorded {
        let (previous, hash) = self.hashes();
        let (id, time, kind) = (self.id.to_string(), self.time(), self.kind.clone());
        Recorded { seq: self.seq, id, time, kind, content: self.content.clone(), previous, hash }
    }

    /// All fields as JSON: `seq`, `id`, `time`, `utc_offset_s`, `boot`, `since_boot_ms`, `synchronised`, `kind`, `content`, `erased`, and
    /// `previous` and `hash` in hexadecimal.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "seq": self.seq,
            "id": self.id.to_string(),
            "time": self.time(),
            "utc_offset_s": self.offset_s,
            "boot": self.boot.to_string(),
            "since_boot_ms": u64::try_from(self.since_boot.as_millis()).unwrap_or(u64::MAX),
            "synchronised": self.synchronised,
            "kind": self.kind,
            "content": self.content.to_json(),
            "erased": self.erased,
            "previous": hex(&self.previous),
            "hash": hex(&self.hash),
        })
    }
}

impl Record {
    /// Reads a record from the bytes that the store keeps: the chained part and the content. The error says in words what does not
    /// fit. The link to the record before is not checked.
    pub fn decode(header: &[u8], content: &[u8]) -> Result<Record, &'static str> {
        open(header, content)
    }

    /// Reads what [`Record::to_json`] wrote; the time since the start comes back to the millisecond. `None` when a field is missing or
    /// malformed. Nothing is checked against the hashes.
    pub fn from_json(json: &Value) -> Option<Record> {
        let text = |name: &str| json.get(name)?.as_str();
        let hash = |name: &str| unhex(text(name)?);
        Some(Record {
            seq: json.get("seq")?.as_u64()?,
            id: text("id")?.parse().ok()?,
            at: SystemTime::try_from(text("time")?.parse::<Timestamp>().ok()?).ok()?,
            offset_s: i32::try_from(json.get("utc_offset_s")?.as_i64()?).ok()?,
            since_boot: Duration::from_millis(json.get("since_boot_ms")?.as_u64()?),
            boot: text("boot")?.parse().ok()?,
            synchronised: json.get("synchronised")?.as_bool(),
            kind: text("kind")?.to_owned(),
            content: Content::from_json(text("kind")?, json.get("content")?.clone()),
            erased: json.get("erased")?.as_bool()?,
            previous: hash("previous")?,
            hash: hash("hash")?,
        })
    }
}

/// A record as bytes: the chained part and the content.
pub(super) struct Sealed {
    pub header: Vec<u8>,
    pub content: Vec<u8>,
}

/// What a new record is made of.
pub(super) struct Draft {
    pub seq: u64,
    pub stamp: Stamp,
    pub kind: &'static str,
    pub content: Value,
    pub previous: [u8; 32],
}

/// Gives the draft its id and its hash.
pub(super) fn seal(draft: Draft) -> Result<(Record, Sealed), LedgerError> {
    let Stamp { at: wall, offset_s, since_boot, boot, synchronised } = draft.stamp;
    let at = Timestamp::try_from(wall).map_err(|_| LedgerError::Clock)?;
    let at = Timestamp::from_microsecond(at.as_microsecond()).map_err(|_| LedgerError::Clock)?;
    let time = in_utc(at);
    // RFC 3339 has years of four digits only.
    if time.len() != "2026-01-02T10:32:07.123456Z".len() {
        return Err(LedgerError::Clock);
    }
    let since_1970 = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let stamp = uuid::Timestamp::from_unix(uuid::NoContext, since_1970.as_secs(), since_1970.subsec_nanos());
    let id = Uuid::new_v7(stamp);

    let mut content = Uuid::new_v4().as_bytes().to_vec();
    content.extend_from_slice(draft.content.to_string().as_bytes());

    let since_boot_ns = u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX);
    let mut header = Vec::with_capacity(224);
    header.push(VERSION);
    header.extend_from_slice(&draft.seq.to_be_bytes());
    header.extend_from_slice(id.as_bytes());
    push_text(&mut header, &time);
    header.extend_from_slice(&offset_s.to_be_bytes());
    header.extend_from_slice(&since_boot_ns.to_be_bytes());
    header.extend_from_slice(&boot);
    header.push(synchronised.map_or(2, u8::from));
    push_text(&mut header, draft.kind);
    header.extend_from_slice(blake3::hash(&content).as_bytes());
    header.extend_from_slice(&draft.previous);
    let hash = *blake3::hash(&header).as_bytes();
    header.extend_from_slice(&hash);

    let record = Record {
        seq: draft.seq,
        id,
        at: at.try_into().map_err(|_| LedgerError::Clock)?,
        offset_s,
        since_boot: Duration::from_nanos(since_boot_ns),
        boot: Uuid::from_bytes(boot),
        synchronised,
        kind: draft.kind.to_owned(),
        content: Content::from_json(draft.kind, draft.content),
        erased: false,
        previous: draft.previous,
        hash,
    };
    Ok((record, Sealed { header, content }))
}

/// The bytes of a content from which somebody was erased.
pub(super) fn erased(content: &Content) -> Vec<u8> {
    let mut bytes = ERASED.to_vec();
    bytes.extend_from_slice(content.to_json().to_string().as_bytes());
    bytes
}

/// Reads a record back. The error says in words what does not fit; the hashes of header and content are checked (not that of a content
/// from which somebody was erased), the link to the record before is not.
pub(super) fn open(header: &[u8], content: &[u8]) -> Result<Record, &'static str> {
    let (mut record, json) = check(header, content)?;
    let json = serde_json::from_slice(json).map_err(|_| NOT_JSON)?;
    record.content = Content::from_json(&record.kind, json);
    Ok(record)
}

/// As [`open`], with the content read only for the kinds that `read` names. The JSON of all others is checked for its syntax.
pub(super) fn open_some(header: &[u8], content: &[u8], read: &[&str]) -> Result<Record, &'static str> {
    let (mut record, json) = check(header, content)?;
    match read.contains(&record.kind.as_str()) {
        true => record.content = Content::from_json(&record.kind, serde_json::from_slice(json).map_err(|_| NOT_JSON)?),
        false => {
            let IgnoredAny = serde_json::from_slice(json).map_err(|_| NOT_JSON)?;
        }
    }
    Ok(record)
}

const NOT_JSON: &str = "its content is not JSON";

/// A record whose hashes are right, without its content, and the content's JSON.
fn check<'a>(header: &[u8], content: &'a [u8]) -> Result<(Record, &'a [u8]), &'static str> {
    let (mut record, content_hash) = open_header(header)?;
    let (salt, json) = content.split_at_checked(SALT_BYTES).ok_or("its content is too short")?;
    record.erased = salt == ERASED;
    if !record.erased && *blake3::hash(content).as_bytes() != content_hash {
        return Err("its content does not match the hash in the record");
    }
    Ok((record, json))
}

/// Reads the chained part alone: the record without its content, and the hash its content must have.
pub(super) fn open_header(header: &[u8]) -> Result<(Record, [u8; 32]), &'static str> {
    let mut rest = Bytes(header);
    let [version] = rest.take()?;
    if version != VERSION {
        return Err("it is of a layout that this version of usher does not read");
    }
    let seq = u64::from_be_bytes(rest.take()?);
    let id = Uuid::from_bytes(rest.take()?);
    let time = rest.text()?;
    let offset_s = i32::from_be_bytes(rest.take()?);
    let since_boot = Duration::from_nanos(u64::from_be_bytes(rest.take()?));
    let boot = Uuid::from_bytes(rest.take()?);
    let synchronised = match rest.take()? {
        [0] => Some(false),
        [1] => Some(true),
        [2] => None,
        _ => return Err("whether its clock was set is neither yes nor no"),
    };
    let kind = rest.text()?.to_owned();
    let content_hash: [u8; 32] = rest.take()?;
    let previous = rest.take()?;
    let hashed = header.get(..header.len().saturating_sub(rest.0.len())).unwrap_or_default();
    let hash: [u8; 32] = rest.take()?;
    if !rest.0.is_empty() {
        return Err("it is longer than its fields");
    }
    if *blake3::hash(hashed).as_bytes() != hash {
        return Err("it does not match its own hash");
    }
    let at: Timestamp = time.parse().map_err(|_| "its time is not RFC 3339")?;
    let at = SystemTime::try_from(at).map_err(|_| "its time is beyond this machine's clock")?;
    let content = Content::Unknown(Value::Null);
    let record =
        Record { seq, id, at, offset_s, since_boot, boot, synchronised, kind, content, erased: false, previous, hash };
    Ok((record, content_hash))
}

/// `bytes` in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

/// What [`hex`] wrote.
pub(super) fn unhex(digits: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(digits).ok().map(|hash| *hash.as_bytes())
}

fn in_utc(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Kinds and times are far shorter than 255 bytes; a longer text would be cut, never misread.
fn push_text(out: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend(text.bytes().take(usize::from(length)));
}

/// What is left to read of a header.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn slice(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (head, tail) = self.0.split_at_checked(length).ok_or("it is shorter than its fields")?;
        self.0 = tail;
        Ok(head)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.slice(N)?.try_into().map_err(|_| "it is shorter than its fields")
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        let [length] = self.take()?;
        std::str::from_utf8(self.slice(usize::from(length))?).map_err(|_| "a text in it is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn draft(seq: u64, at: SystemTime) -> Draft {
        let content = serde_json::json!({ "name": "Zoë" });
        let stamp = Stamp { offset_s: 3600, since_boot: Duration::from_nanos(5), boot: [3; 16], ..Stamp::at(at) };
        Draft { seq, stamp, kind: "granted", content, previous: [7; 32] }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_767_349_927_123_456);
        let (record, sealed) = seal(draft(258, at)).unwrap();
        let header = &sealed.header;
        assert_eq!(header[..9], [2, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(&header[9..25], record.id.as_bytes());
        assert_eq!(&header[25..53], b"\x1b2026-01-02T10:32:07.123456Z");
        assert_eq!(header[53..57], [0, 0, 14, 16]);
        assert_eq!(header[57..65], [0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(header[65..81], [3; 16]);
        assert_eq!(header[81], 1);
        assert_eq!(&header[82..90], b"\x07granted");
        assert_eq!(&header[90..122], blake3::hash(&sealed.content).as_bytes());
        assert_eq!(header[122..154], [7; 32]);
        assert_eq!(&header[154..], blake3::hash(&header[..154]).as_bytes());
        assert_eq!(&sealed.content[16..], r#"{"name":"Zoë"}"#.as_bytes());
    }

    #[test]
    fn the_id_is_version_7_and_carries_the_time() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_349_927_123);
        let (record, _) = seal(draft(1, at)).unwrap();
        assert_eq!(record.id.get_version_num(), 7);
        assert_eq!(record.id.get_timestamp().unwrap().to_unix(), (1_767_349_927, 123_000_000));
    }

    #[test]
    fn the_same_content_twice_has_two_hashes() {
        let one = seal(draft(1, SystemTime::UNIX_EPOCH)).unwrap().1;
        let two = seal(draft(1, SystemTime::UNIX_EPOCH)).unwrap().1;
        assert_ne!(blake3::hash(&one.content), blake3::hash(&two.content));
    }

    #[test]
    fn a_year_of_five_digits_is_refused() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000);
        assert!(matches!(seal(draft(1, far)), Err(LedgerError::Clock)));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_again(seq in 1u64.., secs in 0u64..4_000_000_000, nanos in 0u32..1_000_000_000) {
            let at = SystemTime::UNIX_EPOCH + Duration::new(secs, nanos);
            let (record, sealed) = seal(draft(seq, at)).unwrap();
            prop_assert_eq!(open(&sealed.header, &sealed.content), Ok(record.clone()));
            prop_assert!(at.duration_since(record.at).unwrap() < Duration::from_micros(1));
        }

        #[test]
        fn fields_that_lie_under_a_right_hash_never_panic(
            at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..9), cut in 0usize..40, content: Vec<u8>,
        ) {
            let (_, sealed) = seal(draft(1, SystemTime::UNIX_EPOCH)).unwrap();
            let mut fields = sealed.header[..sealed.header.len() - 32].to_vec();
            let at = at.index(fields.len());
            let end = fields.len().min(at + bytes.len());
            fields[at..end].copy_from_slice(&bytes[..end - at]);
            fields.truncate(fields.len() - cut.min(fields.len()));
            let header = [&fields[..], blake3::hash(&fields).as_bytes()].concat();
            for content in [&content, &sealed.content] {
                if let Ok(record) = open(&header, content) {
                    prop_assert!(Record::from_json(&record.to_json()).is_some());
                    let _ = (crate::ledger::explain(&record), crate::ledger::receipt(&record));
                }
            }
        }

        #[test]
        fn noise_never_opens_and_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(open_header(&noise).is_err());
        }
    }
}
