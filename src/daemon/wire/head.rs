//! `POST /v1/head`: what is done to the site's head, for the journal. The command writes the file itself; the daemon takes it at its next
//! start.

use serde::{Deserialize, Serialize};

use crate::domain::{Event, ModelId};

/// What is done to it. `sha256` is of its file, in hexadecimal digits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HeadRequest {
    /// It is kept. What was missed is a share, 0 to 1, at that false match rate.
    Kept {
        head: String,
        sha256: String,
        people: usize,
        photographs: usize,
        false_match_rate: f64,
        missed_without: f64,
        missed_behind: f64,
    },
    /// It is taken off; `head` is `None` where its file could not be read.
    Removed { head: Option<String>, sha256: String },
}

impl HeadRequest {
    /// As the journal has it.
    pub fn event(self, by: String) -> Event {
        match self {
            HeadRequest::Kept {
                head,
                sha256,
                people,
                photographs,
                false_match_rate,
                missed_without,
                missed_behind,
            } => Event::HeadKept {
                head: ModelId::new(&head),
                sha256,
                people,
                photographs,
                false_match_rate,
                missed_without,
                missed_behind,
                by,
            },
            HeadRequest::Removed { head, sha256 } => {
                Event::HeadRemoved { head: head.as_deref().map(ModelId::new), sha256, by }
            }
        }
    }
}
