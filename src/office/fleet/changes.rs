//! The office's changes. Each is on disk before anybody hears of it.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::admit::Admission;
use super::book::{Book, BookError, COMMIT, Item, People};
use super::history::OWN;
use super::kept::{EarlierKey, KeptBoard, KeptGallery, KeptRecord};
use super::protocol::Enrolment;
use crate::domain::ModelId;
use crate::fleet::{
    AccessText, Board, BoardPublic, Gallery, GalleryKey, Lockdown, PeopleRecord, PersonBody, Resend, Site, SiteAccess,
    SiteRules, Tombstone,
};
use crate::store::Change;

/// The most boards of a fleet.
const MOST_BOARDS: usize = 5_000;
/// The most keys of earlier boards of one name that are kept.
const MOST_EARLIER: usize = 8;
/// How long an invitation can be used, in milliseconds.
pub const INVITATION_MS: u64 = 3_600_000;
/// The first version of anything, and the first epoch.
const FIRST: u64 = 1;

/// Somebody who was forgotten: what can be shown of it.
pub struct Forgotten {
    pub uuid: Uuid,
    pub name: String,
    /// BLAKE3 of the last record, and of the mark in its place.
    pub record: [u8; 32],
    pub mark: [u8; 32],
    pub destroyed_epoch: u64,
    pub epoch: u64,
}

impl Book {
    /// Enrols somebody. Returns who.
    pub fn enroll(&mut self, enrolment: Enrolment, by: &str) -> Result<Uuid, BookError> {
        let Enrolment { site, name, employee_id, groups, model, templates, beside, labels, force } = enrolment;
        let body = PersonBody {
            name,
            employee_id,
            groups,
            enabled: true,
            valid_from: None,
            valid_until: None,
            by: by.to_owned(),
            templates: templates.into_iter().map(Zeroizing::new).collect(),
        };
        let uuid = Uuid::new_v4();
        let model = ModelId::new(&model);
        self.admit(Admission { uuid, site, model, body, beside, labels, force }, Vec::new())?;
        Ok(uuid)
    }

    /// Forgets somebody: a mark in the place of their record, and a new key for all others. [`Book::end_epochs`] then seals these anew and destroys the old key, and
    /// [`super::Collected::erase`] erases the person from collected records. Both are begun in the same commit, and are ended whatever happens.
    pub fn forget(&mut self, site: &Site, query: &str, at_ms: u64) -> Result<Forgotten, BookError> {
        let gallery = Gallery::from(site);
        let uuid = self.meant(&gallery, query)?;
        if let Some(who) = self.people(&gallery)?.entries.get(&uuid).and_then(|entry| entry.who.as_ref()) {
            // First: after a stop from here on, somebody of that name is still there to be forgotten again.
            self.scrub_requests(&who.body.name.clone(), at_ms)?;
        }
        let people = self.people(&gallery)?;
        let before = people.entries.get(&uuid);
        let mut forgotten = Forgotten {
            uuid,
            name: before.and_then(|entry| Some(entry.who.as_ref()?.body.name.clone())).unwrap_or_default(),
            record: before.map_or([0; 32], |entry| entry.hash),
            mark: [0; 32],
            destroyed_epoch: people.kept.epoch,
            epoch: people.kept.epoch,
        };
        // A mark in the place of the record of each model: boards may hold either.
        let records = [people.entries.get(&uuid), people.beside.entries.get(&uuid)];
        let marks = records.into_iter().flatten().map(|entry| {
            let (model, version) = (entry.record.model().clone(), entry.record.version().saturating_add(1));
            PeopleRecord::Forgotten(Tombstone { gallery: gallery.clone(), uuid, model, version })
        });
        let mut signed = Vec::new();
        for record in marks.collect::<Vec<_>>() {
            let bytes: Vec<u8> = self.key.sign(self.fleet, &record)?.into();
            signed.push((record, bytes));
        }
        // In one commit with the new epoch: whatever happens then, it will be ended.
        let mut more: Vec<Change> =
            signed.iter().map(|(record, signed)| self.trees.put_person(record, signed)).collect();
        more.extend(self.erasing(&gallery, uuid));
        self.begin_epoch(&gallery, more)?;
        forgotten.mark = signed.first().map_or([0; 32], |(_, signed)| *blake3::hash(signed).as_bytes());
        for (record, signed) in signed {
            self.hold(record, signed)?;
        }
        self.changes += 1;
        forgotten.epoch = self.people(&gallery)?.kept.epoch;
        Ok(forgotten)
    }

    /// The changes from which on somebody of a gallery is erased from collected records; none if nobody knows their name.
    pub(super) fn erasing(&self, gallery: &Gallery, uuid: Uuid) -> Vec<Change> {
        let people = self.galleries.get(gallery).map(|people| &people.entries);
        let Some(who) = people.and_then(|entries| entries.get(&uuid)?.who.as_ref()) else { return Vec::new() };
        let (site, traces) = (gallery.as_str(), &self.trees.traces);
        traces.begin(site, uuid, traces.of(site, &who.body.name, who.body.employee_id.as_deref()))
    }

