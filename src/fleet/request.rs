//! What a board asks of the office: to take somebody who was enrolled at a door, to let nobody open for somebody any more, or to take templates.
//!
//! ```text
//! magic   8 bytes
//! schema  2 bytes, big-endian: the form of what is sealed
//! fleet   16 bytes
//! number  8 bytes, big-endian
//! sealed  see `letter`
//! ```
//!
//! The seal binds all of that to the subject: site, board, kind and person. A request may come repeated and in any order. Of one subject the highest
//! number counts, which is the time in milliseconds at which the board first asked, or one more than the number before.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::letter::{RequestKey, RequestPublic};
use super::name::{Board, FleetId, Site};
use super::person::{MAX_FLEET_TEMPLATES, PersonBody, part};
use super::sealed::{BoardKey, BoardPublic, SealedError, context};
use crate::domain::ModelId;

const MAGIC: &[u8; 8] = b"ushrreq1";
const SCHEMA: u16 = 1;
/// The length of what precedes the seal.
const HEADER: usize = 8 + 2 + 16 + 8;
/// The longest request, in bytes.
pub const MAX_REQUEST: usize = 400 * 1024;
/// The longest name of a model, in bytes. It is in every record of a person and in every head.
pub const MAX_MODEL: usize = 200;

/// Which of the requests about one person it is: the newest of each kind counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// [`Ask::Enroll`], [`Ask::Withdraw`], [`Ask::Enable`], [`Ask::Disable`].
    Person,
    /// [`Ask::Templates`].
    Templates,
}

/// Where a request belongs: it is its subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestPlace {
    pub site: Site,
    pub board: Board,
    pub kind: RequestKind,
    /// Whom it is about. The board chooses the uuid of somebody new.
    pub uuid: Uuid,
}

/// What a board asks.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardRequest {
    /// Above those of earlier requests for the same place.
    pub number: u64,
    /// Who asked at the board, as journals name them.
    pub by: String,
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// To take somebody who was enrolled at a door.
    Enroll {
        /// The model of the templates.
        model: ModelId,
        person: PersonBody,
    },
    /// No longer to take them: they were removed at the board.
    Withdraw,
    /// To let doors open for somebody of the fleet again.
    Enable,
    /// To let no door open for somebody of the fleet.
    Disable,
    /// To take templates of somebody of the fleet that were made at a door.
    Templates {
        /// The model of the templates.
        model: ModelId,
        /// As the gallery writes them; at most [`MAX_FLEET_TEMPLATES`].
        templates: Vec<Zeroizing<Vec<u8>>>,
        /// The number of the journal's record of the visit at that board.
        record: u64,
    },
}

/// Why a request cannot be made or read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    #[error("it is not a request of a board")]
    NotARequest,
    #[error("it has {length} bytes, and at most {MAX_REQUEST} are taken: enrol the person with fewer photographs")]
    TooLong { length: usize },
    #[error("it is a request of another fleet")]
    OtherFleet,
    #[error("it is a request of a newer usher, of form {schema}: update the office")]
    Newer { schema: u16 },
    #[error(transparent)]
    Sealed(#[from] SealedError),
}

/// The part that is JSON.
#[derive(Serialize, Deserialize)]
struct Header {
    by: String,
    ask: Act,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<ModelId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Enroll,
    Withdraw,
    Enable,
    Disable,
    Templates,
}

impl Ask {
    /// The kind under which it travels.
    pub fn kind(&self) -> RequestKind {
        match self {
            Ask::Enroll { .. } | Ask::Withdraw | Ask::Enable | Ask::Disable => RequestKind::Person,
            Ask::Templates { .. } => RequestKind::Templates,
        }
    }

    /// BLAKE3 of what is asked: as long as it is the same, nothing new is asked.
    ///
    /// # Errors
    /// It is too long.
    pub fn content(&self) -> Result<[u8; 32], RequestError> {
        Ok(*blake3::hash(&self.to_bytes("")?).as_bytes())
    }

