//! Reading what servers answer. Their answers are not believed: whatever does not fit is an error.

use async_nats::Message as Raw;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::{CarrierError, Stored, Stream};

/// The stream was changed since: another sequence was expected. Servers from 2.12 on have a second number for it.
const WRONG_SEQUENCE: [u64; 2] = [10071, 10164];
/// No message fits.
const NO_MESSAGE: u64 = 10037;
/// There is no such stream.
const NO_STREAM: u64 = 10059;
/// A stream of that name has other settings.
pub(super) const OTHER_SETTINGS: u64 = 10058;
/// A stream is full, or the server's disk. Its code is that of an absence, 503, but it is the message that is refused: another stream may have room.
const NO_ROOM: [u64; 2] = [10023, 10077];
/// Too few servers of a cluster are there yet.
const NO_PEERS: [u64; 2] = [10005, 10074];

/// A server's refusal.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    code: u64,
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    description: String,
}

impl Fault {
    /// The error for whoever asked `what` of a stream.
    pub(super) fn into_error(self, what: &str, stream: &Stream) -> CarrierError {
        let Fault { code, err_code, description } = self;
        // A server's words may be of any length.
        let why: String = description.chars().take(200).collect();
        match err_code {
            NO_STREAM => CarrierError::NoStream { stream: stream.name() },
            code if WRONG_SEQUENCE.contains(&code) => CarrierError::Conflict { subject: what.to_owned() },
            code if NO_PEERS.contains(&code) => CarrierError::Away { why },
            _ if code == 503 && !NO_ROOM.contains(&err_code) => CarrierError::Away { why },
            _ => CarrierError::Refused { what: what.to_owned(), why: format!("{why} ({code}, {err_code})") },
        }
    }

    /// Whether nothing was found, which is no error.
    pub(super) fn is_nothing(&self) -> bool {
        self.err_code == NO_MESSAGE
    }
}

/// The content of an answer, or the server's refusal.
pub(super) fn open<T: DeserializeOwned>(payload: &[u8], what: &str) -> Result<Result<T, Fault>, CarrierError> {
    #[derive(Deserialize)]
    struct Refused {
        error: Option<Fault>,
    }
    let garbled = |error: serde_json::Error| CarrierError::Garbled { what: what.to_owned(), why: error.to_string() };
    let refused: Refused = serde_json::from_slice(payload).map_err(garbled)?;
    match refused.error {
        Some(fault) => Ok(Err(fault)),
        None => serde_json::from_slice(payload).map(Ok).map_err(garbled),
    }
}

/// That a message was stored.
#[derive(Deserialize)]
pub(super) struct Receipt {
    pub(super) seq: u64,
}

/// A message of a stream, in an answer of the stream's leader.
#[derive(Deserialize)]
pub(super) struct Found {
    message: FoundMessage,
}

#[derive(Deserialize)]
struct FoundMessage {
    subject: String,
    seq: u64,
    time: Timestamp,
    #[serde(default)]
    data: String,
}

impl Found {
    pub(super) fn stored(self, what: &str) -> Result<Stored, CarrierError> {
        let FoundMessage { subject, seq, time, data } = self.message;
        let payload = STANDARD
            .decode(data)
            .map_err(|error| CarrierError::Garbled { what: what.to_owned(), why: error.to_string() })?;
        Ok(Stored { subject, sequence: seq, at_ms: time.as_millisecond(), payload: payload.into() })
    }
}

/// A message as it is, with what else is known of it in headers: the answer of any server that has the stream.
pub(super) fn direct(raw: Raw, what: &str) -> Result<Option<Stored>, CarrierError> {
    let garbled = |why: &str| CarrierError::Garbled { what: what.to_owned(), why: why.to_owned() };
    match raw.status.map(|status| status.as_u16()) {
        None | Some(200) => {}
        Some(404) => return Ok(None),
        Some(code) => {
            let why = raw.description.unwrap_or_default();
            return Err(CarrierError::Refused { what: what.to_owned(), why: format!("{why} ({code})") });
        }
    }
    let headers = raw.headers.ok_or_else(|| garbled("it has no headers"))?;
    let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    let subject = header("Nats-Subject").ok_or_else(|| garbled("Nats-Subject is missing"))?;
    let sequence = header("Nats-Sequence").and_then(|text| text.parse().ok());
    let time: Option<Timestamp> = header("Nats-Time-Stamp").and_then(|text| text.parse().ok());
    Ok(Some(Stored {
        subject,
        sequence: sequence.ok_or_else(|| garbled("Nats-Sequence is no number"))?,
        at_ms: time.ok_or_else(|| garbled("Nats-Time-Stamp is not a time"))?.as_millisecond(),
        payload: raw.payload,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> CarrierError {
        open::<Receipt>(text.as_bytes(), "it").unwrap().err().unwrap().into_error("it", &Stream::Rules)
    }

    #[test]
    fn refusals_are_told_apart() {
        let conflict = fault(r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"}}"#);
        assert_eq!(conflict, CarrierError::Conflict { subject: "it".to_owned() });
        let none = fault(r#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#);
        assert_eq!(none, CarrierError::NoStream { stream: "RULES".to_owned() });
        assert!(matches!(fault(r#"{"error":{"code":503,"err_code":10008}}"#), CarrierError::Away { .. }));
        let full = fault(r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#);
        assert!(matches!(full, CarrierError::Refused { .. }), "{full}");
        let other = fault(r#"{"error":{"code":400,"err_code":1,"description":"no"}}"#);
        assert_eq!(other.to_string(), "the server refused it: no (400, 1)");
    }

    #[test]
    fn answers_that_do_not_fit_are_errors() {
        for text in ["", "x", "{}", "[]", r#"{"seq":"1"}"#, r#"{"seq":-1}"#] {
            assert!(matches!(open::<Receipt>(text.as_bytes(), "it"), Err(CarrierError::Garbled { .. })), "{text}");
        }
        assert_eq!(open::<Receipt>(br#"{"stream":"A","seq":7}"#, "it").unwrap().unwrap().seq, 7);
        let found = |data: &str| {
            let text =
                format!(r#"{{"message":{{"subject":"a","seq":2,"time":"2026-12-01T10:00:00.5Z","data":"{data}"}}}}"#);
            open::<Found>(text.as_bytes(), "it").unwrap().unwrap().stored("it")
        };
        let stored = found("aGk=").unwrap();
        assert_eq!((&stored.payload[..], stored.at_ms % 1000), (&b"hi"[..], 500));
        assert!(found("?").is_err());
    }
}
