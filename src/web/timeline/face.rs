//! The faces beside records, while `[web] keep_faces` is on.

use std::collections::HashSet;

use maud::{Markup, html};

use crate::api::faces::KeptFaces;
use crate::web::{Place, Refusal, Session};

/// Which records have a face.
#[derive(Default)]
pub struct Shown {
    kept: bool,
    records: HashSet<u64>,
}

impl Shown {
    /// Those of now.
    pub async fn of(session: &Session) -> Result<Shown, Refusal> {
        // Boards keep faces to themselves.
        if session.site().settings.place == Place::Office {
            return Ok(Shown::default());
        }
        let KeptFaces { kept, records } = session.get("/v1/faces").await?;
        Ok(Shown { kept, records: records.into_iter().collect() })
    }

    /// Whether there is a column for faces.
    pub fn are_kept(&self) -> bool {
        self.kept
    }

    /// The last of these records that has a face.
    pub fn last_of(&self, records: impl DoubleEndedIterator<Item = u64>) -> Option<u64> {
        records.rev().find(|record| self.records.contains(record))
    }

    /// The face beside a record; nothing if there is none.
    pub fn beside(&self, record: u64, class: &str, words: &str) -> Markup {
        html! {
            @if self.records.contains(&record) {
                img class=(class) src={ "/records/" (record) "/face" } alt=(words) loading="lazy";
            }
        }
    }
}
