//! What a board tells the office: the records of its journal, and how it stands. It is sealed, so that servers read none of it, and only that board can have
//! said it.
//!
//! ```text
//! magic   8 bytes
//! schema  2 bytes, big-endian
//! sealed  see `letter`
//! ```
//!
//! The seal binds it to the fleet and to the subject, which names the site and the board. It may come repeated and in any order.

use zeroize::Zeroizing;

use super::letter::{RequestKey, RequestPublic};
use super::name::FleetId;
use super::request::RequestError;
use super::sealed::{BoardKey, BoardPublic, context};

/// The most that a board says at once, in bytes as sealed: many times what usher writes. A board in wrong hands must not fill servers' disks or the office's.
pub const MAX_SAID: usize = 64 << 10;
const MAGIC: &[u8; 8] = b"ushrsay1";
const SCHEMA: u16 = 1;

/// Seals what a board says under a subject.
///
/// # Errors
/// The system gives no random numbers.
pub fn seal(
    fleet: FleetId,
    subject: &str,
    plain: &[u8],
    from: &BoardKey,
    to: &RequestPublic,
) -> Result<Vec<u8>, RequestError> {
    let sealed = to.seal(from, &bound(fleet, subject, SCHEMA), plain)?;
    Ok([&MAGIC[..], &SCHEMA.to_be_bytes(), &sealed].concat())
}

/// Opens what was said under a subject. `from` are the keys that the board has had, the newest first: what it said before it joined anew may come late.
///
/// # Errors
/// None of them sealed it for that subject, or it was altered; a newer usher wrote it.
pub fn open(
    fleet: FleetId,
    subject: &str,
    bytes: &[u8],
    with: &RequestKey,
    from: &[BoardPublic],
) -> Result<Zeroizing<Vec<u8>>, RequestError> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(RequestError::NotARequest)?;
    let (schema, sealed) = rest.split_first_chunk::<2>().ok_or(RequestError::NotARequest)?;
    if magic != MAGIC {
        return Err(RequestError::NotARequest);
    }
    let schema = u16::from_be_bytes(*schema);
    let bound = bound(fleet, subject, schema);
    let opened = from.iter().find_map(|board| with.open(board, &bound, sealed).ok());
    match opened {
        // A lie about the schema is none of a board.
        Some(_) if schema != SCHEMA => Err(RequestError::Newer { schema }),
        Some(plain) => Ok(plain),
        None => Err(RequestError::NotARequest),
    }
}

fn bound(fleet: FleetId, subject: &str, schema: u16) -> Vec<u8> {
    context("what a board says", &[fleet.0.as_bytes(), subject.as_bytes(), &schema.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::fleet::OfficeKey;

    const FLEET: FleetId = FleetId(Uuid::from_u128(5));
    const AT: &str = "usher.journal.berlin.front";

    fn keys() -> (RequestKey, BoardKey) {
        (RequestKey::of(&OfficeKey::from_bytes(&[7; 32])), BoardKey::from_bytes(&[3; 32]))
    }

    #[test]
    fn only_the_board_itself_speaks_under_its_subject() {
        let (office, board) = keys();
        let other = BoardKey::from_bytes(&[4; 32]);
        let said = seal(FLEET, AT, b"{}", &board, &office.public()).unwrap();
        let open = |fleet, at, bytes: &[u8], from: &[BoardPublic]| open(fleet, at, bytes, &office, from).ok();
        let is = |opened: Option<Zeroizing<Vec<u8>>>| opened.is_some_and(|plain| **plain == *b"{}");
        assert!(is(open(FLEET, AT, &said, &[board.public()])));
        assert!(is(open(FLEET, AT, &said, &[other.public(), board.public()])), "a board that has joined anew");
        assert!(open(FLEET, AT, &said, &[other.public()]).is_none() && open(FLEET, AT, &said, &[]).is_none());
        assert!(open(FLEET, "usher.journal.berlin.side", &said, &[board.public()]).is_none());
        assert!(open(FleetId::generate(), AT, &said, &[board.public()]).is_none());
        let forged = seal(FLEET, AT, b"{}", &other, &office.public()).unwrap();
        assert!(open(FLEET, AT, &forged, &[board.public()]).is_none());
        // Another schema is believed of the board alone.
        let mut newer = said.clone();
        newer[9] = 2;
        assert_eq!(super::open(FLEET, AT, &newer, &office, &[board.public()]).err(), Some(RequestError::NotARequest));
        let sealed = office.public().seal(&board, &bound(FLEET, AT, 2), b"[]").unwrap();
        let newer = [&MAGIC[..], &[0, 2], &sealed].concat();
        let told = super::open(FLEET, AT, &newer, &office, &[board.public()]);
        assert_eq!(told.err(), Some(RequestError::Newer { schema: 2 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes: Vec<u8>) {
            let (office, board) = keys();
            for bytes in [bytes.clone(), [&MAGIC[..], &[0, 1], &bytes].concat()] {
                prop_assert!(open(FLEET, AT, &bytes, &office, &[board.public()]).is_err());
            }
        }
    }
}
