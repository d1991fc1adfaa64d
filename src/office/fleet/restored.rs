//! After the office was restored from a backup: the servers have records of later epochs, whose keys went with the disk. A new epoch begins after all of
//! them, and what the backup does not know ends: who was enrolled since is forgotten, and who was changed since is disabled.

use std::collections::BTreeSet;

use super::book::{Book, BookError};
use crate::fleet::{Gallery, PeopleRecord, PersonRecord, Place, Tombstone};
use crate::store::Change;

/// What became of people whose newest records cannot be opened any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The same as in the backup.
    pub same: u64,
    /// Changed after the backup: as in the backup, but disabled.
    pub disabled: u64,
    /// Enrolled after the backup: forgotten.
    pub forgotten: u64,
}

/// A record at the servers, and its bytes.
pub type Signed = (PeopleRecord, Vec<u8>);

impl Book {
    /// Shuts out the boards that have one of these credentials, without a new epoch. Returns their galleries, which need one.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn shut_out(&mut self, credentials: &BTreeSet<String>) -> Result<BTreeSet<Gallery>, BookError> {
        let mut galleries = BTreeSet::new();
        let is_out = |credential: &String| credentials.contains(credential);
        let out = self.boards.iter_mut().filter(|(_, kept)| !kept.revoked && is_out(&kept.credential));
        let mut changes = Vec::new();
        for (board, kept) in out {
            tracing::warn!(%board, "this board's credential was taken back, and the store did not know it: the office was stopped meanwhile, or restored from a backup. The board is shut out");
            kept.revoked = true;
            changes.push(self.trees.put_board(board, kept));
            galleries.insert(Gallery::from(&kept.site));
        }
        if !changes.is_empty() {
            self.trees.store.commit(&changes)?;
            self.changes += 1;
        }
        Ok(galleries)
    }

    /// Begins an epoch of a gallery for those who are not shut out. [`Book::end_epochs`] ends the ones before.
    ///
    /// # Errors
    /// The store or the keys cannot be written.
    pub fn renew(&mut self, gallery: &Gallery) -> Result<(), BookError> {
        self.begin_epoch(gallery, Vec::new())?;
        self.changes += 1;
        Ok(())
    }

    /// Goes on after `epoch`, the newest one that the servers know of, if the store does not know it: with the people as far as the store has them.
    /// `there` is what the servers have. Returns `None` if the store knows the epoch.
    ///
    /// # Errors
    /// The store or the keys cannot be written; nothing was changed.
    pub fn recover(&mut self, gallery: &Gallery, epoch: u64, there: &[Signed]) -> Result<Option<Recovered>, BookError> {
        let Some(people) = self.galleries.get_mut(gallery).filter(|people| people.kept.epoch < epoch) else {
            return Ok(None);
        };
        let before = people.kept.clone();
        people.kept.epoch = epoch;
        let recovered = self.recover_after(gallery, epoch.saturating_add(1), there);
        if let (Err(_), Some(people)) = (&recovered, self.galleries.get_mut(gallery)) {
            people.kept = before;
        }
        let recovered = recovered?;
        self.end_epochs(gallery)?;
        Ok(Some(recovered))
    }

    fn recover_after(&mut self, gallery: &Gallery, epoch: u64, there: &[Signed]) -> Result<Recovered, BookError> {
        self.keys.make(gallery, epoch)?;
        let (mut recovered, mut anew) = (Recovered::default(), Vec::new());
        for (record, signed) in there.iter().filter(|(record, _)| record.gallery() == gallery && self.keeps(record)) {
            anew.extend(match record {
                PeopleRecord::Forgotten(_) => self.is_newer(record).then(|| (record.clone(), signed.clone())),
                PeopleRecord::Person(person) => Some(self.known_again(person, epoch, &mut recovered)?),
            });
        }
        if let (Some((record, _)), Some(people)) = (anew.first(), self.galleries.get_mut(gallery)) {
            people.kept.model.get_or_insert_with(|| record.model().clone());
        }
        // All of it or nothing: a stop in between would leave records that nobody can open.
        let mut changes: Vec<Change> =
            anew.iter().map(|(record, signed)| self.trees.put_person(record, signed)).collect();
        for (record, _) in anew.iter().filter(|(record, _)| matches!(record, PeopleRecord::Forgotten(_))) {
            changes.extend(self.erasing(gallery, record.uuid()));
        }
        self.begin_epoch(gallery, changes)?;
        for (record, signed) in anew {
            self.hold(record, signed)?;
        }
        self.changes += 1;
        Ok(recovered)
    }

    fn is_newer(&self, record: &PeopleRecord) -> bool {
        let held = self.galleries.get(record.gallery()).and_then(|people| people.set(record.model()));
        let held = held.and_then(|(entries, _)| entries.get(&record.uuid()));
        held.is_none_or(|held| held.record.version() < record.version())
    }

    /// What takes the place of a person's record at the servers.
    fn known_again(&self, there: &PersonRecord, epoch: u64, recovered: &mut Recovered) -> Result<Signed, BookError> {
        let PersonRecord { gallery, uuid, model, .. } = there;
        let held = self.galleries.get(gallery).and_then(|people| people.set(model)).map(|(entries, _)| entries);
        let held = held.and_then(|entries| entries.get(uuid)).map(|entry| &entry.record);
        let version = there.version.max(held.map_or(0, PeopleRecord::version)).saturating_add(1);
        let key = self.epoch_key(gallery, epoch)?;
        // What can be opened counts as it is; the store's own record does if it says the same.
        let known = match (self.keys.get(gallery, there.epoch), held) {
            (Some(old), _) => Some((there, old, true)),
            (None, Some(PeopleRecord::Person(held))) => {
                Some((held, self.epoch_key(gallery, held.epoch)?, held.content() == there.content()))
            }
            (None, _) => None,
        };
        let record = match known {
            Some((person, old, true)) => {
                recovered.same += 1;
                PeopleRecord::Person(person.rewrap(self.fleet, old, key, epoch, version)?)
            }
            Some((person, old, false)) => {
                let mut body = person.open(self.fleet, old)?;
                tracing::error!(name = body.name, %uuid, "ALARM: this person was changed after the backup, nobody knows how, and is disabled: enable or enrol them again");
                body.enabled = false;
                recovered.disabled += 1;
                let place = Place { fleet: self.fleet, gallery: gallery.clone(), uuid: *uuid, model: model.clone() };
                PeopleRecord::Person(PersonRecord::seal(&place, version, &body, epoch, key)?)
            }
            None => {
                tracing::error!(%uuid, "ALARM: somebody was enrolled after the backup, the office does not know who, and is forgotten: enrol them again");
                recovered.forgotten += 1;
                PeopleRecord::Forgotten(Tombstone {
                    gallery: gallery.clone(),
                    uuid: *uuid,
                    model: model.clone(),
                    version,
                })
            }
        };
        let signed: Vec<u8> = self.key.sign(self.fleet, &record)?.into();
        Ok((record, signed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{BoardKey, Opened};
    use crate::office::fleet::tests::{berlin, board, fleet, gallery, key, open, somebody};

    fn all(book: &Book) -> Vec<Signed> {
        let people = &book.galleries[&gallery()];
        people.entries.values().map(|entry| (entry.record.clone(), entry.signed.clone())).collect()
    }

    #[test]
    fn what_the_backup_does_not_know_ends_and_the_rest_goes_on() {
        let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let begun = |dir: &std::path::Path| {
            let mut book = open(dir).unwrap();
            let public = BoardKey::from_bytes(&[3; 32]).public();
            book.add_board(&board("front"), &berlin(), public, "credential of front".into(), 0).unwrap();
            book.add_board(&board("back"), &berlin(), public, "credential of back".into(), 0).unwrap();
            book
        };
        let mut book = begun(dir.path());
        let [ada, bob, cid] = [("Ada", 0.0), ("Bob", 60.0), ("Cid", 120.0)]
            .map(|(name, degrees)| book.enroll(somebody(name, degrees), "anna").unwrap());
        drop(book);
        copy(dir.path(), backup.path());
        // After the backup: one is changed, one comes, one goes, and a board is shut out.
        let mut book = open(dir.path()).unwrap();
        let anew = book.said_anew(&gallery(), bob, |body| body.groups = vec!["guards".into()]).unwrap();
        for (record, signed) in anew {
            book.hold(record, signed).unwrap();
        }
        let dan = book.enroll(somebody("Dan", 180.0), "anna").unwrap();
        book.forget(&berlin(), "Cid", 0).unwrap();
        book.revoke(&board("back")).unwrap();
        book.end_epochs(&gallery()).unwrap();
        let (there, epoch) = (all(&book), book.galleries[&gallery()].kept.epoch);
        assert_eq!(epoch, 3);

        let mut restored = open(backup.path()).unwrap();
        let out = restored.shut_out(&BTreeSet::from(["credential of back".to_owned()])).unwrap();
        assert_eq!(out, BTreeSet::from([gallery()]));
        let recovered = restored.recover(&gallery(), epoch, &there).unwrap().unwrap();
        assert_eq!(recovered, Recovered { same: 1, disabled: 1, forgotten: 1 });
        assert_eq!(restored.recover(&gallery(), epoch, &there).unwrap(), None, "it knows a later one now");
        let check = |book: &Book| {
            let people = &book.galleries[&gallery()];
            assert_eq!((people.kept.epoch, book.keys.epochs(&gallery())), (4, vec![4]));
            let who = |uuid| people.entries[&uuid].who.as_ref().map(|who| (who.body.name.clone(), who.body.enabled));
            assert_eq!(who(ada), Some(("Ada".into(), true)));
            assert_eq!(who(bob), Some(("Bob".into(), false)));
            assert_eq!((who(cid), who(dan)), (None, None));
            // Every board takes each of them: none is older than what it has.
            for (record, _) in &there {
                let now = &people.entries[&record.uuid()].record;
                assert!(now.version() > record.version() || now == record, "{now:?}");
            }
            let sealed = &book.board_keys[&board("front")];
            let Ok(Opened::Body(sealed)) = key().public().open::<crate::fleet::GalleryKey>(fleet(), sealed) else {
                panic!()
            };
            assert_eq!(sealed.epoch, 4);
            assert!(book.boards[&board("back")].revoked);
        };
        check(&restored);
        drop(restored);
        check(&open(backup.path()).unwrap());
    }

    fn copy(from: &std::path::Path, to: &std::path::Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to.join(entry.file_name())),
                false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
            }
        }
    }
}