    fn to_bytes(&self, by: &str) -> Result<Zeroizing<Vec<u8>>, RequestError> {
        let person;
        let (act, model, record, parts) = match self {
            Ask::Enroll { model, person: body } => {
                person = [body.to_bytes()?];
                (Act::Enroll, Some(model.clone()), None, &person[..])
            }
            Ask::Withdraw => (Act::Withdraw, None, None, &[][..]),
            Ask::Enable => (Act::Enable, None, None, &[][..]),
            Ask::Disable => (Act::Disable, None, None, &[][..]),
            Ask::Templates { model, templates, record } => {
                (Act::Templates, Some(model.clone()), Some(*record), &templates[..])
            }
        };
        let header = Header { by: by.to_owned(), ask: act, model, record };
        let json = serde_json::to_vec(&header).map_err(|error| SealedError::Unreadable(error.to_string()))?;
        let lengths = parts.iter().map(|part| part.len().saturating_add(4));
        let length = lengths.fold(json.len().saturating_add(4), usize::saturating_add);
        if length > MAX_REQUEST {
            return Err(RequestError::TooLong { length });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        for part in std::iter::once(&json).chain(parts.iter().map(|part| &**part)) {
            bytes.extend((part.len() as u32).to_le_bytes());
            bytes.extend(part);
        }
        Ok(bytes)
    }
}

impl BoardRequest {
    /// Seals it from a board to the office. The kind of `place` must be that of the request.
    ///
    /// # Errors
    /// It is too long, or of another kind.
    pub fn seal(
        &self,
        fleet: FleetId,
        place: &RequestPlace,
        from: &BoardKey,
        to: &RequestPublic,
    ) -> Result<Vec<u8>, RequestError> {
        if self.ask.kind() != place.kind {
            return Err(RequestError::NotARequest);
        }
        let sealed = to.seal(from, &bound(fleet, place, SCHEMA, self.number), &self.ask.to_bytes(&self.by)?)?;
        let (schema, number) = (SCHEMA.to_be_bytes(), self.number.to_be_bytes());
        let bytes = [&MAGIC[..], &schema, fleet.0.as_bytes(), &number, &sealed].concat();
        match bytes.len() {
            length if length > MAX_REQUEST => Err(RequestError::TooLong { length }),
            _ => Ok(bytes),
        }
    }

    /// Opens what a board sealed to the office.
    ///
    /// # Errors
    /// Another wrote it, or it was altered or belongs elsewhere; a newer usher wrote it.
    pub fn open(
        fleet: FleetId,
        place: &RequestPlace,
        bytes: &[u8],
        with: &RequestKey,
        from: &BoardPublic,
    ) -> Result<BoardRequest, RequestError> {
        let (schema, of, number) = header(bytes)?;
        if of != *fleet.0.as_bytes() {
            return Err(RequestError::OtherFleet);
        }
        let sealed = bytes.get(HEADER..).unwrap_or_default();
        let plain = with.open(from, &bound(fleet, place, schema, number), sealed)?;
        if schema != SCHEMA {
            return Err(RequestError::Newer { schema });
        }
        let (by, ask) = read(&plain)?;
        match ask.kind() == place.kind {
            true => Ok(BoardRequest { number, by, ask }),
            false => Err(RequestError::NotARequest),
        }
    }

