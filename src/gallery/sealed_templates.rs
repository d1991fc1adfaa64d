//! Sealing and opening templates, and the state of that.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::cache::Locked;
use super::envelope::{self, Location, Unread};
use super::person::Template;
use super::record;
use super::walk::{Found, walk};
use super::{Gallery, GalleryError, Trees};
use crate::domain::{ModelId, PersonId};
use crate::seal::{Ring, RingState, SealError, SubKeyId};
use crate::store::Change;

/// The templates' tree. Its name is part of what their seals are bound to.
pub const TEMPLATES: &str = "templates";

impl Gallery {
    /// The people who cannot be recognised because their templates cannot be opened; `None` if there are none.
    pub fn locked(&self) -> Option<Locked> {
        self.cache().locked()
    }

    /// The number of people and templates that were stored plain and have been sealed, without a journal record yet.
    pub fn unreported_sealings(&self) -> (usize, usize) {
        // If it cannot be read now, the next start reports it.
        self.trees.sub_keys.unreported().unwrap_or_default()
    }

    /// The change that marks [`unreported_sealings`](Gallery::unreported_sealings) as reported; it belongs in the commit of their record.
    pub fn mark_sealings_reported(&self) -> Change {
        self.trees.sub_keys.mark_reported()
    }

    /// The key ring that seals the templates.
    pub fn ring(&self) -> &Ring {
        &self.trees.sub_keys.ring
    }

    /// What is wrong with the sealing of templates and what to do about it; `None` if all are sealed and can be opened.
    pub fn sealing_problem(&self) -> Option<String> {
        match (self.ring().state(), self.locked()) {
            (RingState::Locked(why), None) => Some(format!("templates cannot be sealed: {why}")),
            (_, Some(locked)) => Some(locked.to_string()),
            (RingState::Plain, None) => Some(
                "templates are stored unsealed: generate a key with `usher store key new`, and name its file in [store] key_file"
                    .to_owned(),
            ),
            (RingState::Open(_), None) => None,
        }
    }
}

impl Trees {
    /// Reads the template stored as `value` under `key`.
    pub(super) fn read(&self, key: &[u8], value: &[u8]) -> Result<Template, Unread> {
        let plain = envelope::read(&self.sub_keys.ring, Location { tree: TEMPLATES, key }, value)?;
        record::read_of(record::kind_of(key), &plain).map_err(Unread::Damaged)
    }

    /// The value to store under `key` for a template: sealed if there is a `sub_key`.
    pub(super) fn write(
        &self,
        sub_key: Option<SubKeyId>,
        key: &[u8],
        template: &Template,
    ) -> Result<Vec<u8>, SealError> {
        let plain = Zeroizing::new(record::write_of(record::kind_of(key), template));
        let model = template.embedding.model();
        envelope::write(&self.sub_keys.ring, sub_key, Location { tree: TEMPLATES, key }, model, plain)
    }

    /// The model of a value's embedding. It is readable even if the value is locked.
    pub(super) fn model_of(&self, value: &[u8]) -> Option<ModelId> {
        match envelope::is_sealed(value) {
            true => Some(envelope::header(value)?.model),
            false => record::model_of(value),
        }
    }

    /// Seals the plain templates of people whose number is below `end`.
    pub(super) fn seal_plain(&self, end: PersonId) -> Result<(), GalleryError> {
        let mut plain: BTreeMap<PersonId, Vec<_>> = BTreeMap::new();
        for found in walk(&self.templates, end) {
            let Found::Record(key, value) = found? else { continue };
            // An unreadable value is reported as damaged later.
            if let Some((id, _)) = record::read_template_key(&key)
                && !envelope::is_sealed(&value)
                && let Some(model) = self.model_of(&value)
            {
                plain.entry(id).or_default().push((key, model, value));
            }
        }
        self.sub_keys.seal_plain(&self.templates, TEMPLATES, plain, true).map(drop)
    }
}
