//! Templates sealed and opened, and how it stands with that.
//!
//! Knows nothing of where the key comes from.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::person::Template;
use super::record;
use super::sealed::{self, Location, Unread};
use super::shelf::Locked;
use super::walk::{Found, walk};
use super::{Gallery, GalleryError, Trees};
use crate::domain::{ModelId, PersonId};
use crate::seal::{Ring, SealError, State, SubKeyId};
use crate::store::Change;

/// The tree of the templates, by which their seals are bound.
pub const TEMPLATES: &str = "templates";

impl Gallery {
    /// Who cannot be recognised because their templates are sealed and the key for them is not here; `None` when all is well.
    pub fn locked(&self) -> Option<Locked> {
        self.shelf().locked()
    }

    /// People and templates that lay plain and were sealed when the gallery was opened, now or earlier, and that no record reports yet.
    pub fn newly_sealed(&self) -> (usize, usize) {
        // What cannot be read now is told at the next start.
        self.trees.seals.untold().unwrap_or_default()
    }

    /// The change that belongs into the commit of the record that reports [`newly_sealed`](Gallery::newly_sealed).
    pub fn sealing_told(&self) -> Change {
        self.trees.seals.told()
    }

    /// The ring that seals the templates.
    pub fn ring(&self) -> &Ring {
        &self.trees.seals.ring
    }

    /// What is wrong with the sealing of templates, in words with the way out; `None` when all are sealed and open.
    pub fn seal_trouble(&self) -> Option<String> {
        match (self.ring().state(), self.locked()) {
            (State::Shut(why), None) => Some(format!("templates cannot be sealed: {why}")),
            (_, Some(locked)) => Some(locked.to_string()),
            (State::Plain, None) => Some(
                "templates are stored unsealed: make a key with `usher store key new`, and name it in [store] key_file"
                    .to_owned(),
            ),
            (State::Open(_), None) => None,
        }
    }
}

impl Trees {
    /// A template from its value under `key`.
    pub(super) fn read(&self, key: &[u8], value: &[u8]) -> Result<Template, Unread> {
        let plain = sealed::read(&self.seals.ring, Location { tree: TEMPLATES, key }, value)?;
        record::read_template(&plain).map_err(Unread::Damaged)
    }

    /// A template's value under `key`: sealed with `sub_key`, where there is one.
    pub(super) fn write(
        &self,
        sub_key: Option<SubKeyId>,
        key: &[u8],
        template: &Template,
    ) -> Result<Vec<u8>, SealError> {
        let plain = Zeroizing::new(record::write_template(template));
        let model = template.embedding.model();
        sealed::write(&self.seals.ring, sub_key, Location { tree: TEMPLATES, key }, model, plain)
    }

    /// The model that a value's embedding is of; also where it is locked.
    pub(super) fn model_of(&self, value: &[u8]) -> Option<ModelId> {
        match sealed::is_sealed(value) {
            true => Some(sealed::head(value)?.model),
            false => Some(record::read_template(value).ok()?.embedding.model().clone()),
        }
    }

    /// Seals what lies plain of people whose number is below `end`.
    pub(super) fn seal_plain(&self, end: PersonId) -> Result<(), GalleryError> {
        let mut plain: BTreeMap<PersonId, Vec<_>> = BTreeMap::new();
        for found in walk(&self.templates, end) {
            let Found::Record(key, value) = found? else { continue };
            // What cannot be read is no template, and is told as damage.
            if let Some((id, _)) = record::read_template_key(&key)
                && !sealed::is_sealed(&value)
                && let Some(model) = self.model_of(&value)
            {
                plain.entry(id).or_default().push((key, model, value));
            }
        }
        self.seals.seal_plain(&self.templates, TEMPLATES, plain, true).map(drop)
    }
}