    /// The number that a request claims, which nothing has proved yet; `None` for what is no request.
    pub fn number_of(bytes: &[u8]) -> Option<u64> {
        header(bytes).ok().map(|(_, _, number)| number)
    }
}

fn read(bytes: &[u8]) -> Result<(String, Ask), SealedError> {
    let unreadable = |why: &str| SealedError::Unreadable(why.to_owned());
    let mut rest = bytes;
    let json = part(&mut rest).ok_or_else(|| unreadable("it is truncated"))?;
    let Header { by, ask, model, record } =
        serde_json::from_slice(json).map_err(|error| SealedError::Unreadable(error.to_string()))?;
    if model.as_ref().is_some_and(|model| model.as_str().len() > MAX_MODEL) {
        return Err(unreadable("the name of its model is too long"));
    }
    let mut parts = Vec::new();
    while !rest.is_empty() && parts.len() < MAX_FLEET_TEMPLATES {
        parts.push(part(&mut rest).ok_or_else(|| unreadable("it is truncated"))?);
    }
    if !rest.is_empty() {
        return Err(unreadable("it has more than 64 templates"));
    }
    let ask = match (ask, model, record, &parts[..]) {
        (Act::Enroll, Some(model), None, [person]) => Ask::Enroll { model, person: PersonBody::from_bytes(person)? },
        (Act::Withdraw, None, None, []) => Ask::Withdraw,
        (Act::Enable, None, None, []) => Ask::Enable,
        (Act::Disable, None, None, []) => Ask::Disable,
        (Act::Templates, Some(model), Some(record), parts) => {
            let templates = parts.iter().map(|part| Zeroizing::new(part.to_vec())).collect();
            Ask::Templates { model, templates, record }
        }
        _ => return Err(unreadable("it has other parts than what it asks needs")),
    };
    Ok((by, ask))
}

/// Schema, fleet and number.
fn header(bytes: &[u8]) -> Result<(u16, [u8; 16], u64), RequestError> {
    if bytes.len() > MAX_REQUEST {
        return Err(RequestError::TooLong { length: bytes.len() });
    }
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(RequestError::NotARequest)?;
    let (schema, rest) = rest.split_first_chunk::<2>().ok_or(RequestError::NotARequest)?;
    let (fleet, rest) = rest.split_first_chunk::<16>().ok_or(RequestError::NotARequest)?;
    let (number, _) = rest.split_first_chunk::<8>().ok_or(RequestError::NotARequest)?;
    match magic == MAGIC {
        true => Ok((u16::from_be_bytes(*schema), *fleet, u64::from_be_bytes(*number))),
        false => Err(RequestError::NotARequest),
    }
}

fn bound(fleet: FleetId, place: &RequestPlace, schema: u16, number: u64) -> Vec<u8> {
    let RequestPlace { site, board, kind, uuid } = place;
    let (site, board, kind) = (site.as_str().as_bytes(), board.as_str().as_bytes(), kind.as_str().as_bytes());
    let (schema, number) = (schema.to_be_bytes(), number.to_be_bytes());
    context("a board's request", &[fleet.0.as_bytes(), site, board, kind, uuid.as_bytes(), &schema, &number])
}

impl RequestKind {
    /// Its part of a subject.
    pub fn as_str(self) -> &'static str {
        match self {
            RequestKind::Person => "person",
            RequestKind::Templates => "templates",
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RequestKind {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<RequestKind, RequestError> {
        match text {
            "person" => Ok(RequestKind::Person),
            "templates" => Ok(RequestKind::Templates),
            _ => Err(RequestError::NotARequest),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fleet::OfficeKey;

    const FLEET: FleetId = FleetId(Uuid::from_u128(5));

    fn place(kind: RequestKind) -> RequestPlace {
        let uuid = Uuid::from_u128(9);
        RequestPlace { site: "berlin".parse().unwrap(), board: "front".parse().unwrap(), kind, uuid }
    }

    fn asks() -> Vec<Ask> {
        let templates = vec![Zeroizing::new(vec![1, 2, 3]), Zeroizing::new(Vec::new())];
        let person =
            PersonBody { name: "Ada".into(), enabled: true, templates: templates.clone(), ..PersonBody::default() };
        let model = ModelId::new("net-1");
        vec![
            Ask::Enroll { model: model.clone(), person },
            Ask::Withdraw,
            Ask::Enable,
            Ask::Disable,
            Ask::Templates { model, templates, record: 12 },
        ]
    }

    fn keys() -> (RequestKey, BoardKey) {
        (RequestKey::of(&OfficeKey::from_bytes(&[7; 32])), BoardKey::from_bytes(&[3; 32]))
    }

    #[test]
    fn a_request_opens_in_its_place_alone() {
        let (office, board) = keys();
        for ask in asks() {
            let request = BoardRequest { number: 7, by: "anna".into(), ask };
            let place = place(request.ask.kind());
            let bytes = request.seal(FLEET, &place, &board, &office.public()).unwrap();
            assert_eq!(BoardRequest::number_of(&bytes), Some(7));
            let open = |place: &RequestPlace| BoardRequest::open(FLEET, place, &bytes, &office, &board.public());
            assert_eq!(open(&place), Ok(request));
            for other in [
                RequestPlace { site: "rome".parse().unwrap(), ..place.clone() },
                RequestPlace { board: "side".parse().unwrap(), ..place.clone() },
                RequestPlace { uuid: Uuid::from_u128(8), ..place.clone() },
            ] {
                assert_eq!(open(&other), Err(SealedError::Broken.into()), "{other:?}");
            }
            let elsewhere = FleetId::generate();
            let other = BoardRequest::open(elsewhere, &place, &bytes, &office, &board.public());
            assert_eq!(other, Err(RequestError::OtherFleet));
            // A server gives an old request a new number.
            let mut renumbered = bytes.clone();
            renumbered[33] = 8;
            let other = BoardRequest::open(FLEET, &place, &renumbered, &office, &board.public());
            assert_eq!(other, Err(SealedError::Broken.into()));
        }
    }

    #[test]
    fn a_request_is_bounded_and_of_its_kind() {
        let (office, board) = keys();
        let templates = vec![Zeroizing::new(vec![0; MAX_REQUEST])];
        let ask = Ask::Templates { model: ModelId::new("net-1"), templates, record: 1 };
        let long = BoardRequest { number: 1, by: String::new(), ask };
        let sealed = long.seal(FLEET, &place(RequestKind::Templates), &board, &office.public());
        assert!(matches!(sealed, Err(RequestError::TooLong { .. })), "{sealed:?}");
        let ask = BoardRequest { number: 1, by: String::new(), ask: Ask::Disable };
        let sealed = ask.seal(FLEET, &place(RequestKind::Templates), &board, &office.public());
        assert_eq!(sealed, Err(RequestError::NotARequest));
        let ask = Ask::Templates { model: ModelId::new(&"m".repeat(MAX_MODEL + 1)), templates: Vec::new(), record: 1 };
        let (place, request) = (place(RequestKind::Templates), BoardRequest { number: 1, by: String::new(), ask });
        let sealed = request.seal(FLEET, &place, &board, &office.public()).unwrap();
        let opened = BoardRequest::open(FLEET, &place, &sealed, &office, &board.public());
        assert!(matches!(opened, Err(RequestError::Sealed(SealedError::Unreadable(_)))), "{opened:?}");
        for kind in [RequestKind::Person, RequestKind::Templates] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes: Vec<u8>) {
            let (office, board) = keys();
            let marked = [&MAGIC[..], &[0, 1], FLEET.0.as_bytes(), &bytes].concat();
            for bytes in [&bytes, &marked] {
                prop_assert!(BoardRequest::open(FLEET, &place(RequestKind::Person), bytes, &office, &board.public()).is_err());
            }
            // Sealed by a board that lies.
            prop_assert!(read(&bytes).is_err() || bytes.len() > 20);
        }
    }
}
