//! Comparing what the servers have with what the office's store says. What is missing or different there is published again; a newer record of this
//! office that the store has not is taken over: the store was restored from a backup.

use std::collections::BTreeMap;

use crate::fleet::carrier::{Carrier, CarrierError, MAX_READ, Stored, Stream, StreamState, Subject};
use crate::fleet::{Gallery, GalleryKey, Opened, PeopleRecord, SiteRules};
use crate::office::fleet::{Book, BookError, Item, Recovered};

/// What the servers have of each subject.
#[derive(Default)]
pub struct Servers {
    /// The sequence of the newest message of each subject; under a pattern, of one that was deleted.
    pub sequences: BTreeMap<String, u64>,
    /// The births of the streams.
    pub births: BTreeMap<Stream, u64>,
    /// Messages whose subjects and payloads were not compared yet.
    found: Vec<(Stream, Stored)>,
}

impl Servers {
    /// Makes the streams, and reads all of what the office writes.
    ///
    /// # Errors
    /// The servers are away, or refuse.
    pub async fn read(carrier: &dyn Carrier, galleries: Vec<Gallery>) -> Result<Servers, CarrierError> {
        let mut servers = Servers::default();
        for stream in Stream::all(galleries) {
            let StreamState { birth, last, .. } = carrier.prepare(&stream).await?;
            servers.births.insert(stream.clone(), birth);
            if !matches!(stream, Stream::Rules | Stream::Keys | Stream::Answers | Stream::People(_)) {
                continue;
            }
            let mut from = 1;
            loop {
                let part = carrier.read(&stream, from, MAX_READ).await?;
                let Some(last) = part.last() else { break };
                from = last.sequence.saturating_add(1);
                servers.found.extend(part.into_iter().map(|stored| (stream.clone(), stored)));
            }
            // Of what was deleted, too: a stream's last message may be gone.
            servers.sequences.insert(stream.pattern(), last.max(from.saturating_sub(1)));
        }
        for (_, stored) in &servers.found {
            servers.sequences.insert(stored.subject.clone(), stored.sequence);
        }
        Ok(servers)
    }

    /// The sequence of the newest message of a stream, as far as it was read or written.
    pub fn newest(&self, stream: &Stream) -> u64 {
        let written = self.sequences.iter().filter(|(subject, _)| stream.takes(subject));
        written.map(|(_, sequence)| *sequence).max().unwrap_or_default()
    }

    /// Notes that everything under a pattern was deleted.
    pub fn purged(&mut self, pattern: &Subject) {
        let mut newest = 0;
        self.sequences.retain(|subject, sequence| {
            let gone = pattern.covers(subject);
            newest = if gone { newest.max(*sequence) } else { newest };
            !gone
        });
        self.sequences.insert(pattern.to_string(), newest);
    }

    /// Compares it with the book: everything that differs is then unsent.
    ///
    /// # Errors
    /// A newer record cannot be stored.
    pub fn compare(&mut self, book: &mut Book) -> Result<(), BookError> {
        self.recover(book)?;
        let mut unsent = book.items();
        let subjects: BTreeMap<String, Item> =
            unsent.iter().map(|item| (subject(item).to_string(), item.clone())).collect();
        let mut newest: BTreeMap<String, (Stream, Stored)> = BTreeMap::new();
        for (stream, stored) in self.found.drain(..) {
            newest.insert(stored.subject.clone(), (stream, stored));
        }
        // Rules first: they say which models a gallery has.
        let mut newest: Vec<(String, (Stream, Stored))> = newest.into_iter().collect();
        newest.sort_by_key(|(_, (stream, _))| *stream != Stream::Rules);
        for (text, (stream, stored)) in newest {
            let item = subjects.get(&text);
            if item.and_then(|item| book.bytes(item)).is_some_and(|ours| *ours == *stored.payload) {
                item.map(|item| unsent.remove(item));
                continue;
            }
            match take_over(book, &stream, &stored, item)? {
                Some(dropped @ Item::Dropped(..)) => drop(unsent.insert(dropped)),
                Some(newer) => drop(unsent.remove(&newer)),
                None => {}
            }
        }
        book.unsent = unsent;
        book.refused.clear();
        Ok(())
    }
}

