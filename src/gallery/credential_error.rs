//! Why a PIN or a tag is refused, with what to do.

use thiserror::Error;

use crate::domain::{PersonId, WeakPin};

use super::MAX_TAGS;
use crate::seal::HashError;

/// Why a PIN or a tag cannot be set or removed. No message holds a PIN or the number of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    #[error("this PIN is easy to guess: {0}; choose another one")]
    Weak(WeakPin),
    #[error("the duress PIN must not be the PIN: choose another one")]
    SameAsPin,
    #[error("this is the person's duress PIN: choose another PIN, or remove the duress PIN first")]
    SameAsDuress,
    #[error("the PIN and the duress PIN must have the same number of digits, and the other one has {digits}")]
    OtherLength { digits: usize },
    #[error("the person has no PIN yet: set it first, then the duress PIN")]
    PinFirst,
    #[error(
        "a duress PIN needs the store's key, or anybody who reads the journal would see when it was used: generate a key with `usher store \
         key new`, and name its file in [store] key_file"
    )]
    NeedsKey,
    #[error("the person has no PIN")]
    NoPin,
    #[error("the person has no duress PIN")]
    NoDuressPin,
    #[error("this tag is that of {name} (#{holder}): remove it there first")]
    TagTaken { holder: PersonId, name: String },
    #[error("the person has this tag already")]
    TagKnown,
    #[error("the person has a tag with this label already: choose another label")]
    LabelTaken,
    #[error("the person has {MAX_TAGS} tags, and cannot have more: remove one first")]
    TooManyTags,
    #[error("the person has no such tag")]
    NoSuchTag,
    #[error("the PIN and the tags of this person cannot be read ({why}): erase them, and set them again")]
    Unreadable { why: String },
    #[error(transparent)]
    NoHash(#[from] HashError),
}
