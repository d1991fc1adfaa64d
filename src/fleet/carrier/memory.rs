//! A carrier in memory: one server, shared by any number of carriers whose connections can be cut.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::ready;
use tokio::sync::{mpsc, watch};

use super::{
    Answer, Carrier, CarrierError, Link, MAX_PAYLOAD, MAX_READ, Message, Stored, Stream, StreamState, Subject, Watch,
};

/// The ids that a stream remembers.
const IDS: usize = 1000;

#[derive(Default)]
struct Kept {
    birth: u64,
    last: u64,
    messages: BTreeMap<u64, Stored>,
    /// Ids of messages with their sequences.
    ids: VecDeque<(String, u64)>,
}

#[derive(Default)]
struct State {
    streams: BTreeMap<Stream, Kept>,
    births: u64,
    now_ms: i64,
    watchers: Vec<(Subject, mpsc::Sender<()>)>,
}

/// A server in memory. It has no streams until the office prepares them, and its clock stands at 0 until [`MemoryServer::set_time`].
#[derive(Clone, Default)]
pub struct MemoryServer {
    state: Arc<Mutex<State>>,
}

impl MemoryServer {
    /// A connection to it.
    pub fn carrier(&self) -> MemoryCarrier {
        MemoryCarrier { server: self.clone(), link: watch::Sender::new(Link::Online) }
    }

    /// Deletes all streams. When they are prepared again they have other births.
    pub fn wipe(&self) {
        self.lock().streams.clear();
    }

    /// Sets the server's clock, in milliseconds since 1970.
    pub fn set_time(&self, ms: i64) {
        self.lock().now_ms = ms;
    }

    /// Puts back an old message as the newest of its subject, as a server may that lies or was restored from a backup.
    pub fn replay(&self, message: &Stored, subject: &Subject) {
        let mut state = self.lock();
        let now_ms = state.now_ms;
        if let Some(kept) = state.streams.get_mut(subject.stream()) {
            kept.store(&Message::new(subject.clone(), message.payload.clone()), now_ms);
        }
        state.tell(subject.as_str());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stream(&mut self, stream: &Stream) -> Result<&mut Kept, CarrierError> {
        self.streams.get_mut(stream).ok_or_else(|| CarrierError::NoStream { stream: stream.name() })
    }

    fn tell(&mut self, subject: &str) {
        // A full queue has a hint already.
        self.watchers.retain(|(watched, hints)| match watched.covers(subject) {
            true => !matches!(hints.try_send(()), Err(mpsc::error::TrySendError::Closed(()))),
            false => !hints.is_closed(),
        });
    }
}

impl Kept {
    fn newest(&self, subject: &str) -> Option<&Stored> {
        self.messages.values().rev().find(|stored| stored.subject == subject)
    }

    fn store(&mut self, message: &Message, at_ms: i64) -> u64 {
        let subject = message.subject.as_str();
        if *message.subject.stream() != Stream::Journal {
            self.messages.retain(|_, stored| stored.subject != subject);
        }
        self.last = self.last.saturating_add(1);
        let stored =
            Stored { subject: subject.to_owned(), sequence: self.last, at_ms, payload: message.payload.clone() };
        self.messages.insert(self.last, stored);
        if let Some(id) = &message.id {
            self.ids.push_back((id.clone(), self.last));
            if self.ids.len() > IDS {
                self.ids.pop_front();
            }
        }
        self.last
    }

    fn state(&self) -> StreamState {
        StreamState {
            birth: self.birth,
            first: self.messages.keys().next().copied().unwrap_or(self.last.saturating_add(1)),
            last: self.last,
            messages: u64::try_from(self.messages.len()).unwrap_or(u64::MAX),
        }
    }
}

/// A connection to a [`MemoryServer`].
pub struct MemoryCarrier {
    server: MemoryServer,
    link: watch::Sender<Link>,
}

impl MemoryCarrier {
    /// Cuts the connection.
    pub fn cut(&self) {
        self.link.send_replace(Link::Away { why: "cut".to_owned() });
    }

