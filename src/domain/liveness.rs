//! What is asked of a person before a door, and what the liveness networks say about a face.

use serde::{Deserialize, Serialize};

/// A direction in which a head turns, from its owner's point of view. A head that turns to its left moves its nose to the right of an
/// unmirrored picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Left,
    Right,
    Up,
}

impl Side {
    /// As journals, logs and hubs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Left => "left",
            Side::Right => "right",
            Side::Up => "up",
        }
    }
}

/// What a door asks of the person before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Nothing.
    #[default]
    Idle,
    /// Turn your head to this side.
    TurnLeft,
    TurnRight,
    TurnUp,
    /// The right way, but not far enough.
    FurtherLeft,
    FurtherRight,
    FurtherUp,
    /// Look straight at the camera.
    LookAhead,
    /// Enter your PIN.
    EnterPin,
    /// Present your tag.
    PresentTag,
    /// It did not work; wait.
    Wait,
}

impl Prompt {
    /// All prompts.
    pub const ALL: [Prompt; 11] = [
        Prompt::Idle,
        Prompt::TurnLeft,
        Prompt::TurnRight,
        Prompt::TurnUp,
        Prompt::FurtherLeft,
        Prompt::FurtherRight,
        Prompt::FurtherUp,
        Prompt::LookAhead,
        Prompt::EnterPin,
        Prompt::PresentTag,
        Prompt::Wait,
    ];

    /// As journals, logs and hubs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Prompt::Idle => "idle",
            Prompt::TurnLeft => "turn_left",
            Prompt::TurnRight => "turn_right",
            Prompt::TurnUp => "turn_up",
            Prompt::FurtherLeft => "further_left",
            Prompt::FurtherRight => "further_right",
            Prompt::FurtherUp => "further_up",
            Prompt::LookAhead => "look_ahead",
            Prompt::EnterPin => "enter_pin",
            Prompt::PresentTag => "present_tag",
            Prompt::Wait => "wait",
        }
    }

    /// Asks for a turn to `side`.
    pub fn turn(side: Side) -> Prompt {
        match side {
            Side::Left => Prompt::TurnLeft,
            Side::Right => Prompt::TurnRight,
            Side::Up => Prompt::TurnUp,
        }
    }

    /// Asks for more of a turn to `side`.
    pub fn further(side: Side) -> Prompt {
        match side {
            Side::Left => Prompt::FurtherLeft,
            Side::Right => Prompt::FurtherRight,
            Side::Up => Prompt::FurtherUp,
        }
    }

    /// The side that it asks a head to turn to.
    pub fn side(self) -> Option<Side> {
        match self {
            Prompt::TurnLeft | Prompt::FurtherLeft => Some(Side::Left),
            Prompt::TurnRight | Prompt::FurtherRight => Some(Side::Right),
            Prompt::TurnUp | Prompt::FurtherUp => Some(Side::Up),
            Prompt::Idle | Prompt::LookAhead | Prompt::EnterPin | Prompt::PresentTag | Prompt::Wait => None,
        }
    }
}

/// What the passive networks say about a face in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Passive {
    /// How much it looks like a face and not like a print or a screen, 0 to 1.
    Score(f32),
    /// They cannot judge it.
    CannotJudge(PassiveLimit),
}

/// Why the passive networks cannot judge a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassiveLimit {
    /// Its shorter side has too few pixels.
    Small,
    /// The picture has no colour.
    Grey,
    Blurred,
    /// The picture's border cuts off what the networks look at around it.
    AtBorder,
}

impl PassiveLimit {
    /// In words, for a receipt.
    pub fn words(self) -> &'static str {
        match self {
            PassiveLimit::Small => "too small",
            PassiveLimit::Grey => "without colour",
            PassiveLimit::Blurred => "blurred",
            PassiveLimit::AtBorder => "at the picture's border",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_have_one_word_everywhere_and_ask_for_their_side() {
        for prompt in Prompt::ALL {
            assert_eq!(serde_json::to_value(prompt).unwrap(), prompt.as_str());
        }
        for side in [Side::Left, Side::Right, Side::Up] {
            assert_eq!(serde_json::to_value(side).unwrap(), side.as_str());
            assert_eq!(Prompt::turn(side).side(), Some(side));
            assert_eq!(Prompt::further(side).side(), Some(side));
        }
    }
}
