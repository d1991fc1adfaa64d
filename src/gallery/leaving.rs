//! Templates that are erased in one commit, for good: what shared a sub-key with them and stays is sealed anew, and the sub-key is removed.

use super::record;
use super::sub_keys::sub_keys;
use super::{Gallery, GalleryError};
use crate::seal::SubKeyId;
use crate::store::{Bytes, Change, Entry};

/// Templates that are erased in one commit.
#[derive(Default)]
pub struct Leaving {
    /// Their keys.
    pub gone: Vec<Bytes>,
    changes: Vec<Change>,
    /// Their sub-keys, once nothing that stays is sealed with them.
    sub_keys: Vec<SubKeyId>,
}

impl Leaving {
    /// Adds those of a person's templates in `held` that leave; returns their number. What stays and shares a sub-key with them is sealed with a
    /// new one.
    pub fn add(
        &mut self,
        gallery: &Gallery,
        held: &[Entry],
        leaves: impl Fn(&Entry) -> bool,
    ) -> Result<usize, GalleryError> {
        let trees = &gallery.trees;
        let (gone, stay): (Vec<&Entry>, Vec<&Entry>) = held.iter().partition(|entry| leaves(entry));
        let mut leaving = sub_keys(gone.iter().map(|(_, value)| &**value));
        let shared: Vec<&Entry> =
            stay.into_iter().filter(|(_, value)| sub_keys([&**value]).iter().any(|id| leaving.contains(id))).collect();
        if !shared.is_empty() {
            let sub_key = trees.sub_keys.ring.add(1)?.pop();
            for (key, value) in shared {
                match trees.read(key, value) {
                    Ok(template) => {
                        self.changes.push(trees.templates.put(&**key, trees.write(sub_key, key, &template)?));
                    }
                    // It cannot be sealed anew, so its sub-key must stay.
                    Err(_) => leaving.retain(|id| !sub_keys([&**value]).contains(id)),
                }
            }
        }
        self.changes.extend(gone.iter().map(|(key, value)| trees.templates.put(&**key, record::erased(value.len()))));
        self.sub_keys.extend(leaving);
        let count = gone.len();
        self.gone.extend(gone.into_iter().map(|(key, _)| key.clone()));
        Ok(count)
    }

    /// The changes to commit: the templates are overwritten, and the removal of their sub-keys is noted.
    pub fn changes(&mut self, gallery: &Gallery) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(gallery.trees.sub_keys.note_removal(&self.sub_keys));
        changes
    }
}