    /// Connects again.
    pub fn mend(&self) {
        self.link.send_replace(Link::Online);
    }

    fn online(&self) -> Result<MutexGuard<'_, State>, CarrierError> {
        match &*self.link.borrow() {
            Link::Online => Ok(self.server.lock()),
            Link::Away { why } => Err(CarrierError::Away { why: why.clone() }),
        }
    }

    fn store(&self, message: &Message) -> Result<u64, CarrierError> {
        if message.payload.len() > MAX_PAYLOAD {
            return Err(CarrierError::TooLarge { bytes: message.payload.len() });
        }
        let mut state = self.online()?;
        let now_ms = state.now_ms;
        let kept = state.stream(message.subject.stream())?;
        let known = message.id.as_ref().and_then(|id| kept.ids.iter().find(|(known, _)| known == id));
        if let Some((_, sequence)) = known {
            return Ok(*sequence);
        }
        let newest = kept.newest(message.subject.as_str()).map_or(0, |stored| stored.sequence);
        if message.expected.is_some_and(|expected| expected != newest) {
            return Err(CarrierError::Conflict { subject: message.subject.to_string() });
        }
        let sequence = kept.store(message, now_ms);
        state.tell(message.subject.as_str());
        Ok(sequence)
    }
}

fn answer<'a, T: Send + 'a>(result: Result<T, CarrierError>) -> Answer<'a, T> {
    Box::pin(ready(result))
}