    /// Begins a site's lockdown.
    pub fn lockdown(&mut self, site: &Site, lockdown: Lockdown, at_ms: u64) -> Result<(), BookError> {
        self.people(&Gallery::from(site))?;
        self.change_rules(site, at_ms, |rules| {
            (rules.lockdown, rules.lockdown_ended_by) = (Some(lockdown), None);
            rules.since_ms = at_ms;
        })
    }

    /// Ends a site's lockdown, ordered by `by`.
    pub fn end_lockdown(&mut self, site: &Site, by: &str, at_ms: u64) -> Result<(), BookError> {
        self.people(&Gallery::from(site))?;
        self.change_rules(site, at_ms, |rules| {
            (rules.lockdown, rules.lockdown_ended_by) = (None, Some(by.to_owned()));
            rules.since_ms = at_ms;
        })
    }

    /// Says who may pass at a site; `None` leaves it to its boards. The caller has checked the rules. Returns the version.
    pub fn say_who_passes(
        &mut self,
        site: &Site,
        rules: Option<AccessText>,
        by: &str,
        at_ms: u64,
    ) -> Result<u64, BookError> {
        self.people(&Gallery::from(site))?;
        let said = self.rules.get(site).and_then(|rules| rules.body.access.as_ref()?.rules.as_ref());
        if rules.is_none() && said.is_none() {
            return Err(BookError::Refused(format!(
                "{site} has no rules of its own: each board goes by its configuration"
            )));
        }
        let mut pushed = 0;
        self.change_rules(site, at_ms, |site| {
            pushed = site.version.saturating_add(1);
            site.access = Some(SiteAccess { version: pushed, by: by.to_owned(), since_ms: at_ms, rules });
        })?;
        Ok(pushed)
    }

    /// Asks a board of a site to send its records again from a number on, or no longer. With `repeat` it is asked again although it was asked for the same
    /// before.
    pub fn ask_again(
        &mut self,
        (site, board): (&Site, &Board),
        from: Option<u64>,
        repeat: bool,
        at_ms: u64,
    ) -> Result<(), BookError> {
        let before = self.rules.get(site).and_then(|rules| rules.body.resend.get(board)).map(|resend| resend.from);
        if before == from && !(repeat && from.is_some()) {
            return Ok(());
        }
        self.change_rules(site, at_ms, |rules| match from {
            Some(from) => {
                let number = rules.version.saturating_add(1);
                rules.resend.insert(board.clone(), Resend { from, number });
            }
            None => drop(rules.resend.remove(board)),
        })
    }

    pub(super) fn change_rules(
        &mut self,
        site: &Site,
        at_ms: u64,
        change: impl FnOnce(&mut SiteRules),
    ) -> Result<(), BookError> {
        let first = || SiteRules {
            site: site.clone(),
            version: 0,
            lockdown: None,
            lockdown_ended_by: None,
            since_ms: at_ms,
            resend: std::collections::BTreeMap::new(),
            access: None,
            models: None,
        };
        let mut rules = self.rules.get(site).map_or_else(first, |rules| rules.body.clone());
        change(&mut rules);
        rules.version = rules.version.saturating_add(1);
        let signed: Vec<u8> = self.key.sign(self.fleet, &rules)?.into();
        self.trees.store.commit(&[self.trees.put_rules(site, &signed)])?;
        self.rules.insert(site.clone(), KeptRecord { signed, body: rules });
        self.unsent.insert(Item::Rules(site.clone()));
        self.changes += 1;
        Ok(())
    }

    /// Takes over a newer record of its own that the servers have and the store has not: the store was restored from a backup. Returns whether it
    /// could.
    pub fn adopt_person(&mut self, record: PeopleRecord, signed: Vec<u8>) -> Result<bool, BookError> {
        let gallery = record.gallery().clone();
        let Some(people) = self.galleries.get(&gallery) else { return Ok(false) };
        let mut kept = people.kept.clone();
        if let PeopleRecord::Person(person) = &record
            && self.keys.get(&gallery, person.epoch).is_none()
        {
            return Ok(false);
        }
        kept.model.get_or_insert_with(|| record.model().clone());
        let mut changes = vec![self.trees.put_person(&record, &signed), self.trees.put_gallery(&gallery, &kept)];
        if let PeopleRecord::Forgotten(_) = record {
            changes.extend(self.erasing(&gallery, record.uuid()));
        }
        self.trees.store.commit(&changes)?;
        if let Some(people) = self.galleries.get_mut(&gallery) {
            people.kept = kept;
        }
        self.hold(record, signed)?;
        self.changes += 1;
        Ok(true)
    }

