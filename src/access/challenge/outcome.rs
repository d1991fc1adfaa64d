//! What an attempt showed: the turns, or why it failed. In words for receipts.

use std::fmt;

use super::geometry::View;
use crate::domain::{Moment, Side};

/// A turn that was shown: the frame of it that shows most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    pub side: Side,
    pub view: View,
    /// When its last frame was captured.
    pub at: Moment,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The face did not look straight at the camera for long enough to make a reference.
    NotAhead,
    /// The head did not turn as far as asked in time.
    NoTurn(Side),
    /// The head turned to another side.
    WrongSide { asked: Side, shown: Side },
    /// The head turned to this side, and the person was not seen and recognised looking ahead again in time.
    NoReturn(Side),
    /// A frame of the track shows somebody else.
    OtherPerson,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.2}", self.side.as_str(), self.view.towards(self.side))?;
        self.view.depth.map_or(Ok(()), |depth| write!(f, " (depth {depth:.2})"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotAhead => f.write_str("did not look straight at the camera"),
            Failure::NoTurn(side) => write!(f, "did not turn far enough: {}", side.as_str()),
            Failure::WrongSide { asked, shown } => {
                write!(f, "turned {} where {} was asked", shown.as_str(), asked.as_str())
            }
            Failure::NoReturn(side) => {
                write!(f, "turned {}, but was not seen and recognised looking ahead again", side.as_str())
            }
            Failure::OtherPerson => f.write_str("a frame shows somebody else"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_and_failures_are_said_in_words() {
        let view = View { nose: [-0.314, 0.02], flattening: 0.8, depth: Some(0.421), fit: 0.01 };
        let turn = Turn { side: Side::Right, view, at: Moment::default() };
        assert_eq!(turn.to_string(), "right 0.31 (depth 0.42)");
        let undefined = Turn { view: View { depth: None, ..view }, ..turn };
        assert_eq!(undefined.to_string(), "right 0.31");
        let wrong = Failure::WrongSide { asked: Side::Left, shown: Side::Up };
        assert_eq!(wrong.to_string(), "turned up where left was asked");
        let all = [Failure::NotAhead, Failure::NoTurn(Side::Up), Failure::NoReturn(Side::Left), Failure::OtherPerson];
        assert!(all.iter().all(|failure| !failure.to_string().is_empty()));
    }
}
