//! What joins the ring and the store: taking sub-keys off together with what they sealed, and sealing what lies plain. Each is noted in
//! the commit that begins it, so that it is carried through after a kill.
//!
//! Knows nothing of people and of what templates say.

use std::collections::BTreeMap;
use std::sync::Arc;

use sled::IVec;
use zeroize::Zeroizing;

use super::sealed::{self, Location};
use super::{GalleryError, later_if_need_be};
use crate::domain::ModelId;
use crate::seal::{Ring, SubKeyId};
use crate::store::{Change, Store, Tree};

/// The key of the note that old pages still hold plain bytes.
const REBUILD: &[u8] = b"rebuild";
/// The key of the note how much was sealed that no record reports: people and templates, each a u32, big-endian.
const UNTOLD: &[u8] = b"untold";
/// What the key of a note begins with whose rest is the id of a sub-key to be taken off.
const OFF: &[u8] = b"off ";

/// The ring with its notes in the store.
pub struct Seals {
    store: Store,
    notes: Tree,
    pub ring: Arc<Ring>,
}

impl Seals {
    /// Carries out what is noted, as far as the ring is open.
    pub fn open(store: &Store, ring: &Arc<Ring>) -> Result<Seals, GalleryError> {
        let seals = Seals { store: store.clone(), notes: store.tree("seals")?, ring: ring.clone() };
        if ring.is_open() && store.stands_by().is_none() {
            later_if_need_be(seals.settle(), "sub-keys of people removed are taken off the key ring")?;
        }
        Ok(seals)
    }

    /// The changes that note that `sub_keys` are to be taken off; for the commit that erases what they sealed.
    pub fn taking_off(&self, sub_keys: &[SubKeyId]) -> Vec<Change> {
        sub_keys.iter().map(|id| self.notes.put([OFF, &id.0].concat(), [])).collect()
    }

    /// Takes off what is noted. Where it cannot be done now it is done when the gallery is next opened.
    pub fn settle_later_if_need_be(&self) {
        if self.ring.is_open()
            && let Err(error) = self.settle()
        {
            tracing::warn!(%error, "a sub-key of somebody removed is still on the key ring; it is tried again at the next start");
        }
    }

    fn settle(&self) -> Result<(), GalleryError> {
        let mut done = Vec::new();
        let mut off = Vec::new();
        for entry in self.notes.scan_prefix(OFF) {
            let (key, _) = entry?;
            off.extend(key.get(OFF.len()..).and_then(|id| Some(SubKeyId(id.try_into().ok()?))));
            done.push(self.notes.delete(&*key));
        }
        if !done.is_empty() {
            self.ring.take_off(&off)?;
            self.store.commit(&done)?;
        }
        if self.notes.contains_key(REBUILD)? {
            // The database's own file appends: only a new one holds nothing of before.
            self.store.rebuild()?;
            self.store.commit(&[self.notes.delete(REBUILD)])?;
        }
        Ok(())
    }

    /// How many people and templates were sealed that no record reports.
    pub fn untold(&self) -> Result<(usize, usize), GalleryError> {
        let note = self.notes.get(UNTOLD)?;
        let counts = note.as_deref().and_then(|note| note.try_into().ok()).map(u64::from_be_bytes).unwrap_or_default();
        Ok(((counts >> 32) as usize, (counts & u64::from(u32::MAX)) as usize))
    }

    /// The change that notes that a record reports them; for the commit of that record.
    pub fn told(&self) -> Change {
        self.notes.delete(UNTOLD)
    }

    fn still_untold(&self, groups: usize, values: usize) -> Change {
        let counts = (groups as u64) << 32 | (values as u64 & u64::from(u32::MAX));
        self.notes.put(UNTOLD, counts.to_be_bytes())
    }

    /// Seals plain values of `tree`, those of each group with a sub-key of their own and in one commit, and has the database made anew
    /// without the plain ones; how many groups and how many values those were. `values` gives for each group its records, with the
    /// model that each is of. With `to_be_told` the same commits note that a record has to report it.
    pub fn seal_plain<G: Ord>(
        &self,
        tree: &Tree,
        name: &'static str,
        groups: BTreeMap<G, Vec<(IVec, ModelId, IVec)>>,
        to_be_told: bool,
    ) -> Result<(usize, usize), GalleryError> {
        let sub_keys = self.ring.add(groups.len())?;
        let (mut sealed_groups, mut sealed_values) = (0, 0);
        let (untold_groups, untold_values) = self.untold()?;
        for (values, sub_key) in groups.into_values().zip(sub_keys) {
            let mut changes = vec![self.notes.put(REBUILD, [])];
            for (key, model, plain) in &values {
                let place = Location { tree: name, key };
                let plain = Zeroizing::new(plain.to_vec());
                changes.push(tree.put(&**key, sealed::write(&self.ring, Some(sub_key), place, model, plain)?));
            }
            sealed_groups += 1;
            sealed_values += values.len();
            if to_be_told {
                changes.push(self.still_untold(untold_groups + sealed_groups, untold_values + sealed_values));
            }
            self.store.commit(&changes)?;
        }
        if sealed_groups > 0 {
            self.settle()?;
        }
        Ok((sealed_groups, sealed_values))
    }
}

/// The sub-keys of those sealed values, each once.
pub fn sub_keys<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Vec<SubKeyId> {
    let mut ids: Vec<SubKeyId> = values.into_iter().filter_map(|value| Some(sealed::head(value)?.sub_key)).collect();
    ids.sort();
    ids.dedup();
    ids
}