    /// The same for a site's rules.
    pub fn adopt_rules(&mut self, rules: SiteRules, signed: Vec<u8>) -> Result<(), BookError> {
        let site = rules.site.clone();
        self.adopt_models(&rules)?;
        self.trees.store.commit(&[self.trees.put_rules(&site, &signed)])?;
        self.rules.insert(site, KeptRecord { signed, body: rules });
        self.changes += 1;
        Ok(())
    }

    /// Fails unless a board of this name can be invited: a new one, or one that was revoked.
    pub fn may_invite(&self, board: &Board) -> Result<(), BookError> {
        if board.as_str() == OWN {
            return Err(BookError::Refused(format!(
                "{OWN} is what the office's own records are called: choose another name"
            )));
        }
        match self.boards.get(board) {
            Some(kept) if !kept.revoked => Err(BookError::Refused(format!(
                "{board} is a board of {}: revoke it first, or choose another name",
                kept.site
            ))),
            None if self.boards.len() >= MOST_BOARDS => {
                Err(BookError::Refused(format!("the fleet has {MOST_BOARDS} boards, which is the most")))
            }
            _ => Ok(()),
        }
    }

    /// Takes a board into the fleet, with a key sealed to it. Begins its site, if it is the first there.
    pub fn add_board(
        &mut self,
        board: &Board,
        site: &Site,
        public: BoardPublic,
        credential: String,
        at_ms: u64,
    ) -> Result<(), BookError> {
        self.may_invite(board)?;
        let gallery = Gallery::from(site);
        let is_new = !self.galleries.contains_key(&gallery);
        if is_new {
            self.keys.make(&gallery, FIRST)?;
        }
        let begun = KeptGallery::begun(FIRST);
        let kept = self.galleries.get(&gallery).map_or(begun, |people| people.kept.clone());
        let mut earlier = Vec::new();
        if let Some(before) = self.boards.get(board) {
            earlier.clone_from(&before.earlier);
            earlier.push(EarlierKey { site: before.site.clone(), public: before.public });
            earlier.drain(..earlier.len().saturating_sub(MOST_EARLIER));
        }
        let entry = KeptBoard {
            site: site.clone(),
            public: public.to_bytes(),
            credential,
            revoked: false,
            invited_ms: at_ms,
            heard: false,
            earlier,
        };
        let sealed = self.sealed_to(board, &entry, &gallery, kept.epoch)?;
        self.trees.store.commit(&[
            self.trees.put_gallery(&gallery, &kept),
            self.trees.put_board(board, &entry),
            self.trees.put_key(board, &sealed),
        ])?;
        self.galleries.entry(gallery.clone()).or_insert_with(|| People::new(kept));
        self.boards.insert(board.clone(), entry);
        self.board_keys.insert(board.clone(), sealed);
        self.unsent.insert(Item::Key(gallery, board.clone()));
        self.changes += 1;
        match self.rules.contains_key(site) {
            true => Ok(()),
            // A board that has heard no rules cannot tell that there is no lockdown.
            false => self.change_rules(site, at_ms, |_| {}),
        }
    }

    /// The credential of a board.
    pub fn credential_of(&self, board: &Board) -> Result<String, BookError> {
        self.known(board).map(|kept| kept.credential.clone())
    }

    fn known(&self, board: &Board) -> Result<&KeptBoard, BookError> {
        let unknown = || BookError::Refused(format!("there is no board {board}: `usher fleet status` lists all"));
        self.boards.get(board).ok_or_else(unknown)
    }

    /// Shuts a board out: it gets no later key. [`Book::end_epochs`] then seals everybody by a new one.
    pub fn revoke(&mut self, board: &Board) -> Result<(), BookError> {
        let before = self.known(board)?.clone();
        let entry = KeptBoard { revoked: true, ..before.clone() };
        let gallery = Gallery::from(&entry.site);
        self.boards.insert(board.clone(), entry.clone());
        let mut more = self.without_requests_of(board);
        more.push(self.trees.put_board(board, &entry));
        if let Err(error) = self.begin_epoch(&gallery, more) {
            self.boards.insert(board.clone(), before);
            return Err(error);
        }
        self.drop_requests_of(board);
        self.changes += 1;
        Ok(())
    }

    /// Notes that a board was heard: its invitation was used.
    pub fn board_heard(&mut self, board: &Board) -> Result<(), BookError> {
        let Some(entry) = self.boards.get(board).filter(|entry| !entry.heard) else { return Ok(()) };
        let entry = KeptBoard { heard: true, ..entry.clone() };
        self.trees.store.commit(&[self.trees.put_board(board, &entry)])?;
        self.boards.insert(board.clone(), entry);
        Ok(())
    }

