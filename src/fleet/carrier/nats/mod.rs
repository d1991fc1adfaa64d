//! The client of NATS's servers. It speaks JetStream's API itself: six requests, whose subjects the permissions name one by one.

mod answer;
mod connection;
mod push;
mod streams;

use std::time::Duration;

use async_nats::{HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;

use super::permissions::{newest_request, office_inbox};
use super::{
    Answer, Carrier, CarrierError, Domain, Link, MAX_PAYLOAD, MAX_READ, Message, Stored, Stream, StreamState, Subject,
    Watch,
};
use answer::{Fault, Found, OTHER_SETTINGS, Receipt, direct, open};
use streams::{Info, is_direct, settings};

pub use connection::{Connection, NatsCarrier};
pub use push::{ClaimsPushed, push_account};

/// How long to wait for a server's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait until the servers of a cluster agreed on a new stream.
const STREAM_WITHIN: Duration = Duration::from_secs(10);
/// The most requests for messages at once.
const AT_ONCE: u64 = 32;
/// About how many bytes one reading returns at most.
const READ_BYTES: usize = 4 * 1024 * 1024;

impl NatsCarrier {
    /// The answer to a request; `what` says what is asked for.
    async fn ask(&self, to: &str, what: &str, request: Request) -> Result<async_nats::Message, Unanswered> {
        if let Link::Away { why } = self.now() {
            return Err(Unanswered::Error(CarrierError::Away { why }));
        }
        let mut complaints = self.complaints.subscribe();
        complaints.mark_unchanged();
        let refused = async {
            // A server answers a forbidden request with an error of the connection.
            let is_ours = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(&format!("\"{to}\"")));
            let text = complaints.wait_for(is_ours).await.ok().and_then(|text| text.clone());
            match text {
                Some(text) => text,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = refused => Err(Unanswered::Error(CarrierError::Refused { what: what.to_owned(), why })),
            answer = self.client.send_request(to.to_owned(), request) => answer.map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => Unanswered::Nobody,
                _ => Unanswered::Error(CarrierError::Away { why: error.to_string() }),
            }),
        }
    }

    /// The answer to a request to JetStream's API about a stream.
    async fn ask_stream(
        &self,
        to: &str,
        stream: &Stream,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, CarrierError> {
        let mut request = Request::new().payload(body).timeout(Some(within));
        if let (Domain::Hub, Domain::Leaf(site)) = (&self.at, stream.domain(&self.leaves)) {
            // A leaf may answer nowhere else.
            let id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
            request = request.inbox(office_inbox(&site, &id));
        }
        match self.ask(to, stream_name(stream).as_str(), request).await {
            Ok(message) => Ok(message.payload),
            Err(Unanswered::Error(error)) => Err(error),
            Err(Unanswered::Nobody) => {
                Err(self.nobody(stream, CarrierError::Away { why: "no server has JetStream".to_owned() }))
            }
        }
    }

    async fn store(&self, message: Message) -> Result<u64, CarrierError> {
        let Message { subject, payload, id, expected } = message;
        if payload.len() > MAX_PAYLOAD {
            return Err(CarrierError::TooLarge { bytes: payload.len() });
        }
        let mut headers = HeaderMap::new();
        if let Some(id) = id {
            headers.insert("Nats-Msg-Id", id.chars().filter(char::is_ascii_graphic).take(64).collect::<String>());
        }
        if let Some(expected) = expected {
            headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
        }
        let mut request = Request::new().payload(payload).timeout(Some(ANSWER_WITHIN));
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        let answer = self.ask(subject.as_str(), subject.as_str(), request).await.map_err(|error| match error {
            Unanswered::Nobody => self.nobody(subject.stream(), no_stream(subject.stream())),
            Unanswered::Error(error) => error,
        })?;
        let receipt: Result<Receipt, Fault> = open(&answer.payload, subject.as_str())?;
        receipt.map(|receipt| receipt.seq).map_err(|fault| fault.into_error(subject.as_str(), subject.stream()))
    }

    /// Why nobody listens to a request about a stream: the line between a leaf and the fleet's servers is cut, or something else.
    fn nobody(&self, stream: &Stream, otherwise: CarrierError) -> CarrierError {
        match (&self.at, stream.domain(&self.leaves)) {
            (Domain::Leaf(_), Domain::Hub) => {
                CarrierError::Away { why: "the site's leaf server does not reach them".to_owned() }
            }
            (Domain::Hub, Domain::Leaf(site)) => {
                CarrierError::Away { why: format!("the leaf server of {site} is not connected to them") }
            }
            _ => otherwise,
        }
    }

    /// What requests about a stream begin with.
    fn api(&self, stream: &Stream) -> String {
        self.at.api(&stream.domain(&self.leaves))
    }

    /// One message of a stream, by its leader.
    async fn find(&self, stream: &Stream, request: &serde_json::Value) -> Result<Option<Stored>, CarrierError> {
        let to = format!("{}.STREAM.MSG.GET.{stream}", self.api(stream));
        let answer = self.ask_stream(&to, stream, request.to_string().into(), ANSWER_WITHIN).await?;
        let what = stream_name(stream);
        match open::<Found>(&answer, &what)? {
            Ok(found) => found.stored(&what).map(Some),
            Err(fault) if fault.is_nothing() => Ok(None),
            Err(fault) => Err(fault.into_error(&what, stream)),
        }
    }

    /// Each request is answered with the first message from a sequence on, so requests for sequences that follow each other miss none. Where most
    /// sequences are taken, many are asked for at once.
    async fn read_from(&self, stream: &Stream, from: u64, limit: usize) -> Result<Vec<Stored>, CarrierError> {
        let (mut all, mut bytes): (Vec<Stored>, usize) = (Vec::new(), 0);
        let (limit, mut from, mut at_once) = (limit.min(MAX_READ), from.max(1), 1_u64);
        while all.len() < limit && bytes < READ_BYTES {
            let sequences = from..from.saturating_add(at_once);
            let requests: Vec<_> =
                sequences.map(|sequence| json!({ "seq": sequence, "next_by_subj": stream.pattern() })).collect();
            let found = join_all(requests.iter().map(|request| self.find(stream, request))).await;
            let found: Vec<Option<Stored>> = found.into_iter().collect::<Result<_, _>>()?;
            let ended = found.iter().any(Option::is_none);
            let part = upwards(from, found);
            let Some(last) = part.last() else { break };
            from = last.sequence.saturating_add(1);
            bytes = part.iter().map(|stored| stored.payload.len()).fold(bytes, usize::saturating_add);
            let new = part.len() as u64;
            all.extend(part);
            if ended {
                break;
            }
            at_once = if new == at_once { at_once.saturating_mul(2).min(AT_ONCE) } else { at_once.div_ceil(2) };
        }
        all.truncate(limit);
        Ok(all)
    }

    async fn newest_of(&self, subject: &Subject) -> Result<Option<Stored>, CarrierError> {
        let stream = subject.stream();
        if !is_direct(stream) {
            return self.find(stream, &json!({ "last_by_subj": subject.as_str() })).await;
        }
        let request = Request::new().payload(Bytes::new()).timeout(Some(ANSWER_WITHIN));
        match self.ask(&newest_request(&self.at, &self.leaves, subject), subject.as_str(), request).await {
            Ok(message) => direct(message, subject.as_str()),
            Err(Unanswered::Nobody) => Err(self.nobody(stream, no_stream(stream))),
            Err(Unanswered::Error(error)) => Err(error),
        }
    }

    async fn info(&self, stream: &Stream) -> Result<StreamState, CarrierError> {
        let to = format!("{}.STREAM.INFO.{stream}", self.api(stream));
        let answer = self.ask_stream(&to, stream, Bytes::new(), ANSWER_WITHIN).await?;
        let info: Result<Info, Fault> = open(&answer, &stream_name(stream))?;
        info.map(|info| info.state()).map_err(|fault| fault.into_error(&stream_name(stream), stream))
    }

    async fn delete(&self, subject: &Subject) -> Result<(), CarrierError> {
        let stream = subject.stream();
        let to = format!("{}.STREAM.PURGE.{stream}", self.api(stream));
        let body = json!({ "filter": subject.as_str() }).to_string();
        let answer = self.ask_stream(&to, stream, body.into(), STREAM_WITHIN).await?;
        match open::<Purged>(&answer, &stream_name(stream))? {
            Ok(Purged { success: true }) => Ok(()),
            Ok(Purged { success: false }) => {
                Err(CarrierError::Refused { what: stream_name(stream), why: "nothing was deleted".to_owned() })
            }
            Err(fault) => Err(fault.into_error(&stream_name(stream), stream)),
        }
    }

    async fn make(&self, stream: &Stream) -> Result<StreamState, CarrierError> {
        if let Stream::People(gallery) = stream
            && let Ok(site) = gallery.as_str().parse()
        {
            self.leaves.note(site);
        }
        let body: Bytes = settings(stream, self.replicas, &self.leaves.sites()).to_string().into();
        for verb in ["CREATE", "UPDATE"] {
            let to = format!("{}.STREAM.{verb}.{stream}", self.api(stream));
            let answer = self.ask_stream(&to, stream, body.clone(), STREAM_WITHIN).await?;
            match open::<Info>(&answer, &stream_name(stream))? {
                Ok(info) => return Ok(info.state()),
                Err(fault) if verb == "CREATE" && fault.err_code == OTHER_SETTINGS => {}
                Err(fault) => return Err(fault.into_error(&stream_name(stream), stream)),
            }
        }
        Err(CarrierError::Refused { what: stream_name(stream), why: "its settings cannot be changed".to_owned() })
    }
}

