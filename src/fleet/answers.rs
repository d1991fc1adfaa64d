//! What became of a board's requests: the newest answers, signed by the office and sealed to the board, because a refusal names people.
//!
//! Whom the office takes, it answers by the person's record; the answer is there besides, so that a board need not guess.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::encoding;
use super::name::{Board, FleetId, Site};
use super::request::RequestKind;
use super::sealed::{BoardKey, BoardPublic, SealedError, context};
use super::signed::{Body, Kind};

/// The most answers in a record. Older ones give way: a board that asks again is answered again.
pub const MAX_ANSWERS: usize = 256;
/// The longest reason, in characters.
pub const MAX_WHY: usize = 400;

/// The answers to one board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    pub site: Site,
    pub board: Board,
    /// Grows with each record, from 1.
    pub version: u64,
    #[serde(with = "encoding")]
    sealed: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub kind: RequestKind,
    /// Whom the request is about.
    pub uuid: Uuid,
    /// The number of the request.
    pub number: u64,
    pub verdict: Verdict,
}

/// What the office decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is done.
    Done,
    /// Somebody at the office has to decide.
    Waits,
    /// It is not done; why, in at most [`MAX_WHY`] characters.
    Refused { why: String },
}

impl Body for Answers {
    const KIND: Kind = Kind::Answers;
}

impl Answers {
    /// Seals answers to a board: the last [`MAX_ANSWERS`] of them.
    pub fn seal(
        fleet: FleetId,
        (site, board): (&Site, &Board),
        version: u64,
        answers: &[Answered],
        to: &BoardPublic,
    ) -> Result<Answers, SealedError> {
        let newest = answers.get(answers.len().saturating_sub(MAX_ANSWERS)..).unwrap_or(answers);
        let json = serde_json::to_vec(newest).map_err(|error| SealedError::Unreadable(error.to_string()))?;
        let sealed = to.seal(&bound(fleet, site, board, version), &json)?;
        Ok(Answers { site: site.clone(), board: board.clone(), version, sealed })
    }

    /// The answers, opened by the board to which they are sealed.
    pub fn open(&self, fleet: FleetId, with: &BoardKey) -> Result<Vec<Answered>, SealedError> {
        let plain = with.open(&bound(fleet, &self.site, &self.board, self.version), &self.sealed)?;
        serde_json::from_slice(&plain).map_err(|error| SealedError::Unreadable(error.to_string()))
    }
}

fn bound(fleet: FleetId, site: &Site, board: &Board, version: u64) -> Vec<u8> {
    let (site, board) = (site.as_str().as_bytes(), board.as_str().as_bytes());
    context("answers to a board", &[fleet.0.as_bytes(), site, board, &version.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{OfficeKey, Opened};

    #[test]
    fn the_most_and_longest_answers_fit_and_only_their_board_reads_them() {
        let (fleet, office) = (FleetId(Uuid::from_u128(5)), OfficeKey::from_bytes(&[7; 32]));
        let (site, board): (Site, Board) = ("berlin".parse().unwrap(), "front".parse().unwrap());
        let key = BoardKey::from_bytes(&[3; 32]);
        // Each of these takes six characters in JSON.
        let why = "\u{1}".repeat(MAX_WHY);
        let answer = |number: u64| Answered {
            kind: RequestKind::Person,
            uuid: Uuid::from_u128(number.into()),
            number,
            verdict: Verdict::Refused { why: why.clone() },
        };
        let all: Vec<Answered> = (0..300).map(answer).collect();
        let answers = Answers::seal(fleet, (&site, &board), 4, &all, &key.public()).unwrap();
        let short = Answers::seal(fleet, (&site, &board), 4, &all[..1], &key.public()).unwrap();
        assert_eq!(short.open(fleet, &key).unwrap(), all[..1]);
        // As many as may be, though not of the strangest letters.
        let plain: Vec<Answered> = all
            .iter()
            .map(|one| Answered { verdict: Verdict::Refused { why: "é".repeat(MAX_WHY) }, ..one.clone() })
            .collect();
        let signed =
            office.sign(fleet, &Answers::seal(fleet, (&site, &board), 4, &plain, &key.public()).unwrap()).unwrap();
        let Ok(Opened::Body(read)) = office.public().open::<Answers>(fleet, signed.as_bytes()) else { panic!() };
        assert_eq!(read.open(fleet, &key).unwrap(), plain[300 - MAX_ANSWERS..]);
        assert!(answers.open(fleet, &BoardKey::from_bytes(&[4; 32])).is_err());
        assert!(Answers { version: 5, ..answers }.open(fleet, &key).is_err());
    }
}
