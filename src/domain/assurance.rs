//! What a door asks of a person beyond being recognised: the tiers that an operator chooses from, and the cues that they are made of.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How sure a door is that the person it recognised stands before it. Written as one word, in the order of what it takes to get through with
/// somebody else's photograph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Assurance {
    /// The face is a person's. A photograph of them will do.
    #[serde(rename = "recognised")]
    Recognised,
    /// Also, the networks that look for prints and screens do not object.
    #[serde(rename = "passive")]
    Passive,
    /// Also, the head turns as asked.
    #[serde(rename = "challenge")]
    Challenge,
    /// Both.
    #[serde(rename = "challenge+passive")]
    ChallengePassive,
    /// The head turns as asked, and the infra-red camera sees the face, too.
    #[serde(rename = "challenge+ir")]
    ChallengeInfrared,
    /// Also, a tag of this person is presented.
    #[serde(rename = "face+tag")]
    FaceTag,
    /// Also, the PIN of this person is entered.
    #[serde(rename = "face+pin")]
    FacePin,
    /// The head turns as asked, and a tag of this person is presented.
    #[serde(rename = "challenge+tag")]
    ChallengeTag,
    /// The head turns as asked, and the PIN of this person is entered.
    #[serde(rename = "challenge+pin")]
    ChallengePin,
}

/// Something that is asked of a person beyond being recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cue {
    /// The passive networks do not object.
    Passive,
    /// The head turns as asked.
    Challenge,
    /// The infra-red camera sees the face at the same place.
    Infrared,
    /// A tag of the person.
    Tag,
    /// The PIN of the person.
    Pin,
}

impl Cue {
    /// The name of its gate in a receipt.
    pub fn gate(self) -> &'static str {
        match self {
            Cue::Passive => "passive",
            Cue::Challenge => "challenge",
            Cue::Infrared => "infrared",
            Cue::Tag => "tag",
            Cue::Pin => "pin",
        }
    }
}

impl Assurance {
    /// All tiers, in their order.
    pub const ALL: [Assurance; 9] = [
        Assurance::Recognised,
        Assurance::Passive,
        Assurance::Challenge,
        Assurance::ChallengePassive,
        Assurance::ChallengeInfrared,
        Assurance::FaceTag,
        Assurance::FacePin,
        Assurance::ChallengeTag,
        Assurance::ChallengePin,
    ];

    /// What it asks, in the order in which people are asked.
    pub fn cues(self) -> &'static [Cue] {
        match self {
            Assurance::Recognised => &[],
            Assurance::Passive => &[Cue::Passive],
            Assurance::Challenge => &[Cue::Challenge],
            Assurance::ChallengePassive => &[Cue::Passive, Cue::Challenge],
            Assurance::ChallengeInfrared => &[Cue::Infrared, Cue::Challenge],
            Assurance::FaceTag => &[Cue::Tag],
            Assurance::FacePin => &[Cue::Pin],
            Assurance::ChallengeTag => &[Cue::Challenge, Cue::Tag],
            Assurance::ChallengePin => &[Cue::Challenge, Cue::Pin],
        }
    }

    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Assurance::Recognised => "recognised",
            Assurance::Passive => "passive",
            Assurance::Challenge => "challenge",
            Assurance::ChallengePassive => "challenge+passive",
            Assurance::ChallengeInfrared => "challenge+ir",
            Assurance::FaceTag => "face+tag",
            Assurance::FacePin => "face+pin",
            Assurance::ChallengeTag => "challenge+tag",
            Assurance::ChallengePin => "challenge+pin",
        }
    }

    /// Whether a photograph, however it is held and moved, does not get through.
    pub fn stops_photographs(self) -> bool {
        self >= Assurance::Challenge
    }

    /// Whether somebody who cannot turn the head can get through.
    pub fn needs_no_gesture(self) -> bool {
        !self.cues().contains(&Cue::Challenge)
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no tier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not recognised, passive, challenge, challenge+passive, challenge+ir, face+tag, face+pin, challenge+tag or challenge+pin"
)]
pub struct UnknownAssurance(String);

impl FromStr for Assurance {
    type Err = UnknownAssurance;

    fn from_str(text: &str) -> Result<Assurance, UnknownAssurance> {
        let named = |tier: &Assurance| tier.as_str() == text;
        Assurance::ALL.into_iter().find(named).ok_or_else(|| UnknownAssurance(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_has_one_word_everywhere() {
        for tier in Assurance::ALL {
            assert_eq!(tier.as_str().parse(), Ok(tier));
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.as_str());
        }
        let error = "iris".parse::<Assurance>().unwrap_err().to_string();
        assert!(Assurance::ALL.iter().all(|tier| error.contains(tier.as_str())), "{error}");
        assert!(Assurance::ALL.is_sorted());
    }

    #[test]
    fn only_what_asks_for_a_turn_a_tag_or_a_pin_stops_photographs() {
        for tier in Assurance::ALL {
            let stopping = tier.cues().iter().any(|cue| matches!(cue, Cue::Challenge | Cue::Tag | Cue::Pin));
            assert_eq!(tier.stops_photographs(), stopping, "{tier}");
        }
    }
}