    /// Boards whose invitation is over without having been used.
    pub fn overdue(&self, at_ms: u64) -> Vec<Board> {
        let over = |entry: &KeptBoard| at_ms.saturating_sub(entry.invited_ms) > INVITATION_MS;
        let unused = self.boards.iter().filter(|(_, entry)| !entry.revoked && !entry.heard && over(entry));
        unused.map(|(board, _)| board.clone()).collect()
    }

    /// Begins an epoch: a new key, sealed to every board of the gallery that is not revoked. `more` goes into the same commit.
    pub fn begin_epoch(&mut self, gallery: &Gallery, more: Vec<Change>) -> Result<(), BookError> {
        let before = self.people(gallery)?.kept.clone();
        let kept = KeptGallery { epoch: before.epoch.saturating_add(1), ..before };
        self.keys.make(gallery, kept.epoch)?;
        let mut changes = more;
        changes.push(self.trees.put_gallery(gallery, &kept));
        let mut sealed = Vec::new();
        for (board, entry) in &self.boards {
            if Gallery::from(&entry.site) == *gallery && !entry.revoked {
                let key = self.sealed_to(board, entry, gallery, kept.epoch)?;
                changes.push(self.trees.put_key(board, &key));
                sealed.push((board.clone(), key));
            }
        }
        self.trees.store.commit(&changes)?;
        for (board, key) in sealed {
            self.board_keys.insert(board.clone(), key);
            self.unsent.insert(Item::Key(gallery.clone(), board));
        }
        if let Some(people) = self.galleries.get_mut(gallery) {
            people.kept = kept;
        }
        Ok(())
    }

    /// Goes over to the newest key with everybody who is still sealed by an older one, and destroys the older ones.
    pub fn end_epochs(&mut self, gallery: &Gallery) -> Result<(), BookError> {
        while self.end_part(gallery)? {}
        Ok(())
    }

    /// The same for some of the people of any gallery. Returns whether there are more.
    ///
    /// # Errors
    /// The store or the keys cannot be written; call it again.
    pub fn end_some(&mut self) -> Result<bool, BookError> {
        let begun = |(gallery, people): (&Gallery, &People)| {
            self.keys.epochs(gallery).iter().any(|epoch| *epoch < people.kept.epoch).then(|| gallery.clone())
        };
        let Some(gallery) = self.galleries.iter().find_map(begun) else { return Ok(false) };
        self.end_part(&gallery)?;
        Ok(true)
    }

    /// Seals some people of a gallery by the newest key; if there are none, destroys the older keys. Returns whether there were some.
    fn end_part(&mut self, gallery: &Gallery) -> Result<bool, BookError> {
        let people = self.people(gallery)?;
        let (epoch, floor) = (people.kept.epoch, people.kept.floor);
        let entries = people.entries.values().chain(people.beside.entries.values());
        let old = entries.filter_map(|entry| match &entry.record {
            PeopleRecord::Person(person) if person.epoch < epoch => Some(person),
            _ => None,
        });
        let mut new = Vec::new();
        for person in old.take(COMMIT) {
            let (before, after) = (self.epoch_key(gallery, person.epoch)?, self.epoch_key(gallery, epoch)?);
            let version = person.version.max(floor).saturating_add(1);
            let record = PeopleRecord::Person(person.rewrap(self.fleet, before, after, epoch, version)?);
            let signed: Vec<u8> = self.key.sign(self.fleet, &record)?.into();
            new.push((record, signed));
        }
        if new.is_empty() {
            self.keys.destroy_before(gallery, epoch)?;
            return Ok(false);
        }
        let changes: Vec<Change> = new.iter().map(|(record, signed)| self.trees.put_person(record, signed)).collect();
        self.trees.store.commit(&changes)?;
        for (record, signed) in new {
            self.hold(record, signed)?;
        }
        self.changes += 1;
        Ok(true)
    }

    fn sealed_to(&self, board: &Board, entry: &KeptBoard, gallery: &Gallery, epoch: u64) -> Result<Vec<u8>, BookError> {
        let key = self.epoch_key(gallery, epoch)?;
        let sealed = GalleryKey::seal(self.fleet, gallery, epoch, board, key, &entry.public())?;
        Ok(self.key.sign(self.fleet, &sealed)?.into())
    }

    pub(super) fn epoch_key(&self, gallery: &Gallery, epoch: u64) -> Result<&crate::fleet::EpochKey, BookError> {
        self.keys.get(gallery, epoch).ok_or_else(|| {
            BookError::Refused(format!(
                "the key of {gallery} for epoch {epoch} is missing: restore the key file from a backup"
            ))
        })
    }

    pub(super) fn people(&self, gallery: &Gallery) -> Result<&People, BookError> {
        self.galleries.get(gallery).ok_or_else(|| {
            BookError::Refused(format!("there is no site {gallery}: invite its first board with `usher fleet invite`"))
        })
    }
}
