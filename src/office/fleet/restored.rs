//! After the office was restored from a backup: the servers have records of later epochs, whose keys went with the disk. A new epoch begins after all of
//! them, and what the backup does not know ends: who was enrolled since is forgotten, and who was changed since is disabled.

use std::collections::BTreeSet;

use super::book::{Book, BookError};
use super::kept::KeptRecord;
use crate::fleet::{Gallery, Head, PeopleRecord, PersonRecord, Place, SiteAccess, SiteRules, Tombstone};
use crate::store::Change;

/// How far the office goes on above what a head proves: boards may hold some records and keys that came after it.
const ABOVE: u64 = 1_000;

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

    /// Goes on above rules of a site that a board holds and the store does not know: this office signed them before it was restored. What was said last
    /// counts, by the office's clock: a lockdown or its end, and who may pass. Models stay as the store has them. Returns whether the store did not know
    /// them.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn take_back_rules(&mut self, there: KeptRecord<SiteRules>, at_ms: u64) -> Result<bool, BookError> {
        let KeptRecord { signed, body: there } = there;
        let site = there.site.clone();
        let Some(held) = self.rules.get(&site) else { return Ok(false) };
        if there.version < held.body.version || held.signed == signed {
            return Ok(false);
        }
        self.change_rules(&site, at_ms, |rules| {
            // `change_rules` goes on above it. Nobody can get there but by what the office itself has signed.
            rules.version = rules.version.max(there.version);
            if there.since_ms > rules.since_ms {
                (rules.lockdown, rules.since_ms) = (there.lockdown, there.since_ms);
                rules.lockdown_ended_by = there.lockdown_ended_by;
            }
            let since = |access: &Option<SiteAccess>| access.as_ref().map(|access| access.since_ms);
            if since(&there.access) > since(&rules.access) {
                rules.access = there.access;
            }
        })?;
        Ok(true)
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

    /// Goes on above all that this office said of a gallery before `head`, which it signed before it was restored: with a new key, and with newer records
    /// of everybody as the store has them. [`Book::end_epochs`] seals them.
    ///
    /// # Errors
    /// The store or the keys cannot be written; nothing was changed.
    pub fn go_on_after(&mut self, head: &Head) -> Result<(), BookError> {
        let gallery = &head.gallery;
        let Some(people) = self.galleries.get_mut(gallery) else { return Ok(()) };
        let before = people.kept.clone();
        people.kept.epoch = before.epoch.max(head.epoch).saturating_add(ABOVE);
        people.kept.floor = before.floor.max(people.highest()).max(head.highest).saturating_add(ABOVE);
        let begun = self.begin_epoch(gallery, Vec::new());
        if let (Err(_), Some(people)) = (&begun, self.galleries.get_mut(gallery)) {
            people.kept = before;
        }
        begun?;
        self.changes += 1;
        Ok(())
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
    use crate::fleet::{AccessText, BoardKey, Lockdown, Opened};
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

    #[test]
    fn rules_that_boards_alone_still_hold_count_by_when_they_were_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut book = open(dir.path()).unwrap();
        let public = BoardKey::from_bytes(&[3; 32]).public();
        book.add_board(&board("front"), &berlin(), public, "credential of front".into(), 5).unwrap();
        let signed = |body: SiteRules| KeptRecord { signed: key().sign(fleet(), &body).unwrap().into(), body };
        let now = |book: &Book| book.rules[&berlin()].body.clone();
        let lockdown = |by: &str| Some(Lockdown { group: None, by: by.into() });
        let text = |text: &str| Some(AccessText { text: text.into(), holidays: std::collections::BTreeMap::new() });
        let access = |version, since_ms, rules| Some(SiteAccess { version, by: "anna".into(), since_ms, rules });
        let own = book.rules[&berlin()].clone();
        assert!(!book.take_back_rules(own.clone(), 6).unwrap(), "they are known");
        // After the backup, the office had locked the site down, and said who passes.
        let lost = SiteRules {
            lockdown: lockdown("anna"),
            since_ms: 50,
            access: access(8, 60, text("lost")),
            version: 9,
            ..own.body.clone()
        };
        assert!(book.take_back_rules(signed(lost.clone()), 100).unwrap());
        assert_eq!(now(&book), SiteRules { version: 10, ..lost.clone() });
        assert!(!book.take_back_rules(signed(lost.clone()), 101).unwrap(), "another board tells the same");
        // What was ordered since counts, although it has a lower version than rules that come to light now.
        book.end_lockdown(&berlin(), "anna", 200).unwrap();
        let later = SiteRules { version: 30, access: access(30, 70, text("later")), ..lost.clone() };
        assert!(book.take_back_rules(signed(later.clone()), 201).unwrap());
        let SiteRules { version, lockdown: ordered, access: said, .. } = now(&book);
        assert_eq!((version, ordered, said), (31, None, later.access.clone()));
        // Two records of one version.
        let other = SiteRules { version: 31, since_ms: 300, lockdown: lockdown("otto"), ..later };
        assert!(book.take_back_rules(signed(other), 301).unwrap());
        assert_eq!((now(&book).version, now(&book).lockdown), (32, lockdown("otto")));
    }

    #[test]
    fn a_head_from_before_the_disk_was_lost_lifts_everybody_above_what_boards_hold() {
        let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut book = open(dir.path()).unwrap();
        let public = BoardKey::from_bytes(&[3; 32]).public();
        book.add_board(&board("front"), &berlin(), public, "credential of front".into(), 0).unwrap();
        let ada = book.enroll(somebody("Ada", 0.0), "anna").unwrap();
        book.enroll(somebody("Bob", 60.0), "anna").unwrap();
        drop(book);
        copy(dir.path(), backup.path());
        let mut book = open(dir.path()).unwrap();
        book.forget(&berlin(), "Bob", 0).unwrap();
        book.end_epochs(&gallery()).unwrap();
        let head = |book: &Book| {
            let signed = book.head(&gallery(), 9).unwrap().unwrap();
            let Ok(Opened::Body(head)) = key().public().open::<Head>(fleet(), signed.as_bytes()) else { panic!() };
            head
        };
        let lost = head(&book);
        let held: Vec<u64> = all(&book).iter().map(|(record, _)| record.version()).collect();
        let mut restored = open(backup.path()).unwrap();
        assert!(head(&restored).total < lost.total && head(&restored).epoch < lost.epoch);
        restored.go_on_after(&lost).unwrap();
        restored.end_epochs(&gallery()).unwrap();
        let now = head(&restored);
        assert!(now.total > lost.total && now.epoch > lost.epoch && now.highest > lost.highest);
        assert_eq!(restored.keys.epochs(&gallery()), [now.epoch], "older keys are destroyed");
        assert!(all(&restored).iter().all(|(record, _)| held.iter().all(|held| record.version() > *held)));
        drop(restored);
        let restored = open(backup.path()).unwrap();
        assert_eq!(head(&restored), now);
        assert!(restored.galleries[&gallery()].entries[&ada].who.is_some());
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
