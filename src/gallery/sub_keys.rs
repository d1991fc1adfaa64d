//! The sub-keys on the ring in step with the store: removing them together with what they sealed, and sealing plain records. Each is noted
//! in the commit that starts it, so that it is finished after a kill.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::envelope::{self, Location};
use super::{GalleryError, defer_on_disk_failure};
use crate::domain::ModelId;
use crate::seal::{Ring, SubKeyId};
use crate::store::{Bytes, Change, Store, Tree};

/// The key of the note that old pages still hold plain bytes.
const REBUILD: &[u8] = b"rebuild";
/// The key of the note of how much was sealed without a journal record yet: people and templates, each a u32, big-endian.
const UNREPORTED: &[u8] = b"untold";
/// The prefix of a note's key; the rest is the id of a sub-key to be removed.
const REMOVAL: &[u8] = b"off ";

/// The key ring with its notes in the store.
pub struct SubKeys {
    store: Store,
    notes: Tree,
    pub ring: Arc<Ring>,
}

impl SubKeys {
    /// Carries out the noted work, if the ring is open.
    pub fn open(store: &Store, ring: &Arc<Ring>) -> Result<SubKeys, GalleryError> {
        let keys = SubKeys { store: store.clone(), notes: store.tree("seals")?, ring: ring.clone() };
        if ring.is_open() && store.standby_reason().is_none() {
            defer_on_disk_failure(keys.settle(), "sub-keys of removed people will be removed from the key ring")?;
        }
        Ok(keys)
    }

    /// The changes that note the removal of `ids`; they belong in the commit that erases what those sealed.
    pub fn note_removal(&self, ids: &[SubKeyId]) -> Vec<Change> {
        ids.iter().map(|id| self.notes.put([REMOVAL, &id.0].concat(), [])).collect()
    }

    /// Removes the noted sub-keys. After a failure the gallery does it when it is next opened.
    pub fn settle_or_defer(&self) {
        if self.ring.is_open()
            && let Err(error) = self.settle()
        {
            tracing::warn!(%error, "a removed person's sub-key is still on the key ring; removing it will be retried at the next start");
        }
    }

    fn settle(&self) -> Result<(), GalleryError> {
        let mut done = Vec::new();
        let mut off = Vec::new();
        for entry in self.notes.scan_prefix(REMOVAL) {
            let (key, _) = entry?;
            off.extend(key.get(REMOVAL.len()..).and_then(|id| Some(SubKeyId(id.try_into().ok()?))));
            done.push(self.notes.delete(&*key));
        }
        if !done.is_empty() {
            self.ring.remove(&off)?;
            self.store.commit(&done)?;
        }
        if self.notes.contains_key(REBUILD)? {
            // sled's file is append-only: only a new one has none of the old pages.
            self.store.rebuild()?;
            self.store.commit(&[self.notes.delete(REBUILD)])?;
        }
        Ok(())
    }

    /// The number of people and templates that were sealed without a journal record yet.
    pub fn unreported(&self) -> Result<(usize, usize), GalleryError> {
        let note = self.notes.get(UNREPORTED)?;
        let counts = note.as_deref().and_then(|note| note.try_into().ok()).map(u64::from_be_bytes).unwrap_or_default();
        Ok(((counts >> 32) as usize, (counts & u64::from(u32::MAX)) as usize))
    }

    /// The change that marks them as reported; it belongs in the commit of the record.
    pub fn mark_reported(&self) -> Change {
        self.notes.delete(UNREPORTED)
    }

    fn note_unreported(&self, groups: usize, values: usize) -> Change {
        let counts = (groups as u64) << 32 | (values as u64 & u64::from(u32::MAX));
        self.notes.put(UNREPORTED, counts.to_be_bytes())
    }

    /// Seals plain values of `tree`, each group with its own sub-key in one commit, then rebuilds the database without the plain ones.
    /// `groups` holds each group's records: key, model, value. With `report` the same commits note that a journal record is due. Returns the
    /// number of groups and of values sealed.
    pub fn seal_plain<G: Ord>(
        &self,
        tree: &Tree,
        name: &'static str,
        groups: BTreeMap<G, Vec<(Bytes, ModelId, Bytes)>>,
        report: bool,
    ) -> Result<(usize, usize), GalleryError> {
        let sub_keys = self.ring.add(groups.len())?;
        let (mut sealed_groups, mut sealed_values) = (0, 0);
        let (earlier_groups, earlier_values) = self.unreported()?;
        for (values, sub_key) in groups.into_values().zip(sub_keys) {
            let mut changes = vec![self.notes.put(REBUILD, [])];
            for (key, model, plain) in &values {
                let place = Location { tree: name, key };
                let plain = Zeroizing::new(plain.to_vec());
                changes.push(tree.put(&**key, envelope::write(&self.ring, Some(sub_key), place, model, plain)?));
            }
            sealed_groups += 1;
            sealed_values += values.len();
            if report {
                changes.push(self.note_unreported(earlier_groups + sealed_groups, earlier_values + sealed_values));
            }
            self.store.commit(&changes)?;
        }
        if sealed_groups > 0 {
            self.settle()?;
        }
        Ok((sealed_groups, sealed_values))
    }
}

/// The distinct sub-keys of sealed values.
pub fn sub_keys<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Vec<SubKeyId> {
    let mut ids: Vec<SubKeyId> =
        values.into_iter().filter_map(|value| Some(envelope::header(value)?.sub_key)).collect();
    ids.sort();
    ids.dedup();
    ids
}