/// The messages that answer requests for sequences that follow each other, up to the first request for which there was none: while a stream grows, a
/// later request may find a message, and an earlier one was there too soon to find the message before.
///
/// Answers may be repeated, and a lying server's may be anything: what does not go on upwards is left out.
fn upwards(from: u64, found: Vec<Option<Stored>>) -> Vec<Stored> {
    let mut next = from;
    let mut goes_on = |stored: &Stored| {
        let goes_on = stored.sequence >= next;
        next = next.max(stored.sequence.saturating_add(1));
        goes_on
    };
    found.into_iter().map_while(|stored| stored).filter(|stored| goes_on(stored)).collect()
}

#[derive(serde::Deserialize)]
struct Purged {
    success: bool,
}

fn no_stream(stream: &Stream) -> CarrierError {
    CarrierError::NoStream { stream: stream.name() }
}

/// A stream in an error's words.
fn stream_name(stream: &Stream) -> String {
    format!("the stream {stream}")
}

/// Why a request has no answer.
enum Unanswered {
    /// Nobody listens to its subject.
    Nobody,
    Error(CarrierError),
}

impl Carrier for NatsCarrier {
    fn publish(&self, message: Message) -> Answer<'_, u64> {
        Box::pin(self.store(message))
    }

    fn read<'a>(&'a self, stream: &'a Stream, from: u64, limit: usize) -> Answer<'a, Vec<Stored>> {
        Box::pin(self.read_from(stream, from, limit))
    }

    fn newest<'a>(&'a self, subject: &'a Subject) -> Answer<'a, Option<Stored>> {
        Box::pin(self.newest_of(subject))
    }

    fn state<'a>(&'a self, stream: &'a Stream) -> Answer<'a, StreamState> {
        Box::pin(self.info(stream))
    }

    fn prepare<'a>(&'a self, stream: &'a Stream) -> Answer<'a, StreamState> {
        Box::pin(self.make(stream))
    }

    fn purge<'a>(&'a self, subject: &'a Subject) -> Answer<'a, ()> {
        Box::pin(self.delete(subject))
    }

    /// The servers send each message of a stream to those who subscribe to its subject, too. After a new connection the client subscribes again.
    fn watch<'a>(&'a self, subject: &'a Subject) -> Answer<'a, Watch> {
        Box::pin(async {
            let messages = self
                .client
                .subscribe(subject.as_str().to_owned())
                .await
                .map_err(|error| CarrierError::Away { why: error.to_string() })?;
            Ok(Watch::new(Box::pin(messages.map(|_| ())), self.link.subscribe()))
        })
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_came_between_two_requests_is_not_passed_over() {
        let stored = |sequence| Some(Stored { subject: String::new(), sequence, at_ms: 0, payload: Bytes::new() });
        let read = |found| upwards(12, found).iter().map(|stored| stored.sequence).collect::<Vec<_>>();
        assert_eq!(read(vec![stored(12), None, stored(14)]), [12], "13 came after it was asked for, 14 before");
        assert_eq!(read(vec![None, stored(13)]), [] as [u64; 0]);
        assert_eq!(read(vec![stored(12), stored(15), stored(15), stored(15)]), [12, 15], "13 and 14 were replaced");
        assert_eq!(read(vec![stored(13), stored(11), stored(12), stored(14)]), [13, 14], "a server that lies");
    }
}
