//! Whether templates are sealed, on the control socket.
//!
//! Knows nothing of keys but by what they are known.

use serde::{Deserialize, Serialize};

use crate::gallery::Gallery;
use crate::seal::RingState;

/// How it stands with sealed templates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealWire {
    /// `plain`, `sealed`, or `shut`: to be sealed, and the key does not serve.
    pub state: String,
    /// By which the key in force is known.
    pub key: Option<String>,
    /// What is wrong, with the way out; `None` when all are sealed and open.
    pub trouble: Option<String>,
}

impl SealWire {
    /// What `gallery` says.
    pub fn of(gallery: &Gallery) -> SealWire {
        let (state, key) = match gallery.ring().state() {
            RingState::Plain => ("plain", None),
            RingState::Open(key) => ("sealed", Some(key.to_string())),
            RingState::Locked(_) => ("shut", None),
        };
        SealWire { state: state.to_owned(), key, trouble: gallery.sealing_problem() }
    }
}