impl Carrier for MemoryCarrier {
    fn publish(&self, message: Message) -> Answer<'_, u64> {
        answer(self.store(&message))
    }

    fn read<'a>(&'a self, stream: &'a Stream, from: u64, limit: usize) -> Answer<'a, Vec<Stored>> {
        let found = self.online().and_then(|mut state| {
            let kept = state.stream(stream)?;
            Ok(kept.messages.range(from..).take(limit.min(MAX_READ)).map(|(_, stored)| stored.clone()).collect())
        });
        answer(found)
    }

    fn newest<'a>(&'a self, subject: &'a Subject) -> Answer<'a, Option<Stored>> {
        let found =
            self.online().and_then(|mut state| Ok(state.stream(subject.stream())?.newest(subject.as_str()).cloned()));
        answer(found)
    }

    fn state<'a>(&'a self, stream: &'a Stream) -> Answer<'a, StreamState> {
        answer(self.online().and_then(|mut state| Ok(state.stream(stream)?.state())))
    }

    fn prepare<'a>(&'a self, stream: &'a Stream) -> Answer<'a, StreamState> {
        let made = self.online().map(|mut state| {
            if !state.streams.contains_key(stream) {
                state.births = state.births.saturating_add(1);
                let birth = state.births;
                state.streams.insert(stream.clone(), Kept { birth, ..Kept::default() });
            }
            state.stream(stream).map(|kept| kept.state())
        });
        answer(made.and_then(|state| state))
    }

    fn purge<'a>(&'a self, subject: &'a Subject) -> Answer<'a, ()> {
        let purged = self.online().and_then(|mut state| {
            state.stream(subject.stream())?.messages.retain(|_, stored| !subject.covers(&stored.subject));
            Ok(())
        });
        answer(purged)
    }

    fn watch<'a>(&'a self, subject: &'a Subject) -> Answer<'a, Watch> {
        let (hints, receiver) = mpsc::channel(1);
        self.server.lock().watchers.push((subject.clone(), hints));
        let hints = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|()| ((), receiver))
        });
        answer(Ok(Watch::new(Box::pin(hints), self.link.subscribe())))
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Board, Site};
    use std::time::Duration;

    fn names() -> (Site, Board) {
        ("berlin".parse().unwrap(), "hall".parse().unwrap())
    }

    #[tokio::test]
    async fn the_newest_of_a_subject_is_kept_and_the_journal_whole() {
        let (site, board) = names();
        let server = MemoryServer::default();
        let office = server.carrier();
        let (rules, journal) = (Subject::rules(&site), Subject::journal(&site, &board));
        let missing = office.publish(Message::new(rules.clone(), "1")).await.unwrap_err();
        assert_eq!(missing, CarrierError::NoStream { stream: "RULES".to_owned() });
        for stream in Stream::all([]) {
            office.prepare(&stream).await.unwrap();
        }
        server.set_time(5000);
        for text in ["1", "2", "3"] {
            office.publish(Message::new(rules.clone(), text)).await.unwrap();
            office.publish(Message::new(journal.clone(), text)).await.unwrap();
        }
        let newest = office.newest(&rules).await.unwrap().unwrap();
        assert_eq!((newest.sequence, newest.at_ms, &newest.payload[..]), (3, 5000, &b"3"[..]));
        let state = office.state(&Stream::Rules).await.unwrap();
        assert_eq!((state.first, state.last, state.messages), (3, 3, 1));
        let kept = office.read(&Stream::Journal, 2, 10).await.unwrap();
        assert_eq!(kept.iter().map(|stored| stored.sequence).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(office.read(&Stream::Journal, 0, 1).await.unwrap().len(), 1);
        let large = office.publish(Message::new(rules, vec![0; MAX_PAYLOAD + 1])).await.unwrap_err();
        assert_eq!(large, CarrierError::TooLarge { bytes: MAX_PAYLOAD + 1 });
    }

    #[tokio::test]
    async fn ids_are_stored_once_and_a_second_writer_is_noticed() {
        let server = MemoryServer::default();
        let (one, other) = (server.carrier(), server.carrier());
        one.prepare(&Stream::Office).await.unwrap();
        let claim = |expected| Message {
            expected: Some(expected),
            id: Some(format!("claim-{expected}")),
            ..Message::new(Subject::office(), "me")
        };
        assert_eq!(one.publish(claim(0)).await, Ok(1));
        assert_eq!(one.publish(claim(0)).await, Ok(1), "sent twice, stored once");
        let late = Message { id: None, ..claim(0) };
        assert!(matches!(other.publish(late).await, Err(CarrierError::Conflict { .. })));
        assert_eq!(other.publish(claim(1)).await, Ok(2));
    }

    #[tokio::test]
    async fn a_cut_connection_answers_nothing_and_a_wiped_server_is_born_again() {
        let server = MemoryServer::default();
        let carrier = server.carrier();
        let first = carrier.prepare(&Stream::Boards).await.unwrap();
        let mut link = carrier.link();
        carrier.cut();
        assert!(matches!(carrier.state(&Stream::Boards).await, Err(CarrierError::Away { .. })));
        assert!(matches!(&*link.borrow_and_update(), Link::Away { .. }));
        carrier.mend();
        server.wipe();
        assert!(matches!(carrier.state(&Stream::Boards).await, Err(CarrierError::NoStream { .. })));
        assert_ne!(carrier.prepare(&Stream::Boards).await.unwrap().birth, first.birth);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_is_told_of_its_subjects_only() {
        let (site, board) = names();
        let server = MemoryServer::default();
        let carrier = server.carrier();
        for stream in Stream::all([]) {
            carrier.prepare(&stream).await.unwrap();
        }
        let mut watch = carrier.watch(&Subject::rules(&site)).await.unwrap();
        // The first one, and all that follow from it.
        for _ in 0..5 {
            watch.changed().await;
        }
        let started = tokio::time::Instant::now();
        carrier.publish(Message::new(Subject::board(&site, &board), "b")).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.is_err());
        carrier.publish(Message::new(Subject::rules(&site), "r")).await.unwrap();
        watch.changed().await;
        assert!(started.elapsed() < Duration::from_millis(5100));
    }
}