impl Servers {
    /// Goes on after the epochs that the servers know of and the book does not: its store was restored from a backup.
    fn recover(&self, book: &mut Book) -> Result<(), BookError> {
        let (public, fleet) = (book.key.public(), book.fleet);
        let mut newest: BTreeMap<Gallery, u64> = BTreeMap::new();
        for (_, stored) in self.found.iter().filter(|(stream, _)| *stream == Stream::Keys) {
            if let Ok(Opened::Body(GalleryKey { gallery, epoch, .. })) = public.open(fleet, &stored.payload) {
                let newest = newest.entry(gallery).or_default();
                *newest = epoch.max(*newest);
            }
        }
        for (gallery, epoch) in newest {
            if book.galleries.get(&gallery).is_none_or(|people| people.kept.epoch >= epoch) {
                continue;
            }
            // Of each person the newest record: it is the last one that is found.
            let mut there = BTreeMap::new();
            for (_, stored) in self.found.iter().filter(|(stream, _)| *stream == Stream::People(gallery.clone())) {
                if let Ok(Opened::Body(record)) = public.open::<PeopleRecord>(fleet, &stored.payload) {
                    there.insert(stored.subject.clone(), (record, stored.payload.to_vec()));
                }
            }
            let there: Vec<_> = there.into_values().collect();
            if let Some(Recovered { same, disabled, forgotten }) = book.recover(&gallery, epoch, &there)? {
                tracing::warn!(%gallery, same, disabled, forgotten, "the office goes on from a backup: all people were sealed anew");
            }
        }
        Ok(())
    }
}

/// Takes a record of this office over that is newer than the book's. Returns what is not to be published, because the servers have something newer.
fn take_over(
    book: &mut Book,
    stream: &Stream,
    stored: &Stored,
    item: Option<&Item>,
) -> Result<Option<Item>, BookError> {
    let (public, fleet, signed) = (book.key.public(), book.fleet, stored.payload.to_vec());
    match stream {
        Stream::People(gallery) => {
            let Ok(Opened::Body(record)) = public.open::<PeopleRecord>(fleet, &signed) else { return Ok(None) };
            let (uuid, version, model) = (record.uuid(), record.version(), record.model().clone());
            if record.gallery() != gallery {
                return Ok(None);
            }
            if !book.keeps(&record) {
                let dropped = book.galleries.get(gallery).is_some_and(|people| people.kept.dropped.contains(&model));
                // Of any other model, nothing is known here: it stays where it is.
                return Ok(dropped.then(|| Item::Dropped(gallery.clone(), model)));
            }
            let held = book.galleries.get(gallery).and_then(|people| people.set(&model)?.0.get(&uuid));
            if held.is_some_and(|held| held.record.version() >= version) {
                return Ok(None);
            }
            match book.adopt_person(record, signed)? {
                true => {
                    tracing::warn!(%uuid, version, "the servers had a newer record than the store, which was restored from a backup")
                }
                false => {
                    tracing::error!(%uuid, version, "ALARM: the servers have a newer record, and its key is missing here: restore a newer key file")
                }
            }
            Ok(Some(Item::Person(gallery.clone(), model, uuid)))
        }
        Stream::Rules => {
            let Ok(Opened::Body(rules)) = public.open::<SiteRules>(fleet, &signed) else { return Ok(None) };
            let held = book.rules.get(&rules.site).map(|rules| &rules.body);
            // Without this, rules of another subject would be taken for those of this one.
            let is_its_own = Subject::rules(&rules.site).as_str() == stored.subject;
            if !is_its_own || !rules.replace(held) {
                return Ok(None);
            }
            let site = rules.site.clone();
            tracing::warn!(%site, "the servers had newer rules than the store, which was restored from a backup");
            book.adopt_rules(rules, signed)?;
            Ok(Some(Item::Rules(site)))
        }
        _ => Ok(item.cloned().filter(|item| book.bytes(item).is_none())),
    }
}

/// The subject of an item.
pub fn subject(item: &Item) -> Subject {
    match item {
        Item::Rules(site) => Subject::rules(site),
        Item::Key(gallery, board) => Subject::key(gallery, board),
        Item::Dropped(gallery, model) => Subject::of_model(gallery, model.as_str()),
        // Of somebody who was forgotten, too: the mark takes the place of the record.
        Item::Person(gallery, model, uuid) => Subject::person(gallery, model.as_str(), *uuid),
        Item::Answers(site, board) => Subject::answers(site, board),
    }
}

/// The galleries of a book.
pub fn galleries(book: &Book) -> Vec<Gallery> {
    book.galleries.keys().cloned().collect()
}
